"""The competitor: one run of a dense softmax policy gradient, written as well as NumPy allows.

One logit per arm, no array of K numbers allocated after the start, one exp per arm and step. The
weights keep their unit from step to step, so that no log-sum-exp is needed, and the arms are gone
through a cache-full at a time. A draw inverts the cumulative sum of chunks, then that of one chunk.
With `has_series`, a chunk in which no arm was drawn scales its weights by a cubic series in the
small change of logit, exact to the last bit, instead of computing exp.

Shapes: K arms, G group.
"""

import math

import numpy as np

from banditlab.problems import BanditProblem

_CHUNK = 8192
# Between these sums of weights their unit is kept.
_NEAR_ONE = (1.0 / 16.0, 16.0)
# Largest |x| for which exp(x) is 1 + x + x^2/2 + x^3/6 to half a unit in the last place.
_CUBIC = 2.2e-4


class DenseLoop:
    """Plain gradient steps of one run on one context, on-policy, every reward its class's mean.

    Attributes:
        logits: logits up to a common constant, nats, shape [K].
        weight: exp(logits), shape [K].
    """

    def __init__(
        self,
        problem: BanditProblem,
        step_size: float,
        *,
        has_baseline: bool,
        has_series: bool = False,
    ) -> None:
        """Start at the base policy.

        Args:
            problem: the arm space, of one context and no random rewards.
            step_size: step size.
            has_baseline: whether the mean reward of the group is subtracted.
            has_series: whether chunks without a drawn arm use the series.
        """
        count = problem.count()[0].astype(np.int64)
        self.logits = np.repeat(problem.log_mass[0] - problem.log_count[0], count)
        self.weight = np.zeros_like(self.logits)
        self._reward = np.repeat(problem.reward[0], count)
        self._step_size, self._has_baseline = step_size, has_baseline
        size = min(_CHUNK, self.logits.size)
        self._change, self._factor, self._cumulative = np.empty((3, size))
        # Views made once: slicing would cost as much as the arithmetic on a chunk.
        self._chunks = [
            (self.logits[low:high], self.weight[low:high], self._change[: high - low])
            for low in range(0, self.logits.size, size)
            for high in (min(low + size, self.logits.size),)
        ]
        self._series_bound = _CUBIC if has_series else 0.0
        self._size = size
        self._sums = np.zeros(len(self._chunks))
        self._cumulative_sums = np.zeros(len(self._chunks))
        self._renew(0.0, range(len(self._chunks)))

    def log_probs(self) -> np.ndarray:
        """Log-probability of every arm.

        Returns:
            Nats, shape [K].
        """
        return self.logits - math.log(self._total)

    def step(self, uniform: np.ndarray) -> np.ndarray:
        """Draw a group, see its rewards and take one step.

        Args:
            uniform: uniforms in [0, 1), shape [G].

        Returns:
            Number of each drawn arm, shape [G].
        """
        arm = self._draw(uniform)
        advantage = self._reward[arm]
        if self._has_baseline:
            advantage -= np.add.reduce(advantage) / advantage.size
        change = advantage * (self._step_size / arm.size)
        np.add.at(self.logits, arm, change)
        self._renew(change.sum() / self._total, set((arm // self._size).tolist()))
        return arm

    def _draw(self, uniform: np.ndarray) -> np.ndarray:
        target = uniform * self._total
        if len(self._chunks) == 1:
            cumulative = np.add.accumulate(self.weight, out=self._cumulative)
            return np.minimum(cumulative.searchsorted(target, side="right"), self.weight.size - 1)
        chunk = self._cumulative_sums.searchsorted(target, side="right")
        np.minimum(chunk, len(self._chunks) - 1, out=chunk)
        arm = np.empty(uniform.size, dtype=np.int64)
        for index in set(chunk.tolist()):
            weight = self._chunks[index][1]
            cumulative = np.add.accumulate(weight, out=self._cumulative[: weight.size])
            here = chunk == index
            before = self._cumulative_sums[index - 1] if index else 0.0
            within = cumulative.searchsorted(target[here] - before, side="right")
            arm[here] = index * self._size + np.minimum(within, weight.size - 1)
        return arm

    def _renew(self, rate: float, drawn: set[int] | range) -> None:
        """Lower every logit by rate * weight and compute the weights of the new logits."""
        sums, reach = self._sums, self._series_bound / max(abs(rate), 1e-300)
        for index, (logits, weight, change) in enumerate(self._chunks):
            np.multiply(weight, -rate, out=change)
            np.add(logits, change, out=logits)
            if sums[index] < reach and index not in drawn:
                self._scale(weight, change)
            else:
                np.exp(logits, out=weight)
            sums[index] = np.add.reduce(weight)
        np.add.accumulate(sums, out=self._cumulative_sums)
        self._total = float(self._cumulative_sums[-1])
        if not _NEAR_ONE[0] < self._total < _NEAR_ONE[1]:
            self.logits -= math.log(self._total)
            self._renew(0.0, range(len(self._chunks)))

    def _scale(self, weight: np.ndarray, change: np.ndarray) -> None:
        factor = self._factor[: weight.size]
        np.multiply(change, 1.0 / 3.0, out=factor)
        factor += 1.0
        factor *= change
        factor *= 0.5
        factor += 1.0
        factor *= change
        factor *= weight
        weight += factor
