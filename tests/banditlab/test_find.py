"""Rules by name, by module and by file, and those that other packages bring."""

import re
import subprocess
import sys

import numpy as np
import pytest

from banditlab.cli import main
from banditlab.experiments.experiment import Experiment
from banditlab.experiments.run import run_experiment
from banditlab.find import find_rule, get_rule, name_clashes, third_party_rules
from banditlab.references import file_digest
from banditlab.registry import RULES
from banditlab.weights import topr_weight

MINE = """
from banditlab import UpdateRule, group_mean
from helper_of_mine import FACTOR

LIMIT = 3.0

def half_weight(log_prob, old_log_prob, advantage, *, factor=FACTOR):
    return factor * advantage

class Rules:
    half = UpdateRule(
        "half", group_mean, half_weight, "A / 2", "made up", weight_hyper={"factor": FACTOR}
    )

half = Rules.half
"""
ARMS = {"kind": "rare_correct", "log10_arms": 100, "success_prob": 0.1}
RUN = {"num_runs": 2, "num_steps": 3}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "helper_of_mine.py").write_text("FACTOR = 0.5\n")
    yield tmp_path
    sys.modules.pop("helper_of_mine", None)
    sys.modules.pop("mine", None)


def install(folder, package, **rules):
    """Put a package with entry points on the search path, as an installer would."""
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = "".join(f"{name} = {place}\n" for name, place in rules.items())
    (info / "entry_points.txt").write_text(f"[banditlab.rules]\n{lines}")
    sys.path[:0] = [str(folder), str(folder.parent)]


def test_a_registered_name_finds_the_rule_itself():
    assert find_rule("clip") is RULES["clip"]


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("mine.py:half", "mine.py:half"),
        ("./mine.py:Rules.half", "mine.py:Rules.half"),
        ("mine:half", "mine:half"),
    ],
)
def test_a_rule_of_ones_own_is_called_what_finds_it_again(folder, reference, name):
    rule = find_rule(reference)
    assert rule.name == name
    assert find_rule(rule.name) == rule
    assert get_rule(reference, factor=0.25).weight_hyper == {"factor": 0.25}


def test_an_absolute_path_in_the_present_folder_becomes_a_relative_one(folder):
    assert find_rule(f"{folder}/mine.py:half").name == "mine.py:half"


def test_an_absolute_path_elsewhere_stays_one(folder, monkeypatch):
    (folder / "below").mkdir()
    monkeypatch.chdir(folder / "below")
    assert find_rule(f"{folder}/mine.py:half").name == f"{folder}/mine.py:half"
    assert find_rule("../mine.py:half").name == "../mine.py:half"


def test_functions_are_found_too():
    assert find_rule("banditlab.weights:topr_weight") is topr_weight


def test_an_edited_file_is_read_again(folder):
    before = find_rule("mine.py:half"), file_digest("mine.py:half")
    assert find_rule("mine.py:half") == before[0]
    (folder / "mine.py").write_text(MINE.replace("FACTOR}", "0.4}"))
    assert find_rule("mine.py:half").hyper == {"factor": 0.4}
    assert file_digest("mine.py:half") != before[1]


@pytest.mark.parametrize(
    ("reference", "error", "message"),
    [
        (
            "clp",
            ValueError,
            r"known rule, got 'clp'\. Did you mean 'clip'\? .*; or one of your own,",
        ),
        ("min.py:half", ValueError, r"an existing file, got .* Did you mean 'mine\.py'\?"),
        ("no/mine.py:half", ValueError, r"There is no folder no\."),
        ("./:half", ValueError, r"is a folder; its files are: .*mine\.py"),
        (
            "mine.py",
            ValueError,
            r"of the form .* mine\.py has: .*mine\.py:half_weight.*mine\.py:half\.",
        ),
        ("mine.py:halv", ValueError, r"Did you mean 'half'\? It has: half_weight, half\."),
        ("mine.py:Rules.no", ValueError, r"an object that mine\.py has"),
        ("mine.py:LIMIT", TypeError, "an UpdateRule or a function, got 'mine.py:LIMIT', .* float"),
        ("mine.py:Rules", TypeError, "which is the class Rules. Name an instance"),
        (
            "no_such.rules:x",
            ModuleNotFoundError,
            "there is no module no_such. Install it, call from",
        ),
    ],
)
def test_a_rule_that_is_not_there_is_answered_with_what_is(folder, reference, error, message):
    with pytest.raises(error, match=f"find_rule: `reference` must be .*{message}"):
        find_rule(reference)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("1 / 0", ValueError, "importing bad.py raises ZeroDivisionError: division by zero"),
        ("def f(:", ValueError, "importing bad.py raises SyntaxError: .*, line 1"),
        ("raise SystemExit(3)", ValueError, "importing bad.py raises SystemExit: 3. .*'__main__'"),
        ("import no_such_module", ModuleNotFoundError, "imports no_such_module, which is not inst"),
    ],
)
@pytest.mark.parametrize("reference", ["bad.py:f", "bad:f"])
def test_a_module_that_raises_is_told(folder, text, error, message, reference):
    (folder / "bad.py").write_text(text)
    with pytest.raises(error, match=message.replace("bad.py", re.escape(reference[:-2]))):
        find_rule(reference)
    sys.modules.pop("bad", None)


def test_a_loop_needs_more_than_a_weight(folder):
    with pytest.raises(TypeError, match=r"get_rule: `name` must be an UpdateRule, .* a function"):
        get_rule("mine.py:half_weight")


def test_rules_of_an_installed_package_go_by_their_names(folder, capsys):
    install(folder / "site", "their-rules", half="mine:half", half_weight="mine:half_weight")
    assert list(third_party_rules()) == ["half", "half_weight"]
    assert get_rule("half", factor=0.1).as_dict() == {"rule": "half", "hyper": {"factor": 0.1}}
    assert main(["rules"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "half(factor=0.5) A / 2 from made up of the package their-rules" in shown
    assert "half_weight: a function, for `banditlab check`" in shown
    with pytest.raises(ValueError, match=r"Did you mean 'half_weight'\?"):
        find_rule("half_weigt")


def test_a_package_whose_rule_cannot_be_loaded_is_told(folder, capsys):
    install(folder / "site", "their-rules", broken="no_such_module:x", limit="mine:LIMIT")
    with pytest.raises(ValueError, match=r"'broken' of their-rules, which raises ModuleNotFound"):
        find_rule("broken")
    assert main(["rules"]) == 0
    assert "cannot be used: find_rule" in capsys.readouterr().out


def test_a_name_that_two_have_is_refused(folder, capsys):
    install(folder / "a", "their-rules", clip="mine:half", half="mine:half")
    install(folder / "b", "other-rules", half="mine:half")
    assert set(name_clashes()) == {"clip", "half"}
    assert third_party_rules() == {}
    with pytest.raises(
        ValueError, match=r"banditlab and their-rules each have a rule 'clip'\. Ren"
    ):
        find_rule("clip")
    with pytest.raises(ValueError, match=r"other-rules and their-rules each have a rule 'half'"):
        get_rule("half")
    assert get_rule("grpo").name == "grpo"
    assert main(["rules"]) == 0
    assert "left out: banditlab and their-rules each have" in capsys.readouterr().out


def test_an_experiment_names_a_file_and_its_record_finds_it_again(folder):
    tables = {"problem": ARMS, "rule": {"name": "mine.py:half", "factor": 0.25}, "run": RUN}
    experiment = Experiment.from_mapping(tables)
    record, _ = run_experiment(experiment, folder / "out")
    assert run_experiment(experiment, folder / "out")[1]
    again = Experiment.from_mapping({k: v for k, v in record.config.items() if k != "kind"})
    assert again == experiment
    assert again.rule["sha256"] == file_digest("mine.py:half")
    (folder / "mine.py").write_text(MINE + "# edited\n")
    with pytest.raises(
        ValueError, match=r"`rule.sha256` must be that of the rule's file, .*changed"
    ):
        Experiment.from_mapping(again.as_dict())
    edited = Experiment.from_mapping(tables)
    with pytest.raises(ValueError, match=r"folder of another run \(it differs in rule\)"):
        run_experiment(edited, folder / "out")


def test_an_experiment_file_finds_the_rule_beside_it(folder, monkeypatch):
    (folder / "mine.yaml").write_text(
        "problem: {kind: rare_correct, log10_arms: 100, success_prob: 0.1}\n"
        "rule: {name: 'mine.py:half'}\n"
    )
    (folder / "below").mkdir()
    monkeypatch.chdir(folder / "below")
    assert Experiment.from_file(folder / "mine.yaml").rule["name"] == "../mine.py:half"


def test_a_rule_of_no_kind_is_refused_with_its_place():
    with pytest.raises(TypeError, match=r"`rule.name` must be a word, got int 3"):
        Experiment.from_mapping({"problem": ARMS, "rule": {"name": 3}})


def test_sweeps_run_a_file_in_their_worker_processes(folder, capsys):
    (folder / "grid.toml").write_text(
        '[problem]\nkind = "rare_correct"\nlog10_arms = 50\nsuccess_prob = 0.1\n'
        '[run]\nnum_runs = 2\nnum_steps = 3\n[sweep]\n"rule.name" = ["mine.py:half", "grpo"]\n'
    )
    words = ["sweep", "grid.toml", "--out", "out", "--workers", "2"]
    assert main(words) == 0
    assert "failed" not in capsys.readouterr().out
    assert main(words) == 0
    assert "kept 2 of 2 cells" in capsys.readouterr().out


def test_a_function_of_a_file_travels_to_worker_processes(folder):
    from joblib import Parallel, delayed

    weight = find_rule("mine.py:half_weight")
    call = delayed(weight)(np.zeros(2), np.zeros(2), np.ones(2))
    for found in Parallel(n_jobs=2)([call, call]):
        np.testing.assert_array_equal(found, [0.5, 0.5])


def test_a_language_model_trains_with_a_file(folder):
    config = pytest.importorskip("llm_bridge.config")
    made = config.TrainConfig(rule="./mine.py:half")
    assert made.rule == "mine.py:half"
    assert made.as_dict()["rule_sha256"] == file_digest("mine.py:half")
    assert config.TrainConfig(**made.as_dict()) == made
    assert "rule_sha256" not in config.TrainConfig(rule="clip").as_dict()
    (folder / "mine.py").write_text(MINE + "# edited\n")
    with pytest.raises(
        ValueError, match=r"`rule_sha256` must be that of the rule's file, .*changed"
    ):
        config.TrainConfig(**made.as_dict())


def test_a_rule_file_that_declares_promises_loads_without_the_suite(folder):
    (folder / "declared.py").write_text(
        "from banditlab.testing import promises\n@promises(clip_high=0.2)\ndef f(a, b, c): ...\n"
    )
    code = (
        "import sys\nfrom banditlab.find import find_rule\nfind_rule('declared.py:f')\n"
        "print(sorted({'hypothesis', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
