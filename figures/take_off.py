"""The universal take-off law: one curve for all rules, once a rule is its factor f (P26).

Every success multiplies the odds of a rare correct arm by f, whatever the rule; p0 * rollouts to
p = 1/2 then has the law of sum_k E_k f^-k. Rounds without a success are jumped over, exactly.
"""

import math
import sys
from typing import Any

import numpy as np

from banditlab.arm_spaces import rare_correct
from banditlab.config import SimulationConfig
from banditlab.events.run import take_off_rounds
from banditlab.rules import get_rule
from figures.recipe import Recipe, Row, main
from figures.style import OTHER_COLOUR, rule_colour
from theory.predict.clip_growth import predicted_isolated_ratios
from theory.predict.take_off import predicted_log_odds_factor, predicted_take_off_mean
from theory.predict.take_off_law import predicted_take_off_survival

NUM_RUNS, GROUP_SIZE, SUCCESS_PROB = 10_000, 8, 1e-12
INNER_EPOCHS = 6
STEP_SIZES = {
    "raw_reward": (2.0, 4.0, 8.0, 16.0),
    "leave_one_out": (1.4, 2.8, 5.6, 11.2),
    "group_mean": (1.8, 3.6, 7.2, 14.4),
    "grpo": (0.6, 1.2, 2.4, 4.8),
    "clip": (0.35, 1.0, 3.0, 6.0),
    "variance_penalty": (0.35, 0.7, 1.2, 1.8),
}
INNER_RULES = ("clip", "variance_penalty")
MULTIPLIER = 0.5
_LAWS = (("raw_reward", 2.0), ("grpo", 2.4), ("clip", 1.0), ("variance_penalty", 1.8))
_GRID = np.linspace(0.0, 10.0, 81)
_MARKS = dict(zip(STEP_SIZES, "osD^vP", strict=True))


def log_factor(rule: str, step_size: float) -> float:
    """Log of the factor by which a success multiplies the odds of the rare arm.

    Args:
        rule: name of the rule.
        step_size: step size of SGD on the logits.

    Returns:
        log f, nats.
    """
    if rule not in INNER_RULES:
        return predicted_log_odds_factor(rule, step_size=step_size, group_size=GROUP_SIZE)
    advantage = (GROUP_SIZE - 1) / GROUP_SIZE
    clip_high = get_rule("clip").weight_hyper["clip_high"]
    how = {"clip_high": clip_high} if rule == "clip" else {"multiplier": MULTIPLIER / advantage}
    gain = step_size * advantage / GROUP_SIZE
    return math.log(predicted_isolated_ratios(gain, INNER_EPOCHS, **how)[-1])


def _simulated(rule: str, step_size: float, seed: int) -> np.ndarray:
    hyper = {"multiplier": MULTIPLIER} if rule == "variance_penalty" else {}
    config = SimulationConfig(
        num_runs=NUM_RUNS,
        num_steps=1e300,
        group_size=GROUP_SIZE,
        step_size=step_size,
        inner_epochs=INNER_EPOCHS if rule in INNER_RULES else 1,
        seed=seed,
    )
    problem = rare_correct(100_000, SUCCESS_PROB)
    rounds = take_off_rounds(problem, get_rule(rule, **hyper), config)
    return SUCCESS_PROB * GROUP_SIZE * rounds


def collect(seed: int) -> list[Row]:
    """Simulate the take-off under every rule at four step sizes.

    Args:
        seed: seed of the runs.

    Returns:
        Rows of the table.
    """
    rows: list[Row] = []
    for rule, step_sizes in STEP_SIZES.items():
        for step_size in step_sizes:
            # Independent runs in each point: a shared deviation would look like a bias.
            own_seed = int(np.random.SeedSequence([seed, len(rows)]).generate_state(1)[0])
            factor, times = log_factor(rule, step_size), _simulated(rule, step_size, own_seed)
            how = {"rule": rule, "step_size": step_size, "log_factor": round(factor, 6)}
            error = 1.96 * times.std(ddof=1) / math.sqrt(NUM_RUNS)
            rows.append(
                {
                    "panel": "mean",
                    **how,
                    "time": 0.0,
                    "simulated": round(float(times.mean()), 5),
                    "half_interval": round(float(error), 5),
                    "predicted": round(predicted_take_off_mean(factor), 5),
                }
            )
            if (rule, step_size) in _LAWS:
                left = (times[:, None] > _GRID).mean(axis=0)
                expected = predicted_take_off_survival(_GRID, factor)
                rows += [
                    {
                        "panel": "law",
                        **how,
                        "time": float(time),
                        "simulated": round(float(value), 5),
                        "half_interval": round(1.96 * math.sqrt(value * (1 - value) / NUM_RUNS), 5),
                        "predicted": round(float(exact), 5),
                    }
                    for time, value, exact in zip(_GRID, left, expected, strict=True)
                ]
    return rows


def draw(rows: list[Row]) -> Any:
    """Draw mean times over log f for all rules, and whole laws of some.

    Args:
        rows: the table.

    Returns:
        The Matplotlib figure.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 4.6), layout="constrained")
    means, laws = figure.subplots(1, 2)
    _draw_means(means, [row for row in rows if row["panel"] == "mean"])
    _draw_laws(laws, [row for row in rows if row["panel"] == "law"])
    figure.suptitle(
        f"Take-off of one correct arm of p0 = 1e-12 among 10$^{{100000}}$, groups of {GROUP_SIZE}, "
        f"{NUM_RUNS} runs a point",
        fontsize=10,
    )
    return figure


def _draw_means(axes: Any, rows: list[Row]) -> None:
    factors = np.geomspace(0.1, 4.0, 200)
    law = [predicted_take_off_mean(factor) for factor in factors]
    axes.plot(factors, law, color=OTHER_COLOUR, ls="--", lw=1.6, label="theory f/(f - 1)", zorder=1)
    for rule in STEP_SIZES:
        points = [row for row in rows if row["rule"] == rule]
        label = rule + (f", {INNER_EPOCHS} inner epochs" if rule in INNER_RULES else "")
        axes.errorbar(
            [row["log_factor"] for row in points],
            [row["simulated"] for row in points],
            yerr=[row["half_interval"] for row in points],
            fmt=_MARKS[rule],
            ms=5,
            color=rule_colour(rule),
            label=label,
            zorder=2,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("log f of the rule, nats per success")
    axes.set_ylabel("mean of p0 * (rollouts to p = 1/2)")
    axes.legend(fontsize=8, title="95 % intervals within the marks", title_fontsize=7)


def _draw_laws(axes: Any, rows: list[Row]) -> None:
    for rule, step_size in _LAWS:
        points = [row for row in rows if (row["rule"], row["step_size"]) == (rule, step_size)]
        time = np.array([row["time"] for row in points])
        value = np.array([row["simulated"] for row in points])
        half = np.array([row["half_interval"] for row in points])
        colour = rule_colour(rule)
        label = f"{rule}, log f = {points[0]['log_factor']:.2f}"
        axes.plot(time, value, color=colour, lw=1.8, label=label, zorder=2)
        axes.fill_between(time, value - half, value + half, color=colour, alpha=0.3, lw=0)
        exact = [row["predicted"] for row in points]
        axes.plot(time, exact, color=OTHER_COLOUR, ls="--", lw=1.1, zorder=3)
    axes.plot([], [], color=OTHER_COLOUR, ls="--", lw=1.1, label="theory")
    axes.set_xlim(0.0, 10.0)
    axes.set_ylim(0.0, 1.02)
    axes.set_xlabel("p0 * rollouts")
    axes.set_ylabel("share of runs still below p = 1/2")
    axes.legend(fontsize=8)


RECIPE = Recipe(
    name="take_off",
    about="The universal take-off law (P26): all rules on one curve, theory over simulation.",
    columns={
        "panel": str,
        "rule": str,
        "step_size": float,
        "log_factor": float,
        "time": float,
        "simulated": float,
        "half_interval": float,
        "predicted": float,
    },
    collect=collect,
    draw=draw,
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))
