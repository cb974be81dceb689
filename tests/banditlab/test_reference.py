"""What each KL estimator does in each place, by enumeration of a small softmax.

Expected score weights, sum over arms of old_prob * weight * score, are compared with autograd of
the divergences themselves.
"""

import array_api_strict
import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from banditlab.expectation import expected_update
from banditlab.reference import ESTIMATORS, ReferenceTerm, kl_estimate, reference_weight
from banditlab.rules import RULES
from banditlab.testing.objectives import kl_estimate as published_estimate

LOGITS = np.array([0.3, -0.7, 1.1, 0.0])
REF_LOGITS = np.array([-0.5, 0.4, 0.2, 1.0])
OLD_LOGITS = np.array([0.1, 0.1, 0.6, -0.4])
LOG_PROB, REF_LOG_PROB, OLD_LOG_PROB = map(log_softmax, (LOGITS, REF_LOGITS, OLD_LOGITS))


def reverse_kl(log_prob, ref_log_prob):
    return (log_prob.exp() * (log_prob - ref_log_prob)).sum()


def forward_kl(log_prob, ref_log_prob):
    return (ref_log_prob.exp() * (ref_log_prob - log_prob)).sum()


def half_square(log_prob, ref_log_prob):
    return (log_prob.exp() * (log_prob - ref_log_prob) ** 2).sum() / 2


def gradient(divergence):
    """Gradient of a divergence from the reference by the logits."""
    logits = torch.tensor(LOGITS, requires_grad=True)
    divergence(torch.log_softmax(logits, 0), torch.tensor(REF_LOG_PROB)).backward()
    return logits.grad.numpy()


REVERSE, FORWARD, HALF_SQUARE = map(gradient, (reverse_kl, forward_kl, half_square))


def expected_push(weight, sampling_prob):
    """Expected gradient of the objective by the logits, samples drawn from sampling_prob."""
    score = np.eye(len(LOGITS)) - np.exp(LOG_PROB)
    return (sampling_prob * weight) @ score


def push_in_the_loss(estimator, is_ratio_corrected, old_log_prob=LOG_PROB):
    weight = reference_weight(
        LOG_PROB,
        old_log_prob,
        REF_LOG_PROB,
        coefficient=0.7,
        estimator=estimator,
        is_ratio_corrected=is_ratio_corrected,
    )
    return expected_push(weight, np.exp(old_log_prob))


def push_in_the_reward(estimator):
    estimate = kl_estimate(LOG_PROB, REF_LOG_PROB, estimator)
    return expected_push(-0.7 * estimate, np.exp(LOG_PROB))


@pytest.mark.parametrize(
    ("push", "divergence"),
    [
        (push_in_the_loss("k1", False), 0.0 * REVERSE),
        (push_in_the_loss("k2", False), REVERSE),
        (push_in_the_loss("k3", False), FORWARD),
        (push_in_the_loss("k1", True), REVERSE),
        (push_in_the_loss("k2", True), HALF_SQUARE),
        (push_in_the_loss("k3", True), REVERSE),
        (push_in_the_reward("k1"), REVERSE),
        (push_in_the_reward("k2"), HALF_SQUARE - REVERSE),
        (push_in_the_reward("k3"), REVERSE - FORWARD),
    ],
    ids=[
        "k1 loss: nothing",
        "k2 loss: reverse",
        "k3 loss: forward",
        "k1 loss with ratio: reverse",
        "k2 loss with ratio: half the mean square",
        "k3 loss with ratio: reverse",
        "k1 reward: reverse",
        "k2 reward: half the mean square less reverse",
        "k3 reward: reverse less forward",
    ],
)
def test_which_divergence_is_descended_in_which_place(push, divergence):
    np.testing.assert_allclose(push, -0.7 * divergence, rtol=1e-10, atol=1e-15)


def test_the_divergences_are_far_apart():
    """So that none of the identities above could pass for another."""
    candidates = [0.0 * REVERSE, REVERSE, FORWARD, HALF_SQUARE, HALF_SQUARE - REVERSE]
    for index, one in enumerate(candidates):
        for other in candidates[:index]:
            assert np.abs(one - other).max() > 0.01


@pytest.mark.parametrize(
    ("estimator", "divergence"), [("k1", REVERSE), ("k2", HALF_SQUARE), ("k3", REVERSE)]
)
def test_ratio_correction_holds_on_stale_samples(estimator, divergence):
    push = push_in_the_loss(estimator, True, OLD_LOG_PROB)
    np.testing.assert_allclose(push, -0.7 * divergence, rtol=1e-10)
    # Without correction, stale samples break every estimator.
    assert np.abs(push_in_the_loss(estimator, False, OLD_LOG_PROB) + 0.7 * divergence).max() > 0.02


def test_k3_with_the_swapped_sign_is_rejected():
    weight = -reference_weight(
        LOG_PROB, LOG_PROB, REF_LOG_PROB, coefficient=0.7, estimator="k3", is_ratio_corrected=False
    )
    push = expected_push(weight, np.exp(LOG_PROB))
    assert np.abs(push + 0.7 * FORWARD).max() > 0.05


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_estimators_are_those_of_the_blog(estimator):
    log_prob, ref_log_prob = torch.tensor(LOG_PROB), torch.tensor(REF_LOG_PROB)
    expected = published_estimate(log_prob, ref_log_prob, estimator).numpy()
    found = kl_estimate(LOG_PROB, REF_LOG_PROB, estimator)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)
    mean = np.exp(LOG_PROB) @ found
    reverse = reverse_kl(log_prob, ref_log_prob).item()
    assert (mean == pytest.approx(reverse, rel=1e-12)) == (estimator != "k2")


def test_k3_is_exact_where_the_policies_nearly_agree():
    """exp(-k1) - 1 + k1 written with exp would lose all digits here."""
    found = kl_estimate(np.array([-1.0 + 1e-6]), np.array([-1.0]), "k3")
    np.testing.assert_allclose(found, 5e-13, rtol=1e-3)


@pytest.mark.parametrize("is_ratio_corrected", [False, True])
@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("convert", [torch.asarray, array_api_strict.asarray])
def test_weights_equal_autograd_in_every_namespace(convert, estimator, is_ratio_corrected):
    leaf = torch.tensor(LOG_PROB, requires_grad=True)
    estimate = published_estimate(leaf, torch.tensor(REF_LOG_PROB), estimator)
    if is_ratio_corrected:
        estimate = torch.exp(leaf - torch.tensor(OLD_LOG_PROB)) * estimate
    (-0.7 * estimate).sum().backward()
    arrays = [convert(array.copy()) for array in (LOG_PROB, OLD_LOG_PROB, REF_LOG_PROB)]
    found = reference_weight(
        *arrays, coefficient=0.7, estimator=estimator, is_ratio_corrected=is_ratio_corrected
    )
    np.testing.assert_allclose(np.asarray(found), leaf.grad.numpy(), rtol=1e-10, atol=1e-15)


def test_the_registry_descends_what_its_formulas_say():
    """Expected update of a rule less that of the same rule without its reference term."""
    reward = np.array([1.0, 0.0, 0.0, 1.0])
    for name, divergence in (
        ("grpo_k3", FORWARD),
        ("grpo_k3_corrected", REVERSE),
        ("leave_one_out_k1", REVERSE),
    ):
        rule = RULES[name].with_hyper(coefficient=0.3)
        with_term = expected_update(rule, LOGITS, reward, 4, ref_logits=REF_LOGITS)
        without = expected_update(rule.with_reference(None), LOGITS, reward, 4)
        np.testing.assert_allclose(with_term - without, -0.3 * divergence, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"coefficient": -1.0}, r"`coefficient` must be a finite number in \[0, inf\], got -1.0"),
        ({"estimator": "k4"}, r"`estimator` must be a known estimator, got 'k4'.*k1, k2, k3"),
        ({"place": "los"}, r"`place` must be a known place, got 'los'. Did you mean 'loss'"),
        (
            {"place": "reward", "is_ratio_corrected": True},
            r"`is_ratio_corrected` must be False where the place is the reward, got True",
        ),
    ],
)
def test_wrong_terms_are_refused(settings, message):
    with pytest.raises(ValueError, match=f"ReferenceTerm: {message}"):
        ReferenceTerm(**{"coefficient": 0.1, "estimator": "k3", "place": "loss", **settings})


def test_unequal_shapes_and_unknown_estimators_are_refused():
    one, two = np.zeros(1), np.zeros(2)
    with pytest.raises(ValueError, match=r"kl_estimate: `ref_log_prob` must be of the shape"):
        kl_estimate(two, one, "k1")
    with pytest.raises(ValueError, match=r"reference_weight: `ref_log_prob` must be of the shape"):
        reference_weight(two, two, one, coefficient=0.1, estimator="k1")
    for call in (
        lambda: kl_estimate(one, one, "kl"),
        lambda: reference_weight(one, one, one, coefficient=0.1, estimator="kl"),
    ):
        with pytest.raises(ValueError, match=r"`estimator` must be a known estimator, got 'kl'"):
            call()
