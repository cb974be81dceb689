"""`banditlab claims`: lists, shows, and writes; its errors have a remedy."""

import json
import subprocess
import sys

import pytest

from banditlab.cli import main
from llm_bridge.claims import work
from tests.llm_bridge.claims.made import MADE_CARD


@pytest.fixture
def made(made_runs, monkeypatch):
    monkeypatch.setattr(work, "get_card", lambda _: MADE_CARD)
    monkeypatch.setattr(work, "card_ids", lambda: ["A2"])
    return made_runs


def test_the_list_has_a_verdict_for_each_world(made, capsys):
    assert main(["claims", "--data", str(made)]) == 0
    printed = capsys.readouterr().out
    assert "language model" in printed
    assert "follows" in printed
    assert "A made claim" in printed


def test_a_card_is_shown_in_full(made, capsys):
    assert main(["claims", "a2", "--data", str(made)]) == 0
    printed = capsys.readouterr().out
    for words in ("arXiv 2601.14599", "P1-sum", "gain of raw", "Below the diagonal", "remark"):
        assert words in printed
    assert "1 holds, 1 opposite, 2 undecided" in printed


def test_running_what_is_finished_prints_it_and_draws_it(made, capsys, tmp_path):
    command = ["claims", "A2", "--run", "--out", str(made), "--workers", "1"]
    assert main([*command, "--json", str(tmp_path / "new" / "claims.json")]) == 0
    assert "A2.png" in capsys.readouterr().out
    assert (made / "A2" / "A2.svg").exists()
    document = json.loads((tmp_path / "new" / "claims.json").read_text())
    assert [card["id"] for card in document["claims"]] == ["A2"]


def test_a_dry_run_counts_and_runs_nothing(made, capsys, tmp_path):
    assert main(["claims", "A2", "--run", "--dry-run", "--out", str(tmp_path / "none")]) == 0
    assert "training runs" in capsys.readouterr().out
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--run"], "Name them"),
        (["--all", "A2"], "Leave one of the two out"),
        (["A2", "--run", "--worlds", "simulaton"], "simulation"),
        (["A2", "--run", "--workers", "0"], "at least 1"),
        (["A2", "--data", "nowhere"], "--run"),
    ],
)
def test_mistakes_have_a_remedy(made, capsys, words, message):
    assert main(["claims", *words]) == 2
    assert message in capsys.readouterr().err


def test_a_card_that_is_not_there_is_answered_with_one_that_is(capsys):
    assert main(["claims", "A9"]) == 2
    assert "A" in capsys.readouterr().err


def test_help_and_cards_load_without_torch():
    code = (
        "import sys\n"
        "from llm_bridge.claims.catalogue import card_ids, get_card\n"
        "[get_card(one) for one in card_ids()]\n"
        "import llm_bridge.claims.work\n"
        "assert 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
