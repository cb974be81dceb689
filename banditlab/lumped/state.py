"""State of the lumped policy: logits of classes and slots, and their weights.

Arms of a class that were never moved individually keep equal logits under every
permutation-equivariant step, so a class needs one displacement and a log-mass, and only an arm
that was moved needs a slot of its own. A displacement is a logit less its value under the base
policy; log-masses and displacements are kept apart, since near log-counts of 2.3e5 float64
numbers are 3e-11 apart.

Shapes: R runs, P prompts (contexts), C arm classes, M = R * P rows, N slots of a row, n entries.
"""

import numpy as np

from banditlab.lumped.slot_moves import descend
from banditlab.lumped.slots import SlotTable, padded_sum
from banditlab.optimizers import Optimizer, State
from banditlab.problems import BanditProblem

Rows = np.ndarray | slice
"""Rows of a table: ascending numbers without repetition, or all of them."""

ALL = slice(None)

LOG_NEVER_AGAIN = 100.0
"""Log-count above which an arm of a class is never drawn again: e^-100 is nothing beside 1."""

_SUM_BOUNDS = (1e-200, 1e200)
# Between these the weights keep their unit from step to step.
_NEAR_ONE = (1.0 / 16.0, 16.0)


class LumpedState:
    """Arrays of R runs and P contexts, one row for each pair.

    A logit's displacement is the sum of its own (of the class's untouched arms, or of the slot),
    of what its class moved within the context, and of what its class moved in all contexts.

    Attributes:
        problem: the arm space.
        num_runs: R.
        count, log_count: number of arms of a class, inf where not countable, shape [M, C].
        log_prob_per_arm: of each arm under the base policy, nats, shape [M, C].
        reward: true mean reward of each class, shape [M, C].
        run_of_row: run of each row, shape [M].
        is_single, is_large: classes of one arm, of more than e^100 arms, shape [M, C].
        smallest_large: least log-count of the large classes, nats.
        num_touched: arms of a class that have a slot, shape [M, C].
        slots: arms with a logit of their own.
        own: displacement of the untouched arms of a class, nats, shape [M, C].
        within: displacement of all arms of a class in this context, nats, shape [M, C].
        across: displacement of all arms of a class in all contexts, nats, shape [R, C].
        optimizer_state: state of each of these three.
        class_weight: unnormalised probability of the untouched arms of a class, shape [M, C].
        slot_sum: sum of the slots' weights, shape [M].
        weight_sum: sum of all weights, about 1, shape [M].
        shift: log of the unit of the weights, shape [M].
        log_normalizer: log of the sum of exp(displacement) under the base policy, shape [M].
        is_stale: rows whose classes moved in all contexts, or that got slots, since their weights
            were last summed, shape [M].
        inverse_count: one over the number of untouched arms of a class, shape [M, C].
        kept_reward: reward that the arm of a class of one keeps, NaN where none, shape [M, C].
    """

    def __init__(
        self, problem: BanditProblem, num_runs: int, optimizer: Optimizer, *, has_numbers: bool
    ) -> None:
        """Start every run at the base policy.

        Args:
            problem: the arm space.
            num_runs: R.
            optimizer: its state is kept for every logit.
            has_numbers: whether arms are given by number.
        """
        self.problem, self.num_runs = problem, num_runs
        num_rows, num_classes = num_runs * problem.num_contexts, problem.num_classes
        shape = (num_rows, num_classes)

        def by_row(table: np.ndarray) -> np.ndarray:
            return np.tile(table, (num_runs, 1))

        self.log_count, self._log_mass = by_row(problem.log_count), by_row(problem.log_mass)
        self.log_prob_per_arm = self._log_mass - self.log_count
        self.count = by_row(problem.count())
        self.is_single = self.log_count == 0.0
        # A given arm can come again whatever its probability.
        self.is_large = (self.log_count > LOG_NEVER_AGAIN) & (not has_numbers)
        self.has_small = not bool((self.is_single | self.is_large).all())
        self.has_single = bool(self.is_single.any())
        self.has_large = bool(self.is_large.any())
        self.smallest_large = float(self.log_count[self.is_large].min(initial=np.inf))
        self.reward = by_row(problem.reward)
        self.run_of_row = np.repeat(np.arange(num_runs), problem.num_contexts)
        self.num_touched = np.zeros(shape, dtype=np.int64)
        self._log_untouched = self._log_mass.copy()
        self.inverse_count = np.exp(-self.log_count)
        self.slots = SlotTable(
            num_rows, optimizer, has_rewards=problem.has_fixed_arm_rewards, has_numbers=has_numbers
        )
        is_fixed = np.array([law.is_per_arm for law in problem.reward_law])
        self.kept_reward = np.where(is_fixed, np.nan, self.reward)
        kernel = problem.kernel
        self.has_within = kernel.within_context is not None
        self.has_across = kernel.across_contexts is not None
        self.own, self.within = np.zeros(shape), np.zeros(shape if self.has_within else (0, 0))
        self.across = np.zeros((num_runs, num_classes) if self.has_across else (0, 0))
        self.optimizer_state: dict[str, State] = {
            name: optimizer.init(getattr(self, name).shape) for name in ("own", "within", "across")
        }
        self.class_weight = np.exp(self._log_mass)
        self.slot_sum = np.zeros(num_rows)
        self.weight_sum = self._row_sums(self.class_weight)
        self.shift, self.log_normalizer = np.zeros((2, num_rows))
        self.is_stale = np.zeros(num_rows, dtype=bool)

    @staticmethod
    def _row_sums(class_weight: np.ndarray) -> np.ndarray:
        # One after the other, as the search for a class adds them.
        return class_weight.cumsum(axis=-1)[:, -1]

    def common(self, rows: Rows) -> np.ndarray | None:
        """Displacement that all arms of a class share, none for a tabular softmax.

        Args:
            rows: which rows.

        Returns:
            Nats, shape [rows, C], or None.
        """
        across = self.across[self.run_of_row[rows]] if self.has_across else None
        if not self.has_within:
            return across
        return self.within[rows] if across is None else self.within[rows] + across

    def common_at(self, class_index: np.ndarray) -> np.ndarray | float:
        """Displacement that the arms of given classes share with their class.

        Args:
            class_index: row * C + class, shape [*].

        Returns:
            Nats, shape [*]; 0 for a tabular softmax.
        """
        common = self.within.take(class_index) if self.has_within else 0.0
        if self.has_across:
            row, arm_class = np.divmod(class_index, self.problem.num_classes)
            common = common + self.across[self.run_of_row[row], arm_class]
        return common

    def freshen(self, rows: Rows) -> None:
        """Recompute the weights of rows that are about to be read, where they are stale.

        Args:
            rows: which rows, in any order.
        """
        if not self.is_stale.any():
            return
        stale = np.unique(np.arange(self.shift.size)[rows][self.is_stale[rows]])
        if stale.size:
            self.refresh(stale)

    def descend(
        self, rows: Rows, rate: np.ndarray, drawn: tuple[np.ndarray, np.ndarray, np.ndarray]
    ) -> None:
        """Move slots by a plain step, and renew all weights; classes were moved before.

        Args:
            rows: rows that move.
            rate: step_size * kernel * total coefficient / sum of weights, shape [rows].
            drawn: row (within `rows`, ascending), slot and change of logit of each drawn arm.
        """
        self.is_stale[rows] = False
        if not self.slots.capacity:
            self.refresh(rows)
            return
        slot_sum = descend(self.slots, rows, rate, self.shift[rows], drawn)
        with np.errstate(over="ignore"):
            class_weight = np.exp(self._class_logit(rows) - self.shift[rows][:, None])
        total = self._row_sums(class_weight) + slot_sum
        self.class_weight[rows], self.slot_sum[rows], self.weight_sum[rows] = (
            class_weight,
            slot_sum,
            total,
        )
        low, high = _NEAR_ONE
        is_near = (total > low) & (total < high)
        is_number = (total > 0.0) & np.isfinite(total)
        self.log_normalizer[rows] = self.shift[rows] + np.log(np.where(is_number, total, 1.0))
        if not is_near.all():
            self.refresh(np.arange(self.shift.size)[rows][~is_near])

    def _class_logit(self, rows: Rows) -> np.ndarray:
        common = self.common(rows)
        logit = self._log_untouched[rows] + self.own[rows]
        return logit if common is None else logit + common

    def refresh(self, rows: Rows) -> None:
        """Recompute weights of rows from their logits, in units of the last normalizer.

        Args:
            rows: which rows.
        """
        slots, class_logit, slot_logit = self.slots, self._class_logit(rows), None
        if slots.capacity:
            slot_logit = slots.base[rows] + slots.displacement[rows]
            common = self.common(rows)
            if common is not None:
                arm_class = np.maximum(slots.arm_class[rows], 0).astype(np.int64)
                slot_logit += np.take_along_axis(common, arm_class, axis=1)
        shift = self.log_normalizer[rows]
        weights = self._weights(class_logit, slot_logit, shift)
        low, high = _SUM_BOUNDS
        is_far = ~((weights[2] > low) & (weights[2] < high))
        if is_far.any():
            largest = class_logit.max(axis=-1)
            if slot_logit is not None:
                largest = np.maximum(largest, slot_logit.max(axis=-1))
            shift = np.where(is_far, largest, shift)
            weights = self._weights(class_logit, slot_logit, shift)
        self.class_weight[rows], self.slot_sum[rows], self.weight_sum[rows] = weights[:3]
        if slots.capacity:
            slots.weight[rows] = weights[3]
            slots.renew_sums(rows)
        self.shift[rows] = shift
        self.is_stale[rows] = False
        self.log_normalizer[rows] = shift + np.log(weights[2])

    def _weights(
        self, class_logit: np.ndarray, slot_logit: np.ndarray | None, shift: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
        with np.errstate(over="ignore"):
            class_weight = np.exp(class_logit - shift[:, None])
            slot_weight, slot_sum = None, np.zeros_like(shift)
            if slot_logit is not None:
                slot_weight = np.exp(slot_logit - shift[:, None])
                slot_sum = padded_sum(slot_weight)
            return class_weight, slot_sum, self._row_sums(class_weight) + slot_sum, slot_weight

    def append_slots(
        self, class_index: np.ndarray, displacement: np.ndarray, **values: np.ndarray
    ) -> np.ndarray:
        """Give arms that were untouched so far a slot each.

        The policy stays what it was where `displacement` is that of the class; where it is not,
        rows are to be refreshed.

        Args:
            class_index: row * C + class of each arm, ascending in its row, shape [n].
            displacement: own displacement of each arm, nats, shape [n].
            **values: further columns of the table, each of shape [n].

        Returns:
            The slots, shape [n].
        """
        row, arm_class = np.divmod(class_index, self.problem.num_classes)
        weight = self.class_weight.take(class_index) * self.inverse_count.take(class_index)
        slot = self.slots.append(
            row,
            arm_class=arm_class,
            base=self.log_prob_per_arm.take(class_index),
            displacement=displacement,
            weight=weight,
            **values,
        )
        np.add.at(self.num_touched.reshape(-1), class_index, 1)
        changed = np.unique(class_index)
        touched, count = self.num_touched.take(changed), self.count.take(changed)
        log_count = self.log_count.take(changed)
        is_exact = np.isfinite(count)
        remaining = np.where(is_exact, count - touched, 1.0)
        with np.errstate(divide="ignore"):
            log_share = np.where(
                is_exact,
                np.log(remaining) - np.where(is_exact, log_count, 0.0),
                np.log1p(-np.where(is_exact, 0.0, touched * np.exp(-log_count))),
            )
        before = self._log_untouched.take(changed)
        self._log_untouched.put(changed, self._log_mass.take(changed) + log_share)
        with np.errstate(invalid="ignore"):
            kept = np.exp(self._log_untouched.take(changed) - before)
        self.class_weight.put(changed, self.class_weight.take(changed) * kept)
        inverse = np.where(is_exact, 1.0 / np.maximum(remaining, 1.0), np.exp(-log_count))
        self.inverse_count.put(changed, inverse)
        # The sum of weights stays, but not how it is made up.
        self.is_stale[row] = True
        return slot

    _SAVED = ("own", "within", "across", "num_touched", "kept_reward", "class_weight", "slot_sum")
    _SAVED += (
        "weight_sum",
        "shift",
        "log_normalizer",
        "inverse_count",
        "_log_untouched",
        "is_stale",
    )

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays that change, by name.

        Returns:
            The arrays, not copied.
        """
        found = {name: getattr(self, name) for name in self._SAVED}
        found |= {f"slots.{name}": array for name, array in self.slots.arrays().items()}
        for part, state in self.optimizer_state.items():
            found |= {f"optimizer.{part}.{name}": array for name, array in state.items()}
        return found

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Go back to saved arrays.

        Args:
            arrays: what `arrays` returned.
        """
        for name in self._SAVED:
            setattr(self, name, arrays[name].copy())
        prefix = "slots."
        self.slots.restore(
            {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
        )
        for part, state in self.optimizer_state.items():
            for name in state:
                state[name] = arrays[f"optimizer.{part}.{name}"].copy()
