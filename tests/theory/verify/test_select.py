"""Choosing claims by name and tag, and loading them from a file."""

import pytest

from theory.verify.catalogue import CLAIMS
from theory.verify.run import verify_claims
from theory.verify.select import load_claims, select_claims

OWN_FILE = """
from theory.verify.claim import Claim, Mutant
from theory.verify.measurement import Measurement

def measure(rng, size):
    return Measurement.mean_of_runs(rng.random(size))

OWN_CLAIMS = (
    Claim(
        id="X1-mean", what="mean", statement="it is 1/2", tags=("X1",), source="a test",
        theory=(), predicted=lambda: 0.5, experiment=measure,
        mutants=(Mutant("one third", lambda: 1 / 3),), statistic="z",
        size={"quick": 400, "full": 4000},
    ),
)
"""


def test_claims_are_selected_by_id_entry_and_tag():
    entry = select_claims(CLAIMS, names=["P15", "P26-grpo"])
    assert {claim.id for claim in entry} >= {"P15-raw", "P15-natural", "P26-grpo"}
    assert "P26-raw-reward" not in {claim.id for claim in entry}
    both = select_claims(CLAIMS, names=["P26-grpo", "P26-raw-reward"], tag="grpo")
    assert [claim.id for claim in both] == ["P26-grpo"]


def test_own_claims_come_from_a_file_and_run_in_other_processes(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(OWN_FILE)
    [claim] = load_claims(path)
    for num_workers in (1, 2):
        [result] = verify_claims([claim], num_workers=num_workers)
        assert result.is_as_expected


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("none.py", None, "`path` must be a Python file"),
        ("claims.txt", "CLAIMS = ()", "`path` must be a Python file"),
        ("empty.py", "CLAIMS = ()", "`path` must be a file with a tuple CLAIMS of claims"),
        ("broken.py", "CLAIMS = (", "`path` must be a file that Python can run, .*SyntaxError"),
        (
            "twice.py",
            OWN_FILE + "\nMORE_CLAIMS = OWN_CLAIMS\n",
            "a file of claims with distinct ids, got X1-mean",
        ),
    ],
)
def test_files_without_claims_are_refused_in_a_sentence(tmp_path, name, text, message):
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValueError, match=message):
        load_claims(path)
