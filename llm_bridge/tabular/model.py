"""A softmax for each prefix of tokens, behind the face of a causal language model.

A prompt is one token, the number of its context; a response is T tokens from V, without an end
token. The prefixes of a context are the nodes of a tree with V branches, numbered level by level:
the root is 0, and token v leads from node i to node V * i + 1 + v.

Shapes: P prompts (contexts), T tokens of a response, V vocabulary, N prefixes of a context shorter
than a response, n rows (a row is one rollout), L tokens read.
"""

from dataclasses import dataclass
from types import SimpleNamespace

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig

from banditlab.validation import require

MAX_LOGITS = 10_000_000


@dataclass
class PrefixCache:
    """What a row has read: all that a model with a cache of keys and values would remember.

    Attributes:
        context: context of each row, shape [n].
        node: its prefix, shape [n].
    """

    context: Tensor
    node: Tensor

    def reorder_cache(self, rows: Tensor) -> None:
        """Keep these rows, in this order.

        Args:
            rows: indices into the present rows, shape [n].
        """
        self.context, self.node = self.context[rows], self.node[rows]


@dataclass(frozen=True)
class TableOutput:
    """What a Transformers model returns.

    Attributes:
        logits: of the token after each token read, nats, shape [n, L, V].
        past_key_values: the cache.
    """

    logits: Tensor
    past_key_values: PrefixCache


class TabularModel(nn.Module):
    """A causal language model of one free logit per context, prefix and token.

    The parameter is the displacement from the base logits, so that weight decay pulls towards the
    base policy, as in the simulator, and not towards the uniform one.

    Attributes:
        displacement: logits less the base logits, nats, shape [P, N, V].

    Examples:
        >>> model = TabularModel(torch.zeros(1, 2, 3))
        >>> model.displacement.shape  # the empty prefix, and three of one token
        torch.Size([1, 4, 3])
        >>> model(torch.tensor([[0, 2]])).logits.shape
        torch.Size([1, 2, 3])
    """

    def __init__(self, base_logits: Tensor) -> None:
        """Start at the base policy.

        Args:
            base_logits: logits of each token at each place of a response, nats, shape [P, T, V].

        Raises:
            ValueError: the table would be too large.
        """
        super().__init__()
        num_contexts, length, vocabulary_size = base_logits.shape
        num_prefixes = [vocabulary_size**depth for depth in range(length)]
        num_logits = num_contexts * sum(num_prefixes) * vocabulary_size
        require(
            num_logits <= MAX_LOGITS,
            "TabularModel",
            "base_logits",
            f"small enough for a table of at most {MAX_LOGITS} logits",
            f"shape {tuple(base_logits.shape)}, with {num_logits} logits",
            "Shorten the response; the simulator keeps only the prefixes that moved",
        )
        repeats = torch.tensor(num_prefixes, device=base_logits.device)
        by_prefix = base_logits.repeat_interleave(repeats, dim=1)
        self.register_buffer("base_logits", by_prefix)
        self.displacement = nn.Parameter(torch.zeros_like(by_prefix))
        # Samplers ask how large the cache of a row is: here, a number.
        self.config = PreTrainedConfig(num_hidden_layers=1, hidden_size=1)

    def get_input_embeddings(self) -> SimpleNamespace:
        """Whoever budgets memory for logits asks for the size of the vocabulary here."""
        return SimpleNamespace(num_embeddings=self.base_logits.shape[-1])

    def logits(self) -> Tensor:
        """Logits of every next token after every prefix.

        Returns:
            Nats, shape [P, N, V].
        """
        return self.base_logits + self.displacement

    def forward(self, input_ids: Tensor, past_key_values: PrefixCache | None = None) -> TableOutput:
        """Read tokens, and give the logits of the one after each.

        Args:
            input_ids: shape [n, L]; without a cache the first one is the context.
            past_key_values: what the rows have read before.

        Returns:
            The logits and the cache. After a whole response they are those of some prefix: nothing
            is drawn from them.
        """
        if past_key_values is None:
            context, tokens = input_ids[:, 0], input_ids[:, 1:]
            node = torch.zeros_like(context)
            path = [node]
        else:
            context, node, tokens = past_key_values.context, past_key_values.node, input_ids
            path = []
        num_prefixes, vocabulary_size = self.base_logits.shape[1:]
        for token in tokens.unbind(dim=1):
            node = vocabulary_size * node + 1 + token
            path.append(node)
        at = (context[:, None], torch.stack(path, dim=1).clamp(max=num_prefixes - 1))
        return TableOutput(self.base_logits[at] + self.displacement[at], PrefixCache(context, node))
