"""A batch of sampled tokens as the checks draw it, small enough to be read and to be pasted.

Shapes: [N, T], N responses of T tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


def _code(array: np.ndarray) -> str:
    # Every float64 is the shortest decimal that gives it back, so that pasted code is exact.
    return repr(array.tolist()).replace("nan", "float('nan')").replace("inf", "float('inf')")


@dataclass(frozen=True, eq=False, repr=False)
class TokenBatch:
    """Log-probabilities, advantages and mask of N responses, padded to T tokens.

    Attributes:
        log_prob: log-probability under the current policy, nats, shape [N, T].
        old_log_prob: log-probability under the policy that drew the sample, nats, shape [N, T].
        advantage: advantage of each token's response, constant along a row, shape [N, T].
        mask: True where a token counts, shape [N, T].
    """

    log_prob: np.ndarray
    old_log_prob: np.ndarray
    advantage: np.ndarray
    mask: np.ndarray

    @classmethod
    def of(
        cls,
        log_prob: Sequence[Sequence[float]],
        old_log_prob: Sequence[Sequence[float]],
        advantage: Sequence[float],
        mask: Sequence[Sequence[bool]] | None = None,
    ) -> "TokenBatch":
        """Build a batch from nested lists; one advantage a response, all tokens count by default.

        Args:
            log_prob: nats, N rows of T numbers.
            old_log_prob: nats, N rows of T numbers.
            advantage: N numbers.
            mask: N rows of T truth values.

        Returns:
            The batch.

        Examples:
            >>> TokenBatch.of([[-1.0, -2.0]], [[-1.0, -1.5]], [0.5]).ratio.round(4)
            array([[1.    , 0.6065]])
        """
        current = np.asarray(log_prob, dtype=np.float64)
        return cls(
            current,
            np.asarray(old_log_prob, dtype=np.float64),
            np.repeat(np.asarray(advantage, dtype=np.float64)[:, None], current.shape[1], axis=1),
            np.ones(current.shape, dtype=bool) if mask is None else np.asarray(mask, dtype=bool),
        )

    @property
    def ratio(self) -> np.ndarray:
        """exp(log_prob - old_log_prob), shape [N, T]."""
        return np.exp(self.log_prob - self.old_log_prob)

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Copies of log_prob, old_log_prob, advantage and mask, in the order of a call."""
        return tuple(
            array.copy() for array in (self.log_prob, self.old_log_prob, self.advantage, self.mask)
        )

    def rows(self, index: Any) -> "TokenBatch":
        """The batch of some responses; `index` is a slice or a list, as for an array's rows."""
        return TokenBatch(*(array[index] for array in self.arrays()))

    def but(self, **arrays: np.ndarray) -> "TokenBatch":
        """The batch with other arrays of the given names."""
        names = ("log_prob", "old_log_prob", "advantage", "mask")
        return TokenBatch(*(arrays.get(name, getattr(self, name)) for name in names))

    def __repr__(self) -> str:
        lists = [_code(array) for array in (self.log_prob, self.old_log_prob)]
        lists.append(_code(self.advantage[:, 0]))
        if not self.mask.all():
            lists.append(_code(self.mask))
        return f"TokenBatch.of({', '.join(lists)})"
