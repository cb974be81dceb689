"""p-values of the true claims over 30 seeds: uniform together, and none too tight by itself."""

import sys
from typing import Any

import numpy as np
from scipy.stats import chi2

from banditlab.experiments.sweep import default_workers
from figures.recipe import Recipe, Row, main
from figures.style import OTHER_COLOUR
from theory.verify.calibration import (
    assess,
    calibrated_claims,
    largest_gap,
    pool_p_values,
    root_mean_square,
)

NUM_SEEDS = 30
_COLOUR, _SUSPECT = "#4477AA", "#CC7711"


def collect(seed: int) -> list[Row]:
    """Run every sampled claim that is expected to hold with 30 seeds, at a quarter of its size.

    Args:
        seed: the first of the seeds.

    Returns:
        Rows of the table.
    """
    from tqdm import tqdm

    from theory.verify.catalogue import CLAIMS

    claims, seeds = calibrated_claims(CLAIMS), range(seed + 1, seed + 1 + NUM_SEEDS)
    with tqdm(total=len(claims) * NUM_SEEDS, desc="p-values", disable=None) as bar:
        values = pool_p_values(
            claims, seeds, num_workers=default_workers(), on_value=lambda: bar.update()
        )
    return [
        {"claim": claim.id, "seed": one, "p_value": float(values[row, column])}
        for row, claim in enumerate(claims)
        for column, one in enumerate(seeds)
    ]


def draw(rows: list[Row]) -> Any:
    """Draw the pooled distribution, and the scatter of each claim.

    Args:
        rows: the table.

    Returns:
        The Matplotlib figure.
    """
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(row["claim"] for row in rows))
    values = np.array([row["p_value"] for row in rows]).reshape(len(names), -1)
    calibration = assess(names, values)
    figure = Figure(figsize=(10.5, max(4.4, 1.2 + 0.115 * len(names))), layout="constrained")
    pooled, single = figure.subplots(1, 2, width_ratios=[1.0, 1.15])
    _draw_pooled(pooled, values, calibration.pooled)
    _draw_scatter(single, names, values, calibration.suspects())
    return figure


def _draw_pooled(axes: Any, values: np.ndarray, p_value: float) -> None:
    ordered = np.sort(values.ravel())
    share = np.arange(1, ordered.size + 1) / ordered.size
    gap = largest_gap(ordered.size)
    line = np.array([0.0, 1.0])
    axes.fill_between(
        line,
        line - gap,
        line + gap,
        color="#BBBBBB",
        alpha=0.5,
        lw=0,
        label="99 % of uniform samples",
    )
    axes.plot(line, line, color=OTHER_COLOUR, ls="--", lw=1.4, label="uniform")
    axes.step(ordered, share, where="post", color=_COLOUR, lw=1.6, label="p-values")
    axes.set_xlabel("p-value")
    axes.set_ylabel("share of p-values at or below")
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(0.0, 1.0)
    num_claims, num_seeds = values.shape
    axes.set_title(
        f"{num_claims} true sampled claims x {num_seeds} seeds: Kolmogorov-Smirnov p = "
        f"{p_value:.2f}",
        fontsize=9,
    )
    axes.legend(loc="upper left")


def _draw_scatter(axes: Any, names: list[str], values: np.ndarray, suspects: list[str]) -> None:
    size, (num_claims, num_seeds) = root_mean_square(values), values.shape
    position = np.arange(num_claims)[::-1]
    level = 1e-3 / num_claims
    low, high = np.sqrt(chi2.ppf([level / 2.0, 1.0 - level / 2.0], num_seeds) / num_seeds)
    axes.axvspan(low, high, color="#BBBBBB", alpha=0.4, lw=0, label="99.9 % of runs, all claims")
    axes.axvline(1.0, color=OTHER_COLOUR, ls="--", lw=1.2)
    colour = [_SUSPECT if name in suspects else _COLOUR for name in names]
    axes.scatter(size, position, s=12, color=colour, zorder=3)
    axes.set_yticks(position, names, fontsize=5)
    axes.set_ylim(-1, num_claims)
    axes.set_xlabel("root mean square of z over seeds (1: calibrated; below: tight)")
    axes.set_title(f"{len(suspects)} claims outside", fontsize=9)
    axes.legend(loc="lower right", fontsize=7)


RECIPE = Recipe(
    name="p_values",
    about="p-values of the true sampled claims over 30 seeds, pooled and claim by claim.",
    columns={"claim": str, "seed": int, "p_value": float},
    collect=collect,
    draw=draw,
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))
