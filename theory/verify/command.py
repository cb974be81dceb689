"""The command `banditlab verify`."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from banditlab.command import Command


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--claims", default="", help="ids or entries, comma-separated, e.g. P15,P26-grpo"
    )
    parser.add_argument("--tag", default=None, help="only claims with this tag")
    parser.add_argument("--budget", default="quick", help="quick (under a minute) or full")
    parser.add_argument("--seed", type=int, default=0, help="seed of the experiments")
    parser.add_argument("--json", type=Path, default=None, metavar="FILE", help="write results")
    parser.add_argument(
        "--explain", default=None, metavar="CLAIM", help="print statement, regime and derivation"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print what would be tested and how long it takes"
    )


def _run(arguments: Namespace) -> int:
    from tqdm import tqdm

    from banditlab.records import provenance, write_json
    from theory.predict.conditions import require, require_known
    from theory.verify.catalogue import CLAIMS
    from theory.verify.claim import BUDGETS
    from theory.verify.explain import explain_claim
    from theory.verify.run import format_results, select_claims, verify_claims

    if arguments.explain is not None:
        chosen = select_claims(CLAIMS, names=[arguments.explain])
        print("\n\n\n".join(explain_claim(claim) for claim in chosen))
        return 0
    budget, seed, file = arguments.budget, arguments.seed, arguments.json
    require_known("verify", "budget", budget, BUDGETS, "budget")
    require(seed >= 0, "verify", "seed", "at least 0", seed, "Give a whole number")
    names = [name.strip() for name in arguments.claims.split(",") if name.strip()]
    chosen = select_claims(CLAIMS, names=names, tag=arguments.tag)
    # Found out before the work, not after it.
    require(
        file is None or file.parent.is_dir(),
        "verify",
        "json",
        "a file in a folder that exists",
        file,
        "Create the folder first",
    )
    if arguments.dry_run:
        print(f"budget {budget}, seed {seed}, memory below 1 GB")
        for claim in chosen:
            print(f"  {claim.id:22} size {claim.size[budget]:>7}  {claim.what}")
        seconds = sum(claim.seconds[budget] for claim in chosen)
        print(f"{len(chosen)} claims, about {seconds:.0f} s on one core")
        return 0
    with tqdm(total=len(chosen), desc="claims", disable=None) as bar:
        results = verify_claims(
            chosen, budget=budget, seed=seed, on_result=lambda result: bar.update()
        )
    print(format_results(results))
    is_good = all(result.is_as_expected for result in results)
    for result in results:
        for mutant in result.mutants:
            if not mutant.is_rejected:
                print(f"{result.claim.id}: a mutant survives: {mutant.what}")
    if file is not None:
        seconds = sum(result.seconds for result in results)
        record = {
            "budget": budget,
            "seed": seed,
            "is_as_expected": is_good,
            "claims": [result.as_dict() for result in results],
            "provenance": provenance(seed=seed, seconds=round(seconds, 3)),
        }
        write_json(file, record)
    return 0 if is_good else 1


verify_command = Command(
    name="verify",
    summary="Test the theory's predictions on the simulator, each with mutants that must fail.",
    example="banditlab verify --claims P15,P26 --budget quick",
    add_arguments=_add_arguments,
    run=_run,
)
