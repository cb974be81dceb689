"""The recorded full run as a page: `python -m theory.verify.report` writes docs/claims.md.

The numbers are those of `theory/verify/recorded/full.json`, which `banditlab verify --budget full
--json theory/verify/recorded/full.json` makes.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from theory.predict.conditions import require
from theory.verify.recorded import recorded_results

_HEADER = "| claim | statement | measured against predicted | mutants | finds |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _numbers(claim: dict[str, Any]) -> str:
    predicted, measured = claim["predicted"], claim["measured"]
    text = f"{measured:.6g} / {predicted:.6g}"
    if claim["p_value"] is not None:
        text = f"{measured:.6g} +- {claim['se']:.2g} / {predicted:.6g}, p = {claim['p_value']:.2g}"
    elif claim["statistic_kind"] == "difference":
        text += f", difference {claim['statistic']:.1e}"
    if claim["tightness"] is not None:
        text += f", bound filled to {claim['tightness']:.3g}"
        text += " (powerless)" if claim["is_powerless"] else ""
    return text


def _row(claim: dict[str, Any]) -> str:
    error = claim["minimum_detectable_error"]
    found = "" if error is None else f"{100.0 * error:.2g} %"
    rejected = sum(mutant["is_rejected"] for mutant in claim["mutants"])
    words = [
        claim["id"],
        _cell(claim["statement"]),
        _numbers(claim),
        f"{rejected} of {len(claim['mutants'])}",
        found,
    ]
    return f"| {' | '.join(words)} |"


def format_report(results: dict[str, Any]) -> str:
    """Lay a recorded run out as Markdown.

    Args:
        results: what `banditlab verify --json` wrote.

    Returns:
        The page.

    Raises:
        ValueError: no run was recorded.
    """
    claims = results["claims"]
    require(
        bool(claims),
        "format_report",
        "results",
        "those of a recorded run",
        "none",
        "Record one with `banditlab verify --budget full --json theory/verify/recorded/full.json`",
    )
    holding = [claim for claim in claims if claim["verdict"] == "holds"]
    rejected = [claim for claim in claims if claim["verdict"] == "rejected"]
    sampled = [claim for claim in claims if claim["p_value"] is not None]
    num_mutants = sum(len(claim["mutants"]) for claim in claims)
    num_rejected = sum(mutant["is_rejected"] for c in claims for mutant in c["mutants"])
    origin = results["provenance"]
    lines = [
        "# What the theory says, and what the simulator answers",
        "",
        f"{len(claims)} claims at the budget `{results['budget']}`, seed {results['seed']}: "
        f"{len(holding)} hold, {len(rejected)} are rejected, as expected of "
        f"{sum(claim['verdict'] == claim['expected_verdict'] for claim in claims)}. "
        f"{num_rejected} of {num_mutants} mutants are rejected. {len(sampled)} claims are sampled: "
        f"any true one of them is rejected with probability at most "
        f"{results['family_wise_rate']:g} a run (Holm). {origin['seconds'] / 60:.1f} minutes on "
        f"{origin['machine']}, commit {origin['commit'][:12]}. Made by "
        "`python -m theory.verify.report`; [verify.md](verify.md) says how to read it.",
        "",
        '"finds": relative error of the prediction that this claim would find (minimum detectable '
        "error); exact claims find any error above their tolerance.",
        "",
        "## Statements that the simulation rejects",
        "",
        "| claim | statement | measured against stated | what is true instead |",
        "|---|---|---|---|",
        *(
            f"| {claim['id']} | {_cell(claim['statement'])} | {_numbers(claim)} "
            f"| {_cell(claim['evidence'])} |"
            for claim in rejected
        ),
        "",
        "## Statements that hold",
        "",
        _HEADER,
        "|---|---|---|---|---|",
        *(_row(claim) for claim in holding),
    ]
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Write the page.

    Args:
        argv: arguments; those of the process by default.

    Returns:
        Exit code.
    """
    parser = argparse.ArgumentParser(
        prog="python -m theory.verify.report",
        description="Write the recorded full run of banditlab verify as a page.",
        epilog="example: python -m theory.verify.report",
    )
    parser.add_argument("--out", type=Path, default=Path("docs/claims.md"), help="the page")
    arguments = parser.parse_args(argv)
    arguments.out.write_text(format_report(recorded_results("full")))
    print(arguments.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
