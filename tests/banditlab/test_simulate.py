import math

import numpy as np
import pytest

from banditlab.expectation import expected_update
from banditlab.lumped import LumpedSoftmax
from banditlab.problems import from_pass_rates, rare_correct
from banditlab.rules import RULES, get_rule
from banditlab.simulate import SimulationConfig, simulate, step
from banditlab.softmax import DenseSoftmax


def small_config(**changes) -> SimulationConfig:
    fields = {"num_runs": 5, "num_steps": 4, "group_size": 4, "step_size": 0.5}
    return SimulationConfig(**{**fields, **changes})


def mean_first_step(rule, *, num_runs: int, step_size: float) -> tuple[float, float]:
    """Mean change of the log-odds of one correct arm among two in one step, and its error."""
    config = small_config(num_runs=num_runs, num_steps=1, step_size=step_size, seed=11)
    rate = simulate(rare_correct(0, 0.3), rule, config).curves["pass_rate"]
    change = np.diff(np.log(rate / (1 - rate)), axis=1)[:, 0]
    return change.mean(), change.std() / math.sqrt(num_runs)


@pytest.mark.parametrize("name", ["raw_reward", "group_mean", "grpo"])
def test_one_sampled_step_has_the_exact_mean(name):
    """|z| < 4 (false-alarm rate 6e-5 each); twice the step size lies beyond 8."""
    measured, error = mean_first_step(RULES[name], num_runs=20_000, step_size=0.5)
    update = expected_update(RULES[name], np.log([0.3, 0.7]), np.array([1.0, 0.0]), 4)
    exact = 0.5 * (update[0] - update[1])
    assert abs(measured - exact) < 4 * error
    assert abs(measured - 2 * exact) > 8 * error


def test_one_inner_epoch_makes_clip_and_penalty_invisible():
    """Theory P3, on the same draws."""
    curves = [
        simulate(rare_correct(50, 0.2), RULES[name], small_config(num_steps=30)).curves["pass_rate"]
        for name in ("group_mean", "clip", "variance_penalty")
    ]
    np.testing.assert_array_equal(curves[0], curves[1])
    np.testing.assert_array_equal(curves[0], curves[2])
    several = simulate(
        rare_correct(50, 0.2), RULES["clip"], small_config(num_steps=30, inner_epochs=4)
    )
    assert np.abs(several.curves["pass_rate"] - curves[0]).max() > 1e-3


def test_coupled_prompts_move_together_as_the_shared_kernel_says():
    rates = np.array([0.2, 0.5, 0.8])
    problem = from_pass_rates(rates, np.array([0.35]), shared_kernel=6.0)
    policy = LumpedSoftmax(problem, 1)
    contexts = np.array([[0, 2]])
    outcome = step(
        policy,
        RULES["group_mean"],
        contexts,
        group_size=8,
        step_size=0.05,
        rng=np.random.default_rng(0),
    )
    centred = outcome.reward - outcome.reward.mean(axis=-1, keepdims=True)
    pull = (centred * (outcome.reward - rates[[0, 2]][:, None])).sum() / 16
    mass = policy.class_mass()[0]
    before = np.array([0.2, 0.5, 0.8, 0.35])
    shift = np.log(mass[:, 0] / mass[:, 1]) - np.log(before / (1 - before))
    np.testing.assert_allclose(shift, 0.05 * 6.0 * pull, rtol=1e-10)


def test_heldout_prompts_are_recorded_but_not_trained_on():
    problem = from_pass_rates(np.array([0.3, 0.4]), np.array([0.5]), shared_kernel=0.0)
    record = simulate(problem, RULES["raw_reward"], small_config())
    np.testing.assert_allclose(record.curves["heldout_pass_rate"], 0.5, rtol=1e-12)
    assert record.step.tolist() == [0, 1, 2, 3, 4]
    assert {curve.shape for curve in record.curves.values()} == {(5, 5)}


def drawn_batches(monkeypatch) -> np.ndarray:
    """Prompts of every batch of two among six that a simulation takes, [batches, 2]."""
    batches = []

    def recording_step(policy, rule, contexts, **options):
        batches.append(contexts)
        return step(policy, rule, contexts, **options)

    monkeypatch.setattr("banditlab.simulate.step", recording_step)
    problem = from_pass_rates(np.full(6, 0.4), shared_kernel=1.0)
    simulate(problem, RULES["raw_reward"], small_config(batch_size=2, num_steps=50, num_runs=100))
    return np.concatenate(batches)


def largest_z_of_prompts(batches: np.ndarray) -> float:
    """Largest |z| of the number of batches that hold a prompt, against a share of 2/6."""
    num_batches = len(batches)
    count = np.bincount(batches.ravel(), minlength=6)
    return np.abs((count - num_batches / 3) / math.sqrt(num_batches * 2 / 9)).max()


def test_batches_take_each_prompt_at_most_once_and_all_alike(monkeypatch):
    """|z| < 4 for each of six prompts (false-alarm rate 4e-4 in all)."""
    batches = drawn_batches(monkeypatch)
    assert batches.shape == (100 * 50, 2)
    assert (batches[:, 0] != batches[:, 1]).all()
    assert largest_z_of_prompts(batches) < 4


def test_batches_that_favour_some_prompts_are_found(monkeypatch):
    """The mutant takes neighbours, so that the first and the last prompt come half as often."""
    monkeypatch.setattr(
        "banditlab.simulate._draw_batch",
        lambda num_train, num_runs, batch_size, rng: (
            rng.integers(num_train - 1, size=(num_runs, 1)) + np.arange(batch_size)
        ),
    )
    assert largest_z_of_prompts(drawn_batches(monkeypatch)) > 8


def test_batches_drawn_with_replacement_are_found(monkeypatch):
    monkeypatch.setattr(
        "banditlab.simulate._draw_batch",
        lambda num_train, num_runs, batch_size, rng: rng.integers(
            num_train, size=(num_runs, batch_size)
        ),
    )
    with pytest.raises(ValueError, match=r"step: `contexts` must be distinct within a run"):
        drawn_batches(monkeypatch)


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not():
    problem = rare_correct(1000, 0.1)
    first, again, other = (
        simulate(problem, RULES["grpo"], small_config(seed=seed)).curves["pass_rate"]
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_unanimous_groups_give_no_signal():
    """Theory P4: share of rounds with signal is 1 - p^G - q^G, exact zero change otherwise."""
    problem = from_pass_rates(np.array([0.3]), shared_kernel=0.0)
    record = simulate(problem, RULES["group_mean"], small_config(num_runs=4000, group_size=3))
    share = record.curves["signal_share"][:, 1:]
    expected = 1 - 0.3**3 - 0.7**3
    error = math.sqrt(expected * (1 - expected) / share.size)
    assert abs(share.mean() - expected) < 4 * error
    assert abs(share.mean() - (1 - 0.3**3)) > 8 * error


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_runs": 0}, r"`num_runs` must be at least 1, got 0"),
        ({"group_size": 1}, r"`group_size` must be at least 2 for grpo, got 1"),
        ({"batch_size": 7}, r"`batch_size` must be between 0 \(all\) and the 1 prompts"),
        ({"step_size": math.inf}, r"`step_size` must be a finite number"),
        ({"seed": -1}, r"^simulate: `seed` must be at least 0, got -1\. Give a whole number\.$"),
        ({"policy": "lumpt"}, r"`policy` must be a known policy.*'lumped'"),
    ],
)
def test_bad_configurations_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        simulate(rare_correct(3, 0.1), RULES["grpo"], small_config(**changes))


def test_arms_too_many_to_number_are_refused_before_a_dense_run():
    with pytest.raises(
        ValueError,
        match=r"^arm_class: `log_count` must be small enough for at most 10000000 arms in all, got "
        r"log-counts up to 2\.303e\+05\. Use the lumped policy, which never numbers the arms\.$",
    ):
        small_config(policy="dense").require_valid(rare_correct(100_000, 0.1), RULES["grpo"])


@pytest.mark.parametrize("policy", [LumpedSoftmax, DenseSoftmax])
def test_a_prompt_that_comes_twice_in_a_batch_is_refused(policy):
    problem = from_pass_rates(np.full(3, 0.4), shared_kernel=1.0, log10_arms=1)
    with pytest.raises(
        ValueError,
        match=r"^step: `contexts` must be distinct within a run, got a prompt that comes twice in "
        r"a batch\. Draw the prompts of a batch without replacement\.$",
    ):
        step(
            policy(problem, 2),
            get_rule("grpo"),
            np.array([[0, 1, 2], [2, 0, 2]]),
            group_size=2,
            step_size=0.1,
            rng=np.random.default_rng(0),
        )


def test_a_step_needs_randomness_or_arms():
    policy = LumpedSoftmax(rare_correct(3, 0.1), 1)
    with pytest.raises(ValueError, match=r"step: `rng` must be given where `arms` are not"):
        step(policy, get_rule("grpo"), np.zeros((1, 1), int), group_size=2, step_size=0.1)
