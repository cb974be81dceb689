"""The guide `docs/write_a_rule.md`, carried out: its files written, its commands run."""

import os
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "write_a_rule.md").read_text()
NUMBER = re.compile(r"\d+\.\d+")
# Training samples in float32, so that another processor may draw another token.
ABOUT = ("banditlab train", "python curve.py")
TOLERANCE = 0.15


@dataclass(frozen=True)
class Block:
    language: str
    text: str

    @property
    def file(self):
        """Name of the file that the first line names, if it does."""
        found = re.match(r"# (\S+\.\w+)\n", self.text)
        return found[1] if found else None


def blocks():
    found = re.findall(r"^```(\w+)\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
    return [Block(*parts) for parts in found]


def steps(text):
    """Commands of a console block, each with what it prints."""
    parts = re.split(r"^\$ (.*)\n", text, flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def is_quoted(shown, quoted):
    """Whether the text was shown, where "..." stands for anything."""
    shown, (first, *rest) = shown.strip(), quoted.strip().split("...")
    if not rest:
        return shown == first
    place = len(first)
    for piece in rest[:-1]:
        found = shown.find(piece, place)
        if found < 0:
            return False
        place = found + len(piece)
    return shown.startswith(first) and shown.endswith(rest[-1], place)


def is_about(shown, quoted):
    numbers = [list(map(float, NUMBER.findall(text))) for text in (shown, quoted)]
    return NUMBER.sub("#", shown.strip()) == NUMBER.sub("#", quoted.strip()) and all(
        abs(found - told) <= TOLERANCE for found, told in zip(*numbers, strict=True)
    )


def run(command, folder):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = os.environ | {"PATH": path, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        command, shell=True, cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    return "\n".join(lines), done.stderr


def test_what_stands_between_dots_must_be_shown_in_order():
    assert is_quoted("a\nb\nc\nd", "a\n...\nc\n...")
    assert not is_quoted("a\nc\nb", "a\n...b\n...c")
    assert not is_quoted("a b", "a")
    assert not is_quoted("ab", "ab...b")


def test_the_guide_does_what_it_says(tmp_path):
    commands = []
    for block in blocks():
        if block.file is not None:
            (tmp_path / block.file).write_text(block.text)
        elif block.language == "console":
            for command, quoted in steps(block.text):
                shown, error = run(command, tmp_path)
                agree = is_about if command.startswith(ABOUT) else is_quoted
                assert agree(shown, quoted), f"$ {command}\n{shown}\n{error}"
                commands.append(command)
        else:
            assert block.language == "toml"
            tomllib.loads(block.text)
    called = {command.split()[1] for command in commands if command.startswith("banditlab ")}
    assert called == {"check", "simulate", "train"}
    assert (tmp_path / "runs" / "bandit" / "curves.png").stat().st_size > 10_000


def test_the_example_is_that_of_the_guide():
    (text,) = (block.text for block in blocks() if block.file == "soft_clip.py")
    assert text.partition("\n")[2] == (ROOT / "examples" / "soft_clip.py").read_text()


def test_what_is_quoted_is_compared():
    assert is_quoted("3 passed in 0.1s", "3 passed in ...")
    assert not is_quoted("2 passed in 0.1s", "3 passed in ...")
    assert not is_quoted("3 passed in 0.1s\nmore", "3 passed in 0.1s")
    assert is_about("pass rate 0.61", "pass rate 0.65")
    assert not is_about("pass rate 0.41", "pass rate 0.65")
    assert not is_about("pass rates 0.61", "pass rate 0.61")
