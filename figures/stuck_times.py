"""How long noise keeps policy gradient on a wrong arm: tails of a power, by step size (P33).

Single-sample raw-reward policy gradient on one noisy arm of mean .5 against four that pay 0,
from log-odds 4 against it. Waits without signal are jumped over, exactly.
"""

import sys
from typing import Any

import numpy as np

from banditlab.reward_laws import Gaussian
from banditlab.tails.runs import Arm, hill_exponent
from banditlab.tails.stuck import simulate_stuck_times
from figures.recipe import Recipe, Row, main
from figures.style import OTHER_COLOUR
from theory.predict.stuck import predicted_learning_rate_threshold

NUM_RUNS, HORIZON, LOG_ODDS = 600_000, 1e12, 4.0
MEAN_REWARD, NOISE_SD, NUM_WRONG = 0.5, 1.0, 4
STEP_SIZES = (0.4, 0.6, 0.8, 1.0, 1.4, 2.0)
DRAWN = (0.6, 0.8, 1.4, 2.0)
TAIL_START = 1e4
_TIMES = np.geomspace(10.0, 1e10, 91)
_LAW = {"noise_sd": NOISE_SD, "num_wrong": NUM_WRONG}


def _simulated(step_size: float, seed: int) -> np.ndarray:
    runs = simulate_stuck_times(
        correct=Arm(MEAN_REWARD, Gaussian(NOISE_SD)),
        wrong=Arm(0.0),
        num_wrong=NUM_WRONG,
        step_size=step_size,
        log_odds=LOG_ODDS,
        horizon=HORIZON,
        num_runs=NUM_RUNS,
        rng=np.random.default_rng(seed),
    )
    return runs.value


def collect(seed: int) -> list[Row]:
    """Simulate the times at six step sizes.

    Args:
        seed: seed of the runs.

    Returns:
        Rows of the table.
    """
    threshold = predicted_learning_rate_threshold(MEAN_REWARD, 1.0, **_LAW)
    rows: list[Row] = []
    for index, step_size in enumerate(STEP_SIZES):
        times = _simulated(step_size, seed + index)
        exponent, error = hill_exponent(times, TAIL_START, HORIZON)
        how = {"step_size": step_size, "predicted_exponent": round(threshold / step_size, 5)}
        rows.append(
            {
                "panel": "exponent",
                **how,
                "time": TAIL_START,
                "measured": round(exponent, 5),
                "half_interval": round(1.96 * error, 5),
            }
        )
        for time in _TIMES:
            stuck = float((times > time).mean())
            spread = 1.96 * np.sqrt(stuck * (1.0 - stuck) / NUM_RUNS)
            rows.append(
                {
                    "panel": "survival",
                    **how,
                    "time": float(f"{time:.6g}"),
                    "measured": float(f"{stuck:.6g}"),
                    "half_interval": float(f"{spread:.4g}"),
                }
            )
    return rows


def draw(rows: list[Row]) -> Any:
    """Draw survival against time, and exponents against the step size.

    Args:
        rows: the table.

    Returns:
        The Matplotlib figure.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 4.6), layout="constrained")
    survival, exponents = figure.subplots(1, 2, width_ratios=[1.25, 1.0])
    _draw_survival(survival, [row for row in rows if row["panel"] == "survival"])
    _draw_exponents(exponents, [row for row in rows if row["panel"] == "exponent"])
    figure.suptitle(
        f"Arm of mean {MEAN_REWARD:g} and noise {NOISE_SD:g} against {NUM_WRONG} arms that pay 0, "
        f"raw reward, one rollout a round, {NUM_RUNS:,} runs a curve",
        fontsize=10,
    )
    return figure


def _draw_survival(axes: Any, rows: list[Row]) -> None:
    import matplotlib as mpl

    scale = mpl.colormaps["viridis"]
    for index, step_size in enumerate(DRAWN):
        colour = scale(0.9 * index / (len(DRAWN) - 1))
        # Below ten runs a share says little on a logarithmic axis.
        points = [
            row
            for row in rows
            if row["step_size"] == step_size and row["measured"] * NUM_RUNS >= 10
        ]
        time, stuck, half = (
            np.array([row[name] for row in points])
            for name in ("time", "measured", "half_interval")
        )
        alpha = points[0]["predicted_exponent"]
        label = f"step size {step_size:g}, theory t$^{{-{alpha:.2f}}}$"
        axes.plot(time, stuck, color=colour, lw=2.0, label=label, zorder=2)
        axes.fill_between(time, stuck - half, stuck + half, color=colour, alpha=0.3, lw=0)
        tail = time >= TAIL_START
        if tail.any():
            law = stuck[tail][0] * (time[tail] / time[tail][0]) ** -alpha
            axes.plot(time[tail], law, color=OTHER_COLOUR, ls="--", lw=1.3, zorder=3)
    axes.plot(
        [],
        [],
        color=OTHER_COLOUR,
        ls="--",
        lw=1.3,
        label="theory, slope alone (bands: 95 % interval)",
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("time t, rounds")
    axes.set_ylabel("share of runs still below p = 1/2 at t")
    axes.legend(fontsize=8, loc="lower left")


def _draw_exponents(axes: Any, rows: list[Row]) -> None:
    threshold = rows[0]["predicted_exponent"] * rows[0]["step_size"]
    step_size = np.geomspace(0.35, 2.3, 100)
    axes.plot(step_size, threshold / step_size, color=OTHER_COLOUR, ls="--", label="theory")
    gap = MEAN_REWARD / (MEAN_REWARD**2 + NOISE_SD**2)
    axes.plot(
        step_size, gap / step_size, color="#999999", ls="-.", label="small gap: gap/(step E[R$^2$])"
    )
    axes.errorbar(
        [row["step_size"] for row in rows],
        [row["measured"] for row in rows],
        yerr=[row["half_interval"] for row in rows],
        fmt="o",
        ms=4,
        color="#4477AA",
        label="simulation, Hill, 95 % interval",
    )
    axes.axhline(1.0, color="#CC7711", lw=1.0, ls=":", label="mean time infinite below")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(STEP_SIZES, [f"{one:g}" for one in STEP_SIZES])
    axes.set_yticks([0.3, 0.5, 1.0, 2.0], ["0.3", "0.5", "1", "2"])
    axes.minorticks_off()
    axes.set_xlabel("step size")
    axes.set_ylabel("tail exponent of the time")
    axes.legend(fontsize=8)


RECIPE = Recipe(
    name="stuck_times",
    about="How long noise keeps policy gradient on a wrong arm (P33): tails by step size.",
    columns={
        "panel": str,
        "step_size": float,
        "predicted_exponent": float,
        "time": float,
        "measured": float,
        "half_interval": float,
    },
    collect=collect,
    draw=draw,
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))
