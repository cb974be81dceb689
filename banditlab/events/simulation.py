"""Runs that go from one round with a success straight to the next one, each on its own clock.

Where a round in which every rollout fails changes nothing (`banditlab.events.conditions`), the
number of rounds until the next one with a success is geometric, whatever the policy. So only
rounds with a success are simulated, and 1e100 rounds of failures cost one random number. Nothing
is approximated. With B * G rollouts a round,

    P(no success) = prod over prompts of (1 - success probability)^G = exp(-hazard),
    wait = floor(E / hazard) + 1 rounds, E ~ Exp(1),

the first success among the rollouts has its truncated law, those before it fail, and those after
it are free. Such a round is then taken by `banditlab.rounds`, as in `banditlab.simulate`.

Shapes: R runs, P_train prompts trained on, B = P_train prompts of a batch, G group.
"""

from dataclasses import replace

import numpy as np

from banditlab.config import Problem, SimulationConfig
from banditlab.events.conditions import require_event_driven
from banditlab.events.draws import (
    first_success,
    geometric_wait,
    hazard_of_success,
    outcomes_given_first,
)
from banditlab.rounds import Memory, Round, roll_out, step
from banditlab.rules import UpdateRule
from banditlab.streams import RunStreams

MAX_STANDSTILL = 1_000_000
"""Rounds with a success that may pass while the clock of no run moves, by rounding."""


class EventSimulation:
    """R runs on their way, each on its own clock, from one round with a success to the next.

    Attributes:
        policy: the policy of all runs.
        memory: what the rule carries from round to round; nothing changes in it.
        clock: step of each run's last round with a success, 0 before the first, inf once it is
            past its horizon or stopped, shape [R].
        upcoming: step of the next one, inf where that lies past the horizon, shape [R].
    """

    def __init__(self, problem: Problem, rule: UpdateRule, config: SimulationConfig) -> None:
        """Start at the base policy, with the first wait drawn.

        Args:
            problem: the arm space.
            rule: the update rule.
            config: runs, steps, sizes, seed.

        Raises:
            TypeError: `num_steps` is not a real number.
            ValueError: a round of failures changes something, or a value is out of range.
        """
        require_event_driven(problem, rule, config)
        self._rule, self._config, self._num_train = rule, config, problem.num_train
        self.policy = config.build_policy(problem)
        self.memory = Memory.start(rule, config.num_runs, problem.num_contexts)
        self._streams = RunStreams(config.seed, config.num_runs)
        self._is_success = problem.reward[: self._num_train] > 0.0
        shape = (config.num_runs, self._num_train)
        self._contexts = np.broadcast_to(np.arange(self._num_train), shape)
        self._num_still = 0
        self.clock = np.zeros(config.num_runs)
        self._look_ahead()

    def success_prob(self) -> np.ndarray:
        """Probability that a rollout succeeds, for each prompt trained on.

        Returns:
            Shape [R, P_train].
        """
        return self._success

    def is_running(self) -> np.ndarray:
        """Which runs have another round with a success before their horizon.

        Returns:
            Shape [R].
        """
        return np.isfinite(self.upcoming)

    def stop(self, is_done: np.ndarray) -> None:
        """Stop runs: their next round with a success is no longer simulated.

        Args:
            is_done: which runs, shape [R].
        """
        self.upcoming = np.where(is_done, np.inf, self.upcoming)

    def advance(self) -> Round:
        """Take each running run through its next round with a success; the others stay.

        Returns:
            What the round measured; of runs that stay, nothing that means anything.

        Raises:
            FloatingPointError: a run blew up, or no clock moves any more.
        """
        config, is_running = self._config, self.is_running()
        self._require_moving(is_running)
        self.clock = self.upcoming
        shape = (config.num_runs, self._num_train, config.group_size)
        first = first_success(self._hazard, self._streams.random((config.num_runs, 1))[:, 0])
        is_success = outcomes_given_first(first, self._hazard.shape[1]).reshape(shape)
        uniform = self._streams.random((*shape, self.policy.num_uniforms()))
        rollouts = roll_out(
            self.policy,
            self._rule,
            self._contexts,
            group_size=config.group_size,
            rng=None,
            memory=self.memory,
            draw=self.policy.sample(self._contexts, uniform, is_success),
        )
        # Advantage 0 at ratio 1 is a round of failures, which moves nothing.
        advantage = np.where(is_running[:, None, None], rollouts.advantage, 0.0)
        try:
            outcome = step(
                self.policy,
                self._rule,
                self._contexts,
                group_size=config.group_size,
                inner_epochs=config.inner_epochs,
                memory=self.memory,
                fresh=replace(rollouts, advantage=advantage),
            )
        except FloatingPointError as error:
            latest = self.clock[is_running].max()
            raise FloatingPointError(
                f"simulate_events: stopped by step {latest:g}. {error}"
            ) from error
        self._look_ahead()
        return outcome

    def _look_ahead(self) -> None:
        """Draw each run's next wait under its present policy."""
        mass = self.policy.class_mass()[:, : self._num_train]
        self._success = np.where(self._is_success, mass, 0.0).sum(axis=-1)
        failure = np.where(self._is_success, 0.0, mass).sum(axis=-1)
        hazard = hazard_of_success(self._success, failure)
        self._hazard = np.repeat(hazard, self._config.group_size, axis=1).cumsum(axis=1)
        uniform = self._streams.random((self._config.num_runs, 1))[:, 0]
        upcoming = self.clock + geometric_wait(self._hazard[:, -1], uniform)
        self.upcoming = np.where(upcoming <= self._config.num_steps, upcoming, np.inf)

    def _require_moving(self, is_running: np.ndarray) -> None:
        is_still = (self.upcoming <= self.clock)[is_running].all()
        self._num_still = self._num_still + 1 if is_still else 0
        if self._num_still > MAX_STANDSTILL:
            raise FloatingPointError(
                f"simulate_events: {MAX_STANDSTILL} rounds with a success passed within the "
                f"rounding of step {self.clock[is_running].max():g}. Stop earlier, at a lower "
                "`stop_success_prob`."
            )
