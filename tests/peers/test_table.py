"""The table as it was recorded, the command that prints it, and the list of peers."""

import json
import sys
import types
from importlib.metadata import EntryPoint

import pytest

from banditlab.commands.semantics import semantics_command
from banditlab.rules import RULES
from banditlab.testing.peers import peer as peers
from banditlab.testing.peers.markdown import document
from banditlab.testing.peers.peer import find_peers, get_peer
from banditlab.testing.peers.stand_ins import stand_ins
from banditlab.testing.peers.table import measure, recorded
from tests.test_project import ROOT


def _run(*words):
    import argparse

    parser = argparse.ArgumentParser()
    semantics_command.add_arguments(parser)
    return semantics_command.run(parser.parse_args(words))


def test_every_peer_and_every_rule_of_ours_has_a_row():
    rows = {(row.library, row.name) for row in recorded().rows}
    wanted = {(peer.library, peer.name) for peer in find_peers()}
    assert rows == wanted | {("banditlab", name) for name in RULES}


def test_the_record_measured_everything():
    for row in recorded().rows:
        assert not row.problem
        assert row.failed_checks is not None
        assert not any("not checkable" in name for name in row.failed_checks)


def test_our_own_rules_fail_no_check():
    assert not any(row.failed_checks for row in recorded().of_library("banditlab").rows)


def test_the_page_is_the_record():
    assert (ROOT / "docs" / "semantics.md").read_text("utf-8") == document(recorded())


def test_the_command_prints_one_library(capsys):
    assert _run("--library", "trl") == 0
    told = capsys.readouterr().out
    assert "cispo(epsilon_high=5)" in told
    assert "constant 0.2" in told
    assert "verl" not in told.partition("## ")[2]


def test_the_command_writes_json_and_markdown(tmp_path, capsys):
    paths = [tmp_path / "table.json", tmp_path / "table.md"]
    assert _run("--json", str(paths[0]), "--markdown", str(paths[1])) == 0
    capsys.readouterr()
    assert json.loads(paths[0].read_text("utf-8")) == recorded().as_dict()
    assert paths[1].read_text("utf-8") == document(recorded())


def test_an_unknown_library_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="Did you mean 'trl'"):
        _run("--library", "trll")
    with pytest.raises(ValueError, match="find_peers: `library` must be one that has peers"):
        find_peers("trll")
    with pytest.raises(ValueError, match="get_peer: `full_name` must be a known peer"):
        get_peer("trl/cispoo")


def test_a_library_that_is_not_installed_has_rows_that_say_so(monkeypatch):
    monkeypatch.setattr(peers.Peer, "installed_version", lambda peer: None)
    table = measure("verl")
    assert len(table.rows) == len(find_peers("verl"))
    assert all("Remedy: pip install verl==" in row.problem for row in table.rows)
    assert "## Not measured" in document(table)


def test_a_module_of_a_third_party_joins_by_entry_point(monkeypatch):
    module = types.ModuleType("their_peers")
    module.PEERS = (peers.Peer("theirs", "1.0", "rule", "loss", lambda: None),)
    monkeypatch.setitem(sys.modules, "their_peers", module)
    point = EntryPoint("theirs", "their_peers", peers.ENTRY_POINT_GROUP)
    monkeypatch.setattr(peers.importlib.metadata, "entry_points", lambda group: [point])
    assert [peer.full_name for peer in find_peers("theirs")] == ["theirs/rule"]
    del module.PEERS
    with pytest.raises(ValueError, match="a module with a tuple PEERS"):
        find_peers()


def test_stand_ins_are_forgotten_and_leave_what_is_installed_alone():
    with stand_ins("no_such_module", "json"):
        import no_such_module
        from no_such_module.below import Thing

        assert no_such_module.remote(len) is len
        assert issubclass(type("Other", (Thing,), {}), Thing)
        assert json.loads("1") == 1
    assert not [name for name in sys.modules if name.startswith("no_such_module")]
    with pytest.raises(ModuleNotFoundError):
        import no_such_module.other


def test_importing_the_peers_imports_no_library():
    import subprocess

    code = (
        "import sys; from banditlab.testing.peers.peer import find_peers; find_peers(); "
        "print(sorted({'trl', 'torchrl', 'rlax', 'openrlhf', 'verl', 'jax'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
