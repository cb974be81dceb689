"""Draws of the lumped policy: which class, which slot, and when an arm needs one.

Shapes: R runs, B prompts of a batch, C arm classes, G group, M rows, N slots, n entries.
"""

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from banditlab.lumped.slots import padded_sum
from banditlab.lumped.state import LOG_NEVER_AGAIN, LumpedState
from banditlab.optimizers import Optimizer, State


@dataclass
class LumpedDraw:
    """Arms drawn in one round.

    Attributes:
        row: run * P + context of each prompt of the batch, shape [R, B].
        arm_class: class of each arm, shape [R, B, G].
        slot: slot of each arm, -1 where it has none, shape [R, B, G].
        identity: number of a given arm, else a uniform that says which of the untouched arms of
            its class a drawn one is, shape [R, B, G].
        position: which one it is, once that was asked for; before that of shape [0].
        displacement: that of arms of large classes without a slot, nats, shape [R, B, G].
        kept_reward: rewards that such arms keep, NaN before the first pull, shape [R, B, G].
        class_index: row * C + class, shape [R, B, G].
        state: optimizer state of such arms, arrays of shape [R, B, G].
    """

    row: np.ndarray
    arm_class: np.ndarray
    slot: np.ndarray
    identity: np.ndarray
    position: np.ndarray
    displacement: np.ndarray
    kept_reward: np.ndarray
    class_index: np.ndarray
    state: State = field(default_factory=dict)

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays by name, to be saved.

        Returns:
            The arrays, not copied.
        """
        named = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        state = named.pop("state")
        return {**named, **{f"state.{name}": array for name, array in state.items()}}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "LumpedDraw":
        """Build a draw from saved arrays.

        Args:
            arrays: what `arrays` returned.

        Returns:
            The draw.
        """
        values: dict[str, Any] = {k: v.copy() for k, v in arrays.items() if "." not in k}
        state = {k.partition(".")[2]: v.copy() for k, v in arrays.items() if "." in k}
        return cls(**values, state=state)


def start_draw(
    state: LumpedState,
    optimizer: Optimizer,
    row: np.ndarray,
    arm_class: np.ndarray,
    slot: np.ndarray,
    identity: np.ndarray,
) -> LumpedDraw:
    """Make the draw of known classes and slots.

    Args:
        state: the policy.
        optimizer: its state is kept for arms of large classes.
        row: row of each group, shape [R, B].
        arm_class: class of each arm, shape [R, B, G].
        slot: slot of each arm, or -1, shape [R, B, G].
        identity: as in `LumpedDraw`, shape [R, B, G].

    Returns:
        The draw.
    """
    class_index = row[..., None] * state.problem.num_classes + arm_class
    keeps_reward = state.problem.has_fixed_arm_rewards
    return LumpedDraw(
        row,
        arm_class,
        slot,
        identity,
        position=np.empty(0),
        displacement=state.own.take(class_index),
        kept_reward=np.full(slot.shape if keeps_reward else 0, np.nan),
        class_index=class_index,
        state=optimizer.init(slot.shape),
    )


def draw_arms(
    state: LumpedState, row: np.ndarray, uniform: np.ndarray, is_success: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a class, or an arm with a slot, by inverting the cumulative probability.

    Args:
        state: the policy.
        row: row of each group, shape [R, B].
        uniform: uniforms in [0, 1), shape [R, B, G].
        is_success: 1 to draw from the classes of positive reward only, 0 from the others only,
            -1 from all, shape [R, B, G]. All by default.

    Returns:
        Class of each arm, and its slot or -1, both of shape [R, B, G].
    """
    if is_success is None:
        return _draw_among(state, row, uniform, None)
    is_rewarded = state.reward > 0.0
    arm_class, slot = np.zeros((2, *is_success.shape), dtype=np.int64)
    for kind, is_allowed in ((-1, None), (0, ~is_rewarded), (1, is_rewarded)):
        drawn = _draw_among(state, row, uniform, is_allowed)
        arm_class = np.where(is_success == kind, drawn[0], arm_class)
        slot = np.where(is_success == kind, drawn[1], slot)
    return arm_class, slot


def _draw_among(
    state: LumpedState, row: np.ndarray, uniform: np.ndarray, is_allowed: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Draw from the allowed classes [M, C], or from all."""
    state.freshen(row)
    slots, is_allowed_slot = state.slots, None
    class_weight, slot_sum = state.class_weight[row], state.slot_sum
    if is_allowed is not None:
        class_weight = np.where(is_allowed[row], class_weight, 0.0)
        if slots.capacity:
            known = np.maximum(slots.arm_class, 0).astype(np.int64)
            is_allowed_slot = np.take_along_axis(is_allowed, known, axis=1)
            slot_sum = padded_sum(np.where(is_allowed_slot, slots.weight, 0.0))
    num_classes = class_weight.shape[-1]
    cumulative = class_weight.cumsum(axis=-1)
    target = uniform * (cumulative[..., -1] + slot_sum[row])[..., None]
    arm_class = (target >= cumulative[..., None, 0]).astype(np.int64)
    for index in range(1, num_classes):
        arm_class += target >= cumulative[..., None, index]
    slot = np.full(arm_class.shape, -1)
    is_past = arm_class == num_classes
    if is_past.any():
        is_slot = is_past & (slot_sum[row] > 0.0)[..., None]
        at = np.nonzero(is_slot)
        if at[0].size:
            rest = target[at] - cumulative[(*at[:2], -1)]
            slot[at] = slots.search(row[at[:2]], rest, is_allowed_slot)
            arm_class[at] = slots.arm_class[row[at[:2]], slot[at]]
        # Rounding can carry a target past the sum; it then belongs to the last class.
        last = num_classes - 1 - (class_weight[..., ::-1] > 0.0).argmax(axis=-1)
        arm_class = np.where(is_past & ~is_slot, last[..., None], arm_class)
    return arm_class, slot


def _pick_positions(state: LumpedState, draw: LumpedDraw) -> np.ndarray:
    """Which of the untouched arms of its class each arm is: equal numbers are the same arm."""
    num_untouched = (state.count - state.num_touched).take(draw.class_index)
    is_counted = np.isfinite(num_untouched)
    # Two rollouts of a class that float64 cannot count are the same arm below its precision.
    distinct = -1.0 - np.arange(num_untouched.size).reshape(num_untouched.shape)
    position = np.floor(draw.identity * np.where(is_counted, num_untouched, 0.0))
    return np.where(is_counted, position, distinct)


def give_slots(
    state: LumpedState, draw: LumpedDraw, is_wanted: np.ndarray, *, has_numbers: bool
) -> None:
    """Give wanted arms of classes of up to e^100 arms a slot, equal arms of the draw the same.

    Args:
        state: the policy.
        draw: the draw whose `slot` is filled in.
        is_wanted: which arms need one, shape [R, B, G].
        has_numbers: whether positions are the numbers of given arms.
    """
    is_open = (draw.slot < 0) & ~(state.is_single | state.is_large).take(draw.class_index)
    is_wanted = is_wanted & is_open
    if not is_wanted.any():
        return
    if not draw.position.size:
        # Until now no arm of the draw was taken out of its class.
        draw.position = draw.identity if has_numbers else _pick_positions(state, draw)
    # An arm of the draw that is not wanted itself may be the same as one that is.
    has_wanted = np.zeros(state.is_single.size, dtype=bool)
    has_wanted[draw.class_index[is_wanted]] = True
    at = np.nonzero(is_open & has_wanted.take(draw.class_index))
    class_index, position = draw.class_index[at], draw.position[at]
    order = np.lexsort((position, class_index))
    is_first = np.ones(order.size, dtype=bool)
    is_first[1:] = np.diff(class_index[order]) != 0
    is_first[1:] |= np.diff(position[order]) != 0
    arm = np.empty_like(order)
    arm[order] = is_first.cumsum() - 1
    is_kept = np.bincount(arm, is_wanted[at]) > 0
    chosen = order[is_first][is_kept]
    values = {k: v.take(class_index[chosen]) for k, v in state.optimizer_state["own"].items()}
    if has_numbers:
        values["arm"] = position[chosen].astype(np.int64)
    slot = np.full(is_kept.size, -1)
    slot[is_kept] = state.append_slots(
        class_index[chosen], state.own.take(class_index[chosen]), **values
    )
    draw.slot[at] = slot[arm]


def promote(state: LumpedState, draw: LumpedDraw, optimizer: Optimizer, count: int) -> None:
    """Give arms of large classes a slot once they may be drawn again, now or by coasting on.

    Args:
        state: the policy.
        draw: the draw, after a move.
        optimizer: its state can carry an arm on without a gradient.
        count: steps taken.
    """
    reach = draw.displacement + optimizer.coasting(draw.state, count)
    if reach.max() - state.own.min() <= state.smallest_large - LOG_NEVER_AGAIN:
        return
    excess = reach - state.own.take(draw.class_index)
    is_near = excess > state.log_count.take(draw.class_index) - LOG_NEVER_AGAIN
    at = np.nonzero(is_near & (draw.slot < 0) & state.is_large.take(draw.class_index))
    if not at[0].size:
        return
    order = np.argsort(draw.class_index[at], kind="stable")
    at = tuple(axis[order] for axis in at)
    values = {name: array[at] for name, array in draw.state.items()}
    if state.slots.reward is not None:
        values["reward"] = draw.kept_reward[at]
    draw.slot[at] = state.append_slots(draw.class_index[at], draw.displacement[at], **values)
    # Unlike an arm that leaves its class where it is, this one has moved.
    state.refresh(np.unique(draw.row[at[:2]]))


def reveal_rewards(state: LumpedState, draw: LumpedDraw, paid: np.ndarray) -> np.ndarray:
    """Reward that arms with one of their own pay; at its first pull an arm takes the one offered.

    Args:
        state: the policy, in which the rewards of arms with a slot are kept.
        draw: the draw.
        paid: reward offered to each arm, shape [R, B, G].

    Returns:
        Rewards, shape [R, B, G].
    """
    is_fixed = np.array([law.is_per_arm for law in state.problem.reward_law])[draw.arm_class]
    is_slot, is_single = draw.slot >= 0, state.is_single.take(draw.class_index)
    paid = paid.copy()
    # Written in reverse, so that the first of several pulls of a new arm decides.
    at = tuple(axis[::-1] for axis in np.nonzero(is_fixed & is_slot))
    cell = (draw.row[at[:2]], draw.slot[at])
    kept = state.slots.reward
    kept[cell] = np.where(np.isnan(kept[cell]), paid[at], kept[cell])
    paid[at] = kept[cell]
    at = tuple(axis[::-1] for axis in np.nonzero(is_fixed & is_single))
    index = draw.class_index[at]
    kept = state.kept_reward.reshape(-1)
    kept[index] = np.where(np.isnan(kept[index]), paid[at], kept[index])
    paid[at] = kept[index]
    is_loose = is_fixed & ~is_slot & ~is_single
    is_new = is_loose & np.isnan(draw.kept_reward)
    draw.kept_reward = np.where(is_new, paid, draw.kept_reward)
    return np.where(is_loose, draw.kept_reward, paid)
