"""Mutants that no test can find, because they compute the same: which, and why.

`equivalent.toml` names them by what they change, since mutmut's numbers move with the source.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from banditlab.validation import require
from benchmarks.mutation.mutants import Mutant

EQUIVALENT_FILE = Path(__file__).with_name("equivalent.toml")
_KEYS = {"path", "functions", "was", "now", "reason"}


@dataclass(frozen=True)
class Equivalents:
    """Reasons why mutants are equivalent.

    Attributes:
        reasons: (path, function, was, now) of a `Mutant` -> the reason.
    """

    reasons: dict[tuple[str, str, str, str], str]

    def reason(self, mutant: Mutant) -> str | None:
        """Why a mutant is equivalent.

        Args:
            mutant: the mutant.

        Returns:
            The reason; None where it is not said to be equivalent.
        """
        return self.reasons.get((mutant.path, mutant.function, mutant.was, mutant.now))

    def refuted(self, mutants: Iterable[Mutant]) -> list[Mutant]:
        """Mutants that are said to be equivalent and yet were found by a test.

        Args:
            mutants: the mutants that were run.

        Returns:
            Those of them whose reason is wrong.
        """
        return [mutant for mutant in mutants if mutant.is_found and self.reason(mutant)]


def read_equivalents(path: Path = EQUIVALENT_FILE) -> Equivalents:
    """Read the reasons.

    Args:
        path: TOML file of tables `[[equivalent]]` with the keys path, functions (a list), was, now
            (a list) and reason.

    Returns:
        The reasons by mutant.

    Raises:
        ValueError: a table has other keys, or gives a mutant its second reason.
    """
    reasons: dict[tuple[str, str, str, str], str] = {}
    for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("equivalent", []):
        require(
            set(entry) == _KEYS,
            "read_equivalents",
            "path",
            f"a file whose tables have the keys {', '.join(sorted(_KEYS))}",
            f"one with {', '.join(sorted(entry))}",
            "Say of each mutant where it is, what it changes and why it is equivalent",
        )
        for function in entry["functions"]:
            for now in entry["now"]:
                key = (entry["path"], function, entry["was"], now)
                require(
                    key not in reasons,
                    "read_equivalents",
                    "path",
                    "a file with one reason for each mutant",
                    f"two for {now!r} in {function}",
                    "Keep the better one",
                )
                reasons[key] = entry["reason"]
    return Equivalents(reasons)
