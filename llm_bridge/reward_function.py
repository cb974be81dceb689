"""A reward function of one's own: f(completion, row) -> float, refused by name where it fails."""

import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np

from banditlab.references import load_object
from banditlab.validation import requirement_error

_SHOWN_CHARACTERS = 200


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."


class FunctionReward:
    """Rewards completions by a function of the completion and its row.

    The function runs in this process: what may hang needs a time limit of its own.

    Attributes:
        reference: where the function is.
        num_timeouts: 0.

    Args:
        reference: path/to/file.py:function or package.module:function.

    Raises:
        ModuleNotFoundError: a module is not installed.
        TypeError: what was found cannot be called.
        ValueError: there is no such function, or its module raises.
    """

    num_timeouts = 0

    def __init__(self, reference: str) -> None:
        self.reference = reference
        self._function: Callable[[str, Mapping[str, Any]], float] = load_object(
            reference, asked=("FunctionReward", "reward"), is_wanted=callable
        )
        if not callable(self._function):
            raise TypeError(
                "FunctionReward: `reward` must be a function f(completion, row) -> float, got "
                f"{reference!r}, which is {type(self._function).__name__}. Name a function."
            )

    def grade(self, completions: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """Reward of each completion.

        Args:
            completions: N texts.
            rows: N rows, each under the column names that the task's definition reads.

        Returns:
            Rewards, shape [N], float64, finite.

        Raises:
            ValueError: the function raises, or returns no finite number; the error names the
                function, the row and the completion.
        """
        return np.array(
            [self._reward(text, row) for text, row in zip(completions, rows, strict=True)], float
        )

    def _reward(self, completion: str, row: Mapping[str, Any]) -> float:
        try:
            reward = self._function(completion, row)
        except Exception as error:
            raise self._error(f"{type(error).__name__}: {error}", completion, row) from error
        if isinstance(reward, np.generic):
            reward = reward.item()
        if not isinstance(reward, numbers.Real) or not math.isfinite(reward):
            raise self._error(_shown(reward), completion, row)
        return float(reward)

    def _error(self, got: str, completion: str, row: Mapping[str, Any]) -> ValueError:
        return requirement_error(
            "grade",
            "reward",
            "a finite number for every completion",
            f"{got} from {self.reference} for the row {_shown(dict(row))} and the completion "
            f"{_shown(completion)}",
            "Let the function return a float in every case, 0.0 where there is nothing to reward",
        )

    def close(self) -> None:
        """Nothing is open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
