"""A replay buffer of stale groups, with the log-probabilities and advantages of their birth.

Shapes: P prompts, G group (rollouts per prompt).
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from llm_bridge.experience import Experience
from llm_bridge.rollout import Rollout


class ReplayBuffer:
    """Groups of the last updates: at most so many, none older than so many updates.

    Args:
        capacity: most groups kept; the oldest go first.
        max_age: greatest age in updates at which a group is trained on again, 1 or more.
    """

    def __init__(self, capacity: int, max_age: int) -> None:
        self._capacity, self._max_age = capacity, max_age
        self._groups: list[Experience] = []

    def __len__(self) -> int:
        return len(self._groups)

    def push(self, experience: Experience) -> None:
        """Keep the groups of an update, and drop what is too old for the next one or too much.

        Args:
            experience: groups that were all drawn by the same update, later than all before.
        """
        self._groups += experience.groups()
        update = int(experience.born[0])
        oldest = update + 1 - self._max_age
        young = [group for group in self._groups if int(group.born) >= oldest]
        self._groups = young[-self._capacity :]

    def draw(self, num_groups: int, rng: np.random.Generator) -> list[Experience]:
        """Choose stale groups, without replacement, each equally likely.

        Args:
            num_groups: groups wanted.
            rng: source of the choice; advanced.

        Returns:
            The groups, the oldest first; all of them where fewer are kept.
        """
        count = min(num_groups, len(self._groups))
        chosen = rng.choice(len(self._groups), size=count, replace=False)
        return [self._groups[place] for place in sorted(chosen.tolist())]

    def state_dict(self) -> dict[str, Any]:
        """All groups as tensors, for a checkpoint."""
        names = [entry.name for entry in fields(Rollout)]
        return {
            "groups": [
                {
                    "rollout": {name: getattr(group.rollout, name) for name in names},
                    "advantage": group.advantage,
                    "born": group.born,
                    "ref_log_prob": group.ref_log_prob,
                }
                for group in self._groups
            ]
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go back to what a checkpoint held.

        Args:
            state: what `state_dict` returned.
        """
        self._groups = [
            Experience(**{**group, "rollout": Rollout(**group["rollout"])})
            for group in state["groups"]
        ]
