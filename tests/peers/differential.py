"""A peer beside ours: the gradient that our score weight gives on the same batch.

Shapes: [N, T], N responses of T tokens; [P, G], P prompts of a group of G rollouts.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from banditlab.levels import pool, spread
from banditlab.testing.batch import TokenBatch
from banditlab.testing.peers.peer import Peer

Weight = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
NUM_BATCHES = 40


def batches(seed: int = 0) -> list[TokenBatch]:
    """Random responses of different lengths; log-ratios inside, near and far outside the clip."""
    generator = np.random.default_rng(seed)
    made = []
    for index in range(NUM_BATCHES):
        num, length = int(generator.integers(1, 6)), int(generator.integers(1, 7))
        width = (0.15, 0.4, 2.0)[index % 3]
        old = generator.uniform(-9.0, -4.0, (num, length))
        # Each response as a whole moves as far as its tokens, so that its own ratio clips too.
        log_ratio = generator.uniform(-width, width, (num, 1))
        log_ratio = log_ratio + generator.uniform(-0.2, 0.2, (num, length)) * width
        lengths = generator.integers(1, length + 1, num)
        advantage = np.repeat(generator.normal(size=(num, 1)), length, axis=1)
        mask = np.arange(length) < lengths[:, None]
        made.append(TokenBatch(old + log_ratio, old, advantage, mask))
    return made


def rewards(seed: int = 0) -> list[np.ndarray]:
    """Binary and continuous rewards of groups of 2 to 8, no group unanimous."""
    generator = np.random.default_rng(seed)
    made = []
    for index in range(NUM_BATCHES):
        shape = int(generator.integers(1, 4)), int(generator.integers(2, 9))
        reward = generator.normal(size=shape)
        if index % 2:
            reward = (reward > 0).astype(float)
            reward[:, 0], reward[:, 1] = 1.0, 0.0
        made.append(reward)
    return made


def peer_gradient(loss: Callable[..., Any], batch: TokenBatch) -> np.ndarray:
    """Minus the derivative of a torch loss with respect to log_prob."""
    import torch

    arrays = [torch.from_numpy(array) for array in batch.arrays()]
    arrays[0].requires_grad_(True)
    (gradient,) = torch.autograd.grad(loss(*arrays), arrays[0])
    return -gradient.numpy()


def our_gradient(peer: Peer, weight: Weight, batch: TokenBatch) -> np.ndarray:
    """The gradient of the objective by our weight, at the peer's level, with its average.

    The objective is the mean of an objective of each unit; a sequence's weight goes to its
    tokens by `spread`, and the divisors are written out here, apart from those of the suite.
    """
    level, mask = peer.promises.level, batch.mask
    log_ratio = pool(batch.log_prob - batch.old_log_prob, mask, level)
    advantage = batch.advantage if level == "token" else batch.advantage[:, 0]
    unit_weight = weight(log_ratio, np.zeros_like(log_ratio), advantage)
    token_weight = spread(unit_weight, mask, level)
    num, lengths = len(mask), mask.sum(axis=1, keepdims=True)
    if level == "token":
        average = {
            "token_mean": mask.sum(),
            "sequence_mean": num * lengths,
            "sequence_sum": num,
            "constant_length": num * (peer.promises.max_tokens or 1),
        }[peer.promises.averaging]
        return token_weight / average
    # A sequence's objective stands once in a mean over responses, or once for each token.
    copies = (
        lengths if (level, peer.promises.averaging) == ("sequence_geometric", "sequence_sum") else 1
    )
    return token_weight * copies / num


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference in units of the largest number expected."""
    return float(np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-300))


def largest_error(peer: Peer, function: Callable[..., Any], ours: Weight) -> float:
    """Largest relative error of a peer against a weight or advantage, over all batches."""
    if peer.kind == "advantage":
        import torch

        return max(
            relative_error(function(torch.from_numpy(reward.copy())).numpy(), ours(reward))
            for reward in rewards()
        )
    if peer.kind == "weight":
        return max(
            relative_error(function(*batch.arrays()[:3]), ours(*batch.arrays()[:3]))
            for batch in batches()
        )
    return max(
        relative_error(peer_gradient(function, batch), our_gradient(peer, ours, batch))
        for batch in batches()
    )
