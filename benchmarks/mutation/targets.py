"""Which modules are mutated, which tests must find it, and which mutants are taken."""

import random
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """A module or package that is mutated.

    Attributes:
        name: its name in tables and on the command line.
        sources: glob of the files that are mutated, relative to the repository.
        tests: test files or folders that are run, those that mirror the sources.
        sample: number of mutants drawn at random; None takes all.
    """

    name: str
    sources: str
    tests: tuple[str, ...]
    sample: int | None = None


TARGETS = (
    *(
        Target(name, f"banditlab/{name}.py", (f"tests/banditlab/test_{name}.py", *more))
        for name, more in (
            ("weights", ("tests/banditlab/test_weight_inputs.py",)),
            ("advantages", ()),
            ("levels", ()),
            ("dual", ()),
        )
    ),
    Target("lumped", "banditlab/lumped/*.py", ("tests/banditlab/lumped",), sample=200),
)

COPIED = ("banditlab", "tests/__init__.py", "tests/conftest.py", "tests/banditlab")
"""What the tests of all targets need, relative to the repository, besides `pyproject.toml`."""


def drawn(names: Sequence[str], sample: int | None, seed: int) -> list[str]:
    """Draw mutants without replacement; the same ones for the same names and seed.

    Args:
        names: names of all mutants.
        sample: how many; None, or a number not below theirs, takes all.
        seed: of the draw.

    Returns:
        The names drawn, sorted.

    Examples:
        >>> drawn(["b", "a", "c"], None, seed=0)
        ['a', 'b', 'c']
        >>> drawn(["b", "a", "c"], 2, seed=0) == drawn(["c", "b", "a"], 2, seed=0)
        True
    """
    ordered = sorted(names)
    if sample is None or sample >= len(ordered):
        return ordered
    return sorted(random.Random(seed).sample(ordered, sample))
