"""Habits of the repository: style, import directions, packaging, and a README that runs."""

import itertools
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("banditlab", "theory", "llm_bridge", "figures", "benchmarks")


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("words", [("ruff", "check", "."), ("ruff", "format", "--check", ".")])
def test_ruff_is_content(words):
    done = run(*words)
    assert done.returncode == 0, done.stdout + done.stderr


def test_import_contracts_hold():
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_version_is_pinned():
    lines = (ROOT / "constraints.txt").read_text().split()
    assert "torch==2.13.0" in lines
    assert all(re.fullmatch(r"[A-Za-z0-9_.\-]+==[A-Za-z0-9_.\-]+", line) for line in lines)


def test_every_requirement_has_its_pin():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = itertools.chain.from_iterable(project["optional-dependencies"].values())
    wanted = [*project["dependencies"], *extras]
    names = {re.match(r"[A-Za-z0-9_\-]+", word)[0].lower().replace("_", "-") for word in wanted}
    lines = (ROOT / "constraints.txt").read_text().split()
    assert names <= {line.split("==")[0].lower().replace("_", "-") for line in lines}


def test_a_wheel_holds_packages_and_data_but_no_tests(tmp_path):
    done = run("build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT))
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for package in PACKAGES:
        assert f"{package}/py.typed" in names
    assert "llm_bridge/embedded/model/model.safetensors" in names
    assert "llm_bridge/embedded/data/heldout.jsonl" in names
    assert "theory/verify/recorded/full.json" in names
    assert not [name for name in names if name.startswith("tests")]


def test_modules_stay_on_one_topic():
    lengths = {
        path: len(path.read_text().splitlines())
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
    }
    assert {path.name: length for path, length in lengths.items() if length > 330} == {}


def test_the_quickstart_of_the_readme_runs(capsys):
    readme = (ROOT / "README.md").read_text()
    code = re.search(r"```python\n(.*?)```", readme, re.DOTALL)[1]
    assert len(code.strip().splitlines()) <= 12
    exec(compile(code, "README.md", "exec"), {})
    shown = capsys.readouterr().out
    assert shown.count("\n") == 2


def test_the_files_that_the_readme_names_exist():
    readme = (ROOT / "README.md").read_text()
    linked = re.findall(r"\]\((?!http)([^)#]+)\)", readme) + re.findall(r'src="([^"]+)"', readme)
    assert linked
    assert [name for name in linked if not (ROOT / name).exists()] == []


def test_no_placeholder_is_left_in_the_documents():
    for name in (
        "README.md",
        "CONTRIBUTING.md",
        "llm_bridge/embedded/model/README.md",
        "benchmarks/README.md",
        *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
    ):
        assert "@@" not in (ROOT / name).read_text()
