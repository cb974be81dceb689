"""The sequence policy: one softmax over the vocabulary per prefix, for any number of sequences.

A response of T tokens is drawn token by token, as by a language model, each from the softmax of
the prefix before it. So responses that begin alike share softmaxes, a step on one moves the
others, and the ratio of a token differs from the ratio of its sequence. Only prefixes that have
received a coefficient are kept, all others are the base policy, and nothing is approximated: the
V^T sequences are never listed.

Memory grows by one row for each prefix moved for the first time, at most T per rollout with a
coefficient: 20 bytes per token of the vocabulary under SGD, 28 with momentum, 36 with Adam, up to
twice that while the table doubles. A rollout whose coefficients are all 0 takes none. A step costs
what its rollouts cost under SGD; momentum, Adam and decay go through all rows, as they must.

Shapes: R runs, P prompts (contexts), B prompts of a batch, G group, T tokens, V vocabulary.
"""

from dataclasses import asdict, dataclass

import numpy as np

from banditlab.optimizers import Optimizer
from banditlab.sequence.prefix_softmax import PrefixSoftmaxes, inverse_cdf
from banditlab.sequence.prefix_tree import NO_NODE
from banditlab.sequence.problem import NO_TOKEN, SequenceProblem, require_whole_numbers
from banditlab.validation import require, require_equal_shapes


@dataclass(frozen=True)
class SequenceDraw:
    """Sequences drawn in one round; a draw of an earlier round can be used again.

    Attributes:
        contexts: index of each prompt of the batch, shape [R, B].
        tokens: the sequences, shape [R, B, G, T].
    """

    contexts: np.ndarray
    tokens: np.ndarray


class SequenceSoftmax:
    """Softmax policies over token sequences, for R runs and P prompts at once.

    Examples:
        >>> import numpy as np
        >>> from banditlab.optimizers import SGD
        >>> from banditlab.sequence.problem import uniform_sequences
        >>> policy = SequenceSoftmax(uniform_sequences(10, 50, [[[7]]]), 1, SGD(1.0))
        >>> draw = policy.place(np.array([[0]]), np.full((1, 1, 1, 50), 7))  # one of 10^50
        >>> policy.accumulate(draw, np.ones((1, 1, 1, 50)))
        >>> policy.move()
        >>> policy.expected_reward().round(4)  # e / (9 + e): its first token gained one logit
        array([[0.232]])
        >>> policy.relative_log_prob(draw)[0, 0, 0, :3].round(4)  # log(2.32)
        array([0.8414, 0.8414, 0.8414])
    """

    has_tokens = True

    def __init__(self, problem: SequenceProblem, num_runs: int, optimizer: Optimizer) -> None:
        """Start every run at the base policy of the problem.

        Args:
            problem: the arm space.
            num_runs: R.
            optimizer: how gradients move the logits.
        """
        self.problem = problem
        self.num_runs = num_runs
        self._softmaxes = PrefixSoftmaxes(problem.base_log_prob, num_runs, optimizer)
        laws = problem.base_log_prob.reshape(-1, problem.vocabulary_size)
        self._base_cumulative = np.exp(laws).cumsum(axis=-1)
        # The path of the last draw asked for, until new prefixes are kept.
        self._known: tuple[SequenceDraw, np.ndarray] | None = None

    def num_uniforms(self) -> int:
        """Uniforms that one rollout consumes in `sample`: one per token.

        Returns:
            T.
        """
        return self.problem.sequence_length

    def sample(self, contexts: np.ndarray, uniform: np.ndarray) -> SequenceDraw:
        """Draw a group of sequences for each prompt, token by token, by inverse CDF.

        Args:
            contexts: index of each prompt, shape [R, B]; a prompt may come twice.
            uniform: uniforms in [0, 1), shape [R, B, G, T].

        Returns:
            The draw, a pure function of the uniforms.

        Raises:
            ValueError: the uniforms are not of that shape.
        """
        self._require_batch("sample", "uniform", contexts, uniform)
        tree, length = self._softmaxes.tree, self.problem.sequence_length
        law = contexts[..., None, None] * length + np.arange(length)
        law = np.broadcast_to(law, uniform.shape)
        tokens = inverse_cdf(self._base_cumulative, law, uniform)
        path = np.full(uniform.shape, NO_NODE)
        node = self._roots(contexts, uniform.shape[2])
        for position in range(length):
            is_kept = node != NO_NODE
            if not is_kept.any():
                break
            path[..., position] = node
            rows, index = np.unique(node[is_kept], return_inverse=True)
            cumulative = np.exp(self._softmaxes.log_prob(rows)).cumsum(axis=-1)
            tokens[is_kept, position] = inverse_cdf(cumulative, index, uniform[is_kept, position])
            node = tree.child(node, tokens[..., position])
        draw = SequenceDraw(contexts, tokens)
        self._known = (draw, path)
        return draw

    def place(self, contexts: np.ndarray, arms: np.ndarray) -> SequenceDraw:
        """Take given sequences instead of drawing them.

        Args:
            contexts: index of each prompt, shape [R, B]; a prompt may come twice.
            arms: the tokens, shape [R, B, G, T].

        Returns:
            The draw.

        Raises:
            TypeError: the tokens are not whole numbers.
            ValueError: they are not of that shape, or a token does not exist.
        """
        self._require_batch("place", "arms", contexts, arms)
        require_whole_numbers("SequenceSoftmax.place", "arms", arms)
        require(
            bool(((arms >= 0) & (arms < self.problem.vocabulary_size)).all()),
            "SequenceSoftmax.place",
            "arms",
            f"tokens between 0 and {self.problem.vocabulary_size - 1}",
            f"values from {arms.min()} to {arms.max()}",
            "Tokens are numbered from 0",
        )
        return SequenceDraw(contexts, arms.astype(np.int64))

    def reward(self, draw: SequenceDraw, uniform: np.ndarray) -> np.ndarray:
        """Observed reward of the drawn sequences, by the reward law of the problem.

        Args:
            draw: the round's draw.
            uniform: uniforms in [0, 1), shape [R, B, G].

        Returns:
            Rewards, shape [R, B, G].
        """
        true_reward = self.problem.true_reward(draw.contexts, draw.tokens)
        return self.problem.reward_law.draw(true_reward, uniform)

    def relative_log_prob(self, draw: SequenceDraw) -> np.ndarray:
        """Log-probability of each drawn token after its prefix, less that under the base policy.

        Args:
            draw: a draw of this or an earlier round.

        Returns:
            Nats, shape [R, B, G, T].
        """
        return self._softmaxes.relative_log_prob(self._path(draw), draw.tokens)

    def accumulate(self, draw: SequenceDraw, coefficient: np.ndarray) -> None:
        """Add coefficient * grad log_prob of each token to the gradient of its prefix.

        Args:
            draw: a draw of this or an earlier round.
            coefficient: scale * weight of each token, shape [R, B, G, T].

        Raises:
            ValueError: the coefficients are not of that shape.
        """
        require_equal_shapes(
            "SequenceSoftmax.accumulate", tokens=draw.tokens, coefficient=coefficient
        )
        is_moved = coefficient != 0.0
        if not is_moved.any():
            return
        num_needed = np.where(is_moved, np.arange(1, is_moved.shape[-1] + 1), 0).max(axis=-1)
        path = self._softmaxes.tree.expand(self._path(draw), draw.tokens, num_needed)
        self._known = (draw, path)
        self._softmaxes.accumulate(path[is_moved], draw.tokens[is_moved], coefficient[is_moved])

    def move(self) -> None:
        """Take one optimizer step with the gradient accumulated since the last one."""
        self._softmaxes.move()

    def release(self, draw: SequenceDraw) -> None:
        """End the round; a prefix that never had a coefficient was not kept anyway.

        Args:
            draw: the round's draw.
        """

    def expected_reward(self) -> np.ndarray:
        """Probability of a correct sequence, exactly.

        Returns:
            Shape [R, P].
        """
        is_token = self.problem.targets != NO_TOKEN
        tokens = np.where(is_token, self.problem.targets, 0)
        base = np.take_along_axis(self.problem.base_log_prob[:, None], tokens[..., None], axis=-1)
        contexts = np.arange(self.problem.num_contexts)
        root = self._roots(np.tile(contexts, (self.num_runs, 1)), tokens.shape[1])
        tokens = np.broadcast_to(tokens, (self.num_runs, *tokens.shape))
        path = self._softmaxes.tree.walk(root, tokens)
        log_prob = base[..., 0] + self._softmaxes.relative_log_prob(path, tokens)
        prob = np.exp(np.where(is_token, log_prob, 0.0).sum(axis=-1))
        return np.where(is_token[..., 0], prob, 0.0).sum(axis=-1)

    def entropy(self) -> np.ndarray:
        """Entropy of the distribution over all V^T sequences, exactly.

        Returns:
            Nats, shape [R, P].
        """
        return self._softmaxes.entropy()

    def collision(self) -> np.ndarray:
        """Probability that two draws are the same sequence: the sum of squared probabilities.

        Returns:
            Shape [R, P]; 0 where it underflows float64.
        """
        return self._softmaxes.collision()

    def pack(self, draw: SequenceDraw) -> dict[str, np.ndarray]:
        """Arrays of a draw, to be saved.

        Args:
            draw: the draw.

        Returns:
            Arrays by name.
        """
        return asdict(draw)

    def unpack(self, arrays: dict[str, np.ndarray]) -> SequenceDraw:
        """Take a saved draw up again.

        Args:
            arrays: what `pack` returned.

        Returns:
            The draw.
        """
        return SequenceDraw(**arrays)

    def state(self) -> dict[str, np.ndarray]:
        """Everything needed to resume to the same bits.

        Returns:
            Arrays by name.
        """
        return self._softmaxes.state()

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Resume from a state.

        Args:
            state: what `state` returned.

        Raises:
            ValueError: it belongs to another problem, number of runs or optimizer.
        """
        self._softmaxes.restore(state)
        self._known = None

    def _roots(self, contexts: np.ndarray, group_size: int) -> np.ndarray:
        root = np.arange(len(contexts))[:, None] * self.problem.num_contexts + contexts
        return np.repeat(root[..., None], group_size, axis=-1)

    def _path(self, draw: SequenceDraw) -> np.ndarray:
        """Row of the prefix before each token, shape [R, B, G, T]."""
        if self._known is None or self._known[0] is not draw:
            root = self._roots(draw.contexts, draw.tokens.shape[2])
            self._known = (draw, self._softmaxes.tree.walk(root, draw.tokens))
        return self._known[1]

    def _require_batch(
        self, function: str, argument: str, contexts: np.ndarray, value: np.ndarray
    ) -> None:
        shape = (*contexts.shape, *value.shape[2:3], self.problem.sequence_length)
        require(
            contexts.ndim == 2 and value.ndim == 4 and value.shape == shape,
            f"SequenceSoftmax.{function}",
            argument,
            f"of shape [R, B, G, T] with [R, B] = {list(contexts.shape)} and T = {shape[-1]}",
            f"shape {value.shape}",
            "Give one number for each token of each rollout",
        )
