"""Arm spaces of token sequences: an arm is one of the V^T sequences of T tokens from V.

The base policy draws every token from a law that depends on the prompt and the position, not on
the tokens before it. That makes the part of the prefix tree that nothing has moved exact without
being stored, so V^T may be as large as 10^340. A sequence is correct if it starts with one of the
prompt's target prefixes.

Shapes: P prompts (contexts), T tokens of a sequence, V vocabulary, M targets of a prompt.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import logsumexp

from banditlab.reward_laws import Deterministic, RewardLaw
from banditlab.validation import require

NO_TOKEN = -1
"""Fills a target from its end on."""


@dataclass(frozen=True)
class SequenceProblem:
    """P prompts, each with a base law of every token and the prefixes that are correct.

    Attributes:
        base_log_prob: log-probability of each token at each position under the base policy,
            nats, shape [P, T, V].
        targets: the correct prefixes of each prompt, shape [P, M, T]; -1 from the end of a prefix
            on, and a row of -1 alone is no target. A whole sequence is a prefix of length T.
        reward_law: what a sequence pays, given its true reward: 1 if correct, else 0.
        num_train: the first `num_train` prompts are trained on, the others are held out.
    """

    base_log_prob: np.ndarray
    targets: np.ndarray
    reward_law: RewardLaw = field(default_factory=Deterministic)
    num_train: int = -1

    def __post_init__(self) -> None:
        object.__setattr__(self, "base_log_prob", np.array(self.base_log_prob, dtype=np.float64))
        self._require_base_law()
        targets = np.array(self.targets)
        require_whole_numbers("SequenceProblem", "targets", targets)
        object.__setattr__(self, "targets", targets.astype(np.int64))
        self._require_targets()
        self.reward_law.require_fit(np.array([0.0, 1.0]))
        require(
            not self.reward_law.is_per_arm,
            "SequenceProblem",
            "reward_law",
            "a law drawn per pull",
            self.reward_law,
            "Sequences are too many to remember a reward each",
        )
        if self.num_train == -1:
            object.__setattr__(self, "num_train", self.num_contexts)
        require(
            1 <= self.num_train <= self.num_contexts,
            "SequenceProblem",
            "num_train",
            f"between 1 and the number of prompts, {self.num_contexts}",
            self.num_train,
            "At least one prompt is needed to train on",
        )

    @property
    def has_random_reward(self) -> bool:
        """Whether a response pays at random."""
        return self.reward_law.is_random

    @property
    def num_contexts(self) -> int:
        """Number of prompts, P."""
        return self.base_log_prob.shape[0]

    @property
    def sequence_length(self) -> int:
        """Tokens of a sequence, T."""
        return self.base_log_prob.shape[1]

    @property
    def vocabulary_size(self) -> int:
        """Number of tokens to choose from, V."""
        return self.base_log_prob.shape[2]

    def true_reward(self, contexts: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """True reward of sequences: 1 if one starts with a target of its prompt, else 0.

        Args:
            contexts: index of each prompt, shape [R, B].
            tokens: the sequences, shape [R, B, G, T].

        Returns:
            Rewards, shape [R, B, G].
        """
        targets = self.targets[contexts][:, :, None]
        length = int((self.targets != NO_TOKEN).sum(axis=-1).max())
        is_match = np.repeat((targets[..., 0] != NO_TOKEN), tokens.shape[2], axis=2)
        for position in range(length):
            wanted = targets[..., position]
            is_match &= (wanted == NO_TOKEN) | (wanted == tokens[..., position, None])
        return is_match.any(axis=-1).astype(np.float64)

    def _require_base_law(self) -> None:
        log_prob = self.base_log_prob
        require(
            log_prob.ndim == 3 and log_prob.shape[0] > 0 and log_prob.shape[1] > 0,
            "SequenceProblem",
            "base_log_prob",
            "of shape [P, T, V]",
            f"shape {log_prob.shape}",
            "Give one row of V log-probabilities per prompt and position",
        )
        require(
            log_prob.shape[2] >= 2,
            "SequenceProblem",
            "base_log_prob",
            "over a vocabulary of at least 2 tokens",
            log_prob.shape[2],
            "With one token there is one sequence and nothing to learn",
        )
        require(
            bool(np.isfinite(log_prob).all()),
            "SequenceProblem",
            "base_log_prob",
            "finite",
            "a NaN or an infinity",
            "A token that never comes can be left out of the vocabulary",
        )
        total = logsumexp(log_prob, axis=-1)
        require(
            bool((np.abs(total) < 1e-9).all()),
            "SequenceProblem",
            "base_log_prob",
            "the logarithm of probabilities that sum to 1 at each position",
            f"a position with sum exp({total.flat[np.abs(total).argmax()]:.3g})",
            "Subtract scipy.special.logsumexp(base_log_prob, axis=-1, keepdims=True)",
        )
        object.__setattr__(self, "base_log_prob", log_prob - total[..., None])

    def _require_targets(self) -> None:
        targets, is_token = self.targets, self.targets != NO_TOKEN
        num_contexts, length, vocabulary_size = self.base_log_prob.shape
        require(
            targets.ndim == 3 and (targets.shape[0], targets.shape[2]) == (num_contexts, length),
            "SequenceProblem",
            "targets",
            f"of shape [P, M, T] with P = {num_contexts} and T = {length}",
            f"shape {targets.shape}",
            "Fill each prefix with -1 up to length T",
        )
        require(
            bool(((targets >= NO_TOKEN) & (targets < vocabulary_size)).all()),
            "SequenceProblem",
            "targets",
            f"tokens between 0 and {vocabulary_size - 1}, or -1",
            f"values from {targets.min(initial=0)} to {targets.max(initial=0)}",
            "Tokens are numbered from 0",
        )
        require(
            not (is_token[..., 1:] & ~is_token[..., :-1]).any(),
            "SequenceProblem",
            "targets",
            "prefixes without a gap",
            "a token after a -1",
            "Only what follows the end of a prefix is -1",
        )
        require(
            bool(is_token[..., 0].any(axis=-1).all()),
            "SequenceProblem",
            "targets",
            "at least one prefix for every prompt",
            "a prompt without any",
            "Without a correct sequence no reward is ever seen",
        )
        for context, rows in enumerate(targets):
            # In lexicographic order a prefix stands right before the first row that starts with it.
            ordered = rows[is_token[context, :, 0]]
            ordered = ordered[np.lexsort(ordered.T[::-1])]
            starts = (ordered[:-1] == NO_TOKEN) | (ordered[:-1] == ordered[1:])
            require(
                not starts.all(axis=-1).any(),
                "SequenceProblem",
                "targets",
                "prefixes of which none starts with another",
                f"a prefix of prompt {context} that extends or repeats another",
                "Leave the longer one out; it is correct already",
            )


def require_whole_numbers(function: str, argument: str, value: np.ndarray) -> None:
    """Demand an array of integers.

    Args:
        function: public function that was called.
        argument: name of the argument.
        value: the array received.

    Raises:
        TypeError: its elements are not integers.
    """
    if not np.issubdtype(value.dtype, np.integer):
        raise TypeError(
            f"{function}: `{argument}` must be whole numbers, got {value.dtype}. "
            "Tokens are numbered from 0."
        )


def _padded(targets: Sequence[Sequence[Sequence[int]]], sequence_length: int) -> np.ndarray:
    lengths = [len(prefix) for prefixes in targets for prefix in prefixes]
    require(
        all(1 <= length <= sequence_length for length in lengths),
        "uniform_sequences",
        "targets",
        f"prefixes of 1 to sequence_length = {sequence_length} tokens",
        f"lengths from {min(lengths, default=0)} to {max(lengths, default=0)}",
        "Lengthen the sequences or shorten the prefix",
    )
    num_targets = max((len(prefixes) for prefixes in targets), default=0)
    padded = np.full((len(targets), num_targets, sequence_length), NO_TOKEN)
    for context, prefixes in enumerate(targets):
        for row, prefix in enumerate(prefixes):
            tokens = np.array(prefix)
            require_whole_numbers("uniform_sequences", "targets", tokens)
            padded[context, row, : len(tokens)] = tokens
    return padded


def uniform_sequences(
    vocabulary_size: int, sequence_length: int, targets: Sequence[Sequence[Sequence[int]]]
) -> SequenceProblem:
    """Every sequence equally likely at the start.

    Args:
        vocabulary_size: V, at least 2.
        sequence_length: T, at least 1.
        targets: the correct prefixes of each prompt, nested: prompt, prefix, token.

    Returns:
        The problem; a prefix of n tokens has initial probability V^-n.

    Raises:
        TypeError: a token is not a whole number.
        ValueError: an argument is out of range.

    Examples:
        >>> uniform_sequences(50, 200, [[[3, 1], [4]]]).targets[0, :, :3].tolist()
        [[3, 1, -1], [4, -1, -1]]
    """
    padded = _padded(targets, sequence_length)
    shape = (len(padded), sequence_length, vocabulary_size)
    return SequenceProblem(np.full(shape, -math.log(max(vocabulary_size, 1))), padded)


def rare_prefix(
    vocabulary_size: int, sequence_length: int, success_prob: float, prefix: Sequence[int]
) -> SequenceProblem:
    """One prompt with one correct prefix of a given initial probability.

    Each token of the prefix has probability success_prob^(1/n), n its length; the other tokens of
    these positions share the rest equally, and all tokens of later positions are equally likely.

    Args:
        vocabulary_size: V, at least 2.
        sequence_length: T, at least 1.
        success_prob: initial probability of the prefix, in (0, 1).
        prefix: the tokens to find, at least one.

    Returns:
        The problem.

    Raises:
        TypeError: a token is not a whole number.
        ValueError: an argument is out of range.
    """
    require(
        0.0 < success_prob < 1.0,
        "rare_prefix",
        "success_prob",
        "in (0, 1)",
        success_prob,
        "At 0 or 1 nothing is left to learn",
    )
    problem = uniform_sequences(vocabulary_size, sequence_length, [[prefix]])
    log_token_prob = math.log(success_prob) / len(prefix)
    log_other_prob = math.log(-math.expm1(log_token_prob)) - math.log(vocabulary_size - 1)
    base_log_prob = problem.base_log_prob.copy()
    positions = np.arange(len(prefix))
    base_log_prob[0, positions] = log_other_prob
    base_log_prob[0, positions, np.asarray(prefix)] = log_token_prob
    return SequenceProblem(base_log_prob, problem.targets)
