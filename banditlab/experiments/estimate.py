"""How long an experiment will take and how much memory it needs, from its first rounds.

The arms that are touched grow with the rounds, and rounds with more of them may cost more. The
point estimate lets them grow as they did at the end of the trial; as policies concentrate they
grow more slowly, so that it errs upwards.
"""

import time
import tracemalloc
from dataclasses import dataclass

import numpy as np

from banditlab.config import Problem, SimulationConfig
from banditlab.metrics import METRICS, measure, record_steps
from banditlab.simulate import Simulation
from banditlab.update_rule import UpdateRule

NO_ESTIMATE = "no estimate: the time goes with the number of successes, which is random"
"""What is said of event-driven runs instead."""

_NUM_ROUNDS = 60
_NUM_TRACED = 2
_Z_UPPER = 2.0


@dataclass(frozen=True)
class Estimate:
    """Time and memory of an experiment.

    Attributes:
        seconds: expected wall time.
        upper_seconds: the same, two standard errors up in the cost of a touched arm, and with
            metrics whose cost grows with the state.
        peak_bytes: peak of memory beside that of the interpreter, if the state grows as it did.
        num_rounds: rounds tried.
        touched_per_round: touched arms that a run gained per round at the end of the trial.
    """

    seconds: float
    upper_seconds: float
    peak_bytes: float
    num_rounds: int
    touched_per_round: float

    def __str__(self) -> str:
        grows = (
            f", at {self.touched_per_round:.3g} newly touched arms per run and round"
            if self.touched_per_round
            else ""
        )
        return (
            f"estimate from {self.num_rounds} rounds{grows}: {self.seconds:.1f} s (up to "
            f"{self.upper_seconds:.1f} s), memory up to {self.peak_bytes / 2**20:.0f} MiB"
        )


def estimate(
    problem: Problem, rule: UpdateRule, config: SimulationConfig, *, budget_seconds: float = 2.0
) -> Estimate:
    """Time and memory of a simulation, from a trial that is thrown away.

    Args:
        problem: the arm space.
        rule: the update rule.
        config: runs, steps, sizes, seed.
        budget_seconds: about how long the trial may take.

    Returns:
        The estimate.

    Raises:
        ValueError: the configuration is out of range.
        FloatingPointError: a run blows up within the trial.
    """
    config.require_valid(problem, rule)
    tracemalloc.start()
    try:
        simulation = Simulation(problem, rule, config)
        begin_bytes = _state_bytes(simulation)
        for _ in range(min(_NUM_TRACED, config.num_steps)):
            simulation.advance()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    seconds, touched = [], [_num_touched(simulation)]
    deadline = time.perf_counter() + budget_seconds
    while len(seconds) < min(_NUM_ROUNDS, config.num_steps) and (
        not seconds or time.perf_counter() < deadline
    ):
        begin = time.perf_counter()
        outcome = simulation.advance()
        seconds.append(time.perf_counter() - begin)
        touched.append(_num_touched(simulation))
    begin = time.perf_counter()
    measure(simulation.policy, problem.num_train, simulation.memory, outcome)
    measuring = time.perf_counter() - begin
    half = len(seconds) // 2
    growth = (touched[-1] - touched[half]) / max(1, len(seconds) - half)
    base = float(np.median(seconds[half:]))
    slope, slope_error = _slope(np.array(touched[:-1]), np.array(seconds))
    later = _touched_later(problem, touched[-1], growth, config.num_steps)
    grown = config.num_steps * max(0.0, later - float(np.median(touched[half:])))
    end_bytes = _state_bytes(simulation)
    bytes_growth = max(0, end_bytes - begin_bytes) / simulation.num_rounds
    # Metrics look at all that is held, a round at what it draws.
    held_later = 1.0 + bytes_growth * 0.5 * config.num_steps / max(1, end_bytes)
    num_records = len(record_steps(config.num_steps, config.record_every, config.num_log_records))
    # Curves are held once, and once more while they are written.
    curve_bytes = 2 * 8 * len(METRICS) * config.num_runs * num_records
    flat, measuring = base * config.num_steps, measuring * num_records
    upper_slope = max(slope + _Z_UPPER * slope_error, 0.0)
    return Estimate(
        seconds=flat + measuring + max(slope, 0.0) * grown,
        upper_seconds=flat + measuring * held_later + upper_slope * grown,
        peak_bytes=peak + bytes_growth * config.num_steps + curve_bytes,
        num_rounds=simulation.num_rounds,
        touched_per_round=growth,
    )


def _state_bytes(simulation: Simulation) -> int:
    return sum(array.nbytes for array in simulation.arrays().values())


def _num_touched(simulation: Simulation) -> float:
    """Arms with a slot of their own, mean over runs; 0 for policies without slots."""
    num_touched = getattr(simulation.policy, "num_touched", None)
    return 0.0 if num_touched is None else float(num_touched().sum(axis=1).mean())


def _touched_later(problem: Problem, now: float, growth: float, num_steps: int) -> float:
    """Touched arms of a run, mean over all rounds; there are no more than arms."""
    count = getattr(problem, "count", None)
    most = np.inf if count is None else count().sum()
    rounds = np.linspace(0.0, num_steps, 1000)
    return float(np.minimum(now + growth * rounds, most).mean())


def _slope(touched: np.ndarray, seconds: np.ndarray) -> tuple[float, float]:
    """Seconds per touched arm by least squares, and its standard error."""
    spread = touched - touched.mean()
    total = (spread**2).sum()
    if total == 0.0 or len(touched) < 3:
        return 0.0, 0.0
    # A median-clipped time keeps a pause of the machine from looking like a cost.
    clipped = np.minimum(seconds, 3.0 * np.median(seconds))
    slope = (spread * clipped).sum() / total
    residual = clipped - clipped.mean() - slope * spread
    return float(slope), float(np.sqrt((residual**2).sum() / (len(touched) - 2) / total))
