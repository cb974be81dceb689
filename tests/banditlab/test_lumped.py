"""The lumped policy equals the dense one: on the same draws to 1e-12, and in law on its own."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banditlab.kernels import ClassKernel
from banditlab.lumped import LumpedSoftmax
from banditlab.problems import BanditProblem, rare_correct
from banditlab.rules import RULES, get_rule
from banditlab.simulate import SimulationConfig, simulate, step
from banditlab.softmax import DenseSoftmax

WITHIN = np.array([[3.0, -0.5, 0.2], [-0.5, 2.0, 0.1], [0.2, 0.1, 1.0]])
ACROSS = np.array([[0.8, -0.3, 0.0], [-0.3, 0.5, 0.1], [0.0, 0.1, 0.2]])
KERNELS = {
    "tabular": ClassKernel(),
    "within": ClassKernel(self_part=0.7, within_context=WITHIN),
    "across": ClassKernel(self_part=1.3, across_contexts=ACROSS),
    "both": ClassKernel(self_part=0.4, within_context=WITHIN, across_contexts=ACROSS),
}


def three_class_problem(kernel: ClassKernel, counts: list[list[int]]) -> BanditProblem:
    mass = np.array([[0.2, 0.5, 0.3], [0.1, 0.3, 0.6]])[: len(counts)]
    return BanditProblem(
        log_count=np.log(np.array(counts, dtype=float)),
        log_mass=np.log(mass),
        reward=np.tile([1.0, 0.0, 0.5], (len(counts), 1)),
        kernel=kernel,
    )


def class_biased_arms(problem: BanditProblem, shape, rng) -> np.ndarray:
    # Few arms per class, so that the same arm comes again within a group and across rounds.
    count = np.rint(np.exp(problem.log_count)).astype(int)
    offset = np.concatenate([np.zeros((len(count), 1), int), count.cumsum(1)[:, :-1]], axis=1)
    arm_class = rng.integers(0, problem.num_classes, shape)
    contexts = np.broadcast_to(np.arange(len(count))[None, :, None], shape)
    limit = np.minimum(count[contexts, arm_class], 6)
    return offset[contexts, arm_class] + np.floor(rng.random(shape) * limit).astype(int)


def run_both(problem, rule, *, num_rounds, inner_epochs, step_size, seed, num_runs=2, group_size=6):
    rng = np.random.default_rng(seed)
    lumped, dense = LumpedSoftmax(problem, num_runs), DenseSoftmax(problem, num_runs)
    contexts = np.broadcast_to(
        np.arange(problem.num_contexts), (num_runs, problem.num_contexts)
    ).copy()
    largest = 0.0
    for _ in range(num_rounds):
        arms = class_biased_arms(problem, (*contexts.shape, group_size), rng)
        rounds = [
            step(
                policy,
                rule,
                contexts,
                group_size=group_size,
                step_size=step_size,
                inner_epochs=inner_epochs,
                arms=arms,
            )
            for policy in (lumped, dense)
        ]
        largest = max(
            largest,
            np.abs(lumped.class_mass() - dense.class_mass()).max(),
            np.abs(rounds[0].log_ratio - rounds[1].log_ratio).max(),
        )
    return largest


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("rule", RULES)
def test_lumped_equals_dense_on_the_same_draws(rule, kernel):
    problem = three_class_problem(KERNELS[kernel], [[5, 700, 295], [1, 499, 500]])
    error = run_both(problem, RULES[rule], num_rounds=60, inner_epochs=3, step_size=0.3, seed=1)
    assert error < 1e-12


def test_lumped_equals_dense_over_400_rounds_at_3000_arms():
    problem = three_class_problem(KERNELS["tabular"], [[5, 1700, 1295]])
    error = run_both(
        problem, RULES["variance_penalty"], num_rounds=400, inner_epochs=2, step_size=0.5, seed=2
    )
    assert error < 1e-12


@settings(max_examples=15, deadline=None)
@given(
    rule=st.sampled_from(sorted(RULES)),
    kernel=st.sampled_from(sorted(KERNELS)),
    counts=st.lists(st.integers(1, 12), min_size=3, max_size=3),
    inner_epochs=st.integers(1, 4),
    step_size=st.floats(0.01, 0.5),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_setting_agrees(rule, kernel, counts, inner_epochs, step_size, seed):
    problem = three_class_problem(KERNELS[kernel], [counts, counts[::-1]])
    error = run_both(
        problem,
        RULES[rule],
        num_rounds=15,
        inner_epochs=inner_epochs,
        step_size=step_size,
        seed=seed,
    )
    assert error < 1e-11


def test_a_lump_that_is_not_shifted_is_found(monkeypatch):
    """The mutant of theory P1: only the sampled arm moves."""
    original = LumpedSoftmax.apply

    def apply(self, draw, coefficient, step_size):
        before = self._class_displacement.copy()
        original(self, draw, coefficient, step_size)
        self._class_displacement = before

    monkeypatch.setattr(LumpedSoftmax, "apply", apply)
    problem = three_class_problem(KERNELS["tabular"], [[5, 20, 15]])
    error = run_both(
        problem, RULES["raw_reward"], num_rounds=20, inner_epochs=1, step_size=0.3, seed=3
    )
    assert error > 1e-6


def law_of_pass_rate(policy: str, seed: int) -> np.ndarray:
    problem = BanditProblem(
        log_count=np.log([[2.0, 6.0]]), log_mass=np.log([[0.3, 0.7]]), reward=np.array([[1.0, 0.0]])
    )
    config = SimulationConfig(
        num_runs=4000, num_steps=6, group_size=4, step_size=2.0, seed=seed, policy=policy
    )
    return simulate(problem, RULES["group_mean"], config).curves["pass_rate"][:, -1]


def two_sample_z(first: np.ndarray, second: np.ndarray) -> float:
    error = math.hypot(first.std() / math.sqrt(first.size), second.std() / math.sqrt(second.size))
    return float((first.mean() - second.mean()) / error)


def test_own_draws_have_the_law_of_the_dense_policy():
    """Mean and mean square of the pass rate, |z| < 4 each (false-alarm rate 1.3e-4 in all)."""
    lumped, dense = law_of_pass_rate("lumped", 5), law_of_pass_rate("dense", 6)
    assert abs(two_sample_z(lumped, dense)) < 4
    assert abs(two_sample_z(lumped**2, dense**2)) < 4


def test_a_lump_that_keeps_its_touched_arms_has_another_law(monkeypatch):
    monkeypatch.setattr(
        "banditlab.lumped.log_untouched_mass",
        lambda problem, contexts, num_touched: problem.log_mass[contexts],
    )
    assert abs(two_sample_z(law_of_pass_rate("lumped", 5), law_of_pass_rate("dense", 6))) > 8


@pytest.mark.parametrize("log10_arms", [12, 1000, 100_000])
def test_huge_spaces_share_one_law_and_touch_few_slots(log10_arms):
    problem = rare_correct(log10_arms, 0.05)
    policy = LumpedSoftmax(problem, 50)
    rng = np.random.default_rng(0)
    contexts = np.zeros((50, 1), dtype=int)
    for _ in range(30):
        step(policy, RULES["grpo"], contexts, group_size=8, step_size=0.5, rng=rng)
    mass = policy.class_mass()
    np.testing.assert_allclose(mass.sum(axis=-1), 1.0, rtol=1e-12)
    reference = LumpedSoftmax(rare_correct(50, 0.05), 50)
    rng = np.random.default_rng(0)
    for _ in range(30):
        step(reference, RULES["grpo"], contexts, group_size=8, step_size=0.5, rng=rng)
    np.testing.assert_allclose(mass, reference.class_mass(), rtol=1e-9)
    # Above e^750 arms nothing but the one correct arm keeps a slot between rounds.
    num_slots = policy._slot_class.shape[-1]
    assert num_slots <= (4 * 8 if log10_arms > 400 else 2 * 8 * 30)


def test_success_probability_1e_300_neither_underflows_nor_drifts():
    policy = LumpedSoftmax(rare_correct(100_000, 1e-300), 3)
    arms = np.zeros((3, 1, 4), dtype=int)
    for _ in range(5):
        step(
            policy,
            RULES["raw_reward"],
            np.zeros((3, 1), int),
            group_size=4,
            step_size=20.0,
            arms=arms,
        )
    log_odds = np.log(policy.class_mass()[:, 0, 0])
    # Each round adds step_size * 1 to the correct logit while its probability is nil.
    np.testing.assert_allclose(log_odds, -300 * math.log(10.0) + 5 * 20.0, rtol=1e-12)


@pytest.mark.parametrize("total", [2301.0, 3000.0])
def test_a_given_arm_of_a_huge_class_remembers_where_it_was(total):
    """One arm of e^2302 moved in three rounds is where one round of three times the step puts it.

    Its probability underflows until the last round; an arm that is forgotten moves no mass at all.
    """
    problem = BanditProblem(
        log_count=np.full((1, 2), 2302.0), log_mass=np.log([[0.5, 0.5]]), reward=[[1.0, 0.0]]
    )
    arm = np.zeros((1, 1, 1), dtype=int)
    mass = []
    for num_rounds in (3, 1):
        policy = LumpedSoftmax(problem, 1)
        for _ in range(num_rounds):
            step(
                policy,
                RULES["raw_reward"],
                np.zeros((1, 1), dtype=int),
                group_size=1,
                step_size=total / num_rounds,
                arms=arm,
            )
        mass.append(policy.class_mass())
    np.testing.assert_allclose(mass[0], mass[1], rtol=1e-9)
    # log(probability of the arm / mass of the rest) = log(1/2) - 2302 + total.
    weight = math.exp(min(total - 2302.0, 700.0)) / 2
    np.testing.assert_allclose(mass[0][0, 0, 0], (0.5 + weight) / (1 + weight), rtol=1e-9)


def test_given_and_drawn_arms_do_not_mix():
    policy = LumpedSoftmax(rare_correct(2, 0.3), 1)
    contexts = np.zeros((1, 1), int)
    policy.sample(contexts, 2, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"`arms` must be either all given or all drawn"):
        policy.place(contexts, np.zeros((1, 1, 2), int))


def test_an_arm_that_does_not_exist_is_refused():
    policy = LumpedSoftmax(rare_correct(2, 0.3), 1)
    with pytest.raises(ValueError, match=r"place: `arms` must be between 0 and 100"):
        policy.place(np.zeros((1, 1), int), np.full((1, 1, 2), 101))


def test_a_blown_up_ratio_stops_the_run_and_names_the_step():
    # A correct arm of probability e^-2302 can grow by more than float64 can say.
    problem = BanditProblem(
        log_count=np.full((1, 2), 2302.0), log_mass=np.log([[0.5, 0.5]]), reward=[[1.0, 0.0]]
    )
    config = SimulationConfig(
        num_runs=20, num_steps=50, group_size=4, step_size=3000.0, inner_epochs=2
    )
    with pytest.raises(FloatingPointError, match=r"simulate: stopped at step \d+"):
        simulate(problem, get_rule("raw_reward"), config)
