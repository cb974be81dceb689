"""The part of a plain SGD step that touches every slot, at the speed of memory.

A slot that was not drawn moves by -rate * weight alone. Rows of a few slots are recomputed from
their logits, a cache-full of rows at a time. In a long row each weight is so small that its factor
exp(-rate * weight) is a short polynomial to the last bit, several times cheaper than exp. Which of
the two a row gets depends on its own slots only, so that no run depends on the others.

Shapes: M rows, N slots of a row, m rows that move, n drawn slots.
"""

import numpy as np

from banditlab.lumped.slots import BLOCK, SlotTable, block_sums, capacity_for, sum_of_blocks

_LONG_ROW = 2048
_CACHED_NUMBERS = 8192
# Largest |x| for which exp(x) is 1 + x + ... + x^n / n! to half a unit in the last place.
_LINEAR, _QUADRATIC, _CUBIC = 1.4e-8, 8.7e-6, 2.2e-4


def descend(
    slots: SlotTable,
    rows: np.ndarray | slice,
    rate: np.ndarray,
    shift: np.ndarray,
    drawn: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> np.ndarray:
    """Move slots by -rate * weight, drawn ones by their change besides, and renew the weights.

    Args:
        slots: the table, moved in place; its weights are exp(base + displacement - shift).
        rows: rows that move, ascending, shape [m], or all.
        rate: step_size * kernel * total coefficient / sum of weights, of each row, shape [m].
        shift: log of the unit of the weights, nats, of each row, shape [m].
        drawn: row (within the m, ascending) and slot of each drawn arm, and the change of its
            logit, each of shape [n].

    Returns:
        Sum of the new weights of each row, shape [m]; not finite where a weight overflows.
    """
    row, slot, change = drawn
    index = np.arange(slots.num_used.size)[rows]
    np.add.at(slots.displacement, (index[row], slot), change)
    used = slots.num_used[rows]
    is_long = used >= _LONG_ROW
    if not is_long.any():
        _recompute(slots, rows, rate, shift)
        return sum_of_blocks(slots.weight_blocks[rows])
    _recompute(slots, index[~is_long], rate[~is_long], shift[~is_long])
    buffers = np.empty((2, slots.capacity))
    for at in np.nonzero(is_long)[0]:
        of_row, width = index[at], -(-int(used[at]) // BLOCK) * BLOCK
        weight, blocks = slots.weight[of_row, :width], slots.weight_blocks[of_row]
        # A sum of weights bounds each of them, and costs no pass over them; if it will not do,
        # one pass is still cheaper than exp.
        bound = abs(rate[at]) * blocks.max()
        if bound > _CUBIC:
            bound = abs(rate[at]) * weight.max()
        displacement = slots.displacement[of_row, :width]
        _scale(weight, displacement, rate[at], bound, buffers[:, :width])
        np.add.reduce(weight.reshape(-1, BLOCK), axis=1, out=blocks[: width // BLOCK])
    # Drawn ones from their logits, so that a weight that had vanished comes back.
    is_drawn_long = is_long[row]
    within, slot = row[is_drawn_long], slot[is_drawn_long]
    cell = (index[within], slot)
    with np.errstate(over="ignore"):
        slots.weight[cell] = np.exp(slots.base[cell] + slots.displacement[cell] - shift[within])
    slots.renew_sums_at(*cell)
    return sum_of_blocks(slots.weight_blocks[rows])


def _recompute(
    slots: SlotTable, rows: np.ndarray | slice, rate: np.ndarray, shift: np.ndarray
) -> None:
    if not rate.size:
        return
    longest = int(slots.num_used[rows].max(initial=1))
    width = capacity_for(longest) if longest <= BLOCK else -(-longest // BLOCK) * BLOCK
    num_cached = max(1, _CACHED_NUMBERS // width)
    buffer = np.empty((num_cached, width))
    for begin in range(0, rate.size, num_cached):
        part = slice(begin, begin + num_cached)
        of_table = part if isinstance(rows, slice) else rows[part]
        weight = slots.weight[of_table, :width]
        scratch = np.multiply(weight, rate[part, None], out=buffer[: len(weight)])
        displacement = slots.displacement[of_table, :width]
        displacement -= scratch
        np.add(slots.base[of_table, :width], displacement, out=scratch)
        scratch -= shift[part, None]
        with np.errstate(over="ignore"):
            np.exp(scratch, out=weight)
        if not isinstance(rows, slice):
            slots.displacement[of_table, :width] = displacement
            slots.weight[of_table, :width] = weight
        blocks = block_sums(weight)
        slots.weight_blocks[of_table, : blocks.shape[1]] = blocks


def _scale(
    weight: np.ndarray, displacement: np.ndarray, rate: float, bound: float, buffers: np.ndarray
) -> None:
    """Lower displacement by x = rate * weight, scale weight by exp(-x), in place; |x| <= bound."""
    change, factor = buffers
    np.multiply(weight, -rate, out=change)
    displacement += change
    if bound > _CUBIC:
        weight *= np.exp(change, out=factor)
        return
    # weight * (exp(change) - 1), in as few passes as the next term of the series allows.
    if bound <= _LINEAR:
        np.multiply(weight, change, out=factor)
    elif bound <= _QUADRATIC:
        np.multiply(change, 0.5, out=factor)
        factor += 1.0
        factor *= change
        factor *= weight
    else:
        # 1 + x/2 + x^2/6 is ((x + 3/2)^2 + 15/4) / 6.
        np.add(change, 1.5, out=factor)
        factor *= factor
        factor += 3.75
        change *= 1.0 / 6.0
        factor *= change
        factor *= weight
    weight += factor
