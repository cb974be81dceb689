"""The mutants of a workplace: their names, what they change, and what became of them."""

import contextlib
import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.mutation.targets import Target

Verdict = Literal["killed", "timeout", "survived", "unchecked"]

# Exit codes of pytest, and those with which mutmut marks a mutant.
_SURVIVED = (0, 5, 33)
_UNCHECKED = (None, 2)
_TIMEOUT = (-24, 24, 36, 152, 255)


@dataclass(frozen=True)
class Mutant:
    """One small error planted into the source.

    Attributes:
        name: mutmut's name, which counts the mutants of a function.
        path: file, relative to the repository.
        function: function, or `Class.method`.
        was: the lines changed, as they are, without indentation.
        now: the same lines in the mutant.
        verdict: `killed` by a failing test, `timeout`, `survived` (no test fails, or none runs it)
            or `unchecked`.
    """

    name: str
    path: str
    function: str
    was: str
    now: str
    verdict: Verdict

    @property
    def is_found(self) -> bool:
        """Whether the tests see it: one fails, or does not come to an end."""
        return self.verdict in ("killed", "timeout")


def verdict_of(exit_code: int | None) -> Verdict:
    """Verdict of the tests' exit code; a crash of the interpreter counts as a failing test.

    Args:
        exit_code: as mutmut records it; None where the mutant was not run.

    Returns:
        The verdict.

    Examples:
        >>> [verdict_of(code) for code in (1, -24, 0, 33, None)]
        ['killed', 'timeout', 'survived', 'survived', 'unchecked']
    """
    if exit_code in _UNCHECKED:
        return "unchecked"
    if exit_code in _SURVIVED:
        return "survived"
    return "timeout" if exit_code in _TIMEOUT else "killed"


def function_of(name: str) -> str:
    """Function that a mutant's name belongs to.

    Args:
        name: mutmut's name of the mutant.

    Returns:
        The function's name, or `Class.method`.

    Examples:
        >>> function_of("banditlab.weights.x_clipped_weight__mutmut_3")
        'clipped_weight'
        >>> function_of("banditlab.dual.xǁDualAscentǁ__post_init____mutmut_14")
        'DualAscent.__post_init__'
    """
    mangled = name.rpartition(".")[2].rpartition("__mutmut_")[0]
    return mangled[2:].replace("ǁ", ".")


def _sources(target: Target, folder: Path) -> list[Path]:
    return sorted(path.relative_to(folder) for path in folder.glob(target.sources))


def names(target: Target, folder: Path) -> list[str]:
    """Names of all mutants that mutmut makes of a target's sources.

    Args:
        target: the target.
        folder: its workplace.

    Returns:
        The names, in the order of the source.
    """
    from mutmut.configuration import reset_config
    from mutmut.mutation.file_mutation import mutate_file_contents
    from mutmut.utils.format_utils import get_mutant_name

    with contextlib.chdir(folder):
        reset_config()
        return [
            get_mutant_name(path, name)
            for path in _sources(target, folder)
            for name in mutate_file_contents(str(path), path.read_text()).mutant_names
        ]


def exit_codes(target: Target, folder: Path) -> dict[str, int | None]:
    """Exit code of the tests on each mutant, as far as mutmut has come.

    Args:
        target: the target.
        folder: its workplace.

    Returns:
        Name -> exit code; None where the mutant was not run. Empty before the first run.
    """
    found: dict[str, int | None] = {}
    for path in _sources(target, folder):
        # mutmut writes the file in place: one that is read amid that is looked at again later.
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
            text = (folder / "mutants" / f"{path}.meta").read_text()
            found |= json.loads(text)["exit_code_by_key"]
    return found


def _change(original: list[str], mutated: list[str]) -> tuple[str, str]:
    lines = list(difflib.unified_diff(original, mutated, lineterm="", n=0))[2:]
    was, now = (
        " ".join(line[1:].strip() for line in lines if line[0] == sign).strip() for sign in "-+"
    )
    return was, now


def read_mutants(target: Target, folder: Path, chosen: list[str]) -> Iterator[Mutant]:
    """Read the chosen mutants with their changes and verdicts.

    Args:
        target: the target.
        folder: its workplace, after a run.
        chosen: names of the mutants.

    Yields:
        The mutants, in the order of the source.
    """
    codes, wanted = exit_codes(target, folder), set(chosen)
    for path in _sources(target, folder):
        made = folder / "mutants" / path
        lines = made.read_text().splitlines()
        spans = json.loads(made.with_name(f"{made.name}.spans").read_text())["spans"]

        def text(name: str, plain: str, lines: list[str] = lines, spans=spans) -> list[str]:
            start, end = spans[name]
            return [line.replace(name, plain) for line in lines[start - 1 : end]]

        module = path.with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
        for short in spans:
            name = f"{module}.{short}"
            if name not in wanted:
                continue
            function = function_of(name)
            plain = function.rpartition(".")[2]
            original = f"{short.rpartition('__mutmut_')[0]}__mutmut_orig"
            was, now = _change(text(original, plain), text(short, plain))
            yield Mutant(name, path.as_posix(), function, was, now, verdict_of(codes.get(name)))
