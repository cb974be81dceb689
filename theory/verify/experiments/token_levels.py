"""Experiments on levels: the expected gradient on a tree of all sequences, enumerated (P52).

Shapes: V vocabulary, T tokens, S = V^T sequences in lexicographic order.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from banditlab.levels import Level
from banditlab.optimizers import SGD
from banditlab.rounds import Rollouts, step
from banditlab.rules import UpdateRule
from banditlab.sequence.policy import SequenceSoftmax
from banditlab.sequence.problem import SequenceProblem
from theory.verify.measurement import Measurement

_ONE_CONTEXT = np.zeros((1, 1), dtype=np.int64)


def all_sequences(vocabulary_size: int, num_tokens: int) -> np.ndarray:
    """Every sequence.

    Args:
        vocabulary_size: V.
        num_tokens: T.

    Returns:
        Tokens, shape [S, T].
    """
    return np.indices((vocabulary_size,) * num_tokens).reshape(num_tokens, -1).T


def softmax_tables(base_law: np.ndarray, shifts: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Probability of each token after each prefix: the base law, its logits shifted.

    Args:
        base_law: base probability of each token at each position, shape [T, V].
        shifts: shift of the logits after each prefix, nats, of shapes [V], [V, V], ...

    Returns:
        Tables of those shapes.
    """
    tables = []
    for law, shift in zip(base_law, shifts, strict=True):
        weight = law * np.exp(shift)
        tables.append(weight / weight.sum(axis=-1, keepdims=True))
    return tables


@dataclass(frozen=True)
class Tree:
    """A tree of softmaxes with a reward, and two policies on it.

    Attributes:
        base_law: base probability of each token at each position, shape [T, V].
        targets: correct prefixes, one of -1 on from its end, shape [M, T].
        shifts: of the logits of the present policy after each prefix, nats, each of sum 0.
        old_shifts: the same of the policy that drew the sequences.
    """

    base_law: np.ndarray
    targets: np.ndarray
    shifts: Sequence[np.ndarray]
    old_shifts: Sequence[np.ndarray]

    def problem(self) -> SequenceProblem:
        """The problem with one prompt."""
        return SequenceProblem(np.log(self.base_law)[None], self.targets[None])

    def sequences(self) -> np.ndarray:
        """Every sequence, shape [1, 1, S, T]."""
        num_tokens, vocabulary_size = self.base_law.shape
        return all_sequences(vocabulary_size, num_tokens)[None, None]

    def reward(self) -> np.ndarray:
        """Reward of every sequence, shape [V] * T."""
        num_tokens, vocabulary_size = self.base_law.shape
        reward = self.problem().true_reward(_ONE_CONTEXT, self.sequences())
        return reward.reshape((vocabulary_size,) * num_tokens)


def _one_sequence_per_entry(shifts: Sequence[np.ndarray]) -> np.ndarray:
    """Shifts as coefficients: each on one of the sequences through its prefix and token [S, T]."""
    vocabulary_size, num_tokens = len(shifts[0]), len(shifts)
    coefficient = np.zeros((vocabulary_size**num_tokens, num_tokens))
    for position, shift in enumerate(shifts):
        stride = vocabulary_size ** (num_tokens - 1 - position)
        coefficient[::stride, position] = shift.ravel()
    return coefficient


def _moved_policy(tree: Tree, shifts: Sequence[np.ndarray], step_size: float) -> SequenceSoftmax:
    """Policy whose logits were moved by given shifts in one step."""
    policy = SequenceSoftmax(tree.problem(), 1, SGD(step_size))
    draw = policy.place(_ONE_CONTEXT, tree.sequences())
    policy.accumulate(draw, _one_sequence_per_entry(shifts)[None, None] / step_size)
    policy.move()
    return policy


def _by_prefix(values: np.ndarray, vocabulary_size: int) -> list[np.ndarray]:
    """Values [S, T] of tokens that depend on their prefix alone, as tables."""
    num_tokens = values.shape[1]
    return [
        values[:: vocabulary_size ** (num_tokens - 1 - position), position].reshape(
            (vocabulary_size,) * (position + 1)
        )
        for position in range(num_tokens)
    ]


def measure_updates(tree: Tree, rule: UpdateRule, levels: Sequence[Level]) -> Measurement:
    """Expected gradient on the logits of every prefix, by a round on all old sequences.

    The chance of a sequence enters as a factor of its advantage, in which the rule's weight is
    linear. The gradient is read off the change of log-probabilities, whose part common to a prefix
    is known: gradients sum to 0 over its tokens.

    Args:
        tree: the tree.
        rule: a rule of weight ratio * advantage.
        levels: levels.

    Returns:
        Gradients of all prefixes for each level, flattened.
    """
    step_size, sequences = 1e-2, tree.sequences()
    num_sequences, vocabulary_size = sequences.shape[2], tree.base_law.shape[1]
    old = _moved_policy(tree, tree.old_shifts, step_size)
    old_log_prob = old.relative_log_prob(old.place(_ONE_CONTEXT, sequences))
    chance = np.take_along_axis(np.log(tree.base_law), sequences[0, 0].T, axis=1).T
    chance = np.exp((chance + old_log_prob[0, 0]).sum(axis=-1))
    found = []
    for level in levels:
        policy = _moved_policy(tree, tree.shifts, step_size)
        draw = policy.place(_ONE_CONTEXT, sequences)
        reward = policy.reward(draw, np.zeros((1, 1, num_sequences)))
        advantage = num_sequences * chance * rule.advantage(reward)
        stale = Rollouts(draw, reward, advantage, old_log_prob, num_sequences)
        before = policy.relative_log_prob(draw)
        step(
            policy,
            rule,
            _ONE_CONTEXT,
            group_size=1,
            arms=sequences[:, :, :1],
            stale=(stale,),
            trains_fresh=False,
            level=level,
        )
        change = (policy.relative_log_prob(draw) - before)[0, 0] / step_size
        tables = _by_prefix(change, vocabulary_size)
        found += [(table - table.mean(axis=-1, keepdims=True)).ravel() for table in tables]
    return Measurement.exact(np.concatenate(found))
