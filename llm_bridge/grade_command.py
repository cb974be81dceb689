"""The command `banditlab grade`: whether graders agree, on completions or on a dataset's answers.

Only the standard library is imported here; everything else loads inside the command.
"""

import json
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from banditlab.command import Command

if TYPE_CHECKING:
    from llm_bridge.agreement import Agreement

_SHOWN_CHARACTERS = 60


def _add_arguments(parser: ArgumentParser) -> None:
    what = parser.add_argument_group("what is graded")
    what.add_argument(
        "--completions",
        type=Path,
        metavar="FILE",
        help="JSON lines with the fields completion and gold, as `banditlab evaluate "
        "--completions` writes them",
    )
    what.add_argument(
        "--dataset", metavar="NAME_OR_PATH", help="grade the answers of a dataset, in place of it"
    )
    what.add_argument(
        "--source",
        metavar="NAME",
        default="solutions",
        help="solutions (the dataset's worked answers) or golds (each gold answer against itself)",
    )
    what.add_argument(
        "--task", metavar="NAME", default="gsm8k", help="gsm8k, math, verl, or file.py:object"
    )
    for flag, metavar, text in (
        ("--split", "NAME", "split of the dataset; by default its only one, or train"),
        ("--question-column", "NAME", "by default the task's own"),
        ("--answer-column", "NAME", "column of the worked answers; by default the task's own"),
        ("--gold-column", "NAME", "column of gold answers as they are; by default taken by --task"),
    ):
        what.add_argument(flag, metavar=metavar, help=text)
    what.add_argument("--take", type=int, metavar="N", help="the first N rows only")
    what.add_argument("--shuffle-seed", type=int, metavar="N", help="shuffle before --take")
    how = parser.add_argument_group("graders")
    how.add_argument(
        "--graders",
        metavar="A,B",
        help="of math_verify, mark, boxed and file.py:function, a reward function, for which 1 or "
        "more is right; by default all of the first three that fit the task",
    )
    how.add_argument(
        "--time-limit", type=float, default=5.0, metavar="S", help="seconds of one grade"
    )
    output = parser.add_argument_group("output")
    output.add_argument("--show", type=int, default=20, metavar="N", help="disagreements listed")
    output.add_argument("--json", type=Path, metavar="FILE", help="write counts and all of them")
    output.add_argument(
        "--all-right",
        action="store_true",
        help="exit with 1 unless every grader finds every completion right",
    )


def _run(arguments: Namespace) -> int:
    from banditlab.validation import require
    from llm_bridge.agreement import compare_graders, read_completions, reference_completions

    require(
        (arguments.completions is None) != (arguments.dataset is None),
        "grade",
        "completions",
        "given, or `dataset`, and not both",
        f"completions = {arguments.completions}, dataset = {arguments.dataset}",
        "Name what is to be graded",
    )
    if arguments.completions is not None:
        items = read_completions(arguments.completions)
    else:
        names = ("task", "source", "split", "take", "shuffle_seed")
        names += ("question_column", "answer_column", "gold_column")
        given = {name: getattr(arguments, name) for name in names}
        items = reference_completions(arguments.dataset, **given)
    found = compare_graders(
        items,
        task=arguments.task,
        graders=None if arguments.graders is None else arguments.graders.split(","),
        time_limit=arguments.time_limit,
    )
    _print(found, arguments.show)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(found.as_dict(), indent=2) + "\n")
    if arguments.all_right and not found.is_right.all():
        wrong = int((~found.is_right.all(axis=1)).sum())
        print(f"grade: {wrong} of {len(items)} completions are not right", file=sys.stderr)
        return 1
    return 0


def _shorten(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN_CHARACTERS else "..." + text[3 - _SHOWN_CHARACTERS :]


def _print(found: "Agreement", num_shown: int) -> None:
    from tabulate import tabulate

    total = len(found.items)
    print(f"{total} completions, {int((~found.has_answer).sum())} without a final answer\n")
    right = found.is_right.sum(axis=0).tolist()
    rows = [
        (name, num_right, total - num_right, num_timeouts)
        for name, num_right, num_timeouts in zip(
            found.graders, right, found.num_timeouts, strict=True
        )
    ]
    print(tabulate(rows, headers=["grader", "right", "wrong", "timeouts"]))
    if len(found.graders) < 2:
        return
    patterns = found.patterns()
    words = {True: "right", False: "wrong"}
    print()
    rows = [(*(words[v] for v in pattern), count) for pattern, count in patterns.items()]
    print(tabulate(rows, headers=[*found.graders, "count"]))
    apart = found.disagreements()
    print(f"\nagreement {1 - len(apart) / total:.4f}, {len(apart)} disagreements")
    if not apart or num_shown <= 0:
        return
    rows = [
        (
            found.items[index].place,
            *(words[v] for v in found.is_right[index].tolist()),
            _shorten(found.items[index].gold),
            _shorten(found.items[index].completion),
        )
        for index in apart[:num_shown]
    ]
    headers = ["row", *found.graders, "gold", "end of completion"]
    print("\n" + tabulate(rows, headers=headers, disable_numparse=True))
    if len(apart) > num_shown:
        print(f"... {len(apart) - num_shown} more; --show or --json gives them")


grade_command = Command(
    name="grade",
    summary="Count where graders agree, on a file of completions or a dataset's own answers.",
    example="banditlab grade --dataset embedded --take 200",
    add_arguments=_add_arguments,
    run=_run,
)
