"""`banditlab verify`: what it prints, writes, refuses and exits with."""

import argparse
import json
import re
import subprocess
import sys

import pytest

from tests.theory.verify.made_up import made_up_claim, sampled_claim
from theory.verify.command import verify_command

RESULT_KEYS = {
    "id",
    "what",
    "statement",
    "tags",
    "verdict",
    "expected_verdict",
    "is_as_expected",
    "evidence",
    "predicted",
    "measured",
    "se",
    "statistic_kind",
    "statistic",
    "p_value",
    "tolerance",
    "mutant_tolerance",
    "minimum_detectable_error",
    "is_planted_error_found",
    "tightness",
    "is_powerless",
    "mutants",
    "seconds",
    "problem",
}


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    verify_command.add_arguments(parser)
    return verify_command.run(parser.parse_args(words))


@pytest.fixture
def made_up(monkeypatch):
    """Put claims in the place of the catalogue."""
    return lambda *claims: monkeypatch.setattr("theory.verify.catalogue.CLAIMS", claims)


def test_table_and_json_tell_what_became_of_each_claim(made_up, tmp_path, capsys):
    exact = made_up_claim(1.05, 3.0)
    known = made_up_claim(3.0, 5.0, id="P0-known", expected_verdict="rejected", evidence="it is 3")
    made_up(exact, sampled_claim(id="P0-sampled"), known)
    file = tmp_path / "verify.json"
    assert run("--json", str(file), "--workers", "1") == 0
    table = capsys.readouterr().out
    record = json.loads(file.read_text())
    assert record["is_as_expected"] is True
    assert record["family_wise_rate"] == 1e-3
    assert [row["id"] for row in record["claims"]] == ["P0-made-up", "P0-sampled", "P0-known"]
    for row in record["claims"]:
        assert set(row) == RESULT_KEYS
        assert row["id"] in table
    assert record["claims"][0]["p_value"] is None
    assert record["claims"][1]["minimum_detectable_error"] > 0.0
    assert record["claims"][2]["verdict"] == "rejected"
    assert "3 claims, 3 mutants, 0 surprises" in table


def test_a_surprise_is_named_and_gives_exit_code_1(made_up, capsys):
    made_up(made_up_claim(1.2, 3.0), made_up_claim(1.0, 1.5, id="P0-soft"))
    assert run("--workers", "1") == 1
    shown = capsys.readouterr().out
    assert "REJECTED" in shown
    assert "P0-made-up: verdict rejected, expected holds" in shown
    assert "P0-soft: a mutant survives: another constant" in shown


def test_a_known_disagreement_that_holds_is_a_surprise(made_up, capsys):
    made_up(made_up_claim(1.0, 3.0, expected_verdict="rejected", evidence="it is 2"))
    assert run("--workers", "1") == 1
    assert "P0-made-up: verdict holds, expected rejected" in capsys.readouterr().out


def test_the_table_tells_bounds_errors_and_sides(made_up, capsys):
    bound = {"statistic": "bound", "tolerance": 1e-12, "mutant_tolerance": 1e-3}
    made_up(
        made_up_claim(0.05, 0.01, id="P0-loose", **bound),
        made_up_claim(0.9, 0.5, id="P0-tight", **bound),
        made_up_claim(3.0, 5.0, id="P0-known", expected_verdict="rejected", evidence="it is 3"),
        sampled_claim(id="P0-z"),
    )
    assert run("--workers", "1") == 0
    rows = capsys.readouterr().out
    for words in ("fills 0.05", "(powerless)", "fills 0.9", "diff 2.0e+00 >= 0.1", " % "):
        assert words in rows
    assert rows.count("(powerless)") == 1
    # 400 runs of spread .1 about 1: 2 * 3.29 standard errors of .005.
    found = float(re.search(r"([0-9.]+) % +[0-9.]+\n", rows)[1])
    assert found == pytest.approx(3.3, rel=0.15)
    assert max(len(line) for line in rows.splitlines()[:-1]) < 200


def test_dry_run_and_list_compute_nothing(monkeypatch, capsys):
    monkeypatch.setattr("theory.verify.run.gather_evidence", lambda *a, **k: pytest.fail("ran"))
    assert run("--dry-run", "--claims", "P17", "--budget", "full") == 0
    assert "4 claims, about" in capsys.readouterr().out
    assert run("--list", "--tag", "take-off") == 0
    assert "P26-grpo" in capsys.readouterr().out


def test_explanation_has_words_numbers_and_a_picture(tmp_path, capsys):
    assert run("--explain", "P26-grpo", "--out", str(tmp_path)) == 0
    text = capsys.readouterr().out
    for word in ("f/(f - 1)", "infinitely many wrong", "Derivation: ", "Source: ", "picture: "):
        assert word in text
    record = json.loads((tmp_path / "P26-grpo" / "comparison.json").read_text())
    assert record["predicted"][0] == pytest.approx(record["measured"][0], rel=0.1)
    assert (tmp_path / "P26-grpo" / "comparison.png").stat().st_size > 10_000


def test_claims_of_a_file_take_the_place_of_the_catalogue(capsys):
    assert run("--from", "examples/claim.py", "--workers", "1") == 0
    assert "X1-rise" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--claims", "P99"),
            r"`claims` must be a known claim, got 'P99'.*There are: .*P15, P15-raw",
        ),
        (("--explain", "P99"), r"`claims` must be a known claim, got 'P99'"),
        (("--tag", "gropo"), r"`tag` must be a known tag.*Did you mean 'grpo'.*batch"),
        (("--claims", "P15", "--tag", "stale-data"), r"`tag` must be a tag of P15, got 'stale"),
        (("--claims", ","), r"`claims` must be ids or entries, comma-separated, got ','"),
        (("--explain", ""), r"`explain` must be ids or entries, comma-separated, got ''"),
        (("--explain", "P26", "--claims", "P15"), r"`explain` must be without --claims"),
        (("--json", "."), r"`json` must be a file in a folder that exists"),
        (("--budget", "huge"), r"`budget` must be a known budget.*quick, full"),
        (("--seed", "-1"), r"`seed` must be at least 0, got -1"),
        (("--workers", "0"), r"`workers` must be at least 1, got 0"),
        (("--from", "no/such.py"), r"`path` must be a Python file"),
        (("--json", "no/such/folder/file.json"), r"`json` must be a file in a folder that exists"),
    ],
)
def test_wrong_inputs_are_refused_in_a_sentence(words, message):
    with pytest.raises(ValueError, match=message):
        run(*words)


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("theory.predict.take_off_law", "banditlab"),
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


def test_an_interrupted_run_says_that_nothing_is_kept(made_up, capsys):
    def interrupt(rng, size):
        raise KeyboardInterrupt

    made_up(made_up_claim(1.0, 3.0, experiment=interrupt))
    assert run("--workers", "1") == 130
    assert "nothing is kept" in capsys.readouterr().err
