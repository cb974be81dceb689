"""Stand-ins for modules that a library imports at its top and does not need for its rules.

OpenRLHF and verl import ray, deepspeed and vLLM before they define a loss. What is loaded under
`stand_ins` are the library's own functions; a stand-in that is reached for while they run is
an object that does nothing, and the differential tests would show it.
"""

import importlib.machinery
import importlib.util
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class _StandIn:
    """Stands for anything: called as a decorator it gives the function back."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        pass

    def __init_subclass__(cls, **named: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _StandIn()

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        is_decorator = len(arguments) == 1 and not named and callable(arguments[0])
        return arguments[0] if is_decorator else _StandIn()


class _StandInModule(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return (
            type(name, (_StandIn,), {"__module__": self.__name__})
            if name[:1].isupper()
            else (_StandIn())
        )


class _StandInFinder:
    """Finds the named modules and whatever is imported from below them."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if not any(name == top or name.startswith(f"{top}.") for top in self.names):
            return None
        spec = importlib.machinery.ModuleSpec(name, self, is_package=True)
        spec.submodule_search_locations = []
        return spec

    def create_module(self, spec: Any) -> types.ModuleType:
        return _StandInModule(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


@contextmanager
def stand_ins(*names: str) -> Iterator[None]:
    """Let modules that are not installed be imported, for as long as the context lasts.

    Args:
        *names: modules, e.g. "ray" or "openrlhf.trainer.ray"; one that is installed is left
            alone, unless it is a part of a package.

    Yields:
        Nothing; afterwards the stand-ins are forgotten, so that no other library sees them.
    """
    needed = tuple(name for name in names if "." in name or not _is_installed(name))
    finder = _StandInFinder(needed)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name, module in list(sys.modules.items()):
            if isinstance(module, _StandInModule):
                del sys.modules[name]


@contextmanager
def bare_packages(*names: str) -> Iterator[None]:
    """Let modules of packages be imported without running the packages' `__init__`.

    Args:
        *names: packages, the outer one first, e.g. "openrlhf", "openrlhf.models".

    Yields:
        Nothing.
    """
    for name in names:
        if name not in sys.modules:
            spec = importlib.util.find_spec(name)
            if spec is None:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            module = types.ModuleType(name)
            module.__path__ = list(spec.submodule_search_locations)
            module.__spec__ = spec
            sys.modules[name] = module
    yield
