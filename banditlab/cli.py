"""The command line: collects the commands of all installed packages and answers errors."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from banditlab.command import ENTRY_POINT_GROUP, Command
from banditlab.extras import explain
from banditlab.files import WriteRefusedError

EXIT_BAD_INPUT = 2
EXIT_FAILED = 1
# As a shell tells of a process that a signal ended: 128 and the signal's number.
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141

_ORDER = ("calibrate", "predict", "compare", "train", "evaluate", "grade")
_ORDER += ("simulate", "sweep", "verify", "rules", "check", "semantics", "env")
_EPILOG = """\
example: banditlab simulate --rule grpo --log10-arms 100000 --pass-rate 0.05 --runs 500

`banditlab COMMAND --help` teaches one command, with an example."""


def _sort_key(entry: EntryPoint) -> tuple[int, str]:
    known = _ORDER.index(entry.name) if entry.name in _ORDER else len(_ORDER)
    return known, entry.name


class _HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Tells defaults, but not that a file which may be left out is None by default."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default is None else super()._get_help_string(action)


class _CommandParser(argparse.ArgumentParser):
    """Answers an unknown argument with the usage of its own command, not with the overview's."""

    def parse_known_args(self, *args: Any, **kwargs: Any) -> Any:
        parsed, unknown = super().parse_known_args(*args, **kwargs)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return parsed, unknown


def build_parser(commands: Sequence[Command]) -> argparse.ArgumentParser:
    """Build the parser of the whole command line.

    Args:
        commands: the commands, in the order of the overview.

    Returns:
        The parser; the chosen command is its namespace's `command`.
    """
    parser = argparse.ArgumentParser(
        prog="banditlab",
        description="One definition of each RL fine-tuning update rule, in theory, in simulation "
        "and on language models.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    subparsers = parser.add_subparsers(
        required=True, metavar="COMMAND", parser_class=_CommandParser
    )
    for command in commands:
        subparser = subparsers.add_parser(
            command.name,
            help=command.summary,
            description=command.summary,
            epilog=f"example: {command.example}",
            formatter_class=_HelpFormatter,
        )
        command.add_arguments(subparser)
        subparser.set_defaults(command=command)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: arguments after the program's name; those of the process by default.

    Returns:
        The exit code: 0 success, 1 a check failed, a run blew up or the disk refused a write, 2 bad
        input, 130 interrupted, 141 nobody reads the output any more.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    entries = sorted(entry_points(group=ENTRY_POINT_GROUP), key=_sort_key)
    # A named command loads its own module only.
    chosen = [entry for entry in entries if arguments[:1] == [entry.name]] or entries
    try:
        code = _run(chosen, arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # The reader, e.g. `head`, has left: what Python flushes at its exit goes nowhere too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE


def _run(entries: Sequence[EntryPoint], arguments: Sequence[str]) -> int:
    try:
        parsed = build_parser([entry.load() for entry in entries]).parse_args(arguments)
        return parsed.command.run(parsed)
    except SystemExit:
        # Help was asked for, and whoever asked may have left.
        sys.stdout.flush()
        raise
    except BrokenPipeError:
        raise
    except (FloatingPointError, WriteRefusedError) as error:
        print(f"banditlab: {error}", file=sys.stderr)
        return EXIT_FAILED
    except (ValueError, TypeError, OSError, ModuleNotFoundError) as error:
        print(f"banditlab: {explain(error)}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except (MemoryError, OverflowError) as error:
        print(
            f"banditlab: too large for this machine's memory ({error}). Take fewer runs, a coarser "
            "record grid (num_log_records) or smaller groups.",
            file=sys.stderr,
        )
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print(
            "banditlab: interrupted; finished parts in a run folder are reused by the same command",
            file=sys.stderr,
        )
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
