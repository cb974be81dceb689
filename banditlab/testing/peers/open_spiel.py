"""OpenSpiel: the sampled loss of open_spiel.python.pytorch.losses.rl_losses, as a weight.

Its other losses sum over all actions, with their values known: they have no weight of a sample,
and `tests/peers` compares their gradients with the exact one. BatchA2CLoss takes logits: as in
the module for rlax, the peer gives two actions and divides by the score of the chosen logit.

Shapes: [*] any leading shape.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from banditlab.testing.peers.peer import Peer
from banditlab.testing.promises import Promises

Array = Any
_peer = partial(Peer, "open_spiel", "2.0.2")


def _load_a2c() -> Callable[..., Array]:
    import torch
    from open_spiel.python.pytorch.losses import rl_losses

    a2c = rl_losses.BatchA2CLoss()

    def weight(log_prob: Array, old_log_prob: Array, advantage: Array) -> Array:
        current, scaled = (np.asarray(array).reshape(-1) for array in (log_prob, advantage))
        chosen_log_prob = np.minimum(current, -0.01)
        rest = -np.expm1(chosen_log_prob)
        logits = torch.as_tensor(np.stack([chosen_log_prob, np.log(rest)], axis=-1))
        logits.requires_grad_(True)
        action = torch.zeros(len(current), dtype=torch.long)
        returns = torch.as_tensor(np.ascontiguousarray(scaled))
        loss = a2c.loss(logits, torch.zeros_like(returns), action, returns)
        (gradient,) = torch.autograd.grad(loss, logits)
        chosen = gradient.numpy()[:, 0]
        return (-chosen * chosen.size / rest).reshape(np.shape(log_prob))

    return weight


PEERS: tuple[Peer, ...] = (
    _peer(
        "BatchA2CLoss",
        "weight",
        _load_a2c,
        Promises(namespaces=("numpy",)),
        None,
        "open_spiel.python.pytorch.losses.rl_losses.BatchA2CLoss",
    ),
)
