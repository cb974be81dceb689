"""rlax: its sampled policy-gradient losses, as weights, by jax.grad in float64.

The losses are means over a batch, so the weight of a sample is minus the derivative times the
batch's size. `policy_gradient_loss` takes logits: the peer gives it two actions, the first with
the log-probability asked for, -0.01 at most, and divides the derivative with respect to that
action's logit by 1 - probability, which is what the score of a softmax is.

Shapes: [*] any leading shape.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from banditlab.testing.peers.peer import Peer, promised
from banditlab.testing.promises import Promises
from banditlab.weights import clipped_weight, policy_gradient_weight

Array = Any
_CLIP = {"clip_low": 0.2, "clip_high": 0.2}
_clipped = partial(clipped_weight, **_CLIP)
_peer = partial(Peer, "rlax", "0.1.9")
_NUMPY = ("numpy",)


def _flat(*arrays: Array) -> list[np.ndarray]:
    return [np.asarray(array).reshape(-1) for array in arrays]


def _load_clipped() -> Callable[..., Array]:
    import jax
    import rlax

    def loss(log_prob: Array, old_log_prob: Array, advantage: Array) -> Array:
        ratio = jax.numpy.exp(log_prob - old_log_prob)
        return rlax.clipped_surrogate_pg_loss(ratio, advantage, 0.2)

    def weight(log_prob: Array, old_log_prob: Array, advantage: Array) -> Array:
        with jax.enable_x64(True):
            arrays = [
                jax.numpy.asarray(array) for array in _flat(log_prob, old_log_prob, advantage)
            ]
            gradient = np.array(jax.grad(loss)(*arrays))
        return (-gradient * gradient.size).reshape(np.shape(log_prob))

    return weight


def _load_policy_gradient(is_weighted_by_ratio: bool) -> Callable[..., Array]:
    import jax
    import rlax

    def weight(log_prob: Array, old_log_prob: Array, advantage: Array) -> Array:
        current, old, scaled = _flat(log_prob, old_log_prob, advantage)
        sample_weight = np.exp(current - old) if is_weighted_by_ratio else np.ones_like(current)
        chosen_log_prob = np.minimum(current, -0.01)
        rest = -np.expm1(chosen_log_prob)
        with jax.enable_x64(True):
            logits = jax.numpy.asarray(np.stack([chosen_log_prob, np.log(rest)], axis=-1))
            action = jax.numpy.zeros(len(current), dtype=int)
            loss = partial(rlax.policy_gradient_loss, a_t=action)
            gradient = jax.grad(
                lambda logits: loss(
                    logits, adv_t=jax.numpy.asarray(scaled), w_t=jax.numpy.asarray(sample_weight)
                )
            )(logits)
            chosen = np.array(gradient)[:, 0]
        return (-chosen * chosen.size / rest).reshape(np.shape(log_prob))

    return weight


PEERS: tuple[Peer, ...] = (
    _peer(
        "clipped_surrogate_pg_loss(epsilon=0.2)",
        "weight",
        _load_clipped,
        promised(_clipped, namespaces=_NUMPY),
        _clipped,
        "rlax.clipped_surrogate_pg_loss",
    ),
    _peer(
        "policy_gradient_loss(w_t=1)",
        "weight",
        partial(_load_policy_gradient, False),
        Promises(namespaces=_NUMPY),
        None,
        "rlax.policy_gradient_loss",
    ),
    _peer(
        "policy_gradient_loss(w_t=ratio)",
        "weight",
        partial(_load_policy_gradient, True),
        Promises(namespaces=_NUMPY),
        policy_gradient_weight,
        "rlax.policy_gradient_loss",
    ),
)
