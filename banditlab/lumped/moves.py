"""One optimizer step of the lumped policy: classes, slots, and arms that live in their draws.

Shapes: R runs, P prompts, M = R * P rows, m rows that move, C arm classes, N slots.
"""

from collections.abc import Sequence

import numpy as np

from banditlab.lumped.draws import LumpedDraw, promote
from banditlab.lumped.gradient import PendingGradient, moving_rows, pending_gradient
from banditlab.lumped.state import ALL, LumpedState, Rows
from banditlab.optimizers import Optimizer, ascend


def take_step(
    state: LumpedState,
    optimizer: Optimizer,
    count: int,
    pending: Sequence[tuple[LumpedDraw, np.ndarray]],
    live: Sequence[LumpedDraw],
) -> None:
    """Move the logits by the pending gradient, through the kernel, and renew all weights.

    Args:
        state: the policy, moved in place; arms that move and can come again have slots.
        optimizer: how the gradient becomes a change.
        count: number of this step, from 1.
        pending: draws with the coefficient of each arm.
        live: all draws that are held, whose arms of large classes move on their own.
    """
    kernel = state.problem.kernel
    is_stateless = not (state.optimizer_state["own"] or optimizer.decay)
    # Without state or decay nothing moves by itself but what was drawn.
    rows = moving_rows(state, pending) if is_stateless else ALL
    is_plain = is_stateless and kernel.is_tabular
    if not is_plain:
        state.freshen(rows)
    gradient = pending_gradient(state, pending, rows)
    own = kernel.self_part * gradient.own
    ascend(optimizer, state.own, state.optimizer_state["own"], own, count, rows)
    if state.has_large:
        given: dict[int, np.ndarray] = {}
        for draw, coefficient in pending:
            given[id(draw)] = given.get(id(draw), 0.0) + coefficient
        for draw in live:
            if id(draw) in given or not is_stateless:
                alone = kernel.self_part * given.get(id(draw), np.zeros(draw.slot.shape))
                ascend(optimizer, draw.displacement, draw.state, alone, count)
    if is_plain:
        rate = optimizer.step_size * kernel.self_part
        drawn = (gradient.row, gradient.slot, rate * gradient.coefficient)
        state.descend(rows, rate * gradient.share, drawn)
    else:
        _move_slots(state, optimizer, count, gradient, rows)
    if state.has_large:
        for draw in live:
            promote(state, draw, optimizer, count)


def _move_slots(
    state: LumpedState, optimizer: Optimizer, count: int, gradient: PendingGradient, rows: Rows
) -> None:
    """Move slots by any optimizer, and what whole classes move through the kernel."""
    kernel, slots = state.problem.kernel, state.slots
    in_slots = kernel.self_part * gradient.in_slots(slots.weight[rows])
    ascend(optimizer, slots.displacement, slots.state, in_slots, count, rows)
    # Sums, not matrix products, whose bits may depend on the number of runs.
    if state.has_within:
        moved = (gradient.class_score[..., None] * kernel.within_context).sum(axis=-2)
        ascend(optimizer, state.within, state.optimizer_state["within"], moved, count, rows)
    if state.has_across:
        by_run = np.zeros_like(state.across)
        np.add.at(by_run, state.run_of_row[rows], gradient.class_score)
        moved = (by_run[..., None] * kernel.across_contexts).sum(axis=-2)
        ascend(optimizer, state.across, state.optimizer_state["across"], moved, count)
        # Other contexts are recomputed when they are drawn from or read.
        state.is_stale[:] = True
    state.refresh(rows)
