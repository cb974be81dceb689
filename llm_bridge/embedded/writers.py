"""Five writers who answer the word problems, and the row streams made of their answers.

Only the careful and the direct writer are right. A corpus of careful answers alone gives a base
model whose wrong answers are blurred right ones, which policy gradients cannot separate; writers
with habits of their own give the model right and wrong modes that a reward can choose between.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np

from llm_bridge.embedded.corpus import Problem, Step, draw_problem

CAREFUL = "careful"
OTHER_WRITERS: dict[str, float] = {
    "direct": 0.10,
    "slip": 0.45,
    "wrong_operation": 0.27,
    "stops_early": 0.18,
}
"""Shares of the writers among those who are not careful; they sum to 1."""

WRITERS: tuple[str, ...] = (CAREFUL, *OTHER_WRITERS)
LARGEST_SLIP = 9
_CUMULATIVE_SHARES = np.cumsum(list(OTHER_WRITERS.values()))

_APPLY: dict[str, Callable[[int, int], int]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": lambda left, right: left // right,
}
_MISTAKEN = {"+": ("-", "*"), "-": ("+",), "*": ("+", "-"), "/": ("-", "*")}


@dataclass(frozen=True)
class Splits:
    """The rows of the task and of the pre-training corpus; no question is in two of them."""

    train: list[dict[str, str]]
    heldout: list[dict[str, str]]
    pretraining: list[dict[str, str]]


def _work_out(
    problem: Problem,
    steps: tuple[Step, ...],
    slips: tuple[int, ...],
    rng: np.random.Generator | None = None,
) -> tuple[list[str], int]:
    """Lines "left op right=result" and the final result, each result off by its slip.

    With a generator, operands that may change places do so half of the time.
    """
    values = dict(zip("abc", problem.numbers, strict=False))
    lines = []
    for (left_name, operator, right_name), slip in zip(steps, slips, strict=True):
        left, right = values[left_name], values[right_name]
        if operator == "-" and left < right:
            left, right = right, left
        if rng is not None and operator in "+*" and rng.random() < 0.5:
            left, right = right, left
        values["r"] = max(_APPLY[operator](left, right) + slip, 0)
        lines.append(f"{left}{operator}{right}={values['r']}")
    return lines, values["r"]


def _finish(lines: list[str], result: int) -> str:
    return "\n".join([*lines, f"#### {result}"])


def solve(problem: Problem) -> int:
    """The problem's answer.

    Args:
        problem: a word problem.

    Returns:
        The integer that a right answer ends with.
    """
    return _work_out(problem, problem.kind.steps, (0,) * len(problem.kind.steps))[1]


def write_solution(problem: Problem) -> str:
    """The right steps in the order of the numbers, then "#### n".

    Args:
        problem: a word problem.

    Returns:
        The answer text of a clean row.
    """
    return _finish(*_work_out(problem, problem.kind.steps, (0,) * len(problem.kind.steps)))


def write_answer(problem: Problem, writer: str, rng: np.random.Generator) -> str:
    """One writer's answer to a problem: short steps, then "#### n".

    Args:
        problem: a word problem.
        writer: one of `WRITERS`.
        rng: source of randomness; advanced.

    Returns:
        The answer text; right for the careful and the direct writer, wrong for the others.

    Raises:
        ValueError: for an unknown writer.
    """
    steps = problem.kind.steps
    lines, gold = _work_out(problem, steps, (0,) * len(steps), rng)
    if writer == CAREFUL:
        return _finish(lines, gold)
    if writer == "direct":
        return _finish([], gold)
    if writer == "stops_early":
        return _stop_early(problem, lines, gold, rng)
    if writer == "slip":
        return _slip(problem, gold, rng)
    if writer == "wrong_operation":
        return _mistake_operation(problem, gold, rng)
    raise ValueError(
        f"`write_answer`: `writer` must be one of {', '.join(WRITERS)}, got {writer!r}. "
        "Choose one of these names."
    )


def _slip(problem: Problem, gold: int, rng: np.random.Generator) -> str:
    """A right plan with one result a little off, carried forward."""
    steps = problem.kind.steps
    while True:
        slips = [0] * len(steps)
        size = int(rng.integers(1, LARGEST_SLIP + 1))
        slips[int(rng.integers(len(steps)))] = size if rng.random() < 0.5 else -size
        lines, result = _work_out(problem, steps, tuple(slips), rng)
        if result != gold:
            return _finish(lines, result)


def _mistake_operation(problem: Problem, gold: int, rng: np.random.Generator) -> str:
    """One step with another operation, all results exact for what is written."""
    steps = problem.kind.steps
    while True:
        changed = int(rng.integers(len(steps)))
        left, operator, right = steps[changed]
        choices = _MISTAKEN[operator]
        mistaken = choices[int(rng.integers(len(choices)))]
        plan = (*steps[:changed], (left, mistaken, right), *steps[changed + 1 :])
        lines, result = _work_out(problem, plan, (0,) * len(plan), rng)
        if result != gold:
            return _finish(lines, result)


def _stop_early(problem: Problem, lines: list[str], gold: int, rng: np.random.Generator) -> str:
    """The first of two results, or a number of the question where there is one step only."""
    if len(lines) > 1:
        return _finish(lines[:1], int(lines[0].split("=")[1]))
    wrong = [number for number in problem.numbers if number != gold]
    return _finish([], wrong[int(rng.integers(len(wrong)))])


def draw_writer(careful_share: float, rng: np.random.Generator) -> str:
    """A writer: careful with the given probability, else one of the others by their shares.

    Args:
        careful_share: probability of the careful writer.
        rng: source of randomness; advanced by one draw.

    Returns:
        A name of `WRITERS`.
    """
    draw = float(rng.random())
    if draw < careful_share:
        return CAREFUL
    rest = (draw - careful_share) / (1.0 - careful_share) * _CUMULATIVE_SHARES[-1]
    return tuple(OTHER_WRITERS)[int(np.searchsorted(_CUMULATIVE_SHARES, rest, side="right"))]


def make_pretraining_rows(
    num_rows: int,
    rng: np.random.Generator,
    *,
    excluded: Collection[str] = (),
    careful_share: float | None = None,
) -> list[dict[str, str]]:
    """Noisy rows: every kind's answers by its own mixture of writers.

    Args:
        num_rows: number of rows; questions may repeat.
        rng: source of randomness; advanced.
        excluded: questions that must not appear.
        careful_share: share of careful writers in place of the kinds' own.

    Returns:
        Rows {"question", "answer"}.
    """
    rows = []
    while len(rows) < num_rows:
        problem = draw_problem(rng)
        if problem.question not in excluded:
            share = problem.kind.careful_share if careful_share is None else careful_share
            writer = draw_writer(share, rng)
            answer = write_answer(problem, writer, rng)
            rows.append({"question": problem.question, "answer": answer})
    return rows


def make_clean_rows(
    num_rows: int, rng: np.random.Generator, *, excluded: Collection[str] = ()
) -> list[dict[str, str]]:
    """Rows with distinct questions and right solutions.

    Args:
        num_rows: number of rows.
        rng: source of randomness; advanced.
        excluded: questions that must not appear.

    Returns:
        Rows {"question", "answer"}.
    """
    rows: dict[str, str] = {}
    while len(rows) < num_rows:
        problem = draw_problem(rng)
        if problem.question not in excluded:
            rows.setdefault(problem.question, write_solution(problem))
    return [{"question": question, "answer": answer} for question, answer in rows.items()]


def make_splits(
    *,
    num_train: int,
    num_heldout: int,
    num_pretraining: int,
    seed: int,
    careful_share: float | None = None,
) -> Splits:
    """Train and held-out prompts for RL, and a pre-training corpus that has seen neither.

    Args:
        num_train: number of train rows.
        num_heldout: number of held-out rows.
        num_pretraining: number of noisy rows.
        seed: one number that fixes all rows.
        careful_share: share of careful writers in the noisy rows; by default the kinds' own.

    Returns:
        The three lists of rows.
    """
    streams = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(3)]
    train = make_clean_rows(num_train, streams[0])
    seen = {row["question"] for row in train}
    heldout = make_clean_rows(num_heldout, streams[1], excluded=seen)
    seen |= {row["question"] for row in heldout}
    pretraining = make_pretraining_rows(
        num_pretraining, streams[2], excluded=seen, careful_share=careful_share
    )
    return Splits(train, heldout, pretraining)
