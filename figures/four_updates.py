"""Learning curves of the four updates: theory over 200 simulated runs (P15, P16, P17).

64 prompts of the same pass rate x 8 rollouts, coupled by one kernel number, so that runs follow
their mean: raw reward its closed form, GRPO the finite-group ODE, the clip its inner-epoch
recursion, and the variance penalty the flow of the exact trust region, with the multiplier at the
dual optimum of each round.
"""

import sys
from typing import Any

import numpy as np
from scipy.special import expit, logit

from banditlab.arm_spaces import from_pass_rates
from banditlab.config import SimulationConfig
from banditlab.rounds import Memory, step
from banditlab.rules import get_rule
from banditlab.simulate import simulate
from banditlab.streams import RunStreams
from figures.recipe import Recipe, Row, main
from figures.simulate import bootstrap_interval
from figures.style import OTHER_COLOUR, rule_colour, rule_label
from theory.predict.batch_curves import predicted_shift
from theory.predict.inner_loop import predicted_round_log_odds
from theory.predict.learning_curves import predicted_raw_log_odds, predicted_standardized_log_odds
from theory.predict.trust_region import predicted_flow_error, predicted_flow_log_odds

NUM_RUNS, NUM_PROMPTS, GROUP_SIZE = 200, 64, 8
PASS_RATE, KERNEL = 0.1, 1.0
START = float(logit(PASS_RATE))
INNER = {"clip": {"step_size": 0.5, "inner_epochs": 8}}
STEP_SIZE = {"raw_reward": 0.5, "grpo": 0.25}
NUM_UPDATES = {"raw_reward": 100, "grpo": 100, "clip": 40, "variance_penalty": 28}
BOUND = 0.01
_PENALTY = {"step_size": 1.0, "inner_epochs": 40}


def _problem() -> Any:
    return from_pass_rates(np.full(NUM_PROMPTS, PASS_RATE), shared_kernel=KERNEL)


def _simulated(rule: str, seed: int) -> np.ndarray:
    how = INNER.get(rule, {}) or {"step_size": STEP_SIZE[rule]}
    config = SimulationConfig(
        num_runs=NUM_RUNS,
        num_steps=NUM_UPDATES[rule],
        group_size=GROUP_SIZE,
        seed=seed,
        **how,
    )
    return simulate(_problem(), get_rule(rule), config).curves["pass_rate"]


def _simulated_trust_region(seed: int) -> np.ndarray:
    """Rounds of the penalty whose multiplier is the dual optimum at the pass rate of the round."""
    rule = get_rule("variance_penalty_dual", bound=BOUND)
    config = SimulationConfig(
        num_runs=NUM_RUNS, num_steps=1, group_size=GROUP_SIZE, step_size=_PENALTY["step_size"]
    )
    policy, streams = config.build_policy(_problem()), RunStreams(seed, NUM_RUNS)
    contexts = np.tile(np.arange(NUM_PROMPTS), (NUM_RUNS, 1))
    curve = [policy.expected_reward().mean(axis=1)]
    share = (GROUP_SIZE - 1) / GROUP_SIZE
    for _ in range(NUM_UPDATES["variance_penalty"]):
        deviation = share * np.sqrt(curve[-1] * (1.0 - curve[-1]))
        memory = Memory(multiplier=deviation / (2.0 * np.sqrt(BOUND)))
        step(
            policy,
            rule,
            contexts,
            group_size=GROUP_SIZE,
            inner_epochs=_PENALTY["inner_epochs"],
            rng=streams,
            memory=memory,
        )
        curve.append(policy.expected_reward().mean(axis=1))
    return np.stack(curve, axis=1)


def _theories(rule: str, updates: np.ndarray) -> dict[str, np.ndarray]:
    """Names of predicted curves -> pass rates; the first is the prediction, others do not hold."""
    if rule == "raw_reward":
        time = STEP_SIZE[rule] * updates
        curve = predicted_raw_log_odds(START, time, kernel=KERNEL)
        return {"z + sinh z closed form (P15)": expit(curve)}
    if rule == "grpo":
        how = {"learning_rate": STEP_SIZE[rule], "shared_kernel": KERNEL}
        shift = predicted_shift("grpo", [START], updates, group_size=GROUP_SIZE, **how)
        time = STEP_SIZE[rule] * updates
        endless = predicted_standardized_log_odds(START, time, kernel=KERNEL)
        return {
            "ODE of G = 8 (P16)": expit(START + shift),
            "group of infinite size": expit(endless),
        }
    if rule == "clip":
        how = {"kernel": KERNEL, "group_size": GROUP_SIZE, **INNER[rule]}
        num = int(updates[-1])
        curves = {
            "recursion, 8 inner epochs (P16)": ("clip", how),
            "the same without clip": ("group_mean", how),
        }
        return {
            name: expit(
                np.concatenate(
                    [[START], predicted_round_log_odds(which, START, num_rounds=num, **settings)]
                )
            )
            for name, (which, settings) in curves.items()
        }
    flow = expit(predicted_flow_log_odds(START, updates, BOUND))
    return {
        "trust region with its first-order step (P17)": flow
        + predicted_flow_error(START, updates, BOUND),
        "its flow, sin$^2$": flow,
    }


def collect(seed: int) -> list[Row]:
    """Simulate the four updates and evaluate their predictions.

    Args:
        seed: seed of the runs.

    Returns:
        Rows of the table.
    """
    rows: list[Row] = []
    for rule, num_updates in NUM_UPDATES.items():
        updates = np.arange(num_updates + 1.0)
        is_penalty = rule == "variance_penalty"
        runs = _simulated_trust_region(seed) if is_penalty else _simulated(rule, seed)
        kept = np.arange(0, num_updates + 1, max(1, num_updates // 25))
        low, high = bootstrap_interval(runs)
        curves = [("simulation", f"run {index}", run) for index, run in enumerate(runs)]
        curves += [("simulation", "mean", runs.mean(axis=0))]
        curves += [("simulation", "low", low), ("simulation", "high", high)]
        for index, (name, curve) in enumerate(_theories(rule, updates).items()):
            curves.append(("theory" if index == 0 else "other theory", name, curve))
        rows += [
            {
                "rule": rule,
                "source": source,
                "series": series,
                "update": int(update),
                "pass_rate": round(float(curve[update]), 4),
            }
            for source, series, curve in curves
            for update in kept
        ]
    return rows


def _series(rows: list[Row], rule: str, source: str) -> dict[str, np.ndarray]:
    found: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        if row["rule"] == rule and row["source"] == source:
            found.setdefault(row["series"], []).append((row["update"], row["pass_rate"]))
    return {name: np.array(points).T for name, points in found.items()}


def draw(rows: list[Row]) -> Any:
    """Draw one panel per update: every run thin, the mean thick, theory dashed.

    Args:
        rows: the table.

    Returns:
        The Matplotlib figure.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 6.4), layout="constrained")
    panels = figure.subplots(2, 2, sharey=True).ravel()
    titles = {"grpo": "advantage (GRPO)", "clip": "clip, 8 inner epochs"}
    for axes, rule in zip(panels, NUM_UPDATES, strict=True):
        colour, runs = rule_colour(rule), _series(rows, rule, "simulation")
        for name, curve in runs.items():
            if name.startswith("run"):
                axes.plot(*curve, color=colour, lw=0.4, alpha=0.18, zorder=1, rasterized=True)
        update, mean = runs["mean"]
        axes.fill_between(
            update, runs["low"][1], runs["high"][1], color=colour, alpha=0.4, lw=0, zorder=2
        )
        label = f"simulation: mean of {NUM_RUNS} runs, 95 % bootstrap band, every run thin"
        axes.plot(update, mean, color=colour, lw=2.2, zorder=3, label=label)
        for name, curve in _series(rows, rule, "theory").items():
            axes.plot(*curve, color=OTHER_COLOUR, lw=1.6, ls="--", zorder=4, label=name)
        for name, curve in _series(rows, rule, "other theory").items():
            axes.plot(*curve, color="#999999", lw=1.3, ls="-.", zorder=2, label=name)
        axes.set_title(titles.get(rule, rule_label(rule)))
        axes.set_ylim(0.0, 1.0)
        axes.set_xlim(0.0, update[-1])
        axes.legend(fontsize=7, loc="lower right")
        axes.set_xlabel("updates")
    for axes in panels[::2]:
        axes.set_ylabel("pass rate")
    figure.suptitle("64 prompts x 8 rollouts, pass rate .1, shared kernel 1", fontsize=10)
    return figure


RECIPE = Recipe(
    name="four_updates",
    about="Learning curves of the four updates: theory (P15 to P17) over 200 simulated runs.",
    columns={"rule": str, "source": str, "series": str, "update": int, "pass_rate": float},
    collect=collect,
    draw=draw,
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))
