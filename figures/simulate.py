"""Curves of a simulation: every run thin, the mean thick, with its 95 % bootstrap interval.

`python -m figures.simulate RUN` draws again into a run folder of `banditlab simulate`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from banditlab.experiments.summary import moving_span, reward_label, stop_note
from banditlab.records import Record
from banditlab.validation import require
from figures.redraw import redraw, save_picture
from figures.style import OTHER_COLOUR, rule_colour, rule_label, style

_MOST_RUNS_SHOWN = 50
_NUM_RESAMPLES = 500
_MANY_ROUNDS = 1e12
_PANELS = {
    "entropy": "entropy, nats",
    "ratio_variance": "mean (ratio - 1)$^2$",
}


def bootstrap_interval(curve: np.ndarray, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Bootstrap interval of the mean over runs, at each step.

    Args:
        curve: values, shape [R, S].
        level: coverage.

    Returns:
        Lower and upper end, shape [S] each.
    """
    num_runs = len(curve)
    # A fixed generator, so that the same record gives the same picture.
    rng = np.random.default_rng(0)
    counts = rng.multinomial(num_runs, np.full(num_runs, 1.0 / num_runs), size=_NUM_RESAMPLES)
    tail = 0.5 * (1.0 - level)
    low, high = np.quantile(counts @ curve / num_runs, (tail, 1.0 - tail), axis=0)
    return low, high


def is_log_grid(step: np.ndarray) -> bool:
    """Whether steps were recorded at growing distances, as a grid in log(step) has them.

    Args:
        step: recorded steps, ascending from 0, shape [S].

    Returns:
        The answer.
    """
    gaps = np.diff(step)
    return len(gaps) > 3 and bool(gaps[-2] > 2 * gaps[0])


def draw_runs(
    axes: Any, step: np.ndarray, curve: np.ndarray, colour: str, label: str, alpha: float = 0.25
) -> None:
    """Draw runs thin, their mean thick and its interval as a band.

    Args:
        axes: Matplotlib axes.
        step: recorded steps, shape [S].
        curve: values, shape [R, S].
        colour: colour of all of it.
        label: what it is, for the legend.
        alpha: opacity of the runs.
    """
    num_runs = len(curve)
    mean = curve.mean(axis=0)
    if num_runs > 1:
        shown = curve[:_MOST_RUNS_SHOWN]
        axes.plot(step, shown.T, color=colour, lw=0.5, alpha=alpha, zorder=1)
        low, high = bootstrap_interval(curve)
        axes.fill_between(step, low, high, color=colour, alpha=0.4, lw=0, zorder=2)
    axes.plot(step, mean, color=colour, lw=1.8, zorder=3, label=label)


def set_step_axis(axes: Any, step: np.ndarray, first: float = 1.0) -> None:
    """Scale the axis of steps as they were recorded.

    Args:
        axes: Matplotlib axes.
        step: recorded steps, shape [S].
        first: first step at which anything moves; of many decades only few before it are shown.
    """
    left = 0.0
    if is_log_grid(step):
        axes.set_xscale("log")
        left = 1.0 if step[-1] < _MANY_ROUNDS else max(1.0, first * 1e-4)
    axes.set_xlim(left, step[-1])


def set_rate_axis(axes: Any, curves: Sequence[np.ndarray]) -> None:
    """Show pass rates from 0 to 1, unless they fill little of it or are no pass rates.

    Args:
        axes: Matplotlib axes.
        curves: what is drawn, shape [R, S] each.
    """
    low = min(curve.min() for curve in curves)
    high = max(curve.max() for curve in curves)
    if low >= 0.0 and 0.3 < high <= 1.0:
        axes.set_ylim(0.0, 1.02)
    elif low >= 0.0:
        axes.set_ylim(bottom=0.0)


def _top(curve: np.ndarray) -> float:
    """Upper end of an axis from 0: above the mean and nearly all runs, not the rarest jump."""
    return 1.06 * max(curve.mean(axis=0).max(), float(np.quantile(curve, 0.995))) or 1.0


def problem_title(problem: Mapping[str, Any]) -> str:
    """Arm space as it stands in titles.

    Args:
        problem: the resolved [problem] table.

    Returns:
        Its kind, and the number of arms where it is an argument.
    """
    title = problem["kind"].replace("_", " ")
    if "log10_arms" in problem:
        title += f", 10$^{{{problem['log10_arms']:g}}}$ arms"
    return title


def _title(config: dict[str, Any]) -> str:
    run, optimizer = config["run"], config["optimizer"]
    parts = [rule_label(config["rule"]["name"]), problem_title(config["problem"])]
    parts.append(f"G = {run['group_size']}, {optimizer['name']} {optimizer['step_size']:g}")
    if run["inner_epochs"] > 1:
        parts[-1] += f", {run['inner_epochs']} inner epochs"
    return "  |  ".join(parts)


def draw(record: Record) -> Any:
    """Draw pass rate, entropy and ratio variance of a record.

    Args:
        record: a record of `banditlab simulate`.

    Returns:
        The Matplotlib figure.
    """
    from matplotlib.figure import Figure

    curves, step = record.curves, record.step
    colour = rule_colour(record.config["rule"]["name"])
    figure = Figure(figsize=(8.2, 4.3), layout="constrained")
    # Of jumps from event to event the rounds that have a ratio are hardly ever recorded.
    further = ["entropy", "ratio_variance"] if curves["ratio_variance"].any() else ["entropy"]
    axes = figure.subplot_mosaic(
        [["pass_rate", metric] for metric in further], width_ratios=[1.7, 1.0], sharex=True
    )
    has_heldout = "heldout_pass_rate" in curves
    if has_heldout:
        draw_runs(
            axes["pass_rate"], step, curves["heldout_pass_rate"], OTHER_COLOUR, "held-out prompts"
        )
    trained = "prompts trained on" if has_heldout else "all prompts"
    draw_runs(axes["pass_rate"], step, curves["pass_rate"], colour, trained)
    for metric in further:
        # Ratio variances of single rounds jump; their mean is what is looked for.
        alpha = 0.25 if metric == "entropy" else 0.08
        draw_runs(axes[metric], step, curves[metric], colour, metric, alpha)
        axes[metric].set_ylim(0.0, _top(curves[metric]))
        axes[metric].ticklabel_format(axis="y", scilimits=(-2, 4), useMathText=True)
    for metric, panel in axes.items():
        panel.set_ylabel(_PANELS.get(metric, ""))
        set_step_axis(panel, step, float(step[moving_span(record)[0]]))
    axes["pass_rate"].set_ylabel(reward_label(record.config["problem"]["kind"]))
    set_rate_axis(axes["pass_rate"], [curves[name] for name in curves if "pass_rate" in name])
    axes["entropy"].tick_params(labelbottom=len(further) == 1)
    for metric in ("pass_rate", further[-1]):
        axes[metric].set_xlabel("rounds")
    _add_rollout_axis(axes["pass_rate"], record)
    note = stop_note(record)
    figure.suptitle(_title(record.config) + (f"\n{note}" if note else ""), fontsize=10)
    _add_legend(figure, axes["pass_rate"], colour, len(curves["pass_rate"]))
    return figure


def _add_legend(figure: Any, axes: Any, colour: str, num_runs: int) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    lines, names = axes.get_legend_handles_labels()
    handles = [
        Line2D([], [], color=line.get_color(), lw=2.0, label=f"mean, {name}")
        for line, name in zip(reversed(lines), reversed(names), strict=True)
    ]
    if num_runs > 1:
        shown = min(num_runs, _MOST_RUNS_SHOWN)
        which = f"all {num_runs} runs" if shown == num_runs else f"{shown} of {num_runs} runs"
        handles.append(Patch(color=colour, alpha=0.4, lw=0, label="95 % bootstrap interval"))
        handles.append(Line2D([], [], color=colour, lw=0.6, alpha=0.5, label=which))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))


def _add_rollout_axis(axes: Any, record: Record) -> None:
    """Rollouts on the top axis, where the configuration tells how many a round has."""
    problem, run = record.config["problem"], record.config["run"]
    num_prompts = run["batch_size"] or {
        "pass_rates": len(problem.get("train_pass_rates", [])),
        "classes": 0,
        "sequence": 0,
    }.get(problem["kind"], 1)
    if not num_prompts or is_log_grid(record.step):
        return
    per_round = num_prompts * (run["group_size"] + record.config["rule"]["extra_rollouts"])
    is_many = record.step[-1] * per_round > 5000
    unit = 1000.0 if is_many else 1.0
    top = axes.secondary_xaxis(
        "top", functions=(lambda x: x * per_round / unit, lambda x: x * unit / per_round)
    )
    top.set_xlabel("thousand rollouts" if is_many else "rollouts", fontsize=8)
    top.tick_params(labelsize=8)


def write_picture(out: Path) -> list[Path]:
    """Draw the picture of a finished run folder into it.

    Args:
        out: the run folder.

    Returns:
        Paths of `curves.png` and `curves.svg`.

    Raises:
        ModuleNotFoundError: Matplotlib is not installed.
        ValueError: the folder is that of another command.
        OSError: the folder holds no finished run, or the disk refuses.
    """
    record = Record.load(out)
    require(
        isinstance(record.config.get("run"), dict),
        "write_picture",
        "out",
        "a run folder of banditlab simulate",
        out,
        "`banditlab compare` draws its own runs",
    )
    with style():
        return save_picture(draw(record), out / "curves")


if __name__ == "__main__":
    raise SystemExit(redraw("simulate", write_picture))
