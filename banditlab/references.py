"""Objects by reference: `package.module:object` or `path/to/file.py:object`.

A file is a module of its own kind: it is loaded by its path, its folder is importable for its
siblings, and what it defines travels to worker processes by value.
"""

import functools
import hashlib
import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from banditlab.validation import requirement_error

_FORMS = "package.module:object or path/to/file.py:object"
Asked = tuple[str, str]
"""Function and argument that an error names."""


def split_reference(reference: str) -> tuple[str, str]:
    """Place and dotted object of a reference; the object is empty where none is given.

    Args:
        reference: the reference.

    Returns:
        Module or file, and object.

    Examples:
        >>> split_reference("rules/soft.py:Rules.soft"), split_reference("soft.py")
        (('rules/soft.py', 'Rules.soft'), ('soft.py', ''))
    """
    if reference.endswith(".py") or ":" not in reference:
        return reference, ""
    place, _, name = reference.rpartition(":")
    return place, name


def is_reference(text: str) -> bool:
    """Whether a word is meant as a reference, and not as a name."""
    return ":" in text or text.endswith(".py") or os.sep in text


def _is_file(place: str) -> bool:
    return place.endswith(".py") or os.sep in place


def found_file(reference: str, folder: Path | None = None) -> Path | None:
    """File of a reference, as a path from the present folder, so that records name no machine.

    An absolute path that leads elsewhere stays as it is.

    Args:
        reference: the reference.
        folder: folder in which a relative path is looked for if it is not in the present one.

    Returns:
        The path of an existing file; None where the reference names a module, or no such file.
    """
    place, _ = split_reference(reference)
    if not _is_file(place):
        return None
    for path in (Path(place), (folder or Path()) / place):
        if path.is_file():
            relative = Path(os.path.relpath(path))
            is_elsewhere = ".." in relative.parts
            return path if Path(place).is_absolute() and is_elsewhere else relative
    return None


def file_place(reference: str, folder: Path | None = None) -> str:
    """A reference as records have it: its file as a path from the present folder.

    Args:
        reference: the reference, or a plain name, which stays as it is.
        folder: folder in which a relative path is looked for if it is not in the present one.

    Returns:
        The reference.

    Examples:
        >>> file_place("gsm8k"), file_place("package.module:task")
        ('gsm8k', 'package.module:task')
    """
    path = found_file(reference, folder) if is_reference(reference) else None
    return reference if path is None else f"{path.as_posix()}:{split_reference(reference)[1]}"


def file_digest(reference: str) -> str | None:
    """First 16 hexadecimal digits of the SHA-256 of a reference's file; None for a module."""
    path = found_file(reference)
    return None if path is None else hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def load_object(
    reference: str,
    *,
    asked: Asked,
    is_wanted: Callable[[Any], bool],
    folder: Path | None = None,
) -> Any:
    """Import what a reference names.

    Args:
        reference: `package.module:object` or `path/to/file.py:object`; the object may be dotted.
        asked: function and argument that errors name.
        is_wanted: tells which objects of the module are proposed where the named one is missing.
        folder: folder in which a file is looked for if it is not in the present one.

    Returns:
        The object.

    Raises:
        ModuleNotFoundError: the module, or one that it imports, is not installed.
        ValueError: there is no such file or object, or the module raises.
    """
    place, name = split_reference(reference)
    if _is_file(place):
        module = _module_of_file(_existing(place, reference, folder, asked), reference, asked)
    else:
        module = _module_by_name(place, reference, asked)
    wanted = [word for word in _defined(module) if is_wanted(getattr(module, word))]
    if not name:
        proposed = ", ".join(f"{place}:{word}" for word in wanted) or "nothing that fits"
        raise requirement_error(
            *asked, f"of the form {_FORMS}", repr(reference), f"{place} has: {proposed}"
        )
    try:
        return functools.reduce(getattr, name.split("."), module)
    except AttributeError:
        raise requirement_error(
            *asked,
            f"an object that {place} has",
            repr(reference),
            f"{_hint(name, wanted)}It has: {', '.join(wanted) or 'nothing that fits'}",
        ) from None


def _hint(word: str, known: Iterable[str]) -> str:
    nearest = get_close_matches(word, list(known), n=1, cutoff=0.4)
    return f"Did you mean {nearest[0]!r}? " if nearest else ""


def _defined(module: ModuleType) -> list[str]:
    """Public names that a module gives something itself, not imported functions and classes."""
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not isinstance(value, ModuleType)
        and (not hasattr(value, "__qualname__") or value.__module__ == module.__name__)
    ]


def _existing(place: str, reference: str, folder: Path | None, asked: Asked) -> Path:
    path = found_file(reference, folder)
    if path is not None:
        return path
    parent = Path(place).parent
    near = [str(parent / path.name) for path in parent.glob("*.py")] if parent.is_dir() else []
    if Path(place).is_dir():
        inside = ", ".join(sorted(str(path) for path in Path(place).glob("*.py")))
        remedy = f"{place} is a folder; its files are: {inside or 'none that ends in .py'}"
    elif not parent.is_dir():
        remedy = f"There is no folder {parent}"
    else:
        remedy = f"{_hint(place, near)}The form is path/to/file.py:object"
    raise requirement_error(*asked, "in an existing file", repr(reference), remedy)


def _module_of_file(path: Path, reference: str, asked: Asked) -> ModuleType:
    content, full = path.read_bytes(), path.resolve()
    # By its content too: a file that was edited is another module.
    digest = hashlib.sha256(str(full).encode() + b"\0" + content).hexdigest()[:16]
    name = f"banditlab_file_{digest}_{re.sub(r'[^0-9A-Za-z]', '_', path.stem)}"
    if name in sys.modules:
        return sys.modules[name]
    module = importlib.util.module_from_spec(importlib.util.spec_from_file_location(name, full))
    if str(full.parent) not in sys.path:
        sys.path.insert(0, str(full.parent))
    sys.modules[name] = module
    try:
        exec(compile(content, str(full), "exec", dont_inherit=True), module.__dict__)
    except BaseException as error:
        del sys.modules[name]
        _tell(error, reference, asked)
    from cloudpickle import register_pickle_by_value

    register_pickle_by_value(module)
    return module


def _module_by_name(place: str, reference: str, asked: Asked) -> ModuleType:
    # As `python -m` has it: a script finds the packages of the folder in which it is called.
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(place)
    except BaseException as error:
        if isinstance(error, ModuleNotFoundError) and f"{place}.".startswith(f"{error.name}."):
            raise ModuleNotFoundError(
                f"{asked[0]}: `{asked[1]}` must be in an installed module, got {reference!r}, but "
                f"there is no module {error.name}. Install it, call from the folder that holds it, "
                "or name a file, path/to/file.py:object.",
                name=error.name,
            ) from error
        _tell(error, reference, asked)


def _tell(error: BaseException, reference: str, asked: Asked) -> None:
    """Raise what an import raised again, as a sentence."""
    place, _ = split_reference(reference)
    if isinstance(error, ModuleNotFoundError) and error.name:
        raise ModuleNotFoundError(
            f"{asked[0]}: `{asked[1]}` must be in a module that can be imported, got "
            f"{reference!r}, and {place} imports {error.name}, which is not installed. Install "
            f"{error.name}, or put it beside the file.",
            name=error.name,
        ) from error
    if not isinstance(error, Exception | SystemExit):
        raise error
    where = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
    told = error.msg if isinstance(error, SyntaxError) else str(error)
    raise requirement_error(
        *asked,
        "in a module that can be imported",
        f"{reference!r}, and importing {place} raises {type(error).__name__}: {told}{where}",
        "Try `python` on it; what only a script does belongs under if __name__ == '__main__'",
    ) from error
