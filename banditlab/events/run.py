"""Event-driven simulation: rounds of failures cost nothing, so 1e100 of them take seconds.

`banditlab.events.simulation` says how, and `banditlab.events.conditions` for which rules and
settings: those in which a round without a success changes nothing. Exact in law.

Near p = 1 every round has a success, and nothing is left to be skipped: runs over more than 2^53
rounds, which float64 cannot count one by one, must say at which success probability they stop.

Shapes: R runs, S recorded steps.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from banditlab.config import Problem, SimulationConfig
from banditlab.events.simulation import EventSimulation
from banditlab.metrics import LARGEST_COUNT, measure, record_steps
from banditlab.records import Record, provenance
from banditlab.rounds import Round
from banditlab.rules import UpdateRule
from banditlab.validation import require

_METRICS_OF_THE_ROUND = ("ratio_variance", "signal_share")


def _require_stop(config: SimulationConfig, stop_success_prob: float | None) -> None:
    if stop_success_prob is None:
        require(
            config.num_steps <= LARGEST_COUNT,
            "simulate_events",
            "stop_success_prob",
            f"given where num_steps is above 2^53 = {LARGEST_COUNT:.17g}",
            None,
            "Near p = 1 every round has a success and none is skipped; 0.99 is usual",
        )
        return
    require(
        0.0 < stop_success_prob <= 1.0,
        "simulate_events",
        "stop_success_prob",
        "in (0, 1]",
        stop_success_prob,
        "It is a probability; 0.99 is usual",
    )


def simulate_events(
    problem: Problem,
    rule: UpdateRule,
    config: SimulationConfig,
    *,
    stop_success_prob: float | None = None,
    on_event: Callable[[int], Any] | None = None,
) -> Record:
    """Simulate R runs of which only the rounds with a success cost anything; exact in law.

    Metrics are those of `simulate`. At a recorded step they are those after the last round with
    a success at or before it, and `ratio_variance` and `signal_share`, which belong to a round,
    are 0 unless it is at that very step.

    Args:
        problem: the arm space, of deterministic rewards of 0 (failure) or more (success).
        rule: the update rule; without memory, and indifferent to a group of failures.
        config: runs, sizes, seed; `num_steps` and `record_every` may be floats up to 1e300.
        stop_success_prob: a run stops once a rollout of any prompt trained on succeeds with this
            probability, and its curves hold what they were then. Needed beyond 2^53 rounds.
        on_event: called after each simulated round with the number of runs that are finished:
            stopped, or without another success before the horizon.

    Returns:
        The record, of steps in float64; step 0 is the base policy.

    Raises:
        TypeError: `num_steps` is not a real number.
        ValueError: a round of failures changes something, or a value is out of range.
        FloatingPointError: a run blew up, or no clock moves any more.

    Examples:
        >>> from banditlab.arm_spaces import rare_correct
        >>> from banditlab.rules import RULES
        >>> config = SimulationConfig(
        ...     num_runs=4, num_steps=1e102, group_size=1, step_size=1.0, num_log_records=103
        ... )
        >>> record = simulate_events(
        ...     rare_correct(1000, 1e-100), RULES["raw_reward"], config, stop_success_prob=0.99
        ... )
        >>> bool((record.curves["pass_rate"][:, -1] > 0.99).all())
        True
    """
    simulation = EventSimulation(problem, rule, config)
    _require_stop(config, stop_success_prob)
    steps = record_steps(config.num_steps, config.record_every, config.num_log_records)
    index = np.arange(len(steps))
    curves: dict[str, np.ndarray] = {}

    def keep(outcome: Round | None) -> None:
        begin, end = (np.searchsorted(steps, at) for at in (simulation.clock, simulation.upcoming))
        if not (end > begin).any():
            return
        is_due = (index >= begin[:, None]) & (index < end[:, None])
        is_now = is_due & (steps == simulation.clock[:, None])
        values = measure(simulation.policy, problem.num_train, simulation.memory, outcome)
        for name, value in values.items():
            curve = curves.setdefault(name, np.zeros(is_due.shape))
            is_told = is_now if name in _METRICS_OF_THE_ROUND else is_due
            np.copyto(curve, value[:, None], where=is_told)

    def stop_where_reached() -> None:
        if stop_success_prob is not None:
            simulation.stop((simulation.success_prob() >= stop_success_prob).any(axis=1))

    stop_where_reached()
    keep(None)
    while simulation.is_running().any():
        outcome = simulation.advance()
        stop_where_reached()
        keep(outcome)
        if on_event is not None:
            on_event(int((~simulation.is_running()).sum()))
    return Record(
        curves,
        steps,
        config={
            **rule.as_dict(),
            **asdict(config),
            "stop_success_prob": stop_success_prob,
        },
        provenance=provenance(),
    )


def take_off_rounds(
    problem: Problem, rule: UpdateRule, config: SimulationConfig, *, success_prob: float = 0.5
) -> np.ndarray:
    """Rounds until a rollout of any prompt trained on succeeds with a given probability.

    Args:
        problem: as for `simulate_events`.
        rule: the update rule.
        config: runs, sizes, seed, and the horizon `num_steps`, at most 1e300.
        success_prob: the probability, in (0, 1].

    Returns:
        Rounds, inf where the horizon comes first, shape [R].

    Raises:
        TypeError: `num_steps` is not a real number.
        ValueError: a round of failures changes something, or a value is out of range.
        FloatingPointError: a run blew up, or no clock moves any more.
    """
    _require_stop(config, success_prob)
    simulation = EventSimulation(problem, rule, config)
    rounds = np.full(config.num_runs, np.inf)
    while True:
        is_there = (simulation.success_prob() >= success_prob).any(axis=1)
        rounds = np.where(is_there, np.minimum(rounds, simulation.clock), rounds)
        simulation.stop(is_there)
        if not simulation.is_running().any():
            return rounds
        simulation.advance()
