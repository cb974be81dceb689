"""A few responses of every update and evaluation, for the eye: lines of samples.jsonl.

Shapes: P prompts, G group (responses per prompt), T tokens of the longest response.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from llm_bridge.models import Policy
from llm_bridge.rollout import Rollout
from llm_bridge.tasks import Task


class SampleLog:
    """Collects the first responses of what it is shown, until they are written.

    Attributes:
        count: responses kept of each update, and of each task of an evaluation.
    """

    def __init__(self, policy: Policy, count: int) -> None:
        self.count = count
        self._policy = policy
        self._lines: list[dict[str, Any]] = []

    def add(
        self,
        task: Task,
        questions: Sequence[int],
        rollout: Rollout,
        reward: np.ndarray,
        **what: Any,
    ) -> None:
        """Keep some responses: one of each prompt, then a second one, until there are enough.

        Args:
            task: what was asked.
            questions: row of each prompt in the task, P of them.
            rollout: P prompts of G responses.
            reward: reward of each response, shape [P, G].
            **what: fields that say where the responses come from; those that agree in all of them
                share one count.
        """
        num_kept = sum(line.items() >= what.items() for line in self._lines)
        num_prompts, group_size = reward.shape
        for index in range(min(self.count - num_kept, num_prompts * group_size)):
            sample, prompt = divmod(index, num_prompts)
            mask = rollout.mask[prompt, sample]
            tokens = rollout.response_tokens[prompt, sample][mask].tolist()
            question = int(questions[prompt])
            self._lines.append(
                {
                    **what,
                    "prompt": task.prompts[question],
                    "completion": self._policy.tokenizer.decode(tokens, skip_special_tokens=True),
                    # A reward function needs no gold answer.
                    "gold": task.answers[question] or None,
                    "reward": float(reward[prompt, sample]),
                    "log_prob": float(rollout.old_log_prob[prompt, sample].double().sum()),
                    "num_tokens": len(tokens),
                    "is_truncated": bool(rollout.is_truncated[prompt, sample]),
                }
            )

    def take(self) -> list[dict[str, Any]]:
        """Hand over what was kept, and begin anew.

        Returns:
            Lines of samples.jsonl.
        """
        lines, self._lines = self._lines, []
        return lines
