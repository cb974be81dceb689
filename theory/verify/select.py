"""Choosing claims: by id, entry and tag, from the catalogue or from a file of one's own."""

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from theory.predict.conditions import require, require_known
from theory.verify.claim import Claim


def select_claims(
    claims: Sequence[Claim], *, names: Sequence[str] = (), tag: str | None = None
) -> list[Claim]:
    """Select claims by id or catalogue entry, and by tag.

    Args:
        claims: all claims.
        names: ids such as "P26-grpo" or entries such as "P26"; none for all.
        tag: a tag that the claims must have.

    Returns:
        The claims asked for, in their order.

    Raises:
        ValueError: a name or tag does not exist, or nothing has both.
    """
    known = dict.fromkeys([name for claim in claims for name in (claim.entry, claim.id)])
    for name in names:
        require_known("select_claims", "claims", name, known, "claim")
    if tag is not None:
        tags = sorted({word for claim in claims for word in claim.tags})
        require_known("select_claims", "tag", tag, tags, "tag")
    chosen = [
        claim
        for claim in claims
        if (not names or claim.id in names or claim.entry in names)
        and (tag is None or tag in claim.tags)
    ]
    require(
        bool(chosen),
        "select_claims",
        "tag",
        f"a tag of {', '.join(names)}",
        repr(tag),
        "Leave one of the two selections out",
    )
    return chosen


def load_claims(path: Path) -> tuple[Claim, ...]:
    """Load the claims of a Python file: those in its tuples called CLAIMS or ..._CLAIMS.

    The file is run as Python code.

    Args:
        path: the file.

    Returns:
        The claims, in their order.

    Raises:
        ValueError: the file is missing or is no Python file, holds no claims, or two of the same
            id.
    """
    require(
        path.is_file() and path.suffix == ".py",
        "load_claims",
        "path",
        "a Python file",
        path,
        "Give one with a tuple CLAIMS, such as examples/claim.py",
    )
    module = _import_file(path)
    found: list[Claim] = []
    for name, value in vars(module).items():
        if name.endswith("CLAIMS") and isinstance(value, (tuple, list)):
            found += [claim for claim in value if isinstance(claim, Claim)]
    require(
        bool(found),
        "load_claims",
        "path",
        "a file with a tuple CLAIMS of claims",
        path,
        "Name the tuple CLAIMS, or let its name end with _CLAIMS",
    )
    ids = [claim.id for claim in found]
    require(
        len(set(ids)) == len(ids),
        "load_claims",
        "path",
        "a file of claims with distinct ids",
        ", ".join(sorted({name for name in ids if ids.count(name) > 1})),
        "The id selects the claim and seeds its experiment",
    )
    return tuple(found)


def _import_file(path: Path) -> ModuleType:
    import cloudpickle

    name = f"claims_of_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ValueError(
            f"load_claims: `path` must be a file that Python can run, got {path} "
            f"({type(error).__name__}: {error}). Mend it first."
        ) from error
    # Worker processes cannot import a file by name: its functions travel as code.
    cloudpickle.register_pickle_by_value(module)
    return module
