"""Numbers that sum a record up: means with their standard errors, quantiles over runs.

Shapes: R runs, S recorded steps.
"""

import math

import numpy as np

from banditlab.records import Record

_QUANTILES = ((0.05, "5 %"), (0.5, "median"), (0.95, "95 %"))
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


def summary_table(record: Record, num_rows: int = 6) -> tuple[list[str], list[list[str]]]:
    """Pass rate and further metrics at some steps, as text.

    Args:
        record: the record.
        num_rows: about how many steps.

    Returns:
        The header and the rows.
    """
    further = [entry for entry in _FURTHER if entry[0] in record.curves]
    header = ["step", "pass rate", "SE", *(name for _, name in _QUANTILES)]
    header += [title for _, title, _ in further]
    chosen = np.unique(np.linspace(0, len(record.step) - 1, num_rows).round().astype(int))
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
