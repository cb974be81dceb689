"""A loss is turned into weights exactly: its average is undone, whichever it is."""

import numpy as np
import pytest
import torch

from banditlab.rules import RULES
from banditlab.testing import Promises, TokenBatch
from banditlab.testing.checks.gradients import weight_of_objective
from banditlab.testing.kinds import make_subject
from banditlab.testing.objectives import importance_weighted
from banditlab.testing.subject import normaliser
from tests.banditlab.testing.teeth import correct

BATCH = TokenBatch.of(
    [[-1.0, -2.0, -0.5], [-3.0, -1.0, 0.0]],
    [[-1.1, -1.9, -0.5], [-2.9, -1.0, -9.0]],
    [1.0, -0.5],
    [[True, True, True], [True, False, False]],
)
# By hand: N = 2 responses of 3 and 1 tokens.
DIVISORS = {
    "token_mean": [[4.0] * 3, [4.0] * 3],
    "sequence_mean": [[6.0] * 3, [2.0] * 3],
    "sequence_sum": [[2.0] * 3, [2.0] * 3],
    "sum": [[1.0] * 3, [1.0] * 3],
    "constant_length": [[16.0] * 3, [16.0] * 3],
}


def promised(averaging, **more):
    max_tokens = 8 if averaging == "constant_length" else None
    return Promises(averaging=averaging, max_tokens=max_tokens, **more)


@pytest.mark.parametrize("averaging", DIVISORS)
def test_divisors_by_hand(averaging):
    np.testing.assert_array_equal(normaliser(promised(averaging), BATCH.mask), DIVISORS[averaging])


def test_the_divisor_of_a_response_without_tokens_is_one():
    mask = np.array([[False, False], [True, True]])
    found = normaliser(promised("sequence_mean"), mask)
    np.testing.assert_array_equal(found, [[1.0, 1.0], [4.0, 4.0]])


def test_the_log_ratio_of_a_response_is_a_sum_so_its_tokens_share_no_weight():
    found = normaliser(promised("sequence_mean", level="sequence"), BATCH.mask)
    np.testing.assert_array_equal(found, np.full((2, 3), 2.0))


@pytest.mark.parametrize("averaging", DIVISORS)
def test_a_loss_written_by_hand_gives_back_its_weights(averaging):
    """-sum over tokens of c * ratio * A: the weight is ratio * A whatever the divisor c."""

    def loss(log_prob, old_log_prob, advantage, mask):
        value = torch.where(mask, (log_prob - old_log_prob).exp() * advantage, 0.0)
        return -(value / torch.tensor(DIVISORS[averaging])).sum()

    subject = make_subject(
        lambda log_prob, old_log_prob, advantage, mask: (
            loss(log_prob, old_log_prob, advantage, mask)
            if mask.shape[1] == 3 and not mask.all()
            else (log_prob * advantage).sum()
        ),
        promises=promised(averaging, objective=importance_weighted),
    )
    expected = np.where(BATCH.mask, BATCH.ratio * BATCH.advantage, 0.0)
    np.testing.assert_allclose(subject.token_weight(BATCH), expected, rtol=1e-13)
    np.testing.assert_allclose(weight_of_objective(subject, BATCH), expected, rtol=1e-13)


@pytest.mark.parametrize(
    ("loss", "averaging"),
    [
        (correct.clip_token_mean, "token_mean"),
        (correct.clip_sequence_mean, "sequence_mean"),
        (correct.clip_sequence_sum, "sequence_sum"),
        (correct.clip_sum, "sum"),
        (correct.clip_constant_length, "constant_length"),
    ],
)
def test_one_clip_under_five_averages_has_one_weight(loss, averaging):
    subject = make_subject(loss)
    assert subject.promises.averaging == averaging
    expected = np.where(BATCH.mask, correct.clip(*BATCH.arrays()[:3]), 0.0)
    np.testing.assert_allclose(subject.token_weight(BATCH), expected, rtol=1e-13)
    np.testing.assert_allclose(weight_of_objective(subject, BATCH), expected, rtol=1e-13)


@pytest.mark.parametrize(
    ("loss", "log_ratio"), [(correct.gspo, 0.0), (correct.clip_of_sequences, 0.0)]
)
def test_every_token_of_a_response_carries_the_responses_ratio(loss, log_ratio):
    """Log-ratios 0.1, -0.1, 0 pool to 0; -0.1 alone is its own sum and mean."""
    subject = make_subject(loss)
    row = np.exp(-0.1) * -0.5
    expected = [[np.exp(log_ratio)] * 3, [row, 0.0, 0.0]]
    np.testing.assert_allclose(subject.token_weight(BATCH), expected, rtol=1e-12)
    np.testing.assert_allclose(weight_of_objective(subject, BATCH), expected, rtol=1e-12)


def test_a_weight_is_taken_as_it_is():
    subject = make_subject(correct.undeclared)
    np.testing.assert_array_equal(subject.token_weight(BATCH), BATCH.ratio * BATCH.advantage)
    for dtype, rtol in (("float32", 1e-6), ("float64", 1e-14)):
        for namespace in ("numpy", "torch", "array_api_strict"):
            found = subject.token_weight(BATCH, namespace=namespace, dtype=dtype)
            np.testing.assert_allclose(found, BATCH.ratio * BATCH.advantage, rtol=rtol)


@pytest.mark.parametrize(
    ("rule", "parts"),
    [
        (correct.undeclared, {"weight", "elementwise"}),
        (correct.masked_weight, {"weight", "elementwise", "mask"}),
        (correct.gspo, {"weight", "loss", "mask"}),
        (correct.rank, {"advantage"}),
        (RULES["clip"], {"weight", "elementwise", "advantage"}),
    ],
)
def test_the_parts_of_each_kind(rule, parts):
    subject = make_subject(rule)
    every = ("weight", "elementwise", "loss", "mask", "advantage")
    assert {part for part in every if subject.has(part)} == parts


def test_a_loss_leaves_no_gradient_behind():
    subject = make_subject(correct.gspo)
    arrays = [torch.from_numpy(array) for array in BATCH.arrays()]
    subject.call_weight(*arrays)
    assert arrays[0].grad is None
    assert not arrays[0].requires_grad
