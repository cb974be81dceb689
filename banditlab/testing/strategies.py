"""Hypothesis strategies of what update rules are given, hard cases included.

Numbers lie on grids of small binary fractions, so that minimal examples can be read and pasted;
exact ties, ratios on a clip's kink, empty masks, groups of one, unanimous groups and log-ratios of
+-20 nats are drawn often instead of almost never.

Shapes: [N, T], N responses of T tokens; [P, G], P prompts of a group of G rollouts.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from banditlab.testing.batch import TokenBatch

_USUAL_KINKS = (0.8, 1.2, 1.28, 3.0)


def log_ratios(
    *, kinks: Sequence[float] = (), max_abs_log_ratio: float = 20.0
) -> SearchStrategy[float]:
    """log_prob - old_log_prob: exactly 0, moderate, extreme, and on and beside a clip's kink.

    Args:
        kinks: ratios at which a rule jumps, drawn exactly and beside; beside the usual ones too.
        max_abs_log_ratio: largest magnitude, nats.

    Returns:
        A strategy of floats, nats.
    """
    beside = [
        math.log(kink) + offset
        for kink in (*_USUAL_KINKS, *kinks)
        for offset in (-0.25, -0.001, 0.001, 0.25)
    ]
    choices = [
        st.just(0.0),
        st.integers(-64, 64).map(lambda step: step / 32),
        st.sampled_from([value for value in beside if abs(value) <= max_abs_log_ratio]),
        st.integers(-64, 64).map(lambda step: step * max_abs_log_ratio / 64),
    ]
    if kinks:
        choices.append(st.sampled_from([math.log(kink) for kink in kinks]))
    return st.one_of(choices).filter(lambda value: abs(value) <= max_abs_log_ratio)


def log_probs(*, lowest: float = -10.0) -> SearchStrategy[float]:
    """Log-probabilities in nats, 0 included.

    Args:
        lowest: the least of them, nats.

    Returns:
        A strategy of floats.
    """
    return st.integers(0, 64).map(lambda step: step * lowest / 64)


def advantages() -> SearchStrategy[float]:
    """Advantages in units of reward: of both signs, exactly 0, small and large."""
    return st.one_of(
        st.sampled_from([1.0, -1.0, 0.0, 0.5, -0.5]), st.integers(-64, 64).map(lambda s: s / 16)
    )


@st.composite
def masks(
    draw: DrawFn, num_responses: int, num_tokens: int, *, can_be_empty: bool = True
) -> np.ndarray:
    """Masks of padded responses: each True up to its length, or with holes.

    Args:
        draw: given by hypothesis.
        num_responses: N.
        num_tokens: T.
        can_be_empty: whether a response may have no token; one at least has one.

    Returns:
        A strategy of arrays of truth values, shape [N, T].
    """
    rows = []
    for _ in range(num_responses):
        length = draw(st.integers(0 if can_be_empty else 1, num_tokens))
        row = [position < length for position in range(num_tokens)]
        if length > 1 and draw(st.booleans()):
            row[draw(st.integers(0, length - 2))] = False
        rows.append(row)
    mask = np.array(rows)
    if not mask.any():
        mask[0, 0] = True
    return mask


@st.composite
def token_batches(
    draw: DrawFn,
    *,
    kinks: Sequence[float] = (),
    max_abs_log_ratio: float = 20.0,
    is_masked: bool = True,
    can_be_empty: bool = False,
    min_responses: int = 1,
    max_responses: int = 3,
    max_tokens: int = 3,
) -> TokenBatch:
    """Batches of padded responses, with log-probabilities of at most 0.

    Args:
        draw: given by hypothesis.
        kinks: ratios at which the rule jumps.
        max_abs_log_ratio: largest |log_prob - old_log_prob|, nats; 0 for fresh samples.
        is_masked: whether some tokens may be padding.
        can_be_empty: whether a response may be all padding.
        min_responses: least N.
        max_responses: largest N.
        max_tokens: largest T.

    Returns:
        A strategy of batches.
    """
    num_responses = draw(st.integers(min_responses, max_responses))
    num_tokens = draw(st.integers(1, max_tokens))
    shape, count = (num_responses, num_tokens), num_responses * num_tokens
    ratios = log_ratios(kinks=kinks, max_abs_log_ratio=max_abs_log_ratio)
    drawn = [draw(ratios) if max_abs_log_ratio else 0.0 for _ in range(count)]
    log_ratio = np.reshape(np.array(drawn, dtype=np.float64), shape)
    highest = np.reshape([draw(log_probs()) for _ in range(count)], shape)
    advantage = np.array([draw(advantages()) for _ in range(num_responses)])
    mask = np.ones(shape, dtype=bool)
    if is_masked:
        mask = draw(masks(num_responses, num_tokens, can_be_empty=can_be_empty))
    return TokenBatch(
        log_prob=highest + np.minimum(log_ratio, 0.0) + 0.0,
        # Adding 0 makes 0 of -0, which reads better in an example.
        old_log_prob=highest - np.maximum(log_ratio, 0.0) + 0.0,
        advantage=np.repeat(advantage[:, None], num_tokens, axis=1),
        mask=mask,
    )


def rewards(*, is_binary: bool = False) -> SearchStrategy[float]:
    """Rewards: 0 and 1, and unless binary also tenths and numbers between -2 and 2.

    Args:
        is_binary: whether only 0 and 1 are drawn.

    Returns:
        A strategy of floats, in units of reward.
    """
    binary = st.sampled_from([0.0, 1.0])
    if is_binary:
        return binary
    return st.one_of(
        binary, st.integers(0, 10).map(lambda s: s / 10), st.integers(-8, 8).map(_quarter)
    )


def _quarter(step: int) -> float:
    return step / 4


@st.composite
def reward_groups(
    draw: DrawFn,
    *,
    min_prompts: int = 1,
    max_prompts: int = 3,
    min_group: int = 2,
    max_group: int = 4,
    is_binary: bool = False,
) -> np.ndarray:
    """Rewards of P prompts in groups of G: mixed, unanimous, or with one outlier.

    Args:
        draw: given by hypothesis.
        min_prompts: least P.
        max_prompts: largest P.
        min_group: least G; 1 for groups of one.
        max_group: largest G.
        is_binary: whether rewards are 0 and 1 only.

    Returns:
        A strategy of arrays, shape [P, G].
    """
    num_prompts = draw(st.integers(min_prompts, max_prompts))
    group_size = draw(st.integers(min_group, max_group))
    values = rewards(is_binary=is_binary)
    rows = []
    for _ in range(num_prompts):
        form = draw(st.sampled_from(["mixed", "unanimous", "outlier"]))
        if form == "mixed":
            rows.append([draw(values) for _ in range(group_size)])
            continue
        row = [draw(values)] * group_size
        if form == "outlier":
            row[draw(st.integers(0, group_size - 1))] = draw(values)
        rows.append(row)
    return np.array(rows, dtype=np.float64)


@st.composite
def bandits(draw: DrawFn, *, max_arms: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Small bandits: log-probabilities of K arms, and their rewards of 0 or 1, not all equal.

    Args:
        draw: given by hypothesis.
        max_arms: largest K, at least 2.

    Returns:
        A strategy of (log_prob [K] in nats, reward [K]).
    """
    num_arms = draw(st.integers(2, max_arms))
    logits = np.array([draw(st.integers(-6, 6)) / 2 for _ in range(num_arms)])
    is_right = draw(st.integers(1, 2**num_arms - 2))
    reward = np.array([float(is_right >> arm & 1) for arm in range(num_arms)])
    return logits - np.logaddexp.reduce(logits), reward


def permutations_of(size: int) -> SearchStrategy[Any]:
    """Orders of `size` things, as lists of indices."""
    return st.permutations(range(size))
