"""Checks of how advantages answer to another zero and another unit of reward."""

import numpy as np
from hypothesis import strategies as st

from banditlab.testing.check import CheckFailure, CheckSkipped, check, demand, demand_close
from banditlab.testing.checks.drawn import groups
from banditlab.testing.strategies import reward_groups
from banditlab.testing.subject import Subject


@check(
    "advantage",
    catches="a baseline that is not subtracted from all, an eps inside the mean",
    consequence="Whether wrong answers get 0 or -1 changes what is learned, although nobody "
    "meant it to.",
    reward=groups,
    shift=lambda subject: st.integers(-8, 8).map(lambda step: step / 2),
)
def reward_shift_as_declared(subject: Subject, reward: np.ndarray, shift: float) -> None:
    """A number added to all rewards is ignored or followed by the advantages, as declared."""
    declared = subject.promises.reward_shift
    if declared == "unpromised":
        raise CheckSkipped("it promises nothing of a shift of rewards")
    before, after = subject.advantage(reward), subject.advantage(reward + shift)
    expected = {"ignored": [before], "followed": [before + shift]}
    atol = 1e-9 * (1.0 + np.abs(before).max() + abs(shift))
    allowed = expected.get(declared, [before, before + shift])
    for number, candidate in enumerate(allowed):
        try:
            demand_close(f"the advantage of rewards + {shift:g}", after, candidate, atol=atol)
        except CheckFailure:
            if number == len(allowed) - 1:
                raise
        else:
            return


@check(
    "advantage",
    catches="a division by the variance, an eps as large as the rewards' spread",
    consequence="The unit of reward (0/1 or 0/100) becomes a hidden learning rate, or ceases to "
    "be one.",
    reward=groups,
    factor=lambda subject: st.sampled_from([0.5, 2.0, 3.0, 10.0]),
)
def reward_scale_as_declared(subject: Subject, reward: np.ndarray, factor: float) -> None:
    """A positive factor on all rewards is followed or ignored by the advantages, as declared."""
    declared = subject.promises.reward_scale
    if declared == "unpromised":
        raise CheckSkipped("it promises nothing of a factor on rewards")
    before, after = subject.advantage(reward), subject.advantage(reward * factor)
    expected = before * factor if declared == "followed" else before
    size = np.abs(expected).max()
    atol = subject.promises.reward_scale_error * size + 1e-12
    demand_close(f"the advantage of {factor:g} * rewards", after, expected, rtol=1e-9, atol=atol)


@check(
    "advantage",
    catches="Bessel's correction where the rule of that name has none, a variance for a deviation",
    consequence="The same settings train at another step size, by sqrt(G / (G - 1)), than in the "
    "library that they were taken from.",
    reward=groups,
)
def unit_deviation_as_declared(subject: Subject, reward: np.ndarray) -> None:
    """Advantages of a group that is not unanimous have deviation 1, by the declared definition."""
    declared = subject.promises.unit_deviation
    if declared is None:
        raise CheckSkipped("it promises no standard deviation of its advantages")
    advantage = subject.advantage(reward)
    if subject.promises.couples_groups:
        reward, advantage = reward.reshape(1, -1), advantage.reshape(1, -1)
    is_mixed = reward.max(axis=1) > reward.min(axis=1)
    found = advantage[is_mixed].std(axis=1, ddof=int(declared == "sample"))
    error = subject.promises.reward_scale_error
    demand_close(f"the {declared} deviation of a group", found, np.ones(len(found)), rtol=error)


@check(
    "advantage",
    catches="a square that overflows, an eps that swallows small rewards",
    consequence="Rewards in other units (a judge's 0 to 1e6, a log-likelihood) give NaN.",
    reward=lambda subject: reward_groups(is_binary=True),
    unit=lambda subject: st.sampled_from([1e-6, 1e6]),
)
def reward_units_finite(subject: Subject, reward: np.ndarray, unit: float) -> None:
    """Rewards of 1e-6 and of 1e6 get finite advantages, also in float32."""
    for dtype in ("float64", "float32"):
        advantage = subject.advantage(reward * unit, dtype=dtype)
        demand(
            bool(np.isfinite(advantage).all()),
            f"an advantage in {dtype} is not finite for rewards of {unit:g}",
            advantage,
        )
