"""Points of a map: an effect between two simulated configurations, with its interval."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from banditlab.experiments.experiment import Experiment
from banditlab.experiments.run import run_experiment
from banditlab.records import Record
from llm_bridge.claims.curve import Curve, Statistic
from llm_bridge.claims.effect import Effect, Interval, measure

# The same resamples at every point: neighbours differ by what was simulated alone.
_SEED = 20_260_127


def curves_of_record(record: Record, experiment: Experiment) -> list[Curve]:
    """The runs of a simulation.

    Args:
        record: what the simulator returned.
        experiment: what it ran.

    Returns:
        One curve a run.
    """
    problem, rule, config = experiment.build()
    num_prompts = config.batch_size or problem.num_train
    rollouts = record.step * num_prompts * (config.group_size + rule.extra_rollouts)
    names = {"train": "pass_rate", "heldout": "heldout_pass_rate"}
    found = {split: record.curves[name] for split, name in names.items() if name in record.curves}
    return [
        Curve(record.step, rollouts, {split: values[run] for split, values in found.items()})
        for run in range(config.num_runs)
    ]


def simulate_curves(tables: Mapping[str, Any]) -> list[Curve]:
    """Simulate one configuration; nothing is written.

    Args:
        tables: of an experiment file.

    Returns:
        One curve a run.

    Raises:
        FloatingPointError: a run blew up.
    """
    experiment = Experiment.from_mapping(tables)
    record, _ = run_experiment(experiment)
    return curves_of_record(record, experiment)


def simulated_effect(
    tables: Mapping[str, Any],
    against: Mapping[str, Any] | None,
    statistic: Statistic,
    *,
    summary: str = "mean",
    compare: str = "difference",
    paired: bool = False,
) -> Interval:
    """Effect of one simulated configuration against another.

    Args:
        tables: of the experiment whose effect it is.
        against: of the one that it is compared with; None for its own number.
        statistic: read off every run.
        summary: what stands for all runs, a key of `effect.SUMMARIES`.
        compare: "difference" or "ratio".
        paired: whether run i of both is resampled together, as both have its uniforms.

    Returns:
        The effect with its 95 % interval.
    """
    runs = {"cell": simulate_curves(tables)}
    if against is not None:
        runs["against"] = simulate_curves(against)
    other = None if against is None else "against"
    effect = Effect("", statistic, "cell", other, summary, compare, paired=paired)
    return measure(effect, runs, np.random.default_rng(_SEED))
