"""Experiments on ratios at three levels: all sequences of a short length, or drawn long ones (P52).

Shapes: V vocabulary, T tokens, S = V^T sequences.
"""

from collections.abc import Sequence

import numpy as np

from banditlab.levels import Level, pool
from banditlab.optimizers import SGD
from banditlab.rounds import Rollouts, step
from banditlab.rules import UpdateRule, get_rule, score_weight
from banditlab.sequence.policy import SequenceSoftmax
from banditlab.sequence.problem import SequenceProblem
from theory.verify.experiments.token_levels import all_sequences
from theory.verify.measurement import Measurement


def pooled_log_ratio(
    tokens: np.ndarray, law: np.ndarray, old_law: np.ndarray, level: Level
) -> np.ndarray:
    """Log-ratio of sequences between two laws of a token, at a level.

    Args:
        tokens: tokens, shape [*, T].
        law: present probability of each token, shape [V].
        old_law: probability at sampling, shape [V].
        level: the level.

    Returns:
        Nats, shape [*, T] for "token", else [*].
    """
    log_ratio = np.log(law / old_law)[tokens]
    return pool(log_ratio, np.ones(tokens.shape, dtype=bool), level)


def _chances(tokens: np.ndarray, law: np.ndarray) -> np.ndarray:
    return law[tokens].prod(axis=-1)


def _mean_over_units(chance: np.ndarray, value: np.ndarray) -> float:
    """Mean over sequences, and over their tokens where the value has them."""
    return float(chance @ value.reshape(len(chance), -1).mean(axis=1))


def measure_ratio_moments(
    law: np.ndarray, old_law: np.ndarray, lengths: Sequence[int], levels: Sequence[Level]
) -> Measurement:
    """Mean and second moment of the ratio, mean and variance of its log, over all sequences.

    Args:
        law: present probability of each token, shape [V].
        old_law: probability at sampling, shape [V].
        lengths: numbers of tokens, L of them.
        levels: levels.

    Returns:
        Shape [len(levels), 4, L].
    """
    found = np.empty((len(levels), 4, len(lengths)))
    for row, level in enumerate(levels):
        for column, num_tokens in enumerate(lengths):
            tokens = all_sequences(len(law), num_tokens)
            chance = _chances(tokens, old_law)
            log_ratio = pooled_log_ratio(tokens, law, old_law, level)
            moments = [np.exp(log_ratio), np.exp(log_ratio) ** 2, log_ratio, log_ratio**2]
            found[row, :, column] = [_mean_over_units(chance, value) for value in moments]
    found[:, 3] -= found[:, 2] ** 2
    return Measurement.exact(found)


def measure_gradient_moments(
    law: np.ndarray,
    old_law: np.ndarray,
    lengths: Sequence[int],
    levels: Sequence[Level],
    rule: UpdateRule,
) -> Measurement:
    """Second moment of the gradient of one stale sequence, one run per sequence.

    Args:
        law: present probability of each token, shape [V].
        old_law: probability at sampling, shape [V].
        lengths: numbers of tokens, L of them.
        levels: levels.
        rule: a rule with advantages of 1 and -1.

    Returns:
        Shape [len(levels), L].
    """
    found = np.empty((len(levels), len(lengths)))
    for column, num_tokens in enumerate(lengths):
        tokens = all_sequences(len(law), num_tokens)
        chance = _chances(tokens, old_law)
        for row, level in enumerate(levels):
            squares = _squared_gradients(tokens, law, old_law, level, rule)
            found[row, column] = chance @ squares
    return Measurement.exact(found)


def _squared_gradients(
    tokens: np.ndarray, law: np.ndarray, old_law: np.ndarray, level: Level, rule: UpdateRule
) -> np.ndarray:
    num_runs, num_tokens = tokens.shape
    base = np.tile(np.log(law), (1, num_tokens, 1))
    targets = np.full((1, 1, num_tokens), -1)
    targets[..., 0] = 0
    policy = SequenceSoftmax(SequenceProblem(base, targets), num_runs, SGD(1.0))
    contexts = np.zeros((num_runs, 1), dtype=np.int64)
    draw = policy.place(contexts, tokens[:, None, None])
    reward = policy.reward(draw, np.zeros((num_runs, 1, 1)))
    # The policy is its own base, of which log-probabilities are counted.
    old_log_prob = np.log(old_law / law)[draw.tokens]
    stale = Rollouts(draw, reward, rule.advantage(reward), old_log_prob, 1)
    how = {"arms": draw.tokens, "stale": (stale,), "trains_fresh": False, "level": level}
    step(policy, rule, contexts, group_size=1, **how)
    state = policy.state()
    moved = (state["displacement"] ** 2).sum(axis=-1)
    return np.bincount(state["root"], weights=moved, minlength=num_runs)


def _is_silenced(
    tokens: np.ndarray,
    law: np.ndarray,
    old_law: np.ndarray,
    level: Level,
    advantage: float,
    rule: UpdateRule,
) -> np.ndarray:
    log_ratio = pooled_log_ratio(tokens, law, old_law, level)
    zero, every = np.zeros_like(log_ratio), np.full_like(log_ratio, advantage)
    return score_weight(rule, log_ratio, zero, every) == 0.0


def measure_clipped_shares(
    law: np.ndarray,
    old_law: np.ndarray,
    lengths: Sequence[int],
    levels: Sequence[Level],
    rule: UpdateRule | None = None,
) -> Measurement:
    """Chance that the clip gives a sequence, or a token, weight 0, over all sequences.

    Args:
        law: present probability of each token, shape [V].
        old_law: probability at sampling, shape [V].
        lengths: numbers of tokens, L of them.
        levels: levels.
        rule: the rule, the registered clip by default.

    Returns:
        Shares for successes and for failures, shape [len(levels), 2, L].
    """
    rule = rule or get_rule("clip")
    found = np.empty((len(levels), 2, len(lengths)))
    for column, num_tokens in enumerate(lengths):
        tokens = all_sequences(len(law), num_tokens)
        chance = _chances(tokens, old_law)
        for row, level in enumerate(levels):
            for sign, advantage in enumerate((1.0, -1.0)):
                silenced = _is_silenced(tokens, law, old_law, level, advantage, rule)
                found[row, sign, column] = _mean_over_units(chance, silenced.astype(float))
    return Measurement.exact(found)


def measure_drawn_clipped_shares(
    rng: np.random.Generator,
    law: np.ndarray,
    old_law: np.ndarray,
    lengths: Sequence[int],
    level: Level,
    num_sequences: int,
) -> Measurement:
    """Share of drawn failures that the clip silences, at one level and several lengths.

    Args:
        rng: source of randomness.
        law: present probability of each token, shape [V].
        old_law: probability at sampling, shape [V].
        lengths: numbers of tokens, L of them.
        level: a level of whole sequences.
        num_sequences: sequences of each length.

    Returns:
        Shares, shape [L].
    """
    num_hits = []
    for num_tokens in lengths:
        base = np.tile(np.log(old_law), (1, num_tokens, 1))
        targets = np.zeros((1, 1, num_tokens), dtype=np.int64)
        policy = SequenceSoftmax(SequenceProblem(base, targets), 1, SGD(1.0))
        contexts = np.zeros((1, 1), dtype=np.int64)
        draw = policy.sample(contexts, rng.random((1, 1, num_sequences, num_tokens)))
        silenced = _is_silenced(draw.tokens, law, old_law, level, -1.0, get_rule("clip"))
        num_hits.append(silenced.sum())
    return Measurement.share(np.array(num_hits), num_sequences)
