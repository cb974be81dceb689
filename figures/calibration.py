"""What was measured on a base model: its pass rates, and how its kernel falls."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from figures.redraw import save_picture
from figures.style import style

if TYPE_CHECKING:
    from llm_bridge.forecast.calibration import Calibration

_COLOUR = "#4477AA"


def _draw_kernel(axes: Any, calibration: "Calibration") -> None:
    rate = np.array([point.train_pass_rate for point in calibration.points])
    kernel = np.array([point.kernel for point in calibration.points])
    error = np.array([point.kernel_se for point in calibration.points])
    grid = np.linspace(rate.min(), 0.95, 200)
    law = calibration.kernel_law()
    axes.errorbar(
        rate, kernel, yerr=2.0 * error, fmt="o", color=_COLOUR, capsize=3, label="measured, 2 SE"
    )
    axes.plot(grid, law.strength(grid), "k--", lw=1.3, label=f"{law.form} law")
    axes.axhline(kernel[0], color="#999999", lw=1, label="constant: the base model's")
    axes.set_xlabel("mean pass rate of the prompts trained on")
    axes.set_ylabel("shared kernel, nats / (learning rate x coefficient)")
    axes.set_ylim(bottom=0.0)
    axes.legend()


def _draw_pass_rates(axes: Any, calibration: "Calibration") -> None:
    kinds = [("trained on", calibration.train_correct, calibration.num_samples, "-")]
    if calibration.is_heldout:
        counts = (calibration.target_correct, calibration.num_target_samples)
        kinds.append(("held out", *counts, "--"))
    for kind, correct, num_samples, line in kinds:
        share = np.sort(np.array(correct) / num_samples)
        quantile = (np.arange(len(share)) + 0.5) / len(share)
        if len(share) == 1:
            axes.axvline(share[0], color=_COLOUR, label=f"the prompt, {num_samples} responses")
        else:
            label = f"{len(share)} prompts {kind}, {num_samples} responses each"
            axes.plot(share, quantile, color=_COLOUR, ls=line, drawstyle="steps", label=label)
    axes.set_xlabel("pass rate of the base model")
    axes.set_ylabel("share of prompts at or below")
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(0.0, 1.0)
    axes.legend()


def draw_calibration(calibration: "Calibration", stem: Path) -> list[Path]:
    """Draw kernel and pass rates.

    Args:
        calibration: the measurement.
        stem: path of the picture without its ending.

    Returns:
        Paths of the files, the PNG first.
    """
    from matplotlib.figure import Figure

    with style():
        figure = Figure(figsize=(9.5, 3.8), layout="constrained")
        left, right = figure.subplots(1, 2)
        _draw_kernel(left, calibration)
        _draw_pass_rates(right, calibration)
        row = calibration.settings.get("row")
        what = "all prompts" if row is None else f"prompt {row} alone"
        figure.suptitle(f"Base model, before any training: {what}")
        return save_picture(figure, stem)
