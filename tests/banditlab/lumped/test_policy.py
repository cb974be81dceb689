"""The lumped policy equals the dense one on the same draws, and in law on its own.

Tolerances: 1e-12 for SGD and momentum, 1e-8 for Adam, which divides rounding by its eps.
"""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from banditlab.config import SimulationConfig
from banditlab.kernels import ClassKernel
from banditlab.lumped.policy import LumpedSoftmax
from banditlab.optimizers import SGD
from banditlab.problems import BanditProblem
from banditlab.reward_laws import Bernoulli, FixedPerArm, Gaussian, NoisyVerifier
from banditlab.rules import RULES
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
AMPLIFIED_BY_ADAM = {"variance_penalty", "variance_penalty_dual", "variance_penalty_bounded"}


@pytest.mark.parametrize(("kernel", "optimizer"), PAIRS)
@pytest.mark.parametrize("rule", RULES)
def test_lumped_equals_dense_on_the_same_draws(rule, kernel, optimizer):
    problem = three_class_problem(KERNELS[kernel], [[5, 70, 25], [1, 49, 50]])
    error = largest_difference(
        problem, RULES[rule], OPTIMIZERS[optimizer], num_rounds=12, inner_epochs=3, seed=1
    )
    assert error < tolerance(OPTIMIZERS[optimizer])


@pytest.mark.parametrize("optimizer", ["sgd", "momentum_decay"])
@pytest.mark.parametrize("self_part", [0.0, 0.7])
def test_a_tabular_policy_moves_by_its_part_of_the_kernel(self_part, optimizer):
    problem = three_class_problem(ClassKernel(self_part=self_part), [[5, 70, 25], [1, 49, 50]])
    error = largest_difference(
        problem, RULES["clip"], OPTIMIZERS[optimizer], num_rounds=12, inner_epochs=3, seed=1
    )
    assert error < 1e-12


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


@pytest.mark.parametrize(("kernel", "optimizer"), PAIRS)
def test_a_restored_policy_goes_on_to_the_same_bits(kernel, optimizer):
    """With a draw that is still held, arms of a huge class among it, which live in the draw."""
    law = FixedPerArm(Gaussian(0.5))
    problem = three_class_problem(KERNELS[kernel], [[5, 70, 1e56], [1, 49, 50]], law)
    first, second = (
        LumpedSoftmax(problem, 2, OPTIMIZERS[optimizer], keeps_draws=True) for _ in range(2)
    )
    contexts = np.array([[0, 1], [1, 0]])

    def go_on(policy, held, seed):
        rng = np.random.default_rng(seed)
        for _ in range(4):
            draw = policy.sample(contexts, rng.random((2, 2, 5, 2)))
            reward = policy.reward(draw, rng.random((2, 2, 5)))
            policy.accumulate(draw, reward)
            if held is not None:
                policy.accumulate(held, policy.relative_log_prob(held))
            policy.move()
            held = draw
        return held

    held = go_on(first, None, 0)
    saved = {name: array.copy() for name, array in first.state().items()}
    packed = {name: array.copy() for name, array in first.pack(held).items()}
    assert saved["num_moves"] == 4
    first_end = go_on(first, held, 1)
    # Whatever it did before, it goes on from the state that it is given.
    go_on(second, None, 2)
    second.restore(saved)
    for name, array in second.state().items():
        np.testing.assert_array_equal(array, saved[name], err_msg=name)
    taken_up = second.unpack(packed)
    second_end = go_on(second, taken_up, 1)
    for name, array in second.state().items():
        np.testing.assert_array_equal(array, first.state()[name], err_msg=name)
    for name, array in second.pack(second_end).items():
        np.testing.assert_array_equal(array, first.pack(first_end)[name], err_msg=name)
    # And it took copies.
    assert not any(np.shares_memory(second.state()[name], saved[name]) for name in saved)


def test_readings_have_a_row_for_each_run_and_a_column_for_each_context():
    problem = three_class_problem(KERNELS["tabular"], [[5, 70, 25], [1, 49, 50]])
    policy = LumpedSoftmax(problem, 3, SGD(0.1))
    mass = np.exp(problem.log_mass)
    np.testing.assert_allclose(policy.class_mass(), np.tile(mass, (3, 1, 1)), rtol=1e-14)
    for reading, expected in (
        (policy.expected_reward(), (mass * problem.reward).sum(axis=1)),
        (policy.collision(), (mass**2 / np.exp(problem.log_count)).sum(axis=1)),
        (policy.entropy(), -(mass * (problem.log_mass - problem.log_count)).sum(axis=1)),
        (policy.num_touched(), [0, 0]),
    ):
        np.testing.assert_allclose(reading, np.tile(expected, (3, 1)), rtol=1e-14)
    assert policy.num_uniforms() == 2
