"""The uniform view of what is checked: token weights and advantages, whatever the rule's kind.

Shapes: [N, T], N responses of T tokens; [P, G], P prompts of a group of G rollouts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from banditlab.testing.batch import TokenBatch
from banditlab.testing.namespaces import as_numpy, native
from banditlab.testing.promises import Promises

Array = Any
Kind = Literal["weight", "loss", "advantage", "rule"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def normaliser(promises: Promises, mask: np.ndarray) -> np.ndarray:
    """What a loss divides the weight of each token by, shape [N, T].

    Args:
        promises: whose averaging it is.
        mask: True where a token counts, shape [N, T].

    Returns:
        The divisor, at least 1: an empty response has no token to divide.
    """
    num_responses, length = float(len(mask)), mask.sum(axis=1, keepdims=True, dtype=np.float64)
    divisor = {
        "token_mean": float(mask.sum()),
        # The log-ratio of a whole response is a sum, so that each token has its full weight.
        "sequence_mean": num_responses * (1.0 if promises.level == "sequence" else length),
        "sequence_sum": num_responses,
        "sum": 1.0,
        "constant_length": num_responses * (promises.max_tokens or 1),
    }[promises.averaging]
    return np.maximum(np.broadcast_to(divisor, mask.shape), 1.0)


@dataclass(frozen=True)
class Subject:
    """A rule under check.

    Attributes:
        name: what the rule is called in reports.
        kind: what it is.
        rule: the callable or `UpdateRule` itself.
        promises: what it promises.
        weight_call: function of (log_prob, old_log_prob, advantage, mask) in its own namespaces
            -> weight, for the kinds "weight" and "rule"; the mask is left out where not taken.
        loss_call: function of the same -> torch scalar, for the kind "loss".
        advantage_call: function of reward [P, G] -> advantage, for "advantage" and "rule".
        takes_mask: whether a mask is read.
        namespaces: namespaces in which the rule works, the first one used by default.
        code: Python that binds the name `rule`, for a minimal example.
    """

    name: str
    kind: Kind
    rule: Any
    promises: Promises
    weight_call: Callable[..., Array] | None
    loss_call: Callable[..., Array] | None
    advantage_call: Callable[[Array], Array] | None
    takes_mask: bool
    namespaces: tuple[str, ...]
    code: str

    def has(self, part: str) -> bool:
        """Whether the rule has a part that a check needs."""
        has_weight = self.weight_call is not None or self.loss_call is not None
        has_advantage = self.advantage_call is not None
        return {
            "weight": has_weight,
            "elementwise": self.weight_call is not None,
            "loss": self.loss_call is not None,
            "mask": self.takes_mask,
            "advantage": has_advantage,
            "step": has_weight or has_advantage,
        }[part]

    def call_weight(
        self, log_prob: Array, old_log_prob: Array, advantage: Array, mask: Array
    ) -> Array:
        """Weight as the rule returns it, or that of its loss by autograd; arrays of one namespace.

        For a loss it is -dloss/dlog_prob, before the normaliser.
        """
        if self.weight_call is not None:
            return self.weight_call(log_prob, old_log_prob, advantage, mask)
        import torch

        leaf = log_prob.detach().requires_grad_(True)
        loss = self.loss_call(leaf, old_log_prob, advantage, mask)
        (gradient,) = torch.autograd.grad(loss, leaf)
        return -gradient

    def token_weight(
        self, batch: TokenBatch, *, namespace: str | None = None, dtype: str = "float64"
    ) -> np.ndarray:
        """Score weight of each token of a batch, the loss's average undone.

        Args:
            batch: the tokens.
            namespace: where it is computed; by default the rule's first one.
            dtype: floating type of the computation.

        Returns:
            The weight, NumPy float64, shape [N, T].
        """
        namespace = namespace or self.namespaces[0]
        arrays = (native(array, namespace, dtype) for array in batch.arrays())
        with np.errstate(all="ignore"):
            weight = as_numpy(self.call_weight(*arrays))
        if self.loss_call is not None:
            weight = weight * normaliser(self.promises, batch.mask)
        return weight

    def advantage(
        self, reward: np.ndarray, *, namespace: str | None = None, dtype: str = "float64"
    ) -> np.ndarray:
        """Advantage of each reward.

        Args:
            reward: shape [P, G].
            namespace: where it is computed; by default the rule's first one.
            dtype: floating type of the computation.

        Returns:
            The advantage, NumPy float64, shape [P, G].
        """
        namespace = namespace or self.namespaces[0]
        with np.errstate(all="ignore"):
            return as_numpy(self.advantage_call(native(reward, namespace, dtype)))
