"""Numbers that sum a record up: means with their standard errors, quantiles over runs.

Shapes: R runs, S recorded steps.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from banditlab.records import Record

_QUANTILES = ((0.05, "5 %"), (0.5, "median"), (0.95, "95 %"))
_KINDS_WITH_ANY_REWARD = ("rewards", "classes")
_FURTHER = (
    ("heldout_pass_rate", "held-out", "{:.4f}"),
    ("entropy", "entropy", "{:.4g}"),
    ("ratio_variance", "ratio var.", "{:.3g}"),
)


def mean_and_error(value: np.ndarray) -> tuple[float, float]:
    """Mean over runs and its standard error.

    Args:
        value: one value per run, shape [R].

    Returns:
        The mean, and the standard error; NaN for a single run.

    Examples:
        >>> mean_and_error(np.array([0.0, 1.0]))
        (0.5, 0.5)
    """
    if len(value) == 1:
        return float(value[0]), math.nan
    # The deviations of equal values from their mean are not 0 but its rounding.
    is_constant = value.min() == value.max()
    error = 0.0 if is_constant else value.std(ddof=1) / math.sqrt(len(value))
    return float(value.mean()), float(error)


def final_values(record: Record) -> dict[str, tuple[float, float]]:
    """Every metric at the last step.

    Args:
        record: the record.

    Returns:
        Metric -> mean over runs and its standard error.
    """
    return {name: mean_and_error(curve[:, -1]) for name, curve in record.curves.items()}


def reward_label(problem_kind: str | None) -> str:
    """Name of the metric `pass_rate`, which is a share of successes for rewards of 0 and 1 only.

    Args:
        problem_kind: kind of arm space, as [problem] has it.

    Returns:
        The name.

    Examples:
        >>> reward_label("zipf"), reward_label("rewards")
        ('pass rate', 'true mean reward')
    """
    return "true mean reward" if problem_kind in _KINDS_WITH_ANY_REWARD else "pass rate"


def moving_span(record: Record) -> tuple[int, int]:
    """Where the mean pass rate moves, to a thousandth of its range.

    Args:
        record: the record.

    Returns:
        Indices of the recorded steps at which it has left its initial value, and at which it has
        its final one; the first and the last where it does not move.
    """
    mean = record.curves["pass_rate"].mean(axis=0)
    tolerance = 1e-3 * np.ptp(mean)
    if tolerance == 0.0:
        return 0, len(mean) - 1
    has_left = np.abs(mean - mean[0]) > tolerance
    is_away = np.abs(mean - mean[-1]) > tolerance
    return int(has_left.argmax()), len(mean) - int(is_away[::-1].argmax())


def stop_note(record: Record) -> str | None:
    """Say that event-driven runs were stopped, so that what they end at is no limit.

    Args:
        record: the record.

    Returns:
        The note; None where no run was stopped.
    """
    stop = _table(record, "run").get("stop_success_prob")
    if stop is None:
        return None
    if reward_label(_table(record, "problem").get("kind")) != "pass rate":
        return f"runs stop at success probability {stop:g}"
    # Of several prompts the best one stops a run, so that the mean may be below.
    is_stopped = record.curves["pass_rate"][:, -1] >= stop
    return f"stopped at success probability {stop:g}" if is_stopped.any() else None


def _table(record: Record, name: str) -> Mapping[str, Any]:
    return record.config.get(name, {})


def summary_table(record: Record, num_rows: int = 6) -> tuple[list[str], list[list[str]]]:
    """Pass rate and further metrics at some steps, as text: where the pass rate moves.

    Args:
        record: the record.
        num_rows: about how many steps.

    Returns:
        The header and the rows.
    """
    further = [entry for entry in _FURTHER if entry[0] in record.curves]
    label = reward_label(_table(record, "problem").get("kind"))
    header = ["step", label, "SE", *(name for _, name in _QUANTILES)]
    header += [title for _, title, _ in further]
    first, last = moving_span(record)
    end = len(record.step) - 1
    # Event-driven runs are still over most of their rounds, also in log(step).
    begin = max(first - 1, 0)
    inner = np.linspace(begin, last, num_rows - (begin > 0) - (last < end)).round().astype(int)
    chosen = np.unique([0, *inner, end])
    rows = []
    for at in chosen:
        rate = record.curves["pass_rate"][:, at]
        mean, error = mean_and_error(rate)
        row = [_step_text(record.step[at]), _rate_text(mean), _rate_text(error)]
        row += [_rate_text(value) for value in np.quantile(rate, [q for q, _ in _QUANTILES])]
        row += [form.format(record.curves[name][:, at].mean()) for name, _, form in further]
        rows.append(row)
    return header, rows


def _step_text(step: float) -> str:
    return f"{int(step)}" if step < 1e9 else f"{step:.3g}"


def _rate_text(rate: float) -> str:
    if math.isnan(rate):
        return "-"
    return f"{rate:.4f}" if rate == 0.0 or abs(rate) >= 1e-3 else f"{rate:.2g}"
