"""Arithmetic word problems of nine kinds, in GSM8K's row format {"question", "answer"}.

A problem is a wording with one to three numbers and one or two arithmetic steps; `writers` turns
it into an answer text. This module needs numpy alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

MAX_NEW_TOKENS = 40
"""Longest response in tokens, the end token included; the longest corpus answer takes fewer."""

# fmt: off
NAMES = (
    "Ann", "Ben", "Cora", "Dan", "Eva", "Finn", "Gus", "Ida",
    "Jon", "Kim", "Leo", "Mia", "Nora", "Sam", "Tom", "Zoe",
)
ITEMS = (
    "apples", "balls", "beads", "books", "cards", "coins", "cups", "eggs",
    "keys", "nuts", "pears", "pens", "pins", "shells", "stamps", "toys",
)
# fmt: on

Step = tuple[str, str, str]
"""Left operand, operator, right operand: "a", "b", "c" for numbers, "r" for the last result."""


@dataclass(frozen=True)
class Kind:
    """One kind of word problem.

    Attributes:
        name: what distinguishes the kind.
        wordings: templates over {n}, {m} (two names), {i} (items) and the numbers {a}, {b}, {c}.
        steps: the arithmetic that solves it.
        careful_share: share of careful writers in the pre-training corpus.
        draw: numbers for one problem from a generator.
    """

    name: str
    wordings: tuple[str, ...]
    steps: tuple[Step, ...]
    careful_share: float
    draw: Callable[[np.random.Generator], tuple[int, ...]]


@dataclass(frozen=True)
class Problem:
    """One word problem: its kind, its numbers (a, b, c in the order of `Kind.steps`), its text."""

    kind: Kind
    numbers: tuple[int, ...]
    question: str


def _between(rng: np.random.Generator, low: int, high: int) -> int:
    return int(rng.integers(low, high + 1))


def _draw_addition(rng: np.random.Generator) -> tuple[int, ...]:
    return _between(rng, 3, 40), _between(rng, 2, 30)


def _draw_subtraction(rng: np.random.Generator) -> tuple[int, ...]:
    taken = _between(rng, 2, 25)
    return taken + _between(rng, 2, 40), taken


def _draw_product(rng: np.random.Generator) -> tuple[int, ...]:
    return _between(rng, 2, 9), _between(rng, 2, 9)


def _draw_quotient(rng: np.random.Generator) -> tuple[int, ...]:
    divisor = _between(rng, 2, 9)
    return divisor * _between(rng, 2, 9), divisor


def _draw_sum_less(rng: np.random.Generator) -> tuple[int, ...]:
    first, second = _between(rng, 3, 30), _between(rng, 2, 20)
    return first, second, _between(rng, 2, min(20, first + second - 1))


def _draw_product_more(rng: np.random.Generator) -> tuple[int, ...]:
    return _between(rng, 2, 9), _between(rng, 2, 9), _between(rng, 2, 15)


def _draw_product_less(rng: np.random.Generator) -> tuple[int, ...]:
    first, second = _between(rng, 2, 9), _between(rng, 2, 9)
    return first, second, _between(rng, 2, min(15, first * second - 1))


def _draw_more_than(rng: np.random.Generator) -> tuple[int, ...]:
    return _between(rng, 3, 30), _between(rng, 2, 15)


def _draw_times_as_many(rng: np.random.Generator) -> tuple[int, ...]:
    return _between(rng, 2, 12), _between(rng, 2, 6)


KINDS: tuple[Kind, ...] = (
    Kind(
        "addition",
        (
            "{n} has {a} {i} and gets {b} more. How many {i} now?",
            "{m} gives {b} {i} to {n}. {n} had {a}. How many {i} now?",
        ),
        (("a", "+", "b"),),
        0.60,
        _draw_addition,
    ),
    Kind(
        "subtraction",
        (
            "{n} has {a} {i} and gives {b} to {m}. How many are left?",
            "{n} had {a} {i} and lost {b}. How many are left?",
        ),
        (("a", "-", "b"),),
        0.50,
        _draw_subtraction,
    ),
    Kind(
        "product",
        (
            "{n} has {a} bags of {b} {i}. How many {i} in all?",
            "{a} bags hold {b} {i} each. How many {i} in all?",
        ),
        (("a", "*", "b"),),
        0.40,
        _draw_product,
    ),
    Kind(
        "quotient",
        (
            "{n} puts {a} {i} into {b} bags. How many in each bag?",
            "{b} bags hold {a} {i}. How many in each bag?",
        ),
        (("a", "/", "b"),),
        0.32,
        _draw_quotient,
    ),
    Kind(
        "sum_less",
        (
            "{n} has {a} {i}, gets {b} more and gives {c} to {m}. How many are left?",
            "{n} had {a} {i}, then got {b} and lost {c}. How many are left?",
        ),
        (("a", "+", "b"), ("r", "-", "c")),
        0.26,
        _draw_sum_less,
    ),
    Kind(
        "product_more",
        (
            "{n} has {a} bags of {b} {i} and {c} more. How many {i} in all?",
            "{a} bags hold {b} {i} each. {n} gets {c} more. How many {i} in all?",
        ),
        (("a", "*", "b"), ("r", "+", "c")),
        0.20,
        _draw_product_more,
    ),
    Kind(
        "product_less",
        (
            "{n} has {a} bags of {b} {i} and gives {c} to {m}. How many are left?",
            "{n} had {a} bags of {b} {i} and lost {c} {i}. How many are left?",
        ),
        (("a", "*", "b"), ("r", "-", "c")),
        0.15,
        _draw_product_less,
    ),
    Kind(
        "more_than",
        (
            "{n} has {a} {i}. {m} has {b} more than {n}. How many in all?",
            "{n} has {a} {i} and {m} has {b} more than that. How many in all?",
        ),
        (("a", "+", "b"), ("a", "+", "r")),
        0.10,
        _draw_more_than,
    ),
    Kind(
        "times_as_many",
        (
            "{n} has {a} {i}. {m} has {b} times as many. How many in all?",
            "{n} has {a} {i} and {m} has {b} times that. How many in all?",
        ),
        (("a", "*", "b"), ("a", "+", "r")),
        0.05,
        _draw_times_as_many,
    ),
)


def format_prompt(question: str) -> str:
    """Text before the response: the question on a line of its own.

    Args:
        question: one question; line breaks and blanks at its ends are dropped.

    Returns:
        The exact prompt the embedded model was trained on.
    """
    return question.strip() + "\n"


def draw_problem(rng: np.random.Generator) -> Problem:
    """One word problem of a uniformly drawn kind, wording, names, items and numbers.

    Args:
        rng: source of randomness; advanced.

    Returns:
        The problem.
    """
    kind = KINDS[int(rng.integers(len(KINDS)))]
    wording = kind.wordings[int(rng.integers(len(kind.wordings)))]
    first = int(rng.integers(len(NAMES)))
    second = (first + int(rng.integers(1, len(NAMES)))) % len(NAMES)
    items = ITEMS[int(rng.integers(len(ITEMS)))]
    numbers = kind.draw(rng)
    values = dict(zip("abc", numbers, strict=False))
    question = wording.format(n=NAMES[first], m=NAMES[second], i=items, **values)
    return Problem(kind, numbers, question)


def to_jsonl(rows: Iterable[dict[str, str]]) -> str:
    """Rows as JSON lines, one object a line, keys in the order question, answer.

    Args:
        rows: GSM8K rows.

    Returns:
        The text of the file, ending in a line break unless there are no rows.
    """
    return "".join(
        json.dumps({"question": row["question"], "answer": row["answer"]}) + "\n" for row in rows
    )


def hash_rows(rows: Iterable[dict[str, str]]) -> str:
    """SHA-256 of the rows' JSON lines, as hexadecimal digits.

    Args:
        rows: GSM8K rows.

    Returns:
        64 hexadecimal digits.
    """
    return hashlib.sha256(to_jsonl(rows).encode()).hexdigest()
