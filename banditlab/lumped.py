"""The exact softmax policy over any number of arms: one logit per class, one per touched arm.

Arms of a class that were never moved individually keep equal logits under every
permutation-equivariant step, so a class needs one displacement and a log-mass, and only arms that
received a coefficient need a slot of their own. The cost of a step does not depend on the number
of arms. Nothing is approximated: a slot is given back to its class only if it never moved, or if
arms are drawn and the probability to draw this one again underflows float64 for good (class larger
than e^750). Where arms are given, any of them may come again, and a moved one keeps its slot.

A displacement is a logit less its value under the base policy; log-masses and displacements are
kept apart, since near log-counts of 2.3e5 float64 numbers are 3e-11 apart.

Shapes: R runs, P prompts (contexts), B prompts of a batch, C arm classes, G group, N slots.
"""

import numpy as np
from scipy.special import softmax

from banditlab.problems import BanditProblem, log_untouched_mass
from banditlab.softmax import Draw, class_sums, require_arm_numbers
from banditlab.validation import require

_FREE = -1
_DRAWN = -1
_LOG_UNDERFLOW = 750.0


class LumpedSoftmax:
    """Softmax policies over classes of exchangeable arms, for R runs and P contexts at once."""

    def __init__(self, problem: BanditProblem, num_runs: int) -> None:
        """Start every run at the base policy of the problem.

        Args:
            problem: the arm space.
            num_runs: R.
        """
        self.problem = problem
        rows = (num_runs, problem.num_contexts)
        self._runs = np.arange(num_runs)[:, None]
        self._log_prob_per_arm = problem.log_mass - problem.log_count
        self._count = problem.count()
        self._class_displacement = np.zeros((*rows, problem.num_classes))
        self._shared_displacement = np.zeros((num_runs, problem.num_classes))
        self._num_touched = np.zeros((*rows, problem.num_classes), dtype=np.int64)
        self._slot_class = np.full((*rows, 0), _FREE, dtype=np.int16)
        self._slot_displacement = np.zeros((*rows, 0))
        self._slot_arm = np.zeros((*rows, 0), dtype=np.int64)
        self._is_moved = np.zeros((*rows, 0), dtype=bool)
        self._has_given_arms: bool | None = None
        # The probabilities of the last batch asked for, until something moves.
        self._known: tuple[np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]] | None = None

    def class_mass(self) -> np.ndarray:
        """Probability of each class.

        Returns:
            Shape [R, P, C].
        """
        num_runs, num_contexts = self._class_displacement.shape[:2]
        if not self._num_touched.any():
            displacement = self._class_displacement + self._shared_displacement[:, None, :]
            return softmax(self.problem.log_mass + displacement, axis=-1)
        contexts = np.broadcast_to(np.arange(num_contexts), (num_runs, num_contexts))
        class_prob, slot_prob, _ = self._probs(contexts)
        return class_prob + self._slot_sums(slot_prob, contexts)

    def sample(self, contexts: np.ndarray, group_size: int, rng: np.random.Generator) -> Draw:
        """Draw a group of arms for each prompt of the batch.

        Args:
            contexts: index of each prompt, distinct within a run, shape [R, B].
            group_size: rollouts per prompt, G.
            rng: source of randomness.

        Returns:
            The draw; `arm` is a slot.

        Raises:
            ValueError: arms of earlier rounds were given.
        """
        self._require_one_source("sample", are_given=False)
        class_prob, slot_prob, _ = self._probs(contexts)
        cumulative = np.concatenate([class_prob, slot_prob], axis=-1).cumsum(axis=-1)
        shape = (*contexts.shape, group_size)
        uniform = rng.random(shape) * cumulative[..., -1:]
        category = (cumulative[..., None, :] <= uniform[..., None]).sum(axis=-1)
        num_classes = self.problem.num_classes
        is_fresh = category < num_classes
        slot = np.where(is_fresh, _FREE, category - num_classes)
        slot_class = self._slot_class[self._runs, contexts].astype(np.int64)
        if slot_class.shape[-1]:
            known_class = np.take_along_axis(slot_class, np.maximum(slot, 0), axis=-1)
            arm_class = np.where(is_fresh, category, known_class)
        else:
            arm_class = category
        # Which of the untouched arms of its class: two draws of the same number are the same arm.
        num_untouched = self._count[contexts] - self._num_touched[self._runs, contexts]
        num_untouched = np.take_along_axis(num_untouched, arm_class, axis=-1)
        position = rng.random(shape)
        is_countable = np.isfinite(num_untouched)
        position = np.where(
            is_countable, np.floor(position * np.where(is_countable, num_untouched, 1.0)), position
        )
        arm = np.full(shape, _DRAWN, dtype=np.int64)
        return self._settle(contexts, arm_class, slot, position, arm)

    def place(self, contexts: np.ndarray, arms: np.ndarray) -> Draw:
        """Take given arms, numbered as in the dense policy, instead of drawing them.

        Args:
            contexts: index of each prompt, distinct within a run, shape [R, B].
            arms: number of each arm, class by class from 0, shape [R, B, G].

        Returns:
            The draw; `arm` is a slot.

        Raises:
            ValueError: an arm does not exist, or arms of earlier rounds were drawn.
        """
        self._require_one_source("place", are_given=True)
        last = self._count.cumsum(axis=-1)
        require_arm_numbers("LumpedSoftmax.place", arms, last[:, -1].min())
        arm_class = (arms[..., None] >= last[contexts][..., None, :]).sum(axis=-1)
        if self._slot_arm.shape[-1]:
            is_slot = self._slot_class[self._runs, contexts][..., None, :] != _FREE
            is_same = is_slot & (
                self._slot_arm[self._runs, contexts][..., None, :] == arms[..., None]
            )
            slot = np.where(is_same.any(axis=-1), is_same.argmax(axis=-1), _FREE)
        else:
            slot = np.full(arms.shape, _FREE)
        return self._settle(contexts, arm_class, slot, arms.astype(np.float64), arms)

    def relative_log_prob(self, draw: Draw) -> np.ndarray:
        """Log-probability of the drawn arms, less that under the base policy.

        Rules look at ratios only, and this difference keeps its digits at any number of arms.

        Args:
            draw: the round's draw.

        Returns:
            Nats, shape [R, B, G].
        """
        _, _, log_normalizer = self._probs(draw.contexts)
        own = np.take_along_axis(
            self._slot_displacement[self._runs, draw.contexts], draw.arm, axis=-1
        )
        shared = np.take_along_axis(self._shared_displacement[:, None, :], draw.arm_class, axis=-1)
        return own + shared - log_normalizer[..., None]

    def apply(self, draw: Draw, coefficient: np.ndarray, step_size: float) -> None:
        """Move the logits by step_size * kernel * sum_i coefficient_i * (e_arm_i - policy).

        Args:
            draw: the round's draw.
            coefficient: scale * weight of each draw, shape [R, B, G].
            step_size: step size.
        """
        kernel, contexts = self.problem.kernel, draw.contexts
        rows = (self._runs, contexts)
        class_prob, slot_prob, log_normalizer = self._probs(contexts)
        total = coefficient.sum(axis=-1)
        own_sum = np.zeros_like(slot_prob)
        indices = np.indices(draw.arm.shape, sparse=True)
        np.add.at(own_sum, (indices[0], indices[1], draw.arm), coefficient)

        arm_log_prob = (
            self._log_prob_per_arm[contexts] + self._displacement(contexts)
        ) - log_normalizer[..., None]
        class_change = -kernel.self_part * total[..., None] * np.exp(arm_log_prob)
        slot_change = kernel.self_part * (own_sum - total[..., None] * slot_prob)
        if not kernel.is_tabular:
            mass = class_prob + self._slot_sums(slot_prob, contexts)
            class_score = class_sums(coefficient, draw.arm_class, mass.shape[-1])
            class_score -= total[..., None] * mass
            if kernel.within_context is not None:
                within = class_score @ kernel.within_context
                class_change += within
                slot_class = np.maximum(self._slot_class[rows], 0).astype(np.int64)
                slot_change += np.take_along_axis(within, slot_class, axis=-1)
            if kernel.across_contexts is not None:
                across = class_score.sum(axis=1) @ kernel.across_contexts
                self._shared_displacement += step_size * across
        self._class_displacement[rows] += step_size * class_change
        self._slot_displacement[rows] += step_size * slot_change
        self._known = None
        is_moved = self._is_moved[rows]
        np.logical_or.at(is_moved, (indices[0], indices[1], draw.arm), coefficient != 0.0)
        self._is_moved[rows] = is_moved

    def release(self, draw: Draw) -> None:
        """End the round: arms that never moved return to their class.

        So do moved arms of classes so large that the probability to draw them again underflows
        float64 for good. An arm that is given can come again whatever its probability.

        Args:
            draw: the round's draw.
        """
        rows = (self._runs, draw.contexts)
        slot_class = self._slot_class[rows]
        known_class = np.maximum(slot_class, 0).astype(np.int64)
        excess = self._slot_displacement[rows] - np.take_along_axis(
            self._class_displacement[rows], known_class, axis=-1
        )
        log_count = np.take_along_axis(self.problem.log_count[draw.contexts], known_class, axis=-1)
        is_kept = self._is_moved[rows] & (slot_class != _FREE)
        if not self._has_given_arms:
            is_kept &= log_count - np.abs(excess) <= _LOG_UNDERFLOW
        self._slot_class[rows] = np.where(is_kept, slot_class, _FREE)
        self._is_moved[rows] = is_kept
        self._count_touched(draw.contexts)

    def _displacement(self, contexts: np.ndarray) -> np.ndarray:
        own = self._class_displacement[self._runs, contexts]
        return own + self._shared_displacement[:, None, :]

    def _probs(self, contexts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Untouched mass of each class [R, B, C], of each slot [R, B, N], normalizer [R, B]."""
        if self._known is None or self._known[0] is not contexts:
            self._known = (contexts, self._compute_probs(contexts))
        return self._known[1]

    def _compute_probs(self, contexts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows = (self._runs, contexts)
        displacement = self._displacement(contexts)
        log_mass = log_untouched_mass(self.problem, contexts, self._num_touched[rows])
        class_log_weight = log_mass + displacement
        slot_class = self._slot_class[rows]
        is_slot = slot_class != _FREE
        known_class = np.maximum(slot_class, 0).astype(np.int64)
        shared = np.take_along_axis(self._shared_displacement[:, None, :], known_class, axis=-1)
        per_arm = np.take_along_axis(self._log_prob_per_arm[contexts], known_class, axis=-1)
        slot_log_weight = np.where(
            is_slot, per_arm + self._slot_displacement[rows] + shared, -np.inf
        )
        largest = class_log_weight.max(axis=-1)
        if slot_class.shape[-1]:
            largest = np.maximum(largest, slot_log_weight.max(axis=-1))
        class_weight = np.exp(class_log_weight - largest[..., None])
        slot_weight = np.exp(slot_log_weight - largest[..., None])
        total = class_weight.sum(axis=-1) + slot_weight.sum(axis=-1)
        return (
            class_weight / total[..., None],
            slot_weight / total[..., None],
            largest + np.log(total),
        )

    def _slot_sums(self, slot_value: np.ndarray, contexts: np.ndarray) -> np.ndarray:
        """Sum of slot values [R, B, N] by class, [R, B, C]."""
        slot_class = self._slot_class[self._runs, contexts]
        return class_sums(slot_value, slot_class, self.problem.num_classes)

    def _require_one_source(self, function: str, *, are_given: bool) -> None:
        require(
            self._has_given_arms in (None, are_given),
            f"LumpedSoftmax.{function}",
            "arms",
            "either all given or all drawn",
            "both in one policy",
            "A drawn arm has no number; start a new policy",
        )
        self._has_given_arms = are_given

    def _settle(
        self,
        contexts: np.ndarray,
        arm_class: np.ndarray,
        slot: np.ndarray,
        position: np.ndarray,
        arm: np.ndarray,
    ) -> Draw:
        """Give each fresh arm a slot that starts at the displacement of its class."""
        rows = (self._runs, contexts)
        is_fresh = slot == _FREE
        is_same = is_fresh[..., None] & is_fresh[..., None, :]
        is_same &= arm_class[..., None] == arm_class[..., None, :]
        is_same &= position[..., None] == position[..., None, :]
        group_size = slot.shape[-1]
        first = np.where(is_fresh, is_same.argmax(axis=-1), np.arange(group_size))
        is_new = is_fresh & (first == np.arange(group_size))
        num_needed = int(is_new.sum(axis=-1).max())
        num_free = (self._slot_class[rows] == _FREE).sum(axis=-1)
        if num_needed > num_free.min():
            self._grow(max(num_needed - int(num_free.min()), self._slot_class.shape[-1]))
        free_order = np.argsort(self._slot_class[rows] != _FREE, axis=-1, kind="stable")
        rank = np.maximum(is_new.cumsum(axis=-1) - 1, 0)
        slot = np.where(is_new, np.take_along_axis(free_order, rank, axis=-1), slot)
        slot = np.take_along_axis(slot, first, axis=-1)

        run, batch, draw = np.nonzero(is_new)
        context, new_slot = contexts[run, batch], slot[run, batch, draw]
        new_class = arm_class[run, batch, draw]
        self._slot_class[run, context, new_slot] = new_class
        self._slot_displacement[run, context, new_slot] = self._class_displacement[
            run, context, new_class
        ]
        self._slot_arm[run, context, new_slot] = arm[run, batch, draw]
        self._is_moved[run, context, new_slot] = False
        self._count_touched(contexts)
        return Draw(contexts, slot, arm_class)

    def _count_touched(self, contexts: np.ndarray) -> None:
        # Called whenever slots were taken or given back.
        self._known = None
        is_slot = np.ones(self._slot_class[self._runs, contexts].shape)
        self._num_touched[self._runs, contexts] = self._slot_sums(is_slot, contexts)

    def _grow(self, num_more: int) -> None:
        more = [(0, 0), (0, 0), (0, num_more)]
        self._slot_class = np.pad(self._slot_class, more, constant_values=_FREE)
        self._slot_displacement = np.pad(self._slot_displacement, more)
        self._slot_arm = np.pad(self._slot_arm, more)
        self._is_moved = np.pad(self._is_moved, more)
