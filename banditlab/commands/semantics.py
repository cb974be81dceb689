"""The command `banditlab semantics`."""

import argparse
import json
import sys
from pathlib import Path

from banditlab.command import Command


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--run", action="store_true", help="measure what is installed, instead of the record"
    )
    parser.add_argument("--library", metavar="NAME", help="of one library, e.g. trl or banditlab")
    parser.add_argument(
        "--no-checks", action="store_true", help="with --run: do not run the suite of checks"
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the table as JSON too")
    parser.add_argument(
        "--markdown", metavar="FILE", type=Path, help="write the table as Markdown too"
    )


def _semantics(arguments: argparse.Namespace) -> int:
    from banditlab.testing.peers.markdown import document, render
    from banditlab.testing.peers.table import measure, recorded
    from banditlab.validation import require_known

    if arguments.run:
        table = measure(
            arguments.library,
            with_checks=not arguments.no_checks,
            progress=lambda name: print(f"measuring {name}", file=sys.stderr),
        )
    else:
        table = recorded()
        if arguments.library is not None:
            libraries = sorted({row.library for row in table.rows})
            require_known("semantics", "library", arguments.library, libraries, "library")
            table = table.of_library(arguments.library)
    if arguments.json is not None:
        text = json.dumps(table.as_dict(), indent=1, allow_nan=False)
        arguments.json.write_text(f"{text}\n", encoding="utf-8")
    if arguments.markdown is not None:
        arguments.markdown.write_text(document(table), encoding="utf-8")
    print(render(table, "simple"), end="")
    return 0


semantics_command = Command(
    name="semantics",
    summary="Show what the update rules of TRL, verl, OpenRLHF and others do, as measured.",
    example="banditlab semantics --library trl",
    add_arguments=_add_arguments,
    run=_semantics,
)
