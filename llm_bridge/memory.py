"""What a rule carries from update to update on a language model.

Shapes: Q questions of the task, P prompts of an update, G group, H remembered of a question.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from banditlab.dual import multiplier_step
from banditlab.rules import UpdateRule, advantage_and_state, initial_state


@dataclass
class RuleMemory:
    """State of a rule's advantage, question by question, and its multiplier.

    Attributes:
        advantage_state: what the advantage remembers of each question, shape [Q, H], or None.
        multiplier: price of ratio variance, or None for a rule without dual.
    """

    advantage_state: np.ndarray | None
    multiplier: float | None

    @classmethod
    def start(cls, rule: UpdateRule, num_questions: int) -> "RuleMemory":
        """Memory before the first update.

        Args:
            rule: the update rule.
            num_questions: Q, rows of the dataset.

        Returns:
            The memory.
        """
        multiplier = None if rule.dual is None else float(rule.dual.initial)
        return cls(initial_state(rule, (num_questions,)), multiplier)

    def advantage(self, rule: UpdateRule, reward: np.ndarray, questions: np.ndarray) -> np.ndarray:
        """Advantage of an update's rewards; what the rule remembers moves on.

        Args:
            rule: the update rule.
            reward: reward of each rollout, extra ones included, shape [P, G + extra].
            questions: row of each prompt in the dataset, all different, shape [P].

        Returns:
            The advantage, of the reward's shape.
        """
        if self.advantage_state is None:
            return advantage_and_state(rule, reward, None)[0]
        advantage, state = advantage_and_state(rule, reward, self.advantage_state[questions])
        self.advantage_state[questions] = state
        return advantage

    def move_multiplier(self, rule: UpdateRule, ratio_variance: float) -> None:
        """Take the dual step.

        Args:
            rule: a rule with a dual.
            ratio_variance: mean of (ratio - 1)^2 after the last inner step.
        """
        moved = multiplier_step(
            np.array(self.multiplier),
            np.array(ratio_variance),
            bound=rule.dual.bound,
            dual_step_size=rule.dual.dual_step_size,
        )
        self.multiplier = float(moved)

    def state_dict(self) -> dict[str, Any]:
        """The memory, for a checkpoint."""
        state = self.advantage_state
        return {
            "advantage_state": None if state is None else torch.from_numpy(state.copy()),
            "multiplier": self.multiplier,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go back to what a checkpoint held.

        Args:
            state: what `state_dict` returned.
        """
        advantage_state = state["advantage_state"]
        self.advantage_state = None if advantage_state is None else advantage_state.numpy().copy()
        self.multiplier = state["multiplier"]
