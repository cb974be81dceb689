"""A table of arms that have logits of their own: a growing list of slots in each row.

A row is one context of one run. Slots are only ever appended, and sums over a row are taken in
blocks, so that neither how far the table has grown nor what other rows hold changes the bits.

Shapes: M rows (R * P), N slots of a row, C arm classes, n entries of a selection.
"""

import numpy as np

from banditlab.optimizers import Optimizer, State

BLOCK = 128
"""Slots that are summed together: as many as NumPy adds without splitting them."""

_SMALLEST = 8


def block_sums(value: np.ndarray) -> np.ndarray:
    """Sum over blocks of the last axis.

    Args:
        value: shape [*, N], N being 8, 16, 32, 64 or a multiple of 128.

    Returns:
        Shape [*, 1] up to 128 slots, else [*, N / 128].
    """
    if value.shape[-1] <= BLOCK:
        return value.sum(axis=-1, keepdims=True)
    return value.reshape(*value.shape[:-1], -1, BLOCK).sum(axis=-1)


def padded_sum(value: np.ndarray) -> np.ndarray:
    """Sum over the last axis, to the same bits however many zeros follow.

    NumPy adds up to 128 numbers in eight interleaved chains, whatever their number is as long as
    it is a multiple of 8, but splits longer rows in halves; so longer rows are summed by blocks.

    Args:
        value: shape [*, N], N being 8, 16, 32, 64 or a multiple of 128.

    Returns:
        Sums, shape [*].
    """
    return sum_of_blocks(block_sums(value))


def sum_of_blocks(blocks: np.ndarray) -> np.ndarray:
    """Sum of sums of blocks, to the same bits however many zeros follow.

    Args:
        blocks: what `block_sums` returned, shape [*, n].

    Returns:
        Sums, shape [*].
    """
    num_blocks = blocks.shape[-1]
    if num_blocks == 1:
        return blocks[..., 0]
    length = capacity_for(num_blocks)
    if length > num_blocks:
        padded = np.zeros((*blocks.shape[:-1], length))
        padded[..., :num_blocks] = blocks
        blocks = padded
    return padded_sum(blocks)


def capacity_for(num_slots: int) -> int:
    """Smallest capacity of at least a number of slots.

    Args:
        num_slots: slots needed.

    Returns:
        8, 16, 32, 64, 128 or a multiple of 1024.
    """
    capacity = _SMALLEST
    while capacity < min(num_slots, BLOCK):
        capacity *= 2
    step = BLOCK * _SMALLEST
    return capacity if num_slots <= BLOCK else -(-num_slots // step) * step


class SlotTable:
    """Slots of M rows.

    Attributes:
        num_used: slots in use, shape [M].
        arm_class: class of each arm, -1 where free, shape [M, N].
        base: log-probability under the base policy, nats, -inf where free, shape [M, N].
        displacement: logit less its value under the base policy, nats, shape [M, N].
        weight: unnormalised probability, shape [M, N].
        weight_blocks: sums of blocks of weights; whoever changes weights renews them.
        reward: reward that the arm keeps, NaN where it has none, shape [M, N].
        arm: number of an arm that was given, -1 where it was drawn, shape [M, N].
        state: state of the optimizer, arrays of shape [M, N].
    """

    _FREE = {  # noqa: RUF012 - read only
        "arm_class": -1,
        "base": -np.inf,
        "displacement": 0.0,
        "weight": 0.0,
        "reward": np.nan,
        "arm": -1,
    }

    def __init__(
        self, num_rows: int, optimizer: Optimizer, *, has_rewards: bool, has_numbers: bool
    ) -> None:
        """Start with no slots.

        Args:
            num_rows: M.
            optimizer: its state is kept for every slot.
            has_rewards: whether arms keep rewards.
            has_numbers: whether arms are given by number.
        """
        empty = (num_rows, 0)
        self.num_used = np.zeros(num_rows, dtype=np.int64)
        self.arm_class = np.zeros(empty, dtype=np.int32)
        self.base, self.displacement, self.weight = (np.zeros(empty) for _ in range(3))
        self.reward = np.zeros(empty) if has_rewards else None
        self.arm = np.zeros(empty, dtype=np.int64) if has_numbers else None
        self.state: State = optimizer.init(empty)
        self.weight_blocks = np.zeros(empty)

    def renew_sums(self, rows: np.ndarray | slice) -> None:
        """Sum the blocks of rows again.

        Args:
            rows: rows whose weights changed, shape [m].
        """
        self.weight_blocks[rows] = block_sums(self.weight[rows])

    def renew_sums_at(self, row: np.ndarray, slot: np.ndarray) -> None:
        """Sum those blocks again in which some weights changed.

        Args:
            row: row of each slot, shape [n].
            slot: the slots, shape [n].
        """
        width, num_blocks = min(BLOCK, self.capacity), self.weight_blocks.shape[1]
        changed = np.unique(row * num_blocks + slot // width)
        blocks = self.weight.reshape(-1, width).take(changed, axis=0)
        self.weight_blocks.reshape(-1)[changed] = blocks.sum(axis=-1)

    @property
    def capacity(self) -> int:
        """Slots for which there is room in every row, N."""
        return self.base.shape[1]

    def bytes_per_slot(self) -> int:
        """Memory of one slot.

        Returns:
            Bytes.
        """
        arrays = [getattr(self, name) for name in self._FREE]
        arrays += list(self.state.values())
        return sum(array.itemsize for array in arrays if array is not None)

    def append(self, row: np.ndarray, **values: np.ndarray) -> np.ndarray:
        """Append slots.

        Args:
            row: row of each new slot, in ascending order, shape [n].
            **values: `arm_class`, `base`, `displacement`, and where kept `reward`, `arm` and
                states of the optimizer, each of shape [n].

        Returns:
            The new slots, shape [n].
        """
        first = np.searchsorted(row, row, side="left")
        slot = self.num_used[row] + np.arange(row.size) - first
        self.num_used += np.bincount(row, minlength=self.num_used.size)
        self._grow(int(slot.max()) + 1)
        for name, value in values.items():
            array = self.state[name] if name in self.state else getattr(self, name)
            array[row, slot] = value
        return slot

    def find(self, row: np.ndarray, arm: np.ndarray) -> np.ndarray:
        """Slot of each given arm.

        Args:
            row: row of each arm, shape [n].
            arm: number of each arm, shape [n].

        Returns:
            The slot, or -1 where the arm has none, shape [n].
        """
        if self.capacity == 0:
            return np.full(row.shape, -1)
        is_same = self.arm[row] == arm[:, None]
        return np.where(is_same.any(axis=1), is_same.argmax(axis=1), -1)

    def search(
        self, row: np.ndarray, target: np.ndarray, is_allowed: np.ndarray | None = None
    ) -> np.ndarray:
        """Slot at which the cumulative weight of a row passes a target.

        Args:
            row: row of each search, ascending, shape [n].
            target: cumulative weight looked for, below the row's sum, shape [n].
            is_allowed: slots that may be found, shape [M, N]; all by default.

        Returns:
            The slot, shape [n].
        """
        width, num_blocks = min(BLOCK, self.capacity), self.weight_blocks.shape[1]
        rows, which = np.unique(row, return_inverse=True)
        if is_allowed is None:
            blocks = self.weight_blocks[rows]
        else:
            blocks = block_sums(np.where(is_allowed[rows], self.weight[rows], 0.0))
        cumulative = blocks.cumsum(axis=-1)[which]
        block = np.zeros_like(row)
        if num_blocks > 1:
            block = (cumulative <= target[:, None]).sum(axis=-1)
            # Rounding can carry a target past the sum; it then belongs to the last slot of all.
            last = num_blocks - 1 - (blocks[:, ::-1] > 0.0).argmax(axis=-1)[which]
            block = np.minimum(block, last)
            before = cumulative[np.arange(row.size), np.maximum(block - 1, 0)]
            target = target - np.where(block > 0, before, 0.0)
        index = row * num_blocks + block
        inside = self.weight.reshape(-1, width).take(index, axis=0)
        if is_allowed is not None:
            inside = np.where(is_allowed.reshape(-1, width).take(index, axis=0), inside, 0.0)
        within = (np.add.accumulate(inside, axis=-1) <= target[:, None]).sum(axis=-1)
        is_past = np.nonzero(within == width)[0]
        within[is_past] = width - 1 - (inside[is_past, ::-1] > 0.0).argmax(axis=-1)
        return block * width + within

    def class_sums(self, rows: np.ndarray | slice, num_classes: int) -> np.ndarray:
        """Sum of weights by class.

        Args:
            rows: which rows, shape [m].
            num_classes: C.

        Returns:
            Sums, shape [m, C].
        """
        weight = self.weight[rows]
        num_rows = len(weight)
        if self.capacity == 0:
            return np.zeros((num_rows, num_classes))
        index = np.arange(num_rows)[:, None] * num_classes + np.maximum(self.arm_class[rows], 0)
        sums = np.bincount(index.ravel(), weight.ravel(), minlength=num_rows * num_classes)
        return sums.reshape(num_rows, num_classes)

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays by name, to be saved.

        Returns:
            The arrays, not copied.
        """
        named = {name: getattr(self, name) for name in ("num_used", "weight_blocks", *self._FREE)}
        named = {name: array for name, array in named.items() if array is not None}
        return {**named, **{f"state.{name}": array for name, array in self.state.items()}}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Go back to saved arrays.

        Args:
            arrays: what `arrays` returned.
        """
        for name, array in arrays.items():
            kind, _, key = name.partition(".")
            if kind == "state":
                self.state[key] = array.copy()
            else:
                setattr(self, name, array.copy())

    def _grow(self, num_slots: int) -> None:
        if num_slots <= self.capacity:
            return
        # Half as much again: the copies then cost less than the appended slots themselves.
        capacity = capacity_for(max(num_slots, self.capacity * 3 // 2))
        more = [(0, 0), (0, capacity - self.capacity)]
        for name, free in self._FREE.items():
            array = getattr(self, name)
            if array is not None:
                setattr(self, name, np.pad(array, more, constant_values=free))
        self.state = {name: np.pad(array, more) for name, array in self.state.items()}
        blocks = np.zeros((len(self.weight), max(1, capacity // BLOCK)))
        blocks[:, : self.weight_blocks.shape[1]] = self.weight_blocks
        self.weight_blocks = blocks
