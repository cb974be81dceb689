"""What a round asks of a policy, and of a source of randomness.

Shapes: R runs, P prompts (contexts), B prompts of a batch, G group; tokens T last where there are.
"""

from typing import Any, Protocol

import numpy as np

from banditlab.problems import BanditProblem
from banditlab.sequence.problem import SequenceProblem
from banditlab.shared_shift.problem import SharedShiftProblem

Draw = Any
"""What a policy drew; only the policy looks into it."""


class Uniforms(Protocol):
    """Source of uniforms: a numpy.random.Generator, or `RunStreams`, one stream per run."""

    def random(self, shape: tuple[int, ...]) -> np.ndarray:
        """Uniforms in [0, 1); the first length is R."""


class Policy(Protocol):
    """What a round asks of a policy; the shapes stand at `LumpedSoftmax`."""

    problem: BanditProblem | SequenceProblem | SharedShiftProblem
    num_runs: int
    has_tokens: bool

    def num_uniforms(self) -> int:
        """Uniform numbers that one rollout takes."""

    def sample(self, contexts: np.ndarray, uniform: np.ndarray) -> Draw:
        """Draw a group of arms for each prompt of the batch."""

    def place(self, contexts: np.ndarray, arms: np.ndarray) -> Draw:
        """Take given arms instead of drawing them."""

    def reward(self, draw: Draw, uniform: np.ndarray) -> np.ndarray:
        """Observed reward of each drawn arm."""

    def relative_log_prob(self, draw: Draw) -> np.ndarray:
        """Log-probability of the drawn arms, less that under the base policy."""

    def accumulate(self, draw: Draw, coefficient: np.ndarray) -> None:
        """Add coefficient * grad log_prob to the pending gradient."""

    def move(self) -> None:
        """Take one optimizer step with the pending gradient."""

    def release(self, draw: Draw) -> None:
        """Forget a draw."""

    def pack(self, draw: Draw) -> dict[str, np.ndarray]:
        """Arrays of a draw, to be saved."""

    def unpack(self, arrays: dict[str, np.ndarray]) -> Draw:
        """Take a saved draw up again."""

    def expected_reward(self) -> np.ndarray:
        """True mean reward of the policy, [R, P]."""

    def entropy(self) -> np.ndarray:
        """Entropy of the policy, [R, P]."""

    def collision(self) -> np.ndarray:
        """Probability that two rollouts are the same arm, [R, P]."""

    def state(self) -> dict[str, np.ndarray]:
        """Everything but the draws that a run needs to go on."""

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Go back to a state."""
