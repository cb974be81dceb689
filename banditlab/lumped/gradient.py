"""Gradient of the pending draws on the logits of the lumped policy, before the kernel.

Shapes: R runs, B prompts of a batch, G group, C arm classes, N slots, m rows that move, n draws of
arms with a slot.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from banditlab.lumped.draws import LumpedDraw
from banditlab.lumped.readings import class_mass
from banditlab.lumped.state import ALL, LumpedState, Rows


@dataclass(frozen=True)
class PendingGradient:
    """Sum over draws of coefficient * (e_arm - policy).

    Attributes:
        share: sum of coefficients over the sum of weights, shape [m].
        own: gradient on an untouched arm of each class, shape [m, C].
        class_score: gradient summed over all arms of each class, shape [m, C]; for a tabular
            softmax, which does not need it, shape [0, C].
        row, slot, coefficient: of each draw of an arm with a slot, by ascending row, each of
            shape [n]; a row counts within the m.
    """

    share: np.ndarray
    own: np.ndarray
    class_score: np.ndarray
    row: np.ndarray
    slot: np.ndarray
    coefficient: np.ndarray

    def in_slots(self, weight: np.ndarray) -> np.ndarray:
        """Gradient on every slot.

        Args:
            weight: weights of the slots, shape [m, N].

        Returns:
            Shape [m, N].
        """
        gradient = -self.share[:, None] * weight
        np.add.at(gradient, (self.row, self.slot), self.coefficient)
        return gradient


def moving_rows(state: LumpedState, pending: Sequence[tuple[LumpedDraw, np.ndarray]]) -> Rows:
    """Rows that a step moves which moves nothing but what was drawn.

    Args:
        state: the policy.
        pending: draws with their coefficients.

    Returns:
        The rows, or all of them where a draw has as many groups.
    """
    if any(draw.row.size >= state.own.shape[0] for draw, _ in pending):
        return ALL
    return np.unique(np.concatenate([draw.row.ravel() for draw, _ in pending]))


def pending_gradient(
    state: LumpedState, pending: Sequence[tuple[LumpedDraw, np.ndarray]], rows: Rows
) -> PendingGradient:
    """Sum the draws up.

    Args:
        state: the policy.
        pending: draws with the coefficient of each arm, [R, B, G].
        rows: rows of the state in which anything is drawn.

    Returns:
        The gradient.
    """
    is_all, num_classes = isinstance(rows, slice), state.problem.num_classes
    size = state.own.shape[0] if is_all else rows.size
    total, own = np.zeros(size), np.zeros((size, num_classes))
    is_tabular = state.problem.kernel.is_tabular
    class_score = np.zeros((0 if is_tabular else size, num_classes))
    drawn: list[tuple[np.ndarray, ...]] = []
    for draw, coefficient in pending:
        where = draw.row if is_all else np.searchsorted(rows, draw.row)
        np.add.at(total, where, coefficient.sum(axis=-1))
        if state.has_single:
            at = np.nonzero(state.is_single.take(draw.class_index))
            index = where[at[:2]] * num_classes + draw.arm_class[at]
            np.add.at(own.reshape(-1), index, coefficient[at])
        if state.slots.capacity:
            at = np.nonzero(draw.slot >= 0)
            drawn.append((where[at[:2]], draw.slot[at], coefficient[at]))
        if not is_tabular:
            index = where[..., None] * num_classes + draw.arm_class
            np.add.at(class_score.reshape(-1), index, coefficient)
    share = total / state.weight_sum[rows]
    own -= share[:, None] * state.class_weight[rows] * state.inverse_count[rows]
    if not is_tabular:
        class_score -= total[:, None] * class_mass(state, rows)
    return PendingGradient(share, own, class_score, *_by_row(drawn))


def _by_row(drawn: list[tuple[np.ndarray, ...]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if not drawn:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0)
    row, slot, coefficient = (np.concatenate(parts) for parts in zip(*drawn, strict=True))
    if (np.diff(row) >= 0).all():
        return row, slot, coefficient
    order = np.argsort(row, kind="stable")
    return row[order], slot[order], coefficient[order]
