"""What is measured: whole rounds of the simulator under the lumped policy.

A step is `banditlab.simulate.Simulation.advance`, everything included: batch, uniforms, draw,
reward, advantage, weight, move and the final log-ratios; only what `record_every` asks for is not.

Shapes: R runs, P prompts (contexts), G group.
"""

import numpy as np

from banditlab.config import SimulationConfig
from banditlab.problems import BanditProblem
from banditlab.rounds import step
from banditlab.rules import RULES
from banditlab.simulate import Simulation

_TOUCHED_AT_ONCE = 1_000


class LumpedLoop:
    """R runs under the lumped policy, and how many arms they have touched.

    Attributes:
        num_runs: R.
        advance: one round of all runs.
    """

    def __init__(
        self,
        problem: BanditProblem,
        rule: str,
        *,
        num_runs: int,
        group_size: int,
        step_size: float = 0.1,
        batch_size: int = 0,
        seed: int = 0,
    ) -> None:
        """Start at the base policy.

        Args:
            problem: the arm space.
            rule: name of the rule.
            num_runs: R.
            group_size: rollouts per prompt, G.
            step_size: step size.
            batch_size: prompts per round; 0 takes all.
            seed: entropy of the runs' streams.
        """
        config = SimulationConfig(
            num_runs=num_runs,
            num_steps=1,
            group_size=group_size,
            step_size=step_size,
            batch_size=batch_size,
            seed=seed,
        )
        config.require_valid(problem, RULES[rule])
        self.num_runs = num_runs
        self._simulation = Simulation(problem, RULES[rule], config)
        self.advance = self._simulation.advance

    def touched(self) -> float:
        """Arms with a logit of their own, mean over runs and prompts."""
        return float(self._simulation.policy.num_touched().mean())

    def touch_correct(self, num_correct: int) -> None:
        """Give all arms of the first class slots by raw-reward rounds that draw each once.

        Args:
            num_correct: arms of the first class, the correct ones.
        """
        num_rounds = -(-num_correct // _TOUCHED_AT_ONCE)
        contexts = np.zeros((self.num_runs, 1), dtype=np.int64)
        for left in range(num_rounds, 0, -1):
            group_size = (num_correct - int(self.touched())) // left
            step(
                self._simulation.policy,
                RULES["raw_reward"],
                contexts,
                group_size=group_size,
                rng=_EachArmOnce(),
            )


class _EachArmOnce:
    """Uniforms that draw untouched arms of the first class, all different."""

    def random(self, shape: tuple[int, ...]) -> np.ndarray:
        """First uniform 0, for the class; the second evenly spaced, for the arm in it.

        Args:
            shape: (R, B, G, 2).

        Returns:
            Numbers in [0, 1).
        """
        uniform = np.zeros(shape)
        uniform[..., 1] = (np.arange(shape[2]) + 0.5) / shape[2]
        return uniform
