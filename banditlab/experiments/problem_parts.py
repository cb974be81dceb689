"""The tables [problem.reward_law] and [problem.kernel] of an experiment file.

Shapes: P prompts (contexts), C arm classes.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from banditlab.experiments.settings import Place, read_arguments, require_table
from banditlab.kernels import ClassKernel, log_odds_kernel
from banditlab.reward_laws import (
    Bernoulli,
    Deterministic,
    FixedPerArm,
    Gaussian,
    NoisyVerifier,
    Rademacher,
    RewardLaw,
)
from banditlab.validation import require, require_known

REWARD_LAWS: dict[str, type] = {
    "deterministic": Deterministic,
    "bernoulli": Bernoulli,
    "gaussian": Gaussian,
    "rademacher": Rademacher,
    "noisy_verifier": NoisyVerifier,
    "fixed_per_arm": FixedPerArm,
}


def read_law(table: Any, place: Place) -> dict[str, Any]:
    """Check a table of one reward law and fill its defaults in.

    Args:
        table: the table; `kind` is a key of `REWARD_LAWS`.
        place: where it stands.

    Returns:
        The resolved table, as JSON can write it.

    Raises:
        TypeError: a value is of the wrong kind.
        ValueError: a key is unknown or missing.
    """
    table = require_table(table, place)
    kind = table.get("kind")
    require_known(place.source, f"{place.table}.kind", kind, REWARD_LAWS, "reward law")
    is_nested = kind == "fixed_per_arm"
    found = read_arguments(
        REWARD_LAWS[kind],
        table,
        place,
        leave_out=["law"] if is_nested else [],
        other_keys=["kind", "law"] if is_nested else ["kind"],
    )
    if is_nested:
        found["law"] = read_law(table.get("law", {"kind": "gaussian"}), place / "law")
    return {"kind": kind, **found}


def build_law(table: Mapping[str, Any]) -> RewardLaw:
    """Build the reward law of a resolved table.

    Args:
        table: what `read_law` returned.

    Returns:
        The law.

    Raises:
        ValueError: a value is out of range.
    """
    arguments = {name: value for name, value in table.items() if name != "kind"}
    if "law" in arguments:
        arguments["law"] = build_law(arguments["law"])
    return REWARD_LAWS[table["kind"]](**arguments)


def _kernel_settings(
    self_part: float = 1.0,
    within_context: np.ndarray | None = None,
    across_contexts: np.ndarray | None = None,
    shared: float | None = None,
    project: bool = False,
) -> None:
    """Keys of [problem.kernel]."""


def read_kernel(table: Any, place: Place) -> dict[str, Any]:
    """Check a table of a class kernel and fill its defaults in.

    Args:
        table: the table.
        place: where it stands.

    Returns:
        The resolved table, as JSON can write it.

    Raises:
        TypeError: a value is of the wrong kind.
        ValueError: a key is unknown, or two keys say the same thing twice.
    """
    found = read_arguments(_kernel_settings, require_table(table, place), place)
    require(
        "shared" not in found or "across_contexts" not in found,
        place.source,
        (place / "shared").table,
        "given without across_contexts",
        "both",
        "It stands for shared/4 * [[1, -1], [-1, 1]], correct class first",
    )
    return found


def build_kernel(
    table: Mapping[str, Any],
    log_count: np.ndarray,
    on_projection: Callable[[float], Any] | None = None,
) -> ClassKernel:
    """Build the class kernel of a resolved table.

    Args:
        table: what `read_kernel` returned.
        log_count: log of the number of arms of each class, nats, shape [P, C].
        on_projection: called with the distance of a kernel that was projected.

    Returns:
        The kernel.

    Raises:
        ValueError: a value is out of range.
    """
    within, across = (
        None if name not in table else np.array(table[name], dtype=np.float64)
        for name in ("within_context", "across_contexts")
    )
    if "shared" in table:
        across = log_odds_kernel(table["shared"])
    kernel = ClassKernel(table["self_part"], within, across)
    if table["project"]:
        kernel, distance = kernel.projected(log_count)
        if on_projection is not None:
            on_projection(distance)
    return kernel
