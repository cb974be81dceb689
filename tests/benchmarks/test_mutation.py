"""The mutation run samples, resumes, scores and reports as it says; no mutant is run here."""

import json

import pytest

from benchmarks.mutation import __main__ as command
from benchmarks.mutation import run as running
from benchmarks.mutation import workplace
from benchmarks.mutation.equivalent import EQUIVALENT_FILE, Equivalents, read_equivalents
from benchmarks.mutation.mutants import Mutant, exit_codes, read_mutants
from benchmarks.mutation.report import Result, as_json, filled, table
from benchmarks.mutation.targets import TARGETS, Target, drawn

TARGET = Target("weights", "banditlab/weights.py", ("tests/banditlab/test_weights.py",))
NAME = "banditlab.weights.x_double__mutmut_{}"
MUTATED = """\
def x_double__mutmut_orig(value):
    return 2.0 * value


def x_double__mutmut_1(value):
    return 3.0 * value


def x_double__mutmut_2(value):
    return 2.0 / value
"""
SPANS = {
    "x_double__mutmut_orig": [1, 2],
    "x_double__mutmut_1": [5, 6],
    "x_double__mutmut_2": [9, 10],
}


def mutant(verdict: str, now: str = "return 3.0 * value") -> Mutant:
    return Mutant(NAME.format(1), TARGET.sources, "double", "return 2.0 * value", now, verdict)


@pytest.fixture
def folder(tmp_path):
    """A workplace as mutmut leaves it: one mutant killed, one not yet run."""
    made = tmp_path / "mutants" / "banditlab"
    made.mkdir(parents=True)
    (tmp_path / "banditlab").mkdir()
    (tmp_path / "banditlab" / "weights.py").write_text("")
    (made / "weights.py").write_text(MUTATED)
    (made / "weights.py.spans").write_text(json.dumps({"version": 1, "spans": SPANS}))
    codes = {NAME.format(1): 1, NAME.format(2): None}
    (made / "weights.py.meta").write_text(json.dumps({"exit_code_by_key": codes}))
    return tmp_path


def test_the_sample_depends_on_seed_and_names_alone():
    names = [f"mutant_{number}" for number in range(1000)]
    first = drawn(names, 200, seed=0)
    assert len(set(first)) == 200
    assert first == drawn(names[::-1], 200, seed=0)
    assert first != drawn(names, 200, seed=1)
    assert drawn(names, None, seed=0) == drawn(names, 2000, seed=0) == sorted(names)


def test_every_target_has_its_files():
    for target in TARGETS:
        assert list(workplace.ROOT.glob(target.sources))
        assert all((workplace.ROOT / tests).exists() for tests in target.tests)


def test_mutants_are_read_with_what_they_change(folder):
    found = list(read_mutants(TARGET, folder, [NAME.format(1), NAME.format(2)]))
    assert found == [
        Mutant(NAME.format(1), TARGET.sources, "double", "return 2.0 * value", now, verdict)
        if now.startswith("return 3")
        else Mutant(NAME.format(2), TARGET.sources, "double", "return 2.0 * value", now, verdict)
        for now, verdict in (("return 3.0 * value", "killed"), ("return 2.0 / value", "unchecked"))
    ]
    assert [m.name for m in read_mutants(TARGET, folder, [NAME.format(2)])] == [NAME.format(2)]


def test_a_run_goes_on_with_those_without_a_verdict(folder, monkeypatch):
    chosen = [NAME.format(1), NAME.format(2)]
    assert running.unchecked(TARGET, folder, chosen) == [NAME.format(2)]
    commands = []

    class Ended:
        def __init__(self, words, **_):
            commands.append(words)
            meta = folder / "mutants" / "banditlab" / "weights.py.meta"
            meta.write_text(json.dumps({"exit_code_by_key": dict.fromkeys(chosen, 1)}))

        def poll(self):
            return 0

        def send_signal(self, _):
            pass

        wait = poll

    monkeypatch.setattr(running.subprocess, "Popen", Ended)
    running.run(TARGET, folder, chosen, 1)
    running.run(TARGET, folder, chosen, 1)
    assert [words[1:] for words in commands] == [["run", "--max-children", "1", NAME.format(2)]]
    assert exit_codes(TARGET, folder) == dict.fromkeys(chosen, 1)


def test_a_run_that_ends_too_soon_shows_what_mutmut_said(folder, monkeypatch):
    class Failed:
        def __init__(self, words, *, stdout, **_):
            stdout.write("Failed to run clean test\n")

        def poll(self):
            return 1

        def send_signal(self, _):
            pass

        wait = poll

    monkeypatch.setattr(running.subprocess, "Popen", Failed)
    with pytest.raises(
        RuntimeError, match=r"weights has 1 mutants without a verdict[^!]*clean test"
    ):
        running.run(TARGET, folder, [NAME.format(2)], 1)


def test_what_goes_wrong_is_one_sentence(tmp_path, monkeypatch, capsys):
    def missing(_):
        raise workplace.PackageNotFoundError

    monkeypatch.setattr(workplace, "version", missing)
    assert command.main(["--out", str(tmp_path), "--targets", "dual"]) == 2
    said = capsys.readouterr().err
    assert said.startswith('error: mutmut is not installed. Remedy: pip install "banditlab[mut')
    assert not (tmp_path / "dual").exists()


def test_a_workplace_is_kept_until_a_file_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(workplace, "version", lambda _: "3")
    monkeypatch.setattr(workplace, "COPIED", ("banditlab", "tests/banditlab"))
    root, folder = tmp_path / "root", tmp_path / "runs" / "weights"
    (root / "banditlab" / "__pycache__").mkdir(parents=True)
    (root / "banditlab" / "weights.py").write_text("a = 1\n")
    (root / "banditlab" / "__pycache__" / "weights.pyc").write_text("")
    (root / "pyproject.toml").write_text("")
    tests = root / "tests" / "banditlab"
    tests.mkdir(parents=True)
    for name in ("test_weights.py", "test_dual.py", "checks.py"):
        (tests / name).write_text("")
    first = workplace.prepare(TARGET, folder, root)
    assert (folder / "banditlab" / "weights.py").read_text() == "a = 1\n"
    assert not (folder / "banditlab" / "__pycache__").exists()
    assert "tests/banditlab/test_weights.py" in (folder / "setup.cfg").read_text()
    copied = sorted(path.name for path in (folder / "tests" / "banditlab").iterdir())
    assert copied == ["checks.py", "test_weights.py"]
    (folder / "verdicts").write_text("")
    (tests / "test_dual.py").write_text("another module's\n")
    assert workplace.prepare(TARGET, folder, root) == first
    assert (folder / "verdicts").exists()
    (root / "banditlab" / "weights.py").write_text("a = 2\n")
    assert workplace.prepare(TARGET, folder, root) != first
    assert not (folder / "verdicts").exists()


def test_scores_count_what_no_reason_excuses():
    """Four mutants: killed, never ending, equivalent, missed; a score leaves out the third."""
    key = (TARGET.sources, "double", "return 2.0 * value", "return value * 2.0")
    mutants = (
        mutant("killed"),
        mutant("timeout", "return forever"),
        mutant("survived", key[3]),
        mutant("survived", "return value"),
    )
    result = Result(TARGET, 4, mutants, Equivalents({key: "Products commute"}))
    assert (result.num_killed, result.num_equivalent) == (2, 1)
    assert (result.score, result.raw_score) == (2 / 3, 0.5)
    assert result.missed == [mutants[3]]
    assert "| `banditlab/weights.py` |" in table([result])
    assert "66.7 %" in table([result])
    sampled = Result(TARGET, 9, mutants, Equivalents({}))
    assert "4 of 9" in table([sampled])
    assert "| all" in table([result, sampled])
    document = filled("before <!-- made by make mutation --> old <!-- end --> after", [result])
    assert document.startswith("before <!-- made by make mutation -->")
    assert document.endswith("<!-- end --> after")
    assert "old" not in document
    assert "Products commute (1):\n\n- `double`: `return 2.0 * value` becomes" in document
    assert document.index("no test finds it** (1)") < document.index("Products commute")
    (row,) = as_json([result])
    assert (row["killed"], row["by_timeout"], row["survived"], row["equivalent"]) == (2, 1, 2, 1)
    assert [s["equivalent_because"] for s in row["survivors"]] == ["Products commute", None]


def test_a_reason_that_a_test_refutes_is_named():
    found = mutant("killed")
    key = (found.path, found.function, found.was, found.now)
    assert Equivalents({key: "So it seemed"}).refuted([found, mutant("survived")]) == [found]
    assert Equivalents({}).refuted([found]) == []


def test_reasons_are_read_and_doubtful_ones_refused(tmp_path):
    path = tmp_path / "equivalent.toml"
    entry = '[[equivalent]]\npath = "a.py"\nfunctions = ["f", "g"]\nwas = "x"\nnow = ["y", "z"]\n'
    path.write_text(f'{entry}reason = "Why"\n')
    assert len(read_equivalents(path).reasons) == 4
    assert set(read_equivalents(path).reasons.values()) == {"Why"}
    path.write_text(entry)
    with pytest.raises(
        ValueError, match="read_equivalents: `path` must be a file whose tables have"
    ):
        read_equivalents(path)
    path.write_text(f'{entry}reason = "Why"\n' * 2)
    with pytest.raises(ValueError, match="must be a file with one reason for each mutant"):
        read_equivalents(path)


def test_the_reasons_of_the_repository_are_about_lines_that_exist():
    lines = {
        path: (workplace.ROOT / path).read_text()
        for path in {path for path, *_ in read_equivalents(EQUIVALENT_FILE).reasons}
    }
    for path, function, was, _ in read_equivalents(EQUIVALENT_FILE).reasons:
        assert f"def {function.rpartition('.')[2]}(" in lines[path]
        assert was in " ".join(lines[path].split()), (path, was)


@pytest.mark.parametrize(
    ("verdicts", "code"), [(["killed"], 0), (["killed"] * 19 + ["survived"], 0), (["survived"], 1)]
)
def test_the_exit_code_is_1_below_the_aim(verdicts, code, tmp_path, monkeypatch, capsys):
    measured = Result(TARGET, 1, tuple(map(mutant, verdicts)), Equivalents({}))
    monkeypatch.setattr(command, "_measure", lambda *_: measured)
    document = tmp_path / "mutation.md"
    document.write_text("<!-- made by make mutation --><!-- end -->")
    monkeypatch.setattr(command, "DOCUMENT", document)
    monkeypatch.setattr(command, "RESULT_FILE", tmp_path / "results.json")
    words = ["--out", str(tmp_path / "runs")]
    assert command.main([*words, "--targets", "weights"]) == code
    assert document.read_text() == "<!-- made by make mutation --><!-- end -->"
    assert command.main(words) == code
    assert "`banditlab/weights.py`" in document.read_text()
    assert len(json.loads((tmp_path / "results.json").read_text())["targets"]) == len(TARGETS)
    assert ("below 95%" in capsys.readouterr().out) == bool(code)
