"""An experiment at work: checked, run in its folder, found again when it is finished."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from banditlab.config import Problem, SimulationConfig
from banditlab.experiments.experiment import Experiment
from banditlab.experiments.settings import Place
from banditlab.lock import lock_run_folder
from banditlab.metrics import record_steps
from banditlab.records import CURVES_FILE, Record, claim_run_folder
from banditlab.simulate import CHECKPOINT_SECONDS, require_runnable, simulate
from banditlab.update_rule import UpdateRule

KIND = "simulate"
CHECKPOINT_FILE = "checkpoint.npz"


def prepare(
    experiment: Experiment, on_projection: Callable[[float], Any] | None = None
) -> tuple[Problem, UpdateRule, SimulationConfig]:
    """Build an experiment and try it out on one run, before anything is written.

    Args:
        experiment: the experiment.
        on_projection: called with the distance by which a kernel was projected, if it was.

    Returns:
        Problem, rule and configuration.

    Raises:
        ValueError: something does not fit; the message names the file.
    """
    problem, rule, config = experiment.build(on_projection)
    with Place(experiment.source).named():
        if experiment.run["events"]:
            from banditlab.events.conditions import require_event_driven

            require_event_driven(problem, rule, config)
        else:
            require_runnable(problem, rule, config)
        record_steps(config.num_steps, config.record_every, config.num_log_records)
    return problem, rule, config


def run_experiment(
    experiment: Experiment,
    out: Path | None = None,
    *,
    on_step: Callable[[int], Any] | None = None,
    on_projection: Callable[[float], Any] | None = None,
) -> tuple[Record, bool]:
    """Run an experiment in its folder; one that was stopped goes on, to the same bits.

    Args:
        experiment: the experiment.
        out: run folder; without one nothing is written.
        on_step: called after each round with the number of rounds done; in the event-driven mode
            after each event with the number of runs that are finished.
        on_projection: called with the distance by which a kernel was projected, if it was.

    Returns:
        The record, and whether it had been finished before.

    Raises:
        ValueError: something does not fit, the folder holds another run, or another process
            works on it.
        FloatingPointError: a run blew up.
    """
    parts = prepare(experiment, on_projection)
    if out is None:
        return _run(experiment, parts, on_step, checkpoint=None), False
    claim_run_folder(out, experiment.as_dict(), KIND)
    with lock_run_folder(out, KIND):
        if (out / CURVES_FILE).exists():
            return Record.load(out), True
        record = _run(experiment, parts, on_step, checkpoint=out / CHECKPOINT_FILE)
        # A kill while a file was written leaves its temporary sibling behind.
        for name in (CHECKPOINT_FILE, CURVES_FILE):
            for leftover in out.glob(f".{name}.*"):
                leftover.unlink()
        record.save(out)
    return record, False


def _run(
    experiment: Experiment,
    parts: tuple[Problem, UpdateRule, SimulationConfig],
    on_step: Callable[[int], Any] | None,
    checkpoint: Path | None,
) -> Record:
    if experiment.run["events"]:
        from banditlab.events.run import simulate_events

        stop = experiment.run.get("stop_success_prob")
        record = simulate_events(*parts, stop_success_prob=stop, on_event=on_step)
    else:
        record = simulate(
            *parts, on_step=on_step, checkpoint=checkpoint, checkpoint_seconds=CHECKPOINT_SECONDS
        )
    return replace(record, config={"kind": KIND, **experiment.as_dict()})
