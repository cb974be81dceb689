"""`banditlab verify`: every claim passes, planted errors are found, and what comes out."""

import argparse
import json
import subprocess
import sys

import numpy as np
import pytest

from theory.predict import drift, learning_curves, take_off, trust_region
from theory.verify.catalogue import CLAIMS
from theory.verify.claim import Claim, Measurement, Mutant
from theory.verify.command import verify_command
from theory.verify.run import select_claims, verify_claim

RESULT_KEYS = {
    "claim",
    "what",
    "statement",
    "tags",
    "predicted",
    "measured",
    "standard_error",
    "statistic_kind",
    "statistic",
    "tolerance",
    "mutant_tolerance",
    "false_alarm_rate",
    "verdict",
    "expected",
    "is_as_expected",
    "mutants",
    "seconds",
}


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    verify_command.add_arguments(parser)
    return verify_command.run(parser.parse_args(words))


def test_every_claim_passes_and_rejects_its_mutants(tmp_path, capsys):
    file = tmp_path / "verify.json"
    assert run("--json", str(file)) == 0
    table = capsys.readouterr().out
    record = json.loads(file.read_text())
    assert set(record) == {"budget", "seed", "is_as_expected", "claims", "provenance"}
    assert record["is_as_expected"] is True
    assert [row["claim"] for row in record["claims"]] == [claim.id for claim in CLAIMS]
    for row in record["claims"]:
        assert set(row) == RESULT_KEYS
        assert row["verdict"] == "holds", row["claim"]
        assert row["statistic"] < row["tolerance"]
        for mutant in row["mutants"]:
            assert mutant["is_rejected"], (row["claim"], mutant["what"])
            assert mutant["statistic"] > row["mutant_tolerance"]
        assert row["claim"] in table


@pytest.mark.parametrize(
    ("module", "name", "factor", "claims"),
    [
        (learning_curves, "tabular_kernel", 2.0, "P15-raw,P15-standardized"),
        (learning_curves, "predicted_natural_log_odds", 1.1, "P15-natural"),
        (drift, "standardized_class_gradient", 1.01, "P16-drift-grpo"),
        (trust_region, "predicted_gain", 1.01, "P17-step"),
        (trust_region, "predicted_multiplier", 2.0, "P17-step"),
        (trust_region, "predicted_step_log_odds", 1.01, "P17-success"),
        (trust_region, "predicted_flow_error", 1.3, "P17-flow"),
        (take_off, "predicted_log_odds_factor", 8.0 / 7.0, "P26-group-mean"),
    ],
)
def test_a_wrong_constant_in_a_prediction_is_found(
    monkeypatch, capsys, module, name, factor, claims
):
    right = getattr(module, name)
    monkeypatch.setattr(module, name, lambda *args, **how: factor * right(*args, **how))
    assert run("--claims", claims) == 1
    assert "FAILS" in capsys.readouterr().out


def made_up_claim(measured: float, mutant: float, **changes) -> Claim:
    values = {
        "id": "P0-made-up",
        "what": "a constant",
        "statement": "it is 1",
        "tags": ("P0",),
        "source": "made up",
        "theory": (),
        "predicted": lambda: 1.0,
        "experiment": lambda rng, size: Measurement.exact(measured),
        "mutants": (Mutant("another constant", lambda: mutant),),
        "statistic": "difference",
        "tolerance": 0.1,
        "mutant_tolerance": 1.0,
        "false_alarm_rate": 0.0,
        "size": {"quick": 1, "full": 1},
        "seconds": {"quick": 0.0, "full": 0.0},
    }
    return Claim(**{**values, **changes})


@pytest.mark.parametrize(
    ("measured", "mutant", "changes", "is_good"),
    [
        (1.05, 3.0, {}, True),
        (1.2, 3.0, {}, False),
        (1.05, 1.5, {}, False),
        (np.nan, 3.0, {}, False),
        (1.05, np.nan, {}, False),
        (1.2, 3.0, {"expected": "fails"}, True),
        (1.05, 3.0, {"expected": "fails"}, False),
    ],
)
def test_claim_passes_only_if_it_holds_as_expected_and_every_mutant_is_rejected(
    measured, mutant, changes, is_good
):
    result = verify_claim(made_up_claim(measured, mutant, **changes))
    assert result.is_as_expected is is_good
    json.dumps(result.as_dict(), allow_nan=False)


def test_surviving_mutant_is_named_and_gives_exit_code_1(monkeypatch, capsys):
    monkeypatch.setattr("theory.verify.catalogue.CLAIMS", (made_up_claim(1.0, 1.5),))
    assert run() == 1
    assert "P0-made-up: a mutant survives: another constant" in capsys.readouterr().out


def test_same_seed_gives_same_numbers_whatever_else_is_tested():
    claim = select_claims(CLAIMS, names=["P26-grpo"])[0]
    first, second = (verify_claim(claim, seed=3) for _ in range(2))
    assert first.measured == second.measured
    assert verify_claim(claim, seed=4).measured != first.measured


def test_claims_are_selected_by_id_entry_and_tag():
    entry = select_claims(CLAIMS, names=["P15", "P26-grpo"])
    assert {claim.id for claim in entry} >= {"P15-raw", "P15-natural", "P26-grpo"}
    assert "P26-raw-reward" not in {claim.id for claim in entry}
    both = select_claims(CLAIMS, names=["P26"], tag="grpo")
    assert [claim.id for claim in both] == ["P26-grpo"]


def test_dry_run_and_explanation_compute_nothing(monkeypatch, capsys):
    monkeypatch.setattr("theory.verify.run.verify_claim", lambda *a, **k: pytest.fail("it ran"))
    assert run("--dry-run", "--claims", "P17", "--budget", "full") == 0
    assert "3 claims, about" in capsys.readouterr().out
    assert run("--explain", "P26-grpo") == 0
    text = capsys.readouterr().out
    for word in ("f/(f - 1)", "infinitely many wrong", "Derivation: ", "Source: "):
        assert word in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--claims", "P99"),
            r"`claims` must be a known claim, got 'P99'.*There are: P15, P15-raw",
        ),
        (("--explain", "P2"), r"`claims` must be a known claim, got 'P2'"),
        (("--tag", "gropo"), r"`tag` must be a known tag.*Did you mean 'grpo'.*batch"),
        (("--claims", "P26", "--tag", "batch"), r"`tag` must be a tag of P26, got 'batch'"),
        (("--budget", "huge"), r"`budget` must be a known budget.*quick, full"),
        (("--seed", "-1"), r"`seed` must be at least 0, got -1"),
        (("--json", "no/such/folder/file.json"), r"`json` must be a file in a folder that exists"),
    ],
)
def test_wrong_inputs_are_refused_in_a_sentence(words, message):
    with pytest.raises(ValueError, match=message):
        run(*words)


def test_unknown_budget_and_negative_seed_are_refused_by_the_function_too():
    with pytest.raises(ValueError, match="`budget` must be a known budget"):
        verify_claim(CLAIMS[0], budget="huge")
    with pytest.raises(ValueError, match="`seed` must be at least 0"):
        verify_claim(CLAIMS[0], seed=-1)


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("theory.predict", "banditlab"),
        ("theory.verify.catalogue", "torch"),
        ("theory.verify.catalogue", "matplotlib"),
        ("theory.verify.command", "scipy"),
        ("theory.verify.command", "numpy"),
    ],
)
def test_imports_stay_within_their_bounds(module, forbidden):
    code = f"import sys, {module}; sys.exit({forbidden!r} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
