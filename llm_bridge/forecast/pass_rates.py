"""A forecast from pass rates alone: the kernel's strength is the stated unknown."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from banditlab.arm_spaces import read_pass_rates
from banditlab.validation import require, requirement_error
from llm_bridge.forecast.calibration import Calibration, KernelPoint
from llm_bridge.forecast.forecast import Plan
from llm_bridge.forecast.study import Study

_SAMPLES = 10**6


def parse_kernels(text: str) -> list[float]:
    """Read strengths of the kernel.

    Args:
        text: numbers with commas between.

    Returns:
        The numbers.

    Raises:
        ValueError: a word is no number.

    Examples:
        >>> parse_kernels("5, 15")
        [5.0, 15.0]
    """
    try:
        return [float(word) for word in text.split(",")]
    except ValueError as error:
        raise requirement_error(
            "predict", "kernels", "numbers with commas between", repr(text), "Try 5,15,45"
        ) from error


def plans_from_pass_rates(
    study: Study, path: Path, column: str, kernels: Sequence[float]
) -> list[Plan]:
    """Stand-ins for a calibration, one a strength of the kernel.

    Args:
        study: the cells; SGD only, since AdamW's kernel belongs to a model.
        path: CSV file with a header, one row per prompt.
        column: its column of pass rates.
        kernels: strengths, nats per unit of learning rate * coefficient.

    Returns:
        For each strength the study, its cells named after it, and a calibration of a constant
        kernel without held-out prompts.

    Raises:
        ValueError: a cell is under AdamW or trains on one prompt, a strength is not above 0 or
            comes twice, or a rate is outside [0, 1].
    """
    unfit = [cell.name for cell in study.cells if cell.optimizer != "sgd" or cell.row is not None]
    require(
        not unfit,
        "predict",
        "pass_rates",
        "used with optimizer sgd and all prompts alone",
        f"others in {', '.join(unfit)}",
        "AdamW's kernel, and that of one prompt, have to be measured: banditlab calibrate",
    )
    require(
        len(kernels) > 0
        and all(kernel > 0.0 and math.isfinite(kernel) for kernel in kernels)
        and len({f"{kernel:g}" for kernel in kernels}) == len(kernels),
        "predict",
        "kernels",
        "one or more different numbers above 0",
        list(kernels),
        "The embedded model has 15",
    )
    measured = read_pass_rates(path, column)
    require(
        bool(((measured >= 0.0) & (measured <= 1.0)).all()),
        "predict",
        "pass_rates",
        "a file of rates in [0, 1]",
        f"values from {measured.min():g} to {measured.max():g}",
        "Divide counts by the number of responses",
    )
    rates = np.clip(measured, 0.5 / _SAMPLES, 1.0 - 0.5 / _SAMPLES)
    plans = []
    for kernel in kernels:
        cells = tuple(
            replace(
                cell,
                name=f"{cell.name}, kernel {kernel:g}",
                group=f"{cell.comparison}, kernel {kernel:g}",
            )
            for cell in study.cells
        )
        plans.append((replace(study, cells=cells), {None: _calibration(rates, kernel, path.name)}))
    return plans


def _calibration(rates: np.ndarray, kernel: float, name: str) -> Calibration:
    mean = float(rates.mean())
    counts = (rates * _SAMPLES).round().astype(int).tolist()
    return Calibration(
        settings={"model": name},
        train_correct=counts,
        target_correct=counts,
        num_samples=_SAMPLES,
        num_target_samples=_SAMPLES,
        is_heldout=False,
        points=[KernelPoint(mean, mean, kernel, 0.0, None, float("nan"), float("nan"))],
        law={"kernel": kernel, "form": "constant"},
        ceiling_misfit=None,
        own_kernel=0.0,
        batches=[],
    )
