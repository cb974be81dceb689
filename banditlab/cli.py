"""The command line: collects the commands of all installed packages and answers errors."""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points

from banditlab.command import ENTRY_POINT_GROUP, Command
from banditlab.extras import explain

EXIT_BAD_INPUT = 2
EXIT_BLOWN_UP = 1

_ORDER = ("compare", "train", "simulate", "sweep", "verify", "rules", "env")
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
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
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
        The exit code: 0 success, 1 a check failed or a run blew up, 2 bad input.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    entries = sorted(entry_points(group=ENTRY_POINT_GROUP), key=_sort_key)
    # A named command loads its own module only.
    chosen = [entry for entry in entries if arguments[:1] == [entry.name]] or entries
    parsed = build_parser([entry.load() for entry in chosen]).parse_args(arguments)
    try:
        return parsed.command.run(parsed)
    except FloatingPointError as error:
        print(f"banditlab: {error}", file=sys.stderr)
        return EXIT_BLOWN_UP
    except (ValueError, TypeError, OSError, ModuleNotFoundError) as error:
        print(f"banditlab: {explain(error)}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print(
            "banditlab: interrupted; finished parts in a run folder are reused by the same command",
            file=sys.stderr,
        )
        return 130


if __name__ == "__main__":
    sys.exit(main())
