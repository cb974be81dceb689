"""Whether graders agree on completions: a user's file of them, or a dataset's own solutions.

Shapes: N completions, J graders.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from banditlab.references import is_reference
from banditlab.validation import require, require_known, requirement_error
from llm_bridge.answers import answer_of_form
from llm_bridge.graders import GRADERS, make_grader
from llm_bridge.rows import read_column, read_rows
from llm_bridge.task_definitions import find_task
from llm_bridge.tasks import load_task

SOURCES = ("solutions", "golds")


@dataclass(frozen=True)
class Graded:
    """A completion with what it should have been.

    Attributes:
        place: line or row it comes from, counted from 0.
        completion: the text.
        gold: gold answer.
        row: what a reward function gets beside the completion.
    """

    place: int
    completion: str
    gold: str
    row: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Agreement:
    """Verdicts of several graders on the same completions.

    Attributes:
        graders: J names.
        items: N completions.
        is_right: shape [N, J].
        has_answer: whether a completion has a final answer in the task's form, shape [N].
        num_timeouts: grades that ran out of time, of each grader, shape [J].
    """

    graders: tuple[str, ...]
    items: tuple[Graded, ...]
    is_right: np.ndarray
    has_answer: np.ndarray
    num_timeouts: tuple[int, ...]

    def patterns(self) -> dict[tuple[bool, ...], int]:
        """How often each combination of verdicts came, the most frequent first."""
        return dict(Counter(tuple(row) for row in self.is_right.tolist()).most_common())

    def disagreements(self) -> list[int]:
        """Indices of the completions on which the verdicts differ."""
        return np.flatnonzero(self.is_right.any(axis=1) & ~self.is_right.all(axis=1)).tolist()

    def as_dict(self) -> dict[str, Any]:
        """Counts and disagreements as JSON can write them."""
        return {
            "graders": list(self.graders),
            "num_completions": len(self.items),
            "num_without_answer": int((~self.has_answer).sum()),
            "num_right": self.is_right.sum(axis=0).tolist(),
            "num_timeouts": list(self.num_timeouts),
            "patterns": [
                {"is_right": list(pattern), "count": count}
                for pattern, count in self.patterns().items()
            ],
            "disagreements": [
                {
                    "place": self.items[index].place,
                    "gold": self.items[index].gold,
                    "completion": self.items[index].completion,
                    "is_right": self.is_right[index].tolist(),
                }
                for index in self.disagreements()
            ],
        }


def default_graders(task: str) -> tuple[str, ...]:
    """The graders that can find the answers of a task.

    Args:
        task: as in `find_task`.

    Returns:
        math_verify, and the string comparisons of the task's form.
    """
    form = find_task(task, "grade").form
    return tuple(name for name in GRADERS if name == "math_verify" or form in (name, "any"))


def compare_graders(
    items: Sequence[Graded],
    *,
    task: str = "gsm8k",
    graders: Iterable[str] | None = None,
    time_limit: float = 5.0,
) -> Agreement:
    """Grade the same completions with several graders.

    Args:
        items: N completions.
        task: gives the form of the final answers.
        graders: names, or reward functions, path/to/file.py:function, which find right what
            they give 1 or more; by default those of `default_graders`.
        time_limit: seconds that math_verify has for one grade.

    Returns:
        The verdicts.

    Raises:
        ValueError: a grader is unknown or cannot find answers of the task's form.
    """
    names = tuple(graders) if graders is not None else default_graders(task)
    texts, golds = [item.completion for item in items], [item.gold for item in items]
    verdicts, timeouts = [], []
    for name in names:
        is_function = is_reference(name)
        choice = {"reward": name} if is_function else {"grader": name}
        with make_grader(**choice, task=task, time_limit=time_limit) as grader:
            targets = [item.row for item in items] if is_function else golds
            verdicts.append(grader.grade(texts, targets) >= 1.0)
            timeouts.append(grader.num_timeouts)
    form = find_task(task).form
    return Agreement(
        graders=names,
        items=tuple(items),
        is_right=np.array(verdicts, dtype=bool).reshape(len(names), len(items)).T,
        has_answer=np.array([answer_of_form(text, form) is not None for text in texts], dtype=bool),
        num_timeouts=tuple(timeouts),
    )


def read_completions(path: Path) -> list[Graded]:
    """Completions of a JSONL file, one object a line with the fields completion and gold.

    Args:
        path: the file, such as `banditlab evaluate --completions` writes.

    Returns:
        N completions.

    Raises:
        ValueError: there is no such file, or a line is not of this form.
    """
    require(path.is_file(), "grade", "completions", "an existing file", repr(str(path)), "Check it")
    items = []
    for place, line in enumerate(path.read_text().splitlines()):
        try:
            fields = json.loads(line)
            items.append(Graded(place, str(fields["completion"]), str(fields["gold"]), fields))
        except (ValueError, KeyError, TypeError) as error:
            raise requirement_error(
                "grade",
                "completions",
                "JSON lines with the fields completion and gold",
                f"line {place + 1} of {path}, which raises {type(error).__name__}: {error}",
                "Write one object a line",
            ) from error
    require(len(items) > 0, "grade", "completions", "not empty", f"{path}", "Write some lines")
    return items


def reference_completions(
    dataset: str,
    *,
    task: str = "gsm8k",
    source: str = "solutions",
    gold_column: str | None = None,
    **options: Any,
) -> list[Graded]:
    """A dataset's own solutions, or its gold answers in the task's form, as completions.

    Args:
        dataset: as in `load_task`.
        task: definition of the rows.
        source: "solutions" (the column of the worked answers) or "golds" (each gold answer
            against itself).
        gold_column: column that holds gold answers as they are; by default the task's definition
            takes them from the rows.
        **options: split, take, shuffle_seed and the column names of `load_task`.

    Returns:
        N completions.

    Raises:
        ValueError: the dataset is not as described, or the task names no column of solutions.
    """
    require_known("grade", "source", source, SOURCES, "source of completions")
    definition = find_task(task, "grade")
    golds = list(load_task(dataset, task=task, **options).answers)
    choice = {name: options.get(name) for name in ("split", "take", "shuffle_seed")}
    _, rows, places = read_rows(dataset, **choice)
    if gold_column is not None:
        golds = [str(value) for value in read_column(rows, gold_column, "gold_column")]
    if source == "golds":
        template = "\\boxed{{{}}}" if definition.form == "boxed" else "#### {}"
        texts = [template.format(gold) for gold in golds]
    else:
        column = options.get("answer_column") or definition.answer_column
        require(
            column is not None and task != "verl",
            "grade",
            "source",
            "golds for a task whose rows hold no solutions",
            repr(source),
            "Take --source golds, or --completions FILE",
        )
        texts = [str(value) for value in read_column(rows, column, "answer_column")]
    return [
        Graded(int(place), text, gold, row)
        for place, text, gold, row in zip(places, texts, golds, rows, strict=True)
    ]
