"""The command `banditlab verify`."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from banditlab.command import Command

if TYPE_CHECKING:
    from theory.verify.claim import Claim


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--claims", default=None, help="ids or entries, comma-separated, e.g. P15,P26-grpo"
    )
    parser.add_argument("--tag", default=None, help="only claims with this tag, e.g. clip")
    parser.add_argument(
        "--budget",
        default="quick",
        help="quick (all claims in at most 3 minutes on 2 cores) or full (at most 25)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the experiments")
    parser.add_argument("--json", type=Path, default=None, metavar="FILE", help="write results")
    parser.add_argument(
        "--workers", type=int, default=None, metavar="N", help="processes; by default all cores"
    )
    parser.add_argument(
        "--from",
        dest="file",
        type=Path,
        default=None,
        metavar="FILE.py",
        help="claims of your own, such as examples/claim.py, in place of the catalogue",
    )
    parser.add_argument(
        "--explain",
        default=None,
        metavar="CLAIM",
        help="print statement, regime, derivation and source, and draw prediction over simulation",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs/verify"),
        metavar="DIR",
        help="folder of the pictures that --explain draws",
    )
    parser.add_argument("--list", action="store_true", help="list the claims and their tags")
    parser.add_argument(
        "--dry-run", action="store_true", help="print what would be tested and how long it takes"
    )


def _run(arguments: Namespace) -> int:
    from banditlab.experiments.sweep import default_workers
    from theory.predict.conditions import require, require_known
    from theory.verify.catalogue import CLAIMS
    from theory.verify.claim import BUDGETS
    from theory.verify.select import load_claims, select_claims

    require_known("verify", "budget", arguments.budget, BUDGETS, "budget")
    require(arguments.seed >= 0, "verify", "seed", "at least 0", arguments.seed, "Use 0")
    if arguments.workers is None:
        arguments.workers = default_workers()
    require(arguments.workers >= 1, "verify", "workers", "at least 1", arguments.workers, "Use 1")
    file = arguments.json
    # Found out before the work, not after it.
    require(
        file is None or (file.parent.is_dir() and not file.is_dir()),
        "verify",
        "json",
        "a file in a folder that exists",
        file,
        "Create the folder first",
    )
    claims = CLAIMS if arguments.file is None else load_claims(arguments.file)
    selected = select_claims(claims, names=_names(arguments), tag=arguments.tag)
    if arguments.explain is not None:
        return _explain(selected, arguments)
    if arguments.list:
        return _list(selected)
    if arguments.dry_run:
        return _dry_run(selected, arguments)
    return _verify(selected, arguments)


def _names(arguments: Namespace) -> list[str]:
    """Ids and entries asked for; none for all claims."""
    from theory.predict.conditions import require

    given = {"claims": arguments.claims, "explain": arguments.explain}
    given = {name: text for name, text in given.items() if text is not None}
    require(
        len(given) < 2,
        "verify",
        "explain",
        "without --claims",
        f"--explain {arguments.explain} --claims {arguments.claims}",
        "Name the claims to explain after --explain",
    )
    for argument, text in given.items():
        names = [name.strip() for name in text.split(",") if name.strip()]
        require(
            bool(names),
            "verify",
            argument,
            "ids or entries, comma-separated",
            repr(text),
            "`banditlab verify --list` lists them; leave it out for all",
        )
        return names
    return []


def _explain(claims: "Sequence[Claim]", arguments: Namespace) -> int:
    from banditlab.commands.pictures import draw_picture
    from theory.verify.explain import explain_claim, write_comparison

    for claim in claims:
        print(explain_claim(claim))
        folder = arguments.out / claim.id
        write_comparison(claim, folder, budget=arguments.budget, seed=arguments.seed)
        draw_picture("verify", folder)
        print()
    return 0


def _list(claims: "Sequence[Claim]") -> int:
    from tabulate import tabulate

    rows = [
        (claim.id, claim.what, claim.expected_verdict, ", ".join(claim.tags)) for claim in claims
    ]
    print(tabulate(rows, headers=("claim", "what", "expected", "tags")))
    return 0


def _dry_run(claims: "Sequence[Claim]", arguments: Namespace) -> int:
    from theory.verify.recorded import recorded_seconds

    seconds = recorded_seconds(arguments.budget)
    print(f"budget {arguments.budget}, seed {arguments.seed}, memory below 1 GB a process")
    for claim in claims:
        known = f"{seconds[claim.id]:6.1f} s" if claim.id in seconds else "not timed"
        print(f"  {claim.id:28} size {claim.size[arguments.budget]:>9}  {known}  {claim.what}")
    timed = [seconds[claim.id] for claim in claims if claim.id in seconds]
    wall = max([sum(timed) / arguments.workers, *timed])
    estimate = (
        f"{wall:.0f} s" if len(timed) == len(claims) else f"{wall:.0f} s and what is not timed"
    )
    print(f"{len(claims)} claims, about {estimate} with {arguments.workers} processes")
    return 0


def _verify(claims: "Sequence[Claim]", arguments: Namespace) -> int:
    import sys
    import time

    from tqdm import tqdm

    from banditlab.cli import EXIT_INTERRUPTED
    from banditlab.records import provenance, write_json
    from theory.verify.recorded import recorded_seconds
    from theory.verify.results import format_results
    from theory.verify.run import FAMILY_WISE_RATE, verify_claims

    start = time.perf_counter()
    seconds = recorded_seconds(arguments.budget)
    try:
        with tqdm(total=len(claims), desc="claims", disable=None) as bar:
            results = verify_claims(
                claims,
                budget=arguments.budget,
                seed=arguments.seed,
                num_workers=arguments.workers,
                # The longest first, so that no process waits for one that started last.
                first=lambda claim: seconds.get(claim.id, float("inf")),
                on_evidence=lambda claim: bar.update(),
            )
    except KeyboardInterrupt:
        print(
            "verify: interrupted; claims are judged together, so nothing is kept", file=sys.stderr
        )
        return EXIT_INTERRUPTED
    elapsed = time.perf_counter() - start
    print(format_results(results))
    surprises = [result for result in results if not result.is_as_expected]
    for result in results:
        for line in result.remarks():
            print(f"{result.claim.id}: {line}")
    num_mutants = sum(len(result.mutants) for result in results)
    num_sampled = sum(not result.claim.is_exact for result in results)
    print(
        f"{len(results)} claims, {num_mutants} mutants, {len(surprises)} surprises in "
        f"{elapsed:.0f} s; {num_sampled} sampled claims, any true one of them rejected with "
        f"probability at most {FAMILY_WISE_RATE:g} (Holm)"
    )
    if arguments.json is not None:
        record = {
            "budget": arguments.budget,
            "seed": arguments.seed,
            "is_as_expected": not surprises,
            "family_wise_rate": FAMILY_WISE_RATE,
            "claims": [result.as_dict() for result in results],
            "provenance": provenance(seed=arguments.seed, seconds=round(elapsed, 3)),
        }
        write_json(arguments.json, record)
    return 1 if surprises else 0


verify_command = Command(
    name="verify",
    summary="Test the theory's predictions on the simulator, each with mutants that must fail.",
    example="banditlab verify --claims P15,P26 --budget quick",
    add_arguments=_add_arguments,
    run=_run,
)
