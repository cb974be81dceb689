"""The lumped policy equals the dense one on the same draws, and in law on its own.

Tolerances: 1e-12 for SGD and momentum, 1e-8 for Adam, which divides rounding by its eps.
"""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from banditlab.arm_spaces import rare_correct, zipf
from banditlab.config import SimulationConfig
from banditlab.lumped.policy import LumpedSoftmax
from banditlab.optimizers import SGD, Adam, Momentum
from banditlab.problems import BanditProblem
from banditlab.reward_laws import Bernoulli, FixedPerArm, Gaussian, NoisyVerifier
from banditlab.rules import RULES, get_rule
from banditlab.simulate import simulate
from tests.banditlab.lumped.lockstep import (
    GENTLE,
    KERNELS,
    OPTIMIZERS,
    largest_difference,
    three_class_problem,
    tolerance,
)

PAIRS = [
    (kernel, optimizer)
    for kernel in KERNELS
    for optimizer in OPTIMIZERS
    if kernel == "tabular" or OPTIMIZERS[optimizer].is_linear
]

# Gradients that cancel to rounding become steps of full size where Adam divides by 1e-8.
AMPLIFIED_BY_ADAM = {"variance_penalty", "variance_penalty_dual"}


@pytest.mark.parametrize(("kernel", "optimizer"), PAIRS)
@pytest.mark.parametrize("rule", RULES)
def test_lumped_equals_dense_on_the_same_draws(rule, kernel, optimizer):
    problem = three_class_problem(KERNELS[kernel], [[5, 70, 25], [1, 49, 50]])
    error = largest_difference(
        problem, RULES[rule], OPTIMIZERS[optimizer], num_rounds=12, inner_epochs=3, seed=1
    )
    assert error < tolerance(OPTIMIZERS[optimizer])


@settings(max_examples=12, deadline=None)
@given(
    rule=st.sampled_from(sorted(RULES)),
    pair=st.sampled_from(PAIRS),
    inner_epochs=st.integers(1, 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_lumped_equals_dense_over_400_rounds_at_3000_arms(rule, pair, inner_epochs, seed):
    optimizer = GENTLE[pair[1]]
    assume(optimizer.is_linear or rule not in AMPLIFIED_BY_ADAM)
    error = largest_difference(
        three_class_problem(KERNELS[pair[0]], [[5, 1700, 1295]]),
        RULES[rule],
        optimizer,
        num_rounds=400,
        inner_epochs=inner_epochs,
        seed=seed,
        num_runs=1,
    )
    assert error < tolerance(optimizer)


@settings(max_examples=40, deadline=None)
@given(
    rule=st.sampled_from(sorted(RULES)),
    pair=st.sampled_from(PAIRS),
    counts=st.lists(st.integers(1, 12), min_size=3, max_size=3),
    inner_epochs=st.integers(1, 4),
    ages=st.sampled_from([(0,), (0, 1), (0, 2, 3), (2,)]),
    batch=st.sampled_from([None, 1, 3]),
    law=st.sampled_from([None, Gaussian(0.3), Bernoulli(), FixedPerArm(Gaussian(0.5))]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_setting_agrees(rule, pair, counts, inner_epochs, ages, batch, law, seed):
    """Replay, repeated prompts and random rewards included; rare ties at a clip's kink aside."""
    optimizer = GENTLE[pair[1]]
    assume(optimizer.is_linear or rule not in AMPLIFIED_BY_ADAM)
    problem = three_class_problem(KERNELS[pair[0]], [counts, counts[::-1]], law)
    error = largest_difference(
        problem,
        RULES[rule],
        optimizer,
        num_rounds=10,
        inner_epochs=inner_epochs,
        seed=seed,
        ages=ages,
        batch=batch,
    )
    assert error < tolerance(optimizer)


class UnshiftedLump(LumpedSoftmax):
    """The mutant of theory P1: only arms that are drawn move."""

    def move(self):
        before = self._state.own.copy()
        super().move()
        self._state.own[...] = before
        self._state.refresh(slice(None))


class HeavyLump(LumpedSoftmax):
    """A mutant that leaves the mass of an arm with a slot in its class as well."""

    def move(self):
        super().move()
        self._state._log_untouched[...] = self._state._log_mass
        self._state.refresh(slice(None))


@pytest.mark.parametrize("mutant", [UnshiftedLump, HeavyLump])
def test_mutants_are_found(mutant):
    problem = three_class_problem(KERNELS["tabular"], [[5, 20, 15]])
    error = largest_difference(
        problem, RULES["raw_reward"], SGD(0.3), num_rounds=20, inner_epochs=1, seed=3, lumped=mutant
    )
    assert error > 1e-6


def law_of(policy: str, seed: int, law=None, **changes) -> dict[str, np.ndarray]:
    problem = BanditProblem(
        log_count=np.log([[2.0, 6.0]]),
        log_mass=np.log([[0.3, 0.7]]),
        reward=np.array([[1.0, 0.0]]),
        reward_law=law or Bernoulli(),
    )
    fields = {"num_runs": 4000, "num_steps": 6, "group_size": 4, "step_size": 2.0}
    config = SimulationConfig(**{**fields, "seed": seed, "policy": policy, **changes})
    curves = simulate(problem, RULES["group_mean"], config).curves
    return {name: curves[name][:, -1] for name in ("pass_rate", "entropy", "collision")}


def smallest_p_value(first, second) -> float:
    return min(ks_2samp(first[name], second[name]).pvalue for name in first)


@pytest.mark.parametrize(
    ("law", "changes"),
    [
        (None, {}),
        (FixedPerArm(Gaussian(1.0)), {}),
        (NoisyVerifier(0.8, 0.3), {"inner_epochs": 3}),
        (None, {"rollout_ages": (0, 1)}),
        (None, {"optimizer": "momentum", "step_size": 0.7}),
    ],
)
def test_own_draws_have_the_law_of_the_dense_policy(law, changes):
    """Kolmogorov-Smirnov on pass rate, entropy and collision, p > 1e-5 (3e-5 in each case)."""
    assert (
        smallest_p_value(law_of("lumped", 5, law, **changes), law_of("dense", 6, law, **changes))
        > 1e-5
    )


def test_fresh_arms_that_are_always_the_same_have_another_law(monkeypatch):
    """The mutant takes all fresh arms of a class in one group for the same one."""
    monkeypatch.setattr(
        "banditlab.lumped.draws._pick_positions", lambda state, draw: np.zeros(draw.slot.shape)
    )
    first = {"num_steps": 1}
    assert smallest_p_value(law_of("lumped", 5, **first), law_of("dense", 6, **first)) < 1e-12


def run(problem, rule, num_runs=3, **changes):
    fields = {"num_steps": 40, "group_size": 8, "step_size": 0.5, "seed": 7, "num_runs": num_runs}
    return simulate(problem, get_rule(rule), SimulationConfig(**{**fields, **changes})).curves


@pytest.mark.parametrize("rule", ["raw_reward", "grpo", "variance_penalty_dual", "reward_history"])
@pytest.mark.parametrize("log10_arms", [1, 2, 6, 100_000])
@pytest.mark.parametrize(
    "changes",
    [{"inner_epochs": 2}, {"optimizer": "adam", "step_size": 0.1}, {"rollout_ages": (0, 2)}],
)
def test_a_run_is_the_same_whatever_the_number_of_runs(rule, log10_arms, changes):
    problem = rare_correct(log10_arms, 0.2, num_correct=9)
    alone, many = (run(problem, rule, num_runs, **changes) for num_runs in (1, 40))
    for name, curve in alone.items():
        np.testing.assert_array_equal(curve, many[name][:1])


def test_long_rows_are_the_same_whatever_the_number_of_runs():
    """Above 2,048 moved arms a row is scaled, not recomputed, by what it holds itself."""
    problem = rare_correct(5, 0.9, num_correct=4000)
    alone, many = (
        run(problem, "raw_reward", num_runs, group_size=512, num_steps=12) for num_runs in (1, 3)
    )
    np.testing.assert_array_equal(alone["entropy"], many["entropy"][:1])


def test_scaling_long_rows_equals_recomputing_them(monkeypatch):
    problem = rare_correct(4, 0.9, num_correct=4000)
    how = {"group_size": 512, "num_steps": 60, "step_size": 3.0, "record_every": 20}
    scaled = run(problem, "raw_reward", **how)
    monkeypatch.setattr("banditlab.lumped.slot_moves._LONG_ROW", 10**9)
    exact = run(problem, "raw_reward", **how)
    for name, curve in exact.items():
        np.testing.assert_allclose(scaled[name], curve, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("optimizer", [SGD(0.4), Momentum(0.2)])
def test_the_sum_of_logits_is_conserved(optimizer):
    """Theory P1, over all 10^6 arms: untouched ones times their number, and those with a slot."""
    problem = rare_correct(6, 0.3, num_correct=50)
    policy = LumpedSoftmax(problem, 3, optimizer)
    rng = np.random.default_rng(0)
    for _ in range(30):
        draw = policy.sample(np.zeros((3, 1), int), rng.random((3, 1, 8, 2)))
        policy.accumulate(draw, rng.normal(size=(3, 1, 8)))
        policy.move()
        policy.release(draw)
    state = policy._state
    num_untouched = np.exp(problem.log_count) - state.num_touched
    total = (num_untouched * state.own).sum(axis=1) + state.slots.displacement.sum(axis=1)
    np.testing.assert_allclose(total, 0.0, atol=1e-12)
    decayed = LumpedSoftmax(problem, 1, Adam(0.1))
    draw = decayed.sample(np.zeros((1, 1), int), rng.random((1, 1, 8, 2)))
    decayed.accumulate(draw, np.ones((1, 1, 8)))
    decayed.move()
    state = decayed._state
    num_untouched = np.exp(problem.log_count) - state.num_touched
    assert abs((num_untouched * state.own).sum() + state.slots.displacement.sum()) > 1e-3


@pytest.mark.parametrize("log10_arms", [12, 1000, 100_000])
def test_probabilities_sum_to_one_at_any_number_of_arms(log10_arms):
    problem = rare_correct(log10_arms, 0.05)
    policy = LumpedSoftmax(problem, 50, SGD(0.5))
    rng = np.random.default_rng(0)
    for _ in range(30):
        draw = policy.sample(np.zeros((50, 1), int), rng.random((50, 1, 8, 2)))
        policy.accumulate(draw, rng.normal(size=(50, 1, 8)))
        policy.move()
        policy.release(draw)
    np.testing.assert_allclose(policy.class_mass().sum(axis=-1), 1.0, rtol=1e-12)
    # Only classes of up to e^100 arms keep what they drew.
    assert (policy.num_touched() > 0).all() == (log10_arms < 40)


def test_zipf_classes_of_all_sizes_sum_to_one_and_learn():
    problem = zipf(80, 1.1, correct_share=0.2)
    curves = run(problem, "grpo", num_steps=300, step_size=4.0)
    assert (curves["pass_rate"][:, -1] > curves["pass_rate"][:, 0] + 0.1).all()


def one_prompt(num_runs: int) -> np.ndarray:
    return np.zeros((num_runs, 1), dtype=int)


def test_success_probability_1e_300_neither_underflows_nor_drifts():
    policy = LumpedSoftmax(rare_correct(100_000, 1e-300), 3, SGD(20.0), takes_arms=True)
    for _ in range(5):
        draw = policy.place(one_prompt(3), np.zeros((3, 1, 4), dtype=int))
        policy.accumulate(draw, np.full((3, 1, 4), 0.25))
        policy.move()
    # Each step adds step_size to the correct logit while its probability is nil.
    log_odds = np.log(policy.class_mass()[:, 0, 0])
    np.testing.assert_allclose(log_odds, -300 * np.log(10.0) + 5 * 20.0, rtol=1e-12)


@pytest.mark.parametrize("takes_arms", [True, False])
@pytest.mark.parametrize("total", [2301.0, 3000.0])
def test_an_arm_of_a_huge_class_that_is_pushed_up_is_not_forgotten(takes_arms, total):
    """One arm of e^2302 moved in three steps is where one step of three times the size puts it.

    Its probability underflows until the last step; a drawn one then gets a slot.
    """
    problem = BanditProblem(
        log_count=np.full((1, 2), 2302.0), log_mass=np.log([[0.5, 0.5]]), reward=[[1.0, 0.0]]
    )
    policy = LumpedSoftmax(problem, 1, SGD(total / 3), takes_arms=takes_arms)
    if takes_arms:
        draw = policy.place(one_prompt(1), np.zeros((1, 1, 1), dtype=int))
    else:
        draw = policy.sample(one_prompt(1), np.zeros((1, 1, 1, 2)))
    for _ in range(3):
        policy.accumulate(draw, np.ones((1, 1, 1)))
        policy.move()
    # log(probability of the arm / mass of the rest) = log(1/2) - 2302 + total.
    weight = np.exp(min(total - 2302.0, 700.0)) / 2
    expected = (0.5 + weight) / (1 + weight)
    np.testing.assert_allclose(policy.class_mass()[0, 0, 0], expected, rtol=1e-9)
    np.testing.assert_allclose(
        policy.relative_log_prob(draw).item(), total - np.log1p(weight), rtol=1e-9
    )
    assert policy.num_touched().item() == 1


def test_an_arm_of_a_huge_class_that_was_pushed_up_is_drawn_again():
    problem = BanditProblem(
        log_count=np.full((1, 2), 2302.0), log_mass=np.log([[0.5, 0.5]]), reward=[[1.0, 0.0]]
    )
    policy = LumpedSoftmax(problem, 1, SGD(3000.0))
    draw = policy.sample(one_prompt(1), np.zeros((1, 1, 1, 2)))
    policy.accumulate(draw, np.ones((1, 1, 1)))
    policy.move()
    policy.release(draw)
    assert policy.sample(one_prompt(1), np.full((1, 1, 1, 2), 0.999)).slot.item() == 0


def test_given_and_drawn_arms_do_not_mix():
    drawing = LumpedSoftmax(rare_correct(2, 0.3), 1, SGD(0.1))
    with pytest.raises(ValueError, match=r"place: `takes_arms` must be True, got False\. A policy"):
        drawing.place(one_prompt(1), np.zeros((1, 1, 2), int))
    given_arms = LumpedSoftmax(rare_correct(2, 0.3), 1, SGD(0.1), takes_arms=True)
    with pytest.raises(ValueError, match=r"sample: `takes_arms` must be False, got True"):
        given_arms.sample(one_prompt(1), np.zeros((1, 1, 2, 2)))
    with pytest.raises(ValueError, match=r"place: `arms` must be between 0 and 100"):
        given_arms.place(one_prompt(1), np.full((1, 1, 2), 101))


def test_a_kernel_with_adam_is_refused():
    problem = three_class_problem(KERNELS["within"], [[5, 20, 15]])
    with pytest.raises(ValueError, match=r"LumpedSoftmax: `optimizer` must be SGD or momentum"):
        LumpedSoftmax(problem, 1, Adam(0.1))


@pytest.mark.parametrize("counts", [[1, 1, 1], [2, 3, 4], [1, 10**9, 10**14]])
def test_conditioned_draws_have_the_law_of_what_they_are_conditioned_on(counts):
    """Shares of classes among successes and failures, |z| < 4 each (4e-4 in all)."""
    policy = LumpedSoftmax(three_class_problem(KERNELS["tabular"], [counts]), 1, SGD(0.4))
    rng = np.random.default_rng(3)
    for _ in range(10):
        draw = policy.sample(one_prompt(1), rng.random((1, 1, 8, 2)))
        policy.accumulate(draw, rng.normal(size=(1, 1, 8)))
        policy.move()
        policy.release(draw)
    mass = policy.class_mass()[0, 0]
    wanted = np.tile([1, 0, -1], 20_000)[None, None]
    drawn = policy.sample(one_prompt(1), rng.random((*wanted.shape, 2)), wanted).arm_class[0, 0]
    assert set(drawn[wanted[0, 0] == 0]) == {1}
    for kind, chance in ((1, mass[0] / (mass[0] + mass[2])), (-1, mass[0])):
        of_kind = drawn[wanted[0, 0] == kind]
        error = np.sqrt(chance * (1 - chance) / of_kind.size)
        assert abs((of_kind == 0).mean() - chance) < 4 * error


@pytest.mark.parametrize(
    ("log_count", "optimizer"),
    [(111.0, Momentum(11.0, momentum=0.9)), (130.0, Adam(28.0)), (105.0, SGD(111.0))],
)
def test_a_released_arm_that_coasts_on_is_not_forgotten(log_count, optimizer):
    """One push, then moves without gradient: whether the draw is held or not, the same policy."""
    problem = BanditProblem(
        log_count=np.array([[0.0, log_count]]), log_mass=np.log([[0.5, 0.5]]), reward=[[0.0, 1.0]]
    )
    ends = []
    for is_released in (True, False):
        policy = LumpedSoftmax(problem, 1, optimizer)
        draw = policy.sample(one_prompt(1), np.full((1, 1, 1, 2), 0.9))
        policy.accumulate(draw, np.ones((1, 1, 1)))
        policy.move()
        if is_released:
            policy.release(draw)
        for _ in range(60):
            other = policy.sample(one_prompt(1), np.zeros((1, 1, 1, 2)))
            policy.accumulate(other, np.zeros((1, 1, 1)))
            policy.move()
            policy.release(other)
        ends.append(policy.collision().item())
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-9)
    assert ends[0] > 1e-3


def test_weights_stay_near_one_and_collision_a_number_after_any_step():
    policy = LumpedSoftmax(rare_correct(3, 0.5), 1, SGD(800.0))
    draw = policy.sample(one_prompt(1), np.zeros((1, 1, 1, 2)))
    for _ in range(2):
        policy.accumulate(draw, np.full((1, 1, 1), 0.5))
    policy.move()
    np.testing.assert_allclose(policy.collision(), 1.0, rtol=1e-12)
    policy = LumpedSoftmax(rare_correct(6, 0.01, num_correct=2), 5, SGD(1.0))
    rng = np.random.default_rng(0)
    for _ in range(400):
        draw = policy.sample(one_prompt(5), rng.random((5, 1, 8, 2)))
        policy.accumulate(draw, policy._state.reward.take(draw.class_index) / 8)
        policy.move()
        policy.release(draw)
    assert (policy._state.weight_sum < 16.0).all()
    assert (policy.expected_reward() > 0.99).all()


def test_coefficients_of_one_draw_add_up():
    policy = LumpedSoftmax(rare_correct(1000, 0.5), 1, SGD(1.0))
    draw = policy.sample(one_prompt(1), np.array([[[[0.9, 0.3]]]]))
    for _ in range(2):
        policy.accumulate(draw, np.ones((1, 1, 1)))
    policy.move()
    # Displacement 2 of an arm without mass, and -1 of the correct one of mass 1/2.
    expected = 2.0 - np.log(0.5 + 0.5 * np.exp(-1.0))
    np.testing.assert_allclose(policy.relative_log_prob(draw).item(), expected, rtol=1e-12)


def test_arms_are_numbered_in_each_context_apart():
    problem = BanditProblem(
        log_count=np.log([[1.0, 2.0], [1.0, 9.0]]),
        log_mass=np.log([[0.5, 0.5]] * 2),
        reward=[[1.0, 0.0]] * 2,
    )
    policy = LumpedSoftmax(problem, 1, SGD(1.0), takes_arms=True)
    assert policy.place(np.array([[1]]), np.array([[[5]]])).arm_class.item() == 1
    with pytest.raises(ValueError, match=r"`arms` must be below the number of arms of its context"):
        policy.place(np.array([[0, 1]]), np.array([[[5], [5]]]))
