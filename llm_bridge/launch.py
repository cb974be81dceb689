"""Whether a launcher, `accelerate launch` or torchrun, started several of this process.

Only the standard library is imported here; what they share is in `llm_bridge.parallel`.
"""

import os
from typing import TYPE_CHECKING

from banditlab.validation import require

if TYPE_CHECKING:
    from llm_bridge.parallel import Alone


def _num_launched() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


def require_alone(command: str) -> None:
    """Demand that no launcher started this command several times.

    Args:
        command: one that starts processes of its own.

    Raises:
        ValueError: the environment tells of more than one process.
    """
    require(
        _num_launched() == 1,
        command,
        "processes",
        "one, which starts its own",
        f"{_num_launched()} that were launched",
        "Run it without a launcher; only train shares its work with them",
    )


def is_other_process() -> bool:
    """Whether a launcher started this process beside the main one."""
    return int(os.environ.get("RANK", "0")) > 0


def find_processes(device: str) -> "Alone":
    """The processes that a launcher started together with this one.

    Args:
        device: torch device of the model.

    Returns:
        `ALONE` unless the environment tells of more than one (WORLD_SIZE).

    Raises:
        ModuleNotFoundError: there are several and accelerate is not installed.
        ValueError: there are several, and the device is one of them by number.
    """
    from llm_bridge.parallel import ALONE, Launched

    count = _num_launched()
    if count == 1:
        return ALONE
    require(
        ":" not in device,
        "train",
        "device",
        f"without a number where {count} processes are launched",
        repr(device),
        "Each process takes the device of its own number, e.g. with --device cuda",
    )
    try:
        return Launched(device)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"train: {count} processes need the library accelerate, which is not installed. "
            "Install it with pip install -c constraints.txt '.[llm,accelerate]'.",
            name=error.name,
        ) from error
