"""The command `banditlab claims`: what the papers say, as cards that anyone can run again.

Only the standard library is imported here; everything else loads inside the command.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from banditlab.command import Command

_WORLDS = "simulation,language_model"


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "ids",
        nargs="*",
        metavar="ID",
        help="cards, A1 to C4; without one and without --all, the table of all is printed",
    )
    parser.add_argument("--all", action="store_true", help="all cards in full")
    parser.add_argument(
        "--run",
        action="store_true",
        help="run the cards; what is finished in --out is kept, cell by cell, and a run that was "
        "stopped goes on",
    )
    parser.add_argument(
        "--worlds",
        metavar="A,B",
        default=_WORLDS,
        help="with --run: only these; the maps belong to the simulation",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        default=Path("runs/claims"),
        help="with --run: folder of the runs, results and figures",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="results that are shown, e.g. the folder of an earlier --run; by default those that "
        "are shipped",
    )
    parser.add_argument("--workers", type=int, metavar="N", help="processes; by default all cores")
    parser.add_argument(
        "--dry-run", action="store_true", help="with --run: print what would be run, and stop"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the cards as JSON too")


def _run(arguments: Namespace) -> int:
    from llm_bridge.claims.work import work_on_claims

    return work_on_claims(arguments)


claims_command = Command(
    name="claims",
    summary="Claim cards: what the papers say, in theory, simulation and on a language model.",
    example="banditlab claims A2 --run --out runs/claims",
    add_arguments=_add_arguments,
    run=_run,
)
