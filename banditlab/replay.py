"""A replay buffer of the rollouts of recent rounds, by age.

Shapes: as in `banditlab.rounds`.
"""

import numpy as np

from banditlab.policy import Policy
from banditlab.rounds import Rollouts

_ARRAYS = ("reward", "advantage", "old_log_prob")


class ReplayBuffer:
    """Rollouts of the last rounds, as old as the oldest age that is trained on.

    Attributes:
        ages: ages in rounds that are trained on; 0 is the fresh rollouts.
    """

    def __init__(self, ages: tuple[int, ...]) -> None:
        """Start empty.

        Args:
            ages: ages that are trained on.
        """
        self.ages = ages
        self._kept: dict[int, Rollouts] = {}

    @property
    def keeps_rollouts(self) -> bool:
        """Whether any round's rollouts are used after it."""
        return max(self.ages) > 0

    def stale(self, num_rounds: int) -> list[Rollouts]:
        """Rollouts of earlier rounds that this round trains on, the youngest first.

        Args:
            num_rounds: number of this round, from 1.

        Returns:
            Those of the ages asked for that are old enough to exist.
        """
        wanted = (num_rounds - age for age in sorted(self.ages) if age > 0)
        return [self._kept[born] for born in wanted if born in self._kept]

    def push(self, num_rounds: int, rollouts: Rollouts, policy: Policy) -> None:
        """Keep this round's rollouts, and release those that are too old.

        Args:
            num_rounds: number of this round, from 1.
            rollouts: the round's rollouts.
            policy: whose draws they are.
        """
        self._kept[num_rounds] = rollouts
        # The next round may train on rollouts of the greatest age.
        for born in [born for born in self._kept if num_rounds + 1 - born > max(self.ages)]:
            policy.release(self._kept.pop(born).draw)

    def arrays(self, policy: Policy) -> dict[str, np.ndarray]:
        """Everything kept, to be saved.

        Args:
            policy: whose draws they are.

        Returns:
            Arrays by name.
        """
        found = {"rounds": np.array(sorted(self._kept), dtype=np.int64)}
        for born, rollouts in self._kept.items():
            found |= {f"{born}.{name}": getattr(rollouts, name) for name in _ARRAYS}
            found[f"{born}.group_size"] = np.array(rollouts.group_size)
            packed = policy.pack(rollouts.draw)
            found |= {f"{born}.draw.{name}": value for name, value in packed.items()}
        return found

    def restore(self, arrays: dict[str, np.ndarray], policy: Policy) -> None:
        """Go back to saved rollouts.

        Args:
            arrays: what `arrays` returned.
            policy: the restored policy, which takes the draws up again.
        """
        self._kept = {}
        for born in arrays["rounds"].tolist():
            prefix = f"{born}.draw."
            packed = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
            self._kept[born] = Rollouts(
                policy.unpack(packed),
                *(arrays[f"{born}.{name}"].copy() for name in _ARRAYS),
                group_size=int(arrays[f"{born}.group_size"]),
            )
