"""The run loop: R independent runs of a rule on a bandit, recorded, resumed after a kill.

Shapes: R runs, P prompts (contexts), B prompts of a batch, G group, S recorded steps.
"""

import io
import signal
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from banditlab.batches import Batches
from banditlab.config import Problem, SimulationConfig
from banditlab.files import write_atomically
from banditlab.metrics import measure, record_steps
from banditlab.records import Record, provenance
from banditlab.replay import ReplayBuffer
from banditlab.rounds import Memory, Round, step
from banditlab.rules import UpdateRule
from banditlab.streams import RunStreams
from banditlab.validation import require, requirement_error

CHECKPOINT_SECONDS = 30.0
"""Time between two checkpoints."""


class Simulation:
    """R runs on their way: policy, memory, replay buffer and random streams after some rounds.

    Attributes:
        policy: the policy of all runs.
        memory: what the rule carries from round to round.
        num_rounds: rounds done.
    """

    def __init__(self, problem: Problem, rule: UpdateRule, config: SimulationConfig) -> None:
        """Start at the base policy.

        Args:
            problem: the arm space.
            rule: the update rule.
            config: runs, steps, sizes, seed.

        Raises:
            ValueError: the problem does not suit the policy or the optimizer.
        """
        self._rule, self._config = rule, config
        self.policy = config.build_policy(problem)
        self.memory = Memory.start(rule, config.num_runs, problem.num_contexts)
        self.num_rounds = 0
        self._streams = RunStreams(config.seed, config.num_runs)
        batch_size = config.batch_size or problem.num_train
        self._batches = Batches(problem.num_train, config.num_runs, batch_size, config.batch_order)
        self._buffer = ReplayBuffer(config.rollout_ages)

    def advance(self) -> Round:
        """Run one round.

        Returns:
            What it measured.

        Raises:
            FloatingPointError: a run blew up; the message names the round.
        """
        config, buffer = self._config, self._buffer
        self.num_rounds += 1
        try:
            outcome = step(
                self.policy,
                self._rule,
                self._batches.draw(self._streams),
                group_size=config.group_size,
                inner_epochs=config.inner_epochs,
                rng=self._streams,
                memory=self.memory,
                stale=buffer.stale(self.num_rounds),
                trains_fresh=0 in config.rollout_ages,
                level=config.level,
                keeps_rollouts=buffer.keeps_rollouts,
            )
        except FloatingPointError as error:
            raise FloatingPointError(
                f"simulate: stopped at step {self.num_rounds}. {error}"
            ) from error
        if outcome.rollouts is not None:
            buffer.push(self.num_rounds, outcome.rollouts, self.policy)
        return outcome

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that the runs need to go on to the same bits.

        Returns:
            Arrays by name.
        """
        memory = {name: value for name, value in vars(self.memory).items() if value is not None}
        parts = {
            "policy": self.policy.state(),
            "memory": memory,
            "batches": self._batches.state(),
            "buffer": self._buffer.arrays(self.policy),
            "loop": {
                "num_rounds": np.array(self.num_rounds),
                "num_taken": np.array(self._streams.num_taken),
            },
        }
        return {f"{part}/{name}": a for part, arrays in parts.items() for name, a in arrays.items()}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Go on from saved arrays.

        Args:
            arrays: what `arrays` returned for the same problem, rule and configuration.
        """
        parts: dict[str, dict[str, np.ndarray]] = {}
        for key, array in arrays.items():
            part, _, name = key.partition("/")
            parts.setdefault(part, {})[name] = array
        self.policy.restore(parts["policy"])
        for name, value in parts.get("memory", {}).items():
            setattr(self.memory, name, value.copy())
        self._batches.restore(parts["batches"])
        self._buffer.restore(parts["buffer"], self.policy)
        self.num_rounds = int(parts["loop"]["num_rounds"])
        self._streams.skip(int(parts["loop"]["num_taken"]))


def require_runnable(problem: Problem, rule: UpdateRule, config: SimulationConfig) -> None:
    """Check a configuration before anything is written: its values, then one round of one run.

    Args:
        problem: the arm space.
        rule: the update rule.
        config: runs, steps, sizes, seed.

    Raises:
        ValueError: something does not fit.
    """
    config.require_valid(problem, rule)
    Simulation(problem, rule, replace(config, num_runs=1)).advance()


def simulate(
    problem: Problem,
    rule: UpdateRule,
    config: SimulationConfig,
    *,
    on_step: Callable[[int], Any] | None = None,
    checkpoint: Path | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> Record:
    """Simulate R independent runs of a rule on a bandit.

    What is recorded stands at `banditlab.metrics.METRICS`.

    Args:
        problem: the arm space.
        rule: the update rule.
        config: runs, steps, sizes, seed.
        on_step: called after each round with the number of rounds done, and once at the start of
            a resumed run.
        checkpoint: file from which an interrupted run goes on, to the same bits, and which is
            removed in the end; its folder exists.
        checkpoint_seconds: time between two writes of that file.

    Returns:
        The record; step 0 is the base policy.

    Raises:
        ValueError: the configuration is out of range.
        FloatingPointError: a run blew up; the message names the round.
        KeyboardInterrupt: at the first Ctrl-C, once the round is whole and the checkpoint written.

    Examples:
        >>> from banditlab.arm_spaces import rare_correct
        >>> from banditlab.rules import RULES
        >>> config = SimulationConfig(num_runs=4, num_steps=50, group_size=8, step_size=1.0)
        >>> record = simulate(rare_correct(100_000, 0.05), RULES["grpo"], config)
        >>> bool((record.curves["pass_rate"][:, -1] > 0.9).all())
        True
    """
    config.require_valid(problem, rule)
    simulation = Simulation(problem, rule, config)
    steps = record_steps(config.num_steps, config.record_every, config.num_log_records)
    curves: dict[str, np.ndarray] = {}

    def keep(outcome: Round | None) -> None:
        at = np.searchsorted(steps, simulation.num_rounds)
        try:
            values = measure(simulation.policy, problem.num_train, simulation.memory, outcome)
        except FloatingPointError as error:
            raise FloatingPointError(
                f"simulate: stopped at step {simulation.num_rounds}. {error}"
            ) from error
        for name, value in values.items():
            curves.setdefault(name, np.zeros((config.num_runs, len(steps))))[:, at] = value

    owner = _fingerprint(problem, rule, config) if checkpoint is not None else ""
    if checkpoint is not None and checkpoint.exists():
        curves |= _load(checkpoint, simulation, owner)
        if on_step is not None:
            on_step(simulation.num_rounds)
    else:
        keep(None)
    last_write = time.monotonic()
    recorded = set(steps.tolist())
    with _interrupts_between_rounds() as is_interrupted:
        while simulation.num_rounds < config.num_steps:
            outcome = simulation.advance()
            if simulation.num_rounds in recorded:
                keep(outcome)
            is_due = time.monotonic() - last_write >= checkpoint_seconds
            if checkpoint is not None and (is_due or is_interrupted()):
                _save(checkpoint, simulation, curves, owner)
                last_write = time.monotonic()
            if is_interrupted():
                raise KeyboardInterrupt
            if on_step is not None:
                on_step(simulation.num_rounds)
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    return Record(
        curves,
        steps,
        config={**rule.as_dict(), **asdict(config)},
        provenance=provenance(),
    )


@contextmanager
def _interrupts_between_rounds() -> Iterator[Callable[[], bool]]:
    """Hold the first Ctrl-C back until the round is whole, so that nothing is lost."""
    num_asked = 0

    def note(number: int, frame: Any) -> None:
        nonlocal num_asked
        num_asked += 1
        if num_asked > 1:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: num_asked > 0
    finally:
        signal.signal(signal.SIGINT, before)


def _fingerprint(problem: Problem, rule: UpdateRule, config: SimulationConfig) -> str:
    from joblib import hash as hash_of

    return str(hash_of((vars(problem), rule.as_dict(), asdict(config))))


def _save(path: Path, simulation: Simulation, curves: dict[str, np.ndarray], owner: str) -> None:
    arrays = (
        simulation.arrays()
        | {"owner": np.array(owner)}
        | {f"curves/{name}": curve for name, curve in curves.items()}
    )
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_atomically(path, buffer.getbuffer())


def _load(path: Path, simulation: Simulation, owner: str) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as saved:
            arrays = dict(saved)
        found = str(arrays.pop("owner"))
        if found == owner:
            simulation.restore(arrays)
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise requirement_error(
            "simulate",
            "checkpoint",
            "a whole checkpoint of this very run",
            f"{path} ({type(error).__name__})",
            "Remove it; the run then starts anew",
        ) from error
    require(
        found == owner,
        "simulate",
        "checkpoint",
        "that of the same problem, rule and configuration",
        f"{path}, of another run",
        "Give another file, or remove it",
    )
    return {k.removeprefix("curves/"): v for k, v in arrays.items() if k.startswith("curves/")}
