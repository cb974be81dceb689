"""What the checks draw for a rule, fitted to what it promises, and the ratio that it looks at.

Shapes: [N, T], N responses of T tokens.
"""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from banditlab.testing.batch import TokenBatch
from banditlab.testing.strategies import reward_groups, token_batches
from banditlab.testing.subject import Subject

# Closer to a kink than this, relative, two ways to compute a ratio may land on either side.
_KINK_WIDTH = 1e-9
_MAX_TOKENS = 3


def batches(subject: Subject, **settings: Any) -> Any:
    """Batches for a rule: its kinks, its mask if it reads one, its largest log-ratio."""
    promised = subject.promises
    limit = min(promised.max_abs_log_ratio, 20.0)
    if promised.level == "sequence":
        limit /= _MAX_TOKENS
    defaults = {
        "kinks": promised.kinks,
        "max_abs_log_ratio": limit,
        "is_masked": subject.takes_mask,
        "max_tokens": _MAX_TOKENS,
    }
    return token_batches(**(defaults | settings))


def fresh_batches(subject: Subject) -> Any:
    """Batches of samples of the current policy: every ratio is 1."""
    return batches(subject, max_abs_log_ratio=0.0)


def several(subject: Subject) -> Any:
    """Batches of two responses or more."""
    return batches(subject, min_responses=2)


def groups(subject: Subject) -> Any:
    """Rewards of groups of two or more."""
    return reward_groups()


def several_groups(subject: Subject) -> Any:
    """Rewards of two prompts or more."""
    return reward_groups(min_prompts=2)


def orders(subject: Subject) -> Any:
    """Orders of up to four things; see `order_of`."""
    return st.permutations(range(4))


def order_of(order: list[int], size: int) -> list[int]:
    """The order of the first `size` things within a longer order."""
    return [index for index in order if index < size]


def unit_ratio(subject: Subject, batch: TokenBatch) -> np.ndarray:
    """Ratio of the unit that each token belongs to, shape [N, T]."""
    log_ratio = np.where(batch.mask, batch.log_prob - batch.old_log_prob, 0.0)
    level = subject.promises.level
    if level != "token":
        total = log_ratio.sum(axis=1, keepdims=True)
        if level == "sequence_geometric":
            total = total / np.maximum(batch.mask.sum(axis=1, keepdims=True), 1)
        log_ratio = np.broadcast_to(total, log_ratio.shape)
    return np.exp(log_ratio)


def is_off_kinks(subject: Subject, batch: TokenBatch, width: float = _KINK_WIDTH) -> np.ndarray:
    """True for tokens that count and whose ratio is at none of the rule's kinks, shape [N, T]."""
    ratio = unit_ratio(subject, batch)
    is_off = batch.mask.copy()
    for kink in subject.promises.kinks:
        is_off &= np.abs(ratio / kink - 1.0) > width
    return is_off
