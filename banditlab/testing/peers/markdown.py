"""The semantics table as Markdown, and as the command prints it."""

from collections.abc import Callable, Sequence
from typing import Any

from tabulate import tabulate

from banditlab.testing.peers.curve import RATIOS
from banditlab.testing.peers.measure_advantage import PROBABILITIES
from banditlab.testing.peers.table import Row, Table

Columns = dict[str, Callable[[Row], str]]


def number(value: float) -> str:
    """A measured number, shortened; one that is not round keeps six digits."""
    return f"{round(value, 12) + 0.0:.6g}"


def _range(ends: Sequence[float | None]) -> str:
    low, high = ends
    if low is None:
        return f"< {number(high)}" if high is not None else "all"
    return f"> {number(low)}" if high is None else f"{number(low)} to {number(high)}"


def _silent(sign: str) -> Callable[[Row], str]:
    return lambda row: ", ".join(map(_range, row.weight[f"silent_{sign}"])) or "never"


def _weights(sign: str) -> Callable[[Row], str]:
    return lambda row: " ".join(f"{value:.4g}" for value in row.weight[f"weight_{sign}"])


def _of_weight(name: str, words: tuple[str, str] = ("no", "yes")) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        value = row.weight.get(name)
        if value is None:
            return "n/a"
        if isinstance(value, bool):
            return words[value]
        return number(value) if isinstance(value, float) else str(value)

    return cell


def _nan_padding(row: Row) -> str:
    harmful = row.weight.get("nan_in_padding_harms")
    return "n/a" if harmful is None else ", ".join(harmful) or "none"


def _binary(row: Row) -> str:
    return " / ".join(number(value) for value in row.advantage["binary_group"])


def _of_advantage(name: str) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        value = row.advantage[name]
        if isinstance(value, bool):
            return ("no", "yes")[value]
        if isinstance(value, float):
            return "0" if value == 0 else f"{value:.2g}"
        return "-" if value is None else str(value)

    return cell


def _expected(row: Row) -> str:
    return " / ".join(f"{value:.5g}" for value in row.advantage["expected_scale"])


def _checks(row: Row) -> str:
    if row.failed_checks is None:
        return "not run"
    return ", ".join(row.failed_checks) or "none"


_NAME: Columns = {"library": lambda row: row.library, "rule": lambda row: row.name}
_CURVE: Columns = {
    **_NAME,
    "same as ours": lambda row: row.ours if row.kind != "rule" else "",
    "on-policy": _of_weight("on_policy_scale"),
    "A = +1": _weights("plus"),
    "A = -1": _weights("minus"),
    "0 at ratio, A = +1": _silent("plus"),
    "0 at ratio, A = -1": _silent("minus"),
    "large ratio, A = +1": _of_weight("growth_plus"),
    "large ratio, A = -1": _of_weight("growth_minus"),
    "of the ratio alone": _of_weight("is_of_ratio_alone"),
}
_LOSS: Columns = {
    **_NAME,
    "average": _of_weight("averaging"),
    "ratio of": _of_weight("level"),
    "gradient of its value": _of_weight("is_gradient_of_value"),
    "NaN in padding harms": _nan_padding,
    "longer padding": _of_weight("is_padding_length_harmless", ("changes it", "harmless")),
    "samples coupled": _of_weight("is_coupled"),
    "deterministic": _of_weight("is_deterministic"),
    "empty batch": _of_weight("empty_batch"),
    "empty response": _of_weight("empty_response"),
}
_ADVANTAGE: Columns = {
    **_NAME,
    "same as ours": lambda row: row.ours if row.kind != "rule" else "",
    "right / wrong of [1, 0, 0, 0]": _binary,
    "ddof": _of_advantage("ddof"),
    "divisor": _of_advantage("eps"),
    "group of one": _of_advantage("singleton"),
    "unanimous": _of_advantage("unanimous"),
    "unanimous, float32": _of_advantage("unanimous_float32"),
    "shift": _of_advantage("reward_shift"),
    "scale": _of_advantage("reward_scale"),
    "groups coupled": _of_advantage("couples_groups"),
    f"expected scale, chance {' / '.join(map(str, PROBABILITIES))}": _expected,
}
_CHECKS: Columns = {**_NAME, "kind": lambda row: row.kind, "checks that fail": _checks}

_SECTIONS: tuple[tuple[str, str, Columns, Callable[[Row], Any]], ...] = (
    (
        "Weight of a sample",
        "The weight on grad log_prob of a sample with advantage +1 and -1, at ratios "
        f"{', '.join(map(str, RATIOS))}; a lone token for a loss. `on-policy` is the weight over "
        "the advantage at ratio 1. The ranges in which the weight is exactly 0 were found by a "
        "scan of ratios from e^-6 to e^6 and bisection.",
        _CURVE,
        lambda row: row.weight,
    ),
    (
        "Losses",
        "How a loss averages was found from responses of 1 and 3 tokens, what its ratio is of "
        "from two tokens with different ratios. `gradient of its value` is no where autograd's "
        "derivative is not that of the number returned: a stop-gradient. `empty batch` is a mask "
        "without a token, `empty response` whether such a response counts in the average.",
        _LOSS,
        lambda row: row.kind == "loss" and row.weight,
    ),
    (
        "Advantages",
        "The divisor was solved from rewards of many sizes, in units of the reward's standard "
        "deviation of one right among four. `unanimous` is the largest advantage of a group of "
        "equal rewards beside another group, and in float32 the largest over batches of equal "
        "rewards of 0.1 to 1.1. The expected scale is that of the expected on-policy gradient "
        "over the REINFORCE gradient, by exact enumeration of two prompts of three rollouts.",
        _ADVANTAGE,
        lambda row: row.advantage,
    ),
    (
        "Checks that fail",
        "The suite of `banditlab check`, under what the library says of the rule, or the default "
        "contract where it says nothing.",
        _CHECKS,
        lambda row: row.failed_checks is not None,
    ),
)


def render(table: Table, style: str = "github") -> str:
    """Render a table.

    Args:
        table: measured or recorded.
        style: "github" for Markdown, or another of tabulate's.

    Returns:
        Text of several sections.
    """
    versions = ", ".join(f"{name} {version}" for name, version in table.versions.items())
    parts = [f"Measured with {versions}."]
    for title, text, columns, belongs in _SECTIONS:
        rows = [row for row in table.rows if not row.problem and belongs(row)]
        if rows:
            cells = [[cell(row) for cell in columns.values()] for row in rows]
            body = tabulate(cells, list(columns), style, disable_numparse=True)
            parts += [f"## {title}", text, body]
    problems = [row for row in table.rows if row.problem]
    if problems:
        lines = [f"- {row.library}/{row.name}: {row.problem}" for row in problems]
        parts += ["## Not measured", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def document(table: Table) -> str:
    """The whole of docs/semantics.md."""
    head = (
        "# What the update rules of the libraries do\n\n"
        "Written by `banditlab semantics --markdown docs/semantics.md`; do not edit. Each number "
        "was measured by calling the library's own function on small float64 inputs. "
        "`banditlab semantics --run` measures what is installed, `make test-peers` builds the "
        "environment for it. What deserves attention is told in [deviations.md](deviations.md). "
        "A further library joins by a module with a tuple `PEERS`, in `banditlab/testing/peers` or "
        "named in the entry-point group `banditlab.peers`.\n\n"
    )
    return head + render(table)
