"""The strategies draw the hard cases, and often: shares of a thousand draws."""

import itertools
import math

import hypothesis
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from banditlab.rules import RULES
from banditlab.testing.checks.drawn import batches, fresh_batches, is_off_kinks, unit_ratio
from banditlab.testing.kinds import make_subject
from banditlab.testing.strategies import (
    advantages,
    bandits,
    log_probs,
    log_ratios,
    masks,
    reward_groups,
    rewards,
    token_batches,
)
from tests.banditlab.testing.teeth.correct import clip_of_sequences, clip_token_mean, gspo

KINKS = (0.8, 1.2)


def drawn(strategy, count=1000, seed=0):
    found = []

    @hypothesis.seed(seed)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        derandomize=False,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    # The number beside it keeps hypothesis from drawing each value only once.
    @given(strategy, st.integers(0, 2**32))
    def collect(value, number):
        found.append(value)

    collect()
    return found


def share(values, condition):
    return sum(map(bool, map(condition, values))) / len(values)


def test_log_ratios():
    values = drawn(log_ratios(kinks=KINKS))
    assert max(map(abs, values)) == 20.0
    assert share(values, lambda v: v == 0.0) > 0.05
    assert share(values, lambda v: abs(v) > 10.0) > 0.05
    assert min(values) == -20.0
    assert max(values) == 20.0
    for kink in KINKS:
        assert values.count(math.log(kink)) > 5
        for side in (-1, 1):
            beside = math.log(kink) + 0.001 * side
            assert share(values, lambda v, at=beside: v == at) > 0.002
    # Within and past the usual clips, on both sides.
    bounds = (1e-9, 0.72, 0.8, 1.0, 1.2, 1.28, 3.0, 1e9)
    for low, high in itertools.pairwise(map(math.log, bounds)):
        assert share(values, lambda v, low=low, high=high: low < v < high) > 0.01, (low, high)


def test_log_ratios_within_a_limit():
    values = drawn(log_ratios(kinks=KINKS, max_abs_log_ratio=0.1), 200)
    assert max(map(abs, values)) <= 0.1
    assert share(values, bool) > 0.3


def test_log_probs_and_advantages():
    values = drawn(log_probs(), 300)
    assert {min(values), max(values)} == {-10.0, 0.0}
    values = drawn(advantages(), 500)
    for condition in (lambda v: v > 0, lambda v: v < 0, lambda v: v == 0.0, lambda v: abs(v) > 2):
        assert share(values, condition) > 0.03


def test_masks():
    values = drawn(masks(3, 3))
    assert all(mask.any() for mask in values)
    assert share(values, lambda mask: (~mask.any(axis=1)).any()) > 0.1
    assert share(values, lambda mask: mask.all()) > 0.001
    # With a hole: a token after one that does not count.
    assert share(values, lambda mask: (~mask[:, :-1] & mask[:, 1:]).any()) > 0.05
    assert all(mask.any(axis=1).all() for mask in drawn(masks(2, 3, can_be_empty=False), 200))


def test_token_batches():
    values = drawn(token_batches(kinks=KINKS, can_be_empty=True))
    assert {batch.mask.shape for batch in values} == {(n, t) for n in (1, 2, 3) for t in (1, 2, 3)}
    for batch in values:
        assert (batch.log_prob <= 0).all()
        assert (batch.old_log_prob <= 0).all()
        assert np.abs(batch.log_prob - batch.old_log_prob).max() <= 20.0 + 1e-12
        assert (batch.advantage == batch.advantage[:, :1]).all()
    assert share(values, lambda batch: not batch.mask.all()) > 0.2
    assert share(values, lambda batch: (~batch.mask.any(axis=1)).any()) > 0.05
    assert share(values, lambda batch: np.abs(batch.log_prob - batch.old_log_prob).max() > 10) > 0.1
    assert share(values, lambda batch: (batch.log_prob == batch.old_log_prob).any()) > 0.2
    signs = [np.unique(np.sign(batch.advantage[:, 0])).size for batch in values]
    assert max(signs) == 3


def test_settings_of_token_batches():
    for batch in drawn(token_batches(is_masked=False, min_responses=2, max_tokens=1), 200):
        assert batch.mask.all()
        assert batch.mask.shape in ((2, 1), (3, 1))
    for batch in drawn(token_batches(max_abs_log_ratio=0.0), 100):
        np.testing.assert_array_equal(batch.log_prob, batch.old_log_prob)


def test_reward_groups():
    values = drawn(reward_groups())
    assert {group.shape for group in values} == {(p, g) for p in (1, 2, 3) for g in (2, 3, 4)}

    def is_unanimous(group):
        return (group == group[:, :1]).all(axis=1).any()

    def has_an_outlier(group):
        return any(
            sorted(np.unique(row, return_counts=True)[1].tolist()) == [1, len(row) - 1]
            for row in group
            if len(row) > 2
        )

    def has_a_tie(group):
        return any(1 < len(np.unique(row)) < len(row) for row in group)

    assert share(values, is_unanimous) > 0.3
    assert share(values, has_an_outlier) > 0.1
    assert share(values, has_a_tie) > 0.1
    # Tenths, whose mean is rounded.
    assert share(values, lambda group: (group == 0.1).any()) > 0.02
    assert share(values, lambda group: (group < 0).any()) > 0.1


def test_groups_of_one_are_drawn_where_asked():
    values = drawn(reward_groups(min_group=1, max_group=2), 200)
    assert share(values, lambda group: group.shape[1] == 1) > 0.2
    assert share(drawn(rewards(is_binary=True), 100), lambda value: value in (0.0, 1.0)) == 1.0
    binary = drawn(reward_groups(is_binary=True), 100)
    assert all(np.isin(group, (0.0, 1.0)).all() for group in binary)


def test_bandits():
    values = drawn(bandits(), 500)
    for log_prob, reward in values:
        assert np.exp(log_prob).sum() == pytest.approx(1.0)
        assert 0 < reward.sum() < len(reward) == len(log_prob)
    assert {len(reward) for _, reward in values} == {2, 3}
    assert min(log_prob.min() for log_prob, _ in values) < -3


def test_a_rule_is_drawn_its_own_kinks_and_its_mask():
    subject = make_subject(RULES["dual_clip"])
    values = drawn(batches(subject), 500)
    for kink in (0.8, 1.2, 3.0):
        assert share(values, lambda b, at=kink: np.isclose(b.ratio, at, rtol=1e-12).any()) > 0.01
    assert all(batch.mask.all() for batch in values)
    assert (
        share(drawn(batches(make_subject(clip_token_mean)), 200), lambda b: not b.mask.all()) > 0.1
    )


def test_fresh_batches_have_ratio_one():
    for batch in drawn(fresh_batches(make_subject(clip_token_mean)), 50):
        assert (batch.ratio == 1.0).all()


def test_the_ratio_of_the_unit_by_hand():
    subject = make_subject(clip_of_sequences)
    (batch,) = drawn(token_batches(min_responses=3, max_responses=3), 1)
    batch = batch.but(
        log_prob=np.array([[-1.0, -1.0], [-1.0, -9.0]]),
        old_log_prob=np.array([[-1.5, -1.75], [-1.5, 0.0]]),
        advantage=np.ones((2, 2)),
        mask=np.array([[True, True], [True, False]]),
    )
    expected = np.exp([[1.25, 1.25], [0.5, 0.5]])
    np.testing.assert_allclose(unit_ratio(subject, batch), expected)
    expected = np.exp([[0.625, 0.625], [0.5, 0.5]])
    np.testing.assert_allclose(unit_ratio(make_subject(gspo), batch), expected)
    expected = np.exp([[0.5, 0.75], [0.5, 0.0]])
    np.testing.assert_allclose(unit_ratio(make_subject(clip_token_mean), batch), expected)


def test_tokens_at_a_kink_are_left_out_and_no_others():
    subject = make_subject(RULES["clip"])
    (batch,) = drawn(token_batches(), 1)
    log_ratio = np.log([[0.8, 1.2, 1.2 * (1 + 1e-6), 1.0]])
    batch = batch.but(
        log_prob=log_ratio - 1.0,
        old_log_prob=np.full((1, 4), -1.0),
        advantage=np.ones((1, 4)),
        mask=np.array([[True, True, True, True]]),
    )
    np.testing.assert_array_equal(is_off_kinks(subject, batch), [[False, False, True, True]])
    np.testing.assert_array_equal(
        is_off_kinks(subject, batch, width=1e-3), [[False, False, False, True]]
    )
    masked = batch.but(mask=np.array([[True, True, True, False]]))
    np.testing.assert_array_equal(is_off_kinks(subject, masked), [[False, False, True, False]])
