"""The page of claims: what it says, and that the committed one is that of the recorded run."""

from pathlib import Path

import pytest

from tests.theory.verify.made_up import made_up_claim, sampled_claim
from theory.verify.catalogue import CLAIMS
from theory.verify.recorded import recorded_results, recorded_seconds
from theory.verify.report import format_report, main
from theory.verify.run import FAMILY_WISE_RATE, verify_claims

ROOT = Path(__file__).resolve().parents[3]


def results_of(*claims) -> dict:
    results = verify_claims(claims)
    return {
        "budget": "quick",
        "seed": 0,
        "family_wise_rate": FAMILY_WISE_RATE,
        "claims": [result.as_dict() for result in results],
        "provenance": {"seconds": 60.0, "machine": "a machine", "commit": "0123456789abcdef"},
    }


def test_rejected_statements_stand_first_with_what_is_true_instead():
    known = made_up_claim(
        3.0, 5.0, id="P0-known", expected_verdict="rejected", evidence="it is 3 | not 1"
    )
    page = format_report(results_of(made_up_claim(1.05, 3.0), sampled_claim(id="P0-z"), known))
    assert (
        "3 claims at the budget `quick`, seed 0: 2 hold, 1 are rejected, as expected of 3" in page
    )
    assert "3 of 3 mutants are rejected. 1 claims are sampled" in page
    assert page.index("| P0-known |") < page.index("| P0-made-up |")
    assert "it is 3 \\| not 1" in page
    assert "p = " in page


@pytest.mark.parametrize("budget", ["quick", "full"])
def test_the_recorded_runs_hold_all_claims_as_they_are_expected(budget):
    record = recorded_results(budget)
    assert record["is_as_expected"] is True
    assert [claim["id"] for claim in record["claims"]] == [claim.id for claim in CLAIMS]
    for claim, recorded in zip(CLAIMS, record["claims"], strict=True):
        assert recorded["verdict"] == claim.expected_verdict
        assert [m["what"] for m in recorded["mutants"]] == [m.what for m in claim.mutants]
        assert recorded["is_planted_error_found"] in (True, None)
        if budget == "full" and claim.statistic in ("z", "shares") and not claim.evidence:
            assert recorded["minimum_detectable_error"] <= claim.largest_error, claim.id


@pytest.mark.parametrize(("budget", "minutes"), [("quick", 3), ("full", 25)])
def test_the_recorded_runs_kept_their_time(budget, minutes):
    assert recorded_results(budget)["provenance"]["seconds"] < 60 * minutes
    assert set(recorded_seconds(budget)) == {claim.id for claim in CLAIMS}


def test_the_readme_counts_what_was_recorded():
    claims = recorded_results("full")["claims"]
    num_mutants = sum(len(claim["mutants"]) for claim in claims)
    counts = f"{len(claims)} statements, {num_mutants} mutants"
    assert counts in (ROOT / "README.md").read_text()


def test_the_committed_page_is_that_of_the_recorded_run(tmp_path, capsys):
    assert main(["--out", str(tmp_path / "claims.md")]) == 0
    assert (tmp_path / "claims.md").read_text() == (ROOT / "docs" / "claims.md").read_text()
