"""Arguments that say what is planned: a study file, or one configuration by flags.

Only the standard library is imported here.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_bridge.arguments import add_open

if TYPE_CHECKING:
    from llm_bridge.forecast.study import Study

_CELL = {
    "learning_rate": ("--learning-rate", float, "learning rate"),
    "num_prompts": ("--prompts", int, "prompts of an update"),
    "group_size": ("--group-size", int, "rollouts of a prompt"),
    "inner_epochs": ("--inner-epochs", int, "steps on the rollouts of an update"),
    "optimizer": ("--optimizer", str, "sgd or adamw"),
    "num_updates": ("--updates", int, "length of a run"),
    "eval_every": ("--eval-every", int, "updates between evaluations"),
    "row": ("--row", int, "the only prompt, counted from 0; with --prompts 1"),
}
_SHARED = {
    "model": ("--model", str, "embedded, a folder written by save_pretrained, or a hub name"),
    "dataset": ("--dataset", str, "embedded, a file, a folder, or a hub name"),
    "eval_dataset": ("--eval-dataset", str, "held-out data; by default --dataset"),
    "max_new_tokens": ("--max-new-tokens", int, "limit of a response, tokens"),
    "num_seeds": ("--seeds", int, "training runs of a cell"),
}


def add_study_arguments(parser: ArgumentParser) -> None:
    """Add the arguments that say what is planned.

    Args:
        parser: of a command.
    """
    plan = parser.add_argument_group("what is planned")
    plan.add_argument(
        "--study",
        type=Path,
        metavar="FILE",
        help="TOML file of [study] and [[cells]], such as "
        "examples/studies/embedded.toml; instead of the flags below",
    )
    plan.add_argument(
        "--cells", metavar="A,B", help="of the study, these cells only; by default all"
    )
    plan.add_argument(
        "--rules", metavar="A,B", help="update rules, one cell each (default: group_mean)"
    )
    for name, (flag, kind, explanation) in {**_SHARED, **_CELL}.items():
        add_open(plan, flag, kind.__name__.upper(), explanation, kind, dest=name)


def _cell_name(rule: str) -> str:
    """Name of a rule's cell: of a rule in a file or a module, the object's."""
    return rule.rpartition(":")[2]


def planned_study(arguments: Namespace, function: str) -> "Study":
    """The study that the arguments describe.

    Args:
        arguments: of the command.
        function: name of the command.

    Returns:
        The study.

    Raises:
        ValueError: a study file and flags are both given, cells are chosen without a file, or a
            value is out of range.
        OSError: the file cannot be read.
    """
    from banditlab.validation import require
    from llm_bridge.forecast.study import Study, StudyCell, read_study

    given = vars(arguments)
    shared: dict[str, Any] = {name: given[name] for name in _SHARED if name in given}
    cell: dict[str, Any] = {name: given[name] for name in _CELL if name in given}
    if arguments.study is None:
        require(
            arguments.cells is None,
            function,
            "cells",
            "given with --study FILE",
            arguments.cells,
            "Name rules with --rules",
        )
        cell = {"learning_rate": 0.01, **cell}
        rules = [rule.strip() for rule in (arguments.rules or "group_mean").split(",")]
        cells = tuple(StudyCell(name=_cell_name(rule), rule=rule, **cell) for rule in rules)
        return Study(cells=cells, **shared)
    flags = [] if arguments.rules is None else ["rules"]
    flags += [*shared, *cell]
    require(
        not flags,
        function,
        "study",
        "given without flags that describe a cell",
        ", ".join(flags),
        "Write them into the study file",
    )
    study = read_study(arguments.study)
    if arguments.cells is not None:
        study = study.only([name.strip() for name in arguments.cells.split(",")])
    return study
