"""The search finds, shrinks and repeats; what a rule does wrong never stops it."""

import numpy as np
import pytest

from banditlab.testing import CHECKS, CheckFailure, TokenBatch, promises
from banditlab.testing.check import CheckSkipped, check, demand
from banditlab.testing.kinds import make_subject
from banditlab.testing.search import failure_on, run_check
from banditlab.testing.strategies import token_batches
from tests.banditlab.testing.teeth.correct import clip_token_mean, undeclared
from tests.banditlab.testing.teeth.gradients import dropped_ratio

_NOISE = np.random.default_rng(0)


def weight(log_prob, old_log_prob, advantage):
    return advantage + 0.0 * log_prob


def search(rule, name, seed=0, examples=60):
    return run_check(CHECKS[name], make_subject(rule), examples=examples, seed=seed)


def test_the_same_seed_finds_the_same_example():
    found = [search(dropped_ratio.rule, "gradient_of_objective", seed=3) for _ in range(2)]
    assert found[0].message == found[1].message
    assert repr(found[0].example) == repr(found[1].example)


def test_other_seeds_draw_other_examples():
    seen = {}

    def recorder(seed):
        @check("weight", catches="x", consequence="X.", batch=lambda subject: token_batches())
        def record(subject, batch):
            """Nothing."""
            seen.setdefault(seed, []).append(repr(batch))

        run_check(record, make_subject(weight), examples=20, seed=seed)

    for seed in (0, 1):
        recorder(seed)
    first, again = list(seen[0]), list(seen[1])
    assert first != again
    assert len(set(first)) > 10
    seen.clear()
    recorder(0)
    assert seen[0] == first


def test_the_example_is_small():
    """One response of one token, of advantage 1 where that is enough."""
    batch = search(dropped_ratio.rule, "gradient_of_objective", examples=300).example["batch"]
    assert batch.mask.shape == (1, 1)
    assert batch.advantage[0, 0] == 1.0
    assert batch.log_prob[0, 0] == 0.0 or batch.old_log_prob[0, 0] == 0.0


def test_the_number_of_examples_is_kept():
    count = []

    @check("weight", catches="x", consequence="X.", batch=lambda subject: token_batches())
    def counted(subject, batch):
        """Nothing."""
        count.append(batch)

    run_check(counted, make_subject(weight), examples=17, seed=0)
    assert len(count) == 17


def test_a_check_that_draws_nothing_runs_once():
    count = []

    @check("weight", catches="x", consequence="X.")
    def once(subject):
        """Nothing."""
        count.append(subject)
        demand(False, "no")

    assert run_check(once, make_subject(weight), examples=50, seed=0).message == "no"
    assert len(count) == 1


def test_a_rule_that_answers_by_chance_fails_and_does_not_stop_the_search():
    def noisy(log_prob, old_log_prob, advantage):
        return advantage * float(_NOISE.integers(0, 2))

    failure = search(noisy, "determinism", examples=25)
    assert failure.message == "the same input gives another weight the second time"
    for name in ("on_policy_weight_is_advantage", "batch_independence", "extreme_ratios_finite"):
        search(noisy, name)


def test_a_rule_that_raises_fails_with_what_it_raises():
    def fragile(log_prob, old_log_prob, advantage):
        if abs(log_prob - old_log_prob).max() > 3:
            raise ArithmeticError("too far\nfrom home")
        return weight(log_prob, old_log_prob, advantage)

    failure = search(fragile, "sample_permutation", examples=50)
    assert failure.message == "fragile raised ArithmeticError: too far from home"
    assert failure.found is None


def test_a_warning_of_numpy_is_no_failure():
    """Also where pytest turns warnings into errors, as this repository does."""

    @promises(namespaces=("numpy",))
    def warns(log_prob, old_log_prob, advantage):
        np.var(np.ones(1), ddof=1)
        return np.exp(log_prob - old_log_prob) * advantage

    assert search(warns, "sample_permutation") is None


@pytest.mark.parametrize(
    ("rule", "name", "reason"),
    [
        (undeclared, "gradient_of_objective", "it declares no objective"),
        (undeclared, "padding_width", "it takes no mask"),
        (undeclared, "group_permutation", "it has no advantage estimator"),
        (clip_token_mean, "shape_kept", "it has no elementwise score weight"),
        (lambda reward: reward * 1.0, "determinism", "it has no score weight"),
    ],
)
def test_a_check_that_says_nothing_is_skipped_with_a_reason(rule, name, reason):
    with pytest.raises(CheckSkipped, match=reason):
        search(rule, name)


def test_one_example_at_a_time():
    subject = make_subject(dropped_ratio.rule)
    stale = TokenBatch.of([[0.0]], [[-1.0]], [1.0])
    failure = failure_on(CHECKS["gradient_of_objective"], subject, {"batch": stale})
    assert failure.message == "the weight[0, 0] is 1 instead of 2.71828"
    assert failure.example["batch"] is stale
    np.testing.assert_array_equal(failure.found, [[1.0]])
    np.testing.assert_allclose(failure.expected, [[np.e]])
    fresh = TokenBatch.of([[0.0]], [[0.0]], [1.0])
    assert failure_on(CHECKS["gradient_of_objective"], subject, {"batch": fresh}) is None


def test_what_a_check_shows_is_what_it_found_last():
    subject = make_subject(dropped_ratio.rule)
    failure = search(dropped_ratio.rule, "gradient_of_objective")
    with pytest.raises(CheckFailure, match=r"^the weight\["):
        CHECKS["gradient_of_objective"](subject, **failure.example)
