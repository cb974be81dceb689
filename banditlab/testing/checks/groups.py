"""Checks of advantages within and across groups.

Shapes: [P, G], P prompts of a group of G rollouts.
"""

import numpy as np
from hypothesis import strategies as st

from banditlab.testing.check import CheckSkipped, check, demand, demand_close
from banditlab.testing.checks.drawn import groups, order_of, orders, several_groups
from banditlab.testing.strategies import rewards
from banditlab.testing.subject import Subject

_RTOL, _ATOL = 1e-11, 1e-13


def _require_uncoupled(subject: Subject) -> None:
    if subject.promises.couples_groups:
        raise CheckSkipped("it declares that the groups of a batch are coupled")


@check(
    "advantage",
    catches="a baseline of the rollouts before, a first rollout that is treated apart",
    consequence="Equal rollouts of a group are pushed differently by where they stand.",
    reward=groups,
    order=orders,
)
def group_permutation(subject: Subject, reward: np.ndarray, order: list[int]) -> None:
    """Advantages move along when the rollouts of a group are put in another order."""
    order = order_of(order, reward.shape[1])
    demand_close(
        "the advantage in the new order",
        subject.advantage(reward[:, order]),
        subject.advantage(reward)[:, order],
        rtol=_RTOL,
        atol=_ATOL,
    )


@check(
    "advantage",
    catches="a reshape that mixes the group axis with the prompt axis",
    consequence="Rollouts are compared with those of another prompt.",
    reward=several_groups,
    order=orders,
)
def prompt_permutation(subject: Subject, reward: np.ndarray, order: list[int]) -> None:
    """Advantages move along when the prompts of a batch are put in another order."""
    order = order_of(order, len(reward))
    demand_close(
        "the advantage in the new order of prompts",
        subject.advantage(reward[order]),
        subject.advantage(reward)[order],
        rtol=_RTOL,
        atol=_ATOL,
    )


@check(
    "advantage",
    catches="a standard deviation over the batch under the name of a group's",
    consequence="What a prompt learns depends on how hard the other prompts of its batch are.",
    reward=several_groups,
)
def groups_independent(subject: Subject, reward: np.ndarray) -> None:
    """The advantages of a group do not depend on the rewards of other groups."""
    _require_uncoupled(subject)
    changed = reward.copy()
    changed[1:, 0] += 1.0
    demand_close(
        "the first group's advantage beside other groups",
        subject.advantage(changed)[0],
        subject.advantage(reward)[0],
        rtol=_RTOL,
        atol=_ATOL,
    )


@check(
    "advantage",
    catches="a loop over groups that is off by one, a scatter that loses a group",
    consequence="The vectorised estimator is another rule than the one that was reviewed.",
    reward=groups,
)
def groups_one_by_one(subject: Subject, reward: np.ndarray) -> None:
    """One call on a batch of groups gives what one call for each group gives."""
    _require_uncoupled(subject)
    rows = [subject.advantage(row[None]) for row in reward]
    demand_close(
        "the advantage", subject.advantage(reward), np.concatenate(rows), rtol=_RTOL, atol=_ATOL
    )


@check(
    "advantage",
    catches="0/0 in a unanimous group, a rounded mean that leaves 1e-17, divided by 1e-17",
    consequence="Groups in which all answers are right or all wrong, most of them early and late "
    "in training, give NaN or a gradient of pure rounding.",
    value=lambda subject: rewards(),
    shape=lambda subject: st.tuples(st.integers(1, 2), st.integers(2, 7)),
)
def unanimous_group(subject: Subject, value: float, shape: tuple[int, int]) -> None:
    """Equal rewards get finite and equal advantages, exactly 0 where a shift is ignored."""
    shape = tuple(int(size) for size in shape)
    advantage = subject.advantage(np.full(shape, value))
    demand(bool(np.isfinite(advantage).all()), "an advantage is not finite", advantage)
    demand(bool((advantage == advantage[0, 0]).all()), "equal rewards differ", advantage)
    if subject.promises.reward_shift == "ignored":
        demand(not advantage.any(), "a unanimous group has an advantage", advantage)


@check(
    "advantage",
    catches="a sign lost in a ranking, an absolute value, a reversed sort",
    consequence="The better of two answers is pushed less, or down.",
    reward=groups,
)
def better_reward_no_less_advantage(subject: Subject, reward: np.ndarray) -> None:
    """Advantages are finite, and within a group a higher reward has no lower advantage."""
    advantage = subject.advantage(reward)
    demand(bool(np.isfinite(advantage).all()), "an advantage is not finite", advantage)
    for row, given in zip(advantage, reward, strict=True):
        order = np.argsort(given, kind="stable")
        steps = np.diff(row[order])
        demand(
            bool((steps >= -1e-12 * (1.0 + np.abs(row).max())).all()),
            f"rewards {given[order].tolist()} have advantages {row[order].round(6).tolist()}",
            advantage,
        )


@check(
    "advantage",
    catches="ddof = 1 in a group of one, 0/0 = NaN; a vectorised RLOO that zeroes what the loop "
    "passes on",
    consequence="At one rollout per prompt the run gives NaN, learns nothing, or learns by "
    "another rule, without a word.",
    value=lambda subject: rewards(),
    num_prompts=lambda subject: st.integers(1, 3),
)
def singleton_group_as_declared(subject: Subject, value: float, num_prompts: int) -> None:
    """A group of one is refused, or gets its reward or 0, as declared."""
    if subject.promises.couples_groups:
        raise CheckSkipped("it declares that the groups of a batch are coupled")
    reward = np.full((num_prompts, 1), value)
    declared = subject.promises.singleton_group
    try:
        advantage = subject.advantage(reward)
    except ValueError as error:
        demand(declared in ("refused", None), f"a group of one is refused: {error}")
        return
    demand(
        bool(np.isfinite(advantage).all()),
        "the advantage of a group of one is not finite",
        advantage,
    )
    is_raw, is_zero = np.allclose(advantage, reward, rtol=1e-12), not advantage.any()
    is_kept = {
        "refused": False,
        "raw": is_raw,
        "zero": is_zero,
        "finite": True,
        None: is_raw or is_zero,
    }[declared]
    demand(
        is_kept,
        f"a group of one with reward {value:g} gets {advantage[0, 0]:.6g}, declared "
        f"{declared or 'refused, raw or zero'}",
        advantage,
    )


@check(
    "advantage",
    catches="a running baseline kept in a global, a random tie-break",
    consequence="A run cannot be repeated or resumed, and an evaluation changes the training.",
    examples=10,
    reward=groups,
)
def advantage_determinism(subject: Subject, reward: np.ndarray) -> None:
    """The same rewards give the same bits, whatever was computed in between."""
    first = subject.advantage(reward)
    subject.advantage(reward + 1.0)
    again = subject.advantage(reward)
    demand(np.array_equal(first, again, equal_nan=True), "the same rewards differ", again, first)
