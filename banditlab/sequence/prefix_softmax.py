"""One softmax over the next token for each prefix that was moved: logits, gradients and steps.

A prefix without a row is the base policy, whose law of a token depends on prompt and position
alone. What is needed of everything below such a prefix is one number per position, so entropy and
collision probability are exact at any number of sequences.

A displacement is a logit less its value under the base policy. Work on whole tables is done in
blocks of rows that fit a processor's cache.

Shapes: R runs, P prompts, T tokens of a sequence, V vocabulary, N prefixes kept, * any.
"""

from collections.abc import Iterator

import numpy as np

from banditlab.optimizers import Optimizer
from banditlab.sequence.prefix_tree import NO_NODE, PrefixTree
from banditlab.validation import require

_BLOCK_LOGITS = 2**17


def inverse_cdf(cumulative: np.ndarray, law: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """First token whose cumulative probability exceeds the uniform.

    Args:
        cumulative: cumulative probabilities of some laws, shape [number of laws, V].
        law: which law each token is drawn from, shape [*].
        uniform: uniforms in [0, 1), shape [*].

    Returns:
        Tokens, shape [*].

    Examples:
        >>> import numpy as np
        >>> inverse_cdf(np.array([[0.2, 0.2, 1.0]]), np.array([0, 0]), np.array([0.1, 0.2]))
        array([0, 2])
    """
    total = cumulative[law, -1]
    # A product rounded up to the total would pick a token of probability 0.
    target = np.minimum(uniform * total, np.nextafter(total, 0.0))
    low = np.zeros(law.shape, dtype=np.int64)
    high = np.full(law.shape, cumulative.shape[1] - 1)
    for _ in range((cumulative.shape[1] - 1).bit_length()):
        middle = (low + high) // 2
        is_later = cumulative[law, middle] <= target
        low, high = np.where(is_later, middle + 1, low), np.where(is_later, high, middle)
    return low


def _log_total(logits: np.ndarray) -> np.ndarray:
    """Log of the sum of exponentials of each row."""
    largest = logits.max(axis=-1)
    return largest + np.log(np.exp(logits - largest[:, None]).sum(axis=-1))


class PrefixSoftmaxes:
    """The softmaxes of R runs and P prompts, the root of run r and prompt p in row r*P + p.

    Attributes:
        tree: which prefixes have a row.
    """

    def __init__(self, base_log_prob: np.ndarray, num_runs: int, optimizer: Optimizer) -> None:
        """Start at the base policy.

        Args:
            base_log_prob: log-probability of each token at each position, nats, shape [P, T, V].
            num_runs: R.
            optimizer: how gradients move the logits.
        """
        num_contexts, self._length, vocabulary_size = base_log_prob.shape
        self._shape = (num_runs, num_contexts)
        # The laws of the base policy, one per prompt and position, numbered prompt by prompt.
        self._base = base_log_prob.reshape(-1, vocabulary_size)
        self._base_log_total = _log_total(self._base)
        self._optimizer = optimizer
        rows = (num_runs * num_contexts, vocabulary_size)
        self.tree = PrefixTree(*rows)
        self._displacement = np.zeros(rows)
        self._gradient = np.zeros(rows)
        self._log_normalizer = np.zeros(rows[0])
        self._optimizer_state = optimizer.init(rows)
        self._with_gradient = np.empty(0, dtype=np.int64)
        self._num_moves = 0

    def log_prob(self, rows: np.ndarray) -> np.ndarray:
        """Log-probability of every next token after some prefixes.

        Args:
            rows: rows of the prefixes, shape [*].

        Returns:
            Nats, shape [*, V].
        """
        logits = self._base[self._law(rows)] + self._displacement[rows]
        return logits - self._log_normalizer[rows, None]

    def relative_log_prob(self, path: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """Log-probability of tokens after their prefixes, less that under the base policy.

        Args:
            path: row of the prefix before each token, NO_NODE where it has none, shape [*].
            tokens: the tokens, shape [*].

        Returns:
            Nats, shape [*].
        """
        change = self._displacement[path, tokens] - self._log_normalizer[path]
        return np.where(path == NO_NODE, 0.0, change)

    def accumulate(self, node: np.ndarray, token: np.ndarray, coefficient: np.ndarray) -> None:
        """Add coefficient * (e_token - softmax) to the gradient of each prefix.

        Args:
            node: rows of the prefixes, shape [n].
            token: the tokens, shape [n].
            coefficient: scale * weight of each token, shape [n].
        """
        self._reserve()
        rows, index = np.unique(node, return_inverse=True)
        np.add.at(self._gradient, (node, token), coefficient)
        total = np.bincount(index, weights=coefficient)
        for block in self._blocks(np.arange(len(rows))):
            prob = np.exp(self.log_prob(rows[block]))
            self._gradient[rows[block]] -= total[block, None] * prob
        self._with_gradient = np.union1d(self._with_gradient, rows)

    def move(self) -> None:
        """Take one optimizer step with the gradient accumulated since the last one."""
        self._num_moves += 1
        # Without memory and decay a logit rests where it has no gradient.
        is_resting = not self._optimizer_state and self._optimizer.decay == 0.0
        rows = self._with_gradient if is_resting else np.arange(self.tree.num_nodes)
        decay = self._optimizer.step_size * self._optimizer.decay
        for block in self._blocks(rows):
            change, state = self._optimizer.change(
                self._gradient[block],
                {name: value[block] for name, value in self._optimizer_state.items()},
                self._num_moves,
            )
            for name, value in state.items():
                self._optimizer_state[name][block] = value
            displacement = self._displacement[block]
            displacement += change - decay * displacement
            self._displacement[block] = displacement
            law = self._law(block)
            # The difference is exactly 0 where nothing has moved: an optimizer that divides by
            # the size of its gradients, Adam, would make a step of what rounding leaves.
            self._log_normalizer[block] = (
                _log_total(self._base[law] + displacement) - self._base_log_total[law]
            )
            self._gradient[block] = 0.0
        self._with_gradient = np.empty(0, dtype=np.int64)

    def entropy(self) -> np.ndarray:
        """Entropy of the distribution over all V^T sequences.

        entropy(prefix) = entropy of the next token + sum_v pi(v) * entropy(prefix continued by v).

        Returns:
            Nats, shape [R, P].
        """
        below = self._below(-(np.exp(self._base) * self._base).sum(axis=-1), np.add)
        own = np.empty(self.tree.num_nodes)
        for block in self._blocks(np.arange(self.tree.num_nodes)):
            log_prob = self.log_prob(block)
            prob = np.exp(log_prob)
            left = np.where(self.tree.has_child(block), 0.0, prob).sum(axis=-1)
            own[block] = left * below[self._law(block)] - (prob * log_prob).sum(axis=-1)
        return self._fold(own, power=1)

    def collision(self) -> np.ndarray:
        """Sum of the squared probabilities of all V^T sequences.

        collision(prefix) = sum_v pi(v)^2 * collision(prefix continued by v).

        Returns:
            Shape [R, P]; 0 where it underflows float64.
        """
        below = self._below(np.exp(2.0 * self._base).sum(axis=-1), np.multiply)
        own = np.empty(self.tree.num_nodes)
        for block in self._blocks(np.arange(self.tree.num_nodes)):
            square = np.exp(2.0 * self.log_prob(block))
            left = np.where(self.tree.has_child(block), 0.0, square).sum(axis=-1)
            own[block] = left * below[self._law(block)]
        return self._fold(own, power=2)

    def state(self) -> dict[str, np.ndarray]:
        """Everything needed to resume to the same bits.

        Returns:
            Arrays by name; those of the optimizer begin with "optimizer.".
        """
        num_nodes = self.tree.num_nodes
        table = {
            "displacement": self._displacement,
            "gradient": self._gradient,
            "log_normalizer": self._log_normalizer,
            **{f"optimizer.{name}": value for name, value in self._optimizer_state.items()},
        }
        return {
            **self.tree.state(),
            **{name: value[:num_nodes].copy() for name, value in table.items()},
            "with_gradient": self._with_gradient.copy(),
            "num_moves": np.array(self._num_moves),
        }

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Resume from a state.

        Args:
            state: what `state` returned.

        Raises:
            ValueError: it belongs to another problem, number of runs or optimizer.
        """
        num_roots, vocabulary_size = self._shape[0] * self._shape[1], self._base.shape[1]
        is_fit = state.keys() == self.state().keys()
        is_fit = is_fit and (state["parent"] == NO_NODE).sum() == num_roots
        is_fit = is_fit and state["displacement"].shape[1] == vocabulary_size
        require(
            bool(is_fit),
            "SequenceSoftmax.restore",
            "state",
            f"of {num_roots} runs x prompts, {vocabulary_size} tokens and the same optimizer",
            f"arrays {', '.join(f'{name} {value.shape}' for name, value in state.items())}",
            "Resume with the problem, number of runs and optimizer that it was saved with",
        )
        self.tree.restore(state)
        self._displacement = state["displacement"].copy()
        self._gradient = state["gradient"].copy()
        self._log_normalizer = state["log_normalizer"].copy()
        self._optimizer_state = {
            name: state[f"optimizer.{name}"].copy() for name in self._optimizer_state
        }
        self._with_gradient = state["with_gradient"].copy()
        self._num_moves = int(state["num_moves"])

    def _law(self, rows: np.ndarray) -> np.ndarray:
        context = self.tree.root[rows] % self._shape[1]
        return context * self._length + self.tree.depth[rows]

    def _blocks(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        block_size = max(1, _BLOCK_LOGITS // self._base.shape[1])
        for start in range(0, len(rows), block_size):
            yield rows[start : start + block_size]

    def _reserve(self) -> None:
        """Follow the tree where it has grown."""
        num_known = len(self._displacement)
        if self.tree.capacity == num_known:
            return
        more = (0, self.tree.capacity - num_known)
        self._displacement = np.pad(self._displacement, (more, (0, 0)))
        self._gradient = np.pad(self._gradient, (more, (0, 0)))
        self._log_normalizer = np.pad(self._log_normalizer, more)
        grown = self._optimizer.init(self._displacement.shape)
        for name, value in self._optimizer_state.items():
            grown[name][:num_known] = value
        self._optimizer_state = grown

    def _below(self, law_value: np.ndarray, operation: np.ufunc) -> np.ndarray:
        """Sum or product of a value of the base laws over the positions after each, [P * T]."""
        value = law_value.reshape(-1, self._length)
        below = np.full_like(value, operation.identity)
        below[:, :-1] = operation.accumulate(value[:, :0:-1], axis=1)[:, ::-1]
        return below.reshape(-1)

    def _fold(self, own: np.ndarray, power: int) -> np.ndarray:
        """Sum over the tree, each node weighted by its probability to a power, shape [R, P]."""
        parent, token = self.tree.entrance
        law = self._law(parent)
        log_prob = self._base[law, token] + self.relative_log_prob(parent, token)
        value = self.tree.fold(own, np.exp(power * log_prob))
        return value[: self._shape[0] * self._shape[1]].reshape(self._shape)
