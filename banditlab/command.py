"""What a command of the command line is; other packages join through an entry-point group."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass

ENTRY_POINT_GROUP = "banditlab.commands"


@dataclass(frozen=True)
class Command:
    """One subcommand of `banditlab`.

    The module that holds it must import in milliseconds: heavy libraries belong inside `run`.

    Attributes:
        name: word after `banditlab`.
        summary: one line for the overview and the top of its own help.
        example: one runnable command line.
        add_arguments: adds the arguments to a parser.
        run: does the work and returns the exit code.
    """

    name: str
    summary: str
    example: str
    add_arguments: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int]
