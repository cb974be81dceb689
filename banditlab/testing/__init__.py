"""A suite of checks for update rules, one's own included.

`check_update_rule` runs it on a score weight, a torch loss, an advantage estimator or a whole
`UpdateRule`; `parametrize_with_checks` makes a pytest of it, and `banditlab check` a command.
`promises` declares what a rule promises; what is not declared is the default contract.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

# A rule that declares its promises needs no hypothesis; what runs the checks loads when asked for.
from banditlab.testing.promises import Promises, promises

if TYPE_CHECKING:
    from banditlab.testing.batch import TokenBatch
    from banditlab.testing.check import CheckFailure
    from banditlab.testing.checks import CHECKS
    from banditlab.testing.parametrize import parametrize_with_checks
    from banditlab.testing.report import Report, Result
    from banditlab.testing.run import check_example, check_update_rule

__all__ = [
    "CHECKS",
    "CheckFailure",
    "Promises",
    "Report",
    "Result",
    "TokenBatch",
    "check_example",
    "check_update_rule",
    "parametrize_with_checks",
    "promises",
]

_MODULE_OF = {
    "CHECKS": "checks",
    "CheckFailure": "check",
    "Report": "report",
    "Result": "report",
    "TokenBatch": "batch",
    "check_example": "run",
    "check_update_rule": "run",
    "parametrize_with_checks": "parametrize",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
