"""Arm spaces by description: the [problem] table of an experiment file and what it builds.

Shapes: P prompts (contexts), C arm classes, K arms, T tokens.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from banditlab.arm_spaces import (
    explicit_rewards,
    from_pass_rates,
    rare_correct,
    read_pass_rates,
    zipf,
)
from banditlab.config import Problem
from banditlab.experiments.problem_parts import build_kernel, build_law, read_kernel, read_law
from banditlab.experiments.settings import Place, read_arguments
from banditlab.problems import BanditProblem
from banditlab.sequence.problem import SequenceProblem, rare_prefix, uniform_sequences
from banditlab.shared_shift.problem import shared_shift
from banditlab.validation import require, require_known, requirement_error


def from_classes(
    mass: np.ndarray,
    reward: np.ndarray,
    count: np.ndarray | None = None,
    log10_count: np.ndarray | None = None,
    num_train: int = -1,
) -> BanditProblem:
    """Contexts whose classes of exchangeable arms are given one by one.

    Args:
        mass: initial probability of each class, [P, C], or [C] for one context.
        reward: true mean reward of each class, of that shape.
        count: number of arms of each class, of that shape; or else
        log10_count: its log10.
        num_train: the first so many contexts are trained on; all by default.

    Returns:
        The problem.

    Raises:
        ValueError: not exactly one of the counts is given, or an argument is out of range.
    """
    require(
        (count is None) != (log10_count is None),
        "from_classes",
        "count, log10_count",
        "given, one of the two",
        "both" if count is not None else "neither",
        "Use log10_count for numbers that no float holds",
    )
    if log10_count is None:
        count = np.atleast_2d(_rectangular("count", count))
        require(
            bool((count >= 1.0).all()),
            "from_classes",
            "count",
            "at least 1 in every class",
            f"{count.min():g}",
            "Leave empty classes out",
        )
        log_count = np.log(count)
    else:
        log_count = np.atleast_2d(_rectangular("log10_count", log10_count)) * math.log(10.0)
    mass = np.atleast_2d(_rectangular("mass", mass))
    require(
        bool(((mass > 0.0) & (mass <= 1.0)).all()),
        "from_classes",
        "mass",
        "in (0, 1] in every class",
        f"values from {mass.min():g} to {mass.max():g}",
        "Leave classes of probability 0 out",
    )
    reward = np.atleast_2d(_rectangular("reward", reward))
    return BanditProblem(log_count, np.log(mass), reward, num_train=num_train)


def _rectangular(argument: str, value: Any) -> np.ndarray:
    try:
        return np.array(value, dtype=np.float64)
    except ValueError as error:
        raise requirement_error(
            "from_classes",
            argument,
            "a list, or a list of lists of equal length",
            value,
            "Every context has all classes",
        ) from error


def _sequences(
    vocabulary_size: int,
    sequence_length: int,
    targets: Sequence[Sequence[Sequence[int]]],
    num_train: int = -1,
) -> SequenceProblem:
    return replace(
        uniform_sequences(vocabulary_size, sequence_length, targets), num_train=num_train
    )


def _pass_rates(
    train_pass_rates: np.ndarray,
    heldout_pass_rates: np.ndarray | None = None,
    shared_kernel: float = 0.0,
    log10_arms: float = 1000.0,
) -> BanditProblem:
    return from_pass_rates(
        np.asarray(train_pass_rates),
        None if heldout_pass_rates is None else np.asarray(heldout_pass_rates),
        shared_kernel=shared_kernel,
        log10_arms=log10_arms,
    )


PROBLEM_KINDS: dict[str, Callable[..., Problem]] = {
    "rare_correct": rare_correct,
    "pass_rates": _pass_rates,
    "zipf": zipf,
    "rewards": explicit_rewards,
    "classes": from_classes,
    "sequence": _sequences,
    "rare_prefix": rare_prefix,
    "shared_shift": shared_shift,
}
SEQUENCE_KINDS = ("sequence", "rare_prefix")
"""Those of `PROBLEM_KINDS` that have tokens."""
POLICY_OF_KIND = {**dict.fromkeys(SEQUENCE_KINDS, "sequence"), "shared_shift": "shared_shift"}
"""Kinds that have a policy of their own."""
_WITH_PASS_RATES = ("pass_rates", "shared_shift")


def read_problem(table: Mapping[str, Any], place: Place, folder: Path) -> dict[str, Any]:
    """Check a [problem] table and fill its defaults in; pass rates are read from their files.

    Args:
        table: the table.
        place: where it stands.
        folder: folder that paths of CSV files are relative to.

    Returns:
        The resolved table, as JSON can write it.

    Raises:
        TypeError: a value is of the wrong kind.
        ValueError: a key is unknown or missing.
        OSError: a CSV file cannot be read.
    """
    require("kind" in table, place.source, "problem.kind", "given", "nothing", _there_are())
    kind = table["kind"]
    require_known(place.source, "problem.kind", kind, PROBLEM_KINDS, "kind of problem")
    of_others = ["kind"]
    of_others += [] if kind == "shared_shift" else ["reward_law"]
    of_others += [] if kind in POLICY_OF_KIND else ["kernel"]
    given = dict(table)
    for name in ("train_pass_rates", "heldout_pass_rates"):
        if kind in _WITH_PASS_RATES and isinstance(given.get(name), Mapping):
            given[name] = _read_column(given[name], place / name, folder)
    arguments = read_arguments(
        PROBLEM_KINDS[kind],
        given,
        place,
        leave_out=() if kind == "shared_shift" else ("kernel", "reward_law"),
        other_keys=of_others,
    )
    resolved = {"kind": kind, **arguments}
    if kind == "shared_shift":
        return resolved
    law = table.get("reward_law", {"kind": "deterministic"})
    if isinstance(law, list) and kind not in SEQUENCE_KINDS:
        resolved["reward_law"] = [read_law(entry, place / "reward_law") for entry in law]
    else:
        resolved["reward_law"] = read_law(law, place / "reward_law")
    if "kernel" in table:
        resolved["kernel"] = read_kernel(table["kernel"], place / "kernel")
    if kind == "pass_rates":
        require(
            (resolved["shared_kernel"] != 0.0) != ("kernel" in table),
            place.source,
            "problem.shared_kernel",
            "given and not 0, or else a table [problem.kernel]",
            "both" if "kernel" in table else "neither",
            "Without either no prompt would move another, nor itself",
        )
    return resolved


def _there_are() -> str:
    return f"There are: {', '.join(PROBLEM_KINDS)}"


def _column_settings(csv: str, column: str) -> None:
    """Keys of a table that stands for a column of pass rates."""


def _read_column(table: Mapping[str, Any], place: Place, folder: Path) -> list[float]:
    found = read_arguments(_column_settings, table, place)
    try:
        with place.named():
            return read_pass_rates(folder / found["csv"], found["column"]).tolist()
    except OSError as error:
        raise type(error)(
            f"{place.source}: `{place.table}.csv` must be a file that can be read, got "
            f"{found['csv']} ({error.strerror}). Paths are relative to the experiment file."
        ) from error
    except ValueError as error:
        if not isinstance(error.__cause__, UnicodeDecodeError):
            raise
        raise requirement_error(
            place.source,
            (place / "csv").table,
            "a file in UTF-8",
            f"{found['csv']} ({error.__cause__})",
            "Save it as UTF-8",
        ) from error


def build_problem(
    table: Mapping[str, Any], place: Place, on_projection: Callable[[float], Any] | None = None
) -> Problem:
    """Build the arm space of a resolved [problem] table.

    Args:
        table: what `read_problem` returned.
        place: where it stood.
        on_projection: called with the distance of a kernel that was projected.

    Returns:
        The problem.

    Raises:
        ValueError: a value is out of range.
    """
    if table["kind"] == "shared_shift":
        with place.named():
            return shared_shift(**{name: table[name] for name in table if name != "kind"})
    arguments = {
        name: value for name, value in table.items() if name not in ("kind", "reward_law", "kernel")
    }
    with place.named():
        problem = PROBLEM_KINDS[table["kind"]](**arguments)
        changed: dict[str, Any] = {}
        if "kernel" in table:
            changed["kernel"] = build_kernel(table["kernel"], problem.log_count, on_projection)
        law = table["reward_law"]
        if isinstance(law, list):
            changed["reward_law"] = tuple(build_law(entry) for entry in law)
        elif law["kind"] != "deterministic":
            changed["reward_law"] = build_law(law)
        return replace(problem, **changed) if changed else problem
