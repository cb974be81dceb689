"""Reward of a response: 1 if math-verify finds its final answer equal to the gold answer, else 0.

math-verify may hang inside one long integer operation that no Python signal interrupts (a tower
of powers does it), so the comparison runs in a process of its own that can be killed.
"""

import logging
import multiprocessing
import signal
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from typing import Any, Self

import numpy as np
from pebble import ProcessExpired, ProcessPool

from banditlab.validation import require, require_finite_number, require_known
from llm_bridge.answers import ANSWER_FORMS, comparable_pair

_CHUNK_PAIRS = 64
_STARTUP_SECONDS = 30.0

Pair = tuple[str, str]
"""Final answer of the completion, gold answer, as `comparable_pair` spells them."""


@lru_cache(maxsize=4096)
def _parse(text: str) -> list[Any]:
    from math_verify import parse

    # The library's own time limits are off, here and below: they cannot interrupt the hangs that
    # matter, and the worker is killed from outside.
    return parse(text, parsing_timeout=None)


def _is_equal(answer: str, gold: str) -> bool:
    from math_verify import verify

    return bool(verify(_parse(gold), _parse(answer), timeout_seconds=None))


def _prepare_worker() -> None:
    logging.getLogger("math_verify").setLevel(logging.ERROR)
    # An interrupt from the keyboard reaches the whole process group; the parent ends the worker.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The imports and the tables built by the first comparison are no part of a grade's time.
    _is_equal("\\frac{1}{2}", "1/2")


def _grade_pairs(pairs: Sequence[Pair], time_limit: float) -> list[bool]:
    has_alarm = hasattr(signal, "setitimer")
    if has_alarm:
        # Second line: should the parent die meanwhile, the kernel ends a worker that hangs.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, 2.0 * time_limit + 1.0)
    is_correct = [_is_equal(answer, gold) for answer, gold in pairs]
    if has_alarm:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
    return is_correct


def _chunks(pairs: Sequence[Pair]) -> Iterator[Sequence[Pair]]:
    for start in range(0, len(pairs), _CHUNK_PAIRS):
        yield pairs[start : start + _CHUNK_PAIRS]


class Grader:
    """Grades completions against gold answers; each distinct pair goes through math-verify once.

    The worker process starts at the first pair that is not known yet and ends with `close`, or at
    the end of a `with` block.

    Attributes:
        time_limit: seconds one grade may take.
        form: where the final answer of a completion stands, one of `ANSWER_FORMS`.
        num_timeouts: completions graded wrong because the comparison took longer or ended the
            worker, counted each time such a completion is met.
        num_graded_pairs: distinct pairs graded so far.

    Examples:
        >>> with Grader() as grader:
        ...     grader.grade(["6 * 3 = 18\\n#### 18", "no mark: 18"], ["18", "18"])
        array([1., 0.])
    """

    def __init__(self, *, time_limit: float = 5.0, form: str = "mark") -> None:
        require_known("Grader", "form", form, ANSWER_FORMS, "form of final answers")
        require_finite_number(
            "Grader",
            "time_limit",
            time_limit,
            low=0.0,
            is_low_open=True,
            remedy="A grade takes milliseconds; 5 seconds leave room on a busy machine",
        )
        self.time_limit = float(time_limit)
        self.form = form
        self.num_timeouts = 0
        self._is_correct: dict[Pair, bool] = {}
        self._timed_out: set[Pair] = set()
        self._pool: ProcessPool | None = None

    @property
    def num_graded_pairs(self) -> int:
        """Distinct pairs graded so far."""
        return len(self._is_correct)

    def grade(self, completions: Sequence[str], golds: Sequence[str]) -> np.ndarray:
        """Reward of each completion.

        Args:
            completions: N texts; without a final answer in the grader's form they are wrong.
            golds: N gold answers.

        Returns:
            1.0 for a right final answer, 0.0 for a wrong or a missing one, shape [N], float64.

        Raises:
            ValueError: the two lists differ in length.
            RuntimeError: the worker process cannot start.
        """
        require(
            len(completions) == len(golds),
            "grade",
            "golds",
            f"as many as `completions`, {len(completions)}",
            len(golds),
            "Give one gold answer per completion",
        )
        pairs = [
            comparable_pair(text, gold, self.form)
            for text, gold in zip(completions, golds, strict=True)
        ]
        self._learn({pair: None for pair in pairs if pair is not None})
        self.num_timeouts += sum(pair in self._timed_out for pair in pairs)
        return np.array([pair is not None and self._is_correct[pair] for pair in pairs], float)

    def close(self) -> None:
        """End the worker process; grading again starts a new one."""
        if self._pool is not None:
            self._pool.stop()
            self._pool.join()
            self._pool = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _learn(self, pairs: Iterable[Pair]) -> None:
        unknown = [pair for pair in pairs if pair not in self._is_correct]
        for chunk in _chunks(unknown):
            verdicts = self._run(chunk)
            if verdicts is None:
                # Something in the chunk hangs: find it by grading one pair at a time.
                for pair in chunk:
                    alone = self._run([pair])
                    self._is_correct[pair] = alone is not None and alone[0]
                    if alone is None:
                        self._timed_out.add(pair)
            else:
                self._is_correct.update(zip(chunk, verdicts, strict=True))

    def _run(self, pairs: Sequence[Pair]) -> list[bool] | None:
        """Verdicts of the worker, or None if it ran out of time or died over them."""
        try:
            return self._ask_worker(pairs)
        except BrokenProcessPool:
            # It was ended while idle, e.g. by a machine short of memory: a new one gets the work.
            self.close()
        try:
            return self._ask_worker(pairs)
        except BrokenProcessPool as error:
            self.close()
            raise RuntimeError(
                "grade: the worker process of the grader ends before it takes up work. In a "
                "script, put the code that grades under `if __name__ == '__main__':`."
            ) from error

    def _ask_worker(self, pairs: Sequence[Pair]) -> list[bool] | None:
        if self._pool is not None and not self._pool.active:
            self.close()
        if self._pool is None:
            self._pool = ProcessPool(
                max_workers=1,
                initializer=_prepare_worker,
                context=multiprocessing.get_context("spawn"),
            )
        future = self._pool.schedule(
            _grade_pairs, args=[list(pairs), self.time_limit], timeout=self.time_limit
        )
        try:
            return future.result(timeout=self.time_limit + _STARTUP_SECONDS)
        except FutureTimeoutError as error:
            if future.done():
                return None
            # A worker ended while idle takes the lock of the pool's channel with it.
            raise BrokenProcessPool("no answer of the worker") from error
        except ProcessExpired:
            return None
