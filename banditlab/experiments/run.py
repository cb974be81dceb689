"""An experiment at work: checked, run in its folder, found again when it is finished."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from banditlab.config import Problem, SimulationConfig
from banditlab.experiments.experiment import Experiment
from banditlab.experiments.settings import Place
from banditlab.records import CURVES_FILE, Record, claim_run_folder
from banditlab.simulate import require_runnable, simulate
from banditlab.update_rule import UpdateRule

KIND = "simulate"
CHECKPOINT_FILE = "checkpoint.npz"
CHECKPOINT_SECONDS = 30.0


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
            from banditlab.events.run import event_steps

            require_event_driven(problem, rule, config)
            event_steps(config.num_steps, config.record_every, config.num_log_records)
        else:
            require_runnable(problem, rule, config)
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
        ValueError: something does not fit, or the folder holds another run.
        FloatingPointError: a run blew up.
    """
    parts = prepare(experiment, on_projection)
    if out is not None:
        claim_run_folder(out, experiment.as_dict(), KIND)
        if (out / CURVES_FILE).exists():
            return Record.load(out), True
    if experiment.run["events"]:
        from banditlab.events.run import simulate_events

        stop = experiment.run.get("stop_success_prob")
        record = simulate_events(*parts, stop_success_prob=stop, on_event=on_step)
    else:
        checkpoint = None if out is None else out / CHECKPOINT_FILE
        record = simulate(
            *parts,
            on_step=on_step,
            checkpoint=checkpoint,
            checkpoint_seconds=CHECKPOINT_SECONDS,
        )
    record = replace(record, config={"kind": KIND, **experiment.as_dict()})
    if out is not None:
        # A kill while a file was written leaves its temporary sibling behind.
        for name in (CHECKPOINT_FILE, CURVES_FILE):
            for leftover in out.glob(f".{name}.*"):
                leftover.unlink()
        record.save(out)
    return record, False
