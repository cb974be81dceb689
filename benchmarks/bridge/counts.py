"""Arithmetic and memory traffic that a sampled token cannot do without, by formula.

Shapes: E hidden width, F width inside the gated layer, H heads, K heads of keys and values, D
dimensions of a head, V vocabulary.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Sizes:
    """Sizes of a Llama-like model.

    Attributes:
        hidden: E.
        inner: F.
        num_layers: layers.
        num_heads: H.
        num_key_heads: K.
        head_dim: D.
        vocabulary: V.
    """

    hidden: int
    inner: int
    num_layers: int
    num_heads: int
    num_key_heads: int
    head_dim: int
    vocabulary: int

    @classmethod
    def of(cls, config: Any) -> "Sizes":
        """Read a Transformers configuration.

        Args:
            config: of a Llama, Qwen2 or Qwen3 model.

        Returns:
            The sizes.
        """
        head_dim = getattr(config, "head_dim", None)
        return cls(
            hidden=config.hidden_size,
            inner=config.intermediate_size,
            num_layers=config.num_hidden_layers,
            num_heads=config.num_attention_heads,
            num_key_heads=config.num_key_value_heads,
            head_dim=head_dim or config.hidden_size // config.num_attention_heads,
            vocabulary=config.vocab_size,
        )

    @property
    def matrices(self) -> list[tuple[int, int]]:
        """Matrices that every token is multiplied by, rows and columns, layer by layer."""
        heads = self.num_heads * self.head_dim
        joined = heads + 2 * self.num_key_heads * self.head_dim
        layer = [
            (joined, self.hidden),
            (self.hidden, heads),
            (2 * self.inner, self.hidden),
            (self.hidden, self.inner),
        ]
        return layer * self.num_layers + [(self.vocabulary, self.hidden)]


def flops_per_token(sizes: Sizes, context: float) -> float:
    """Additions and multiplications of one token's matrix products; all else is left out.

    Args:
        sizes: of the model.
        context: tokens that attention looks at, the token itself included.

    Returns:
        Floating-point operations: 2 for each weight of a matrix, and 4 * H * D * context a layer.
    """
    of_matrices = sum(2 * rows * columns for rows, columns in sizes.matrices)
    of_attention = 4 * sizes.num_heads * sizes.head_dim * context * sizes.num_layers
    return of_matrices + of_attention


def bytes_per_token(sizes: Sizes, context: float, num_rows: float, itemsize: int) -> float:
    """Memory that one token of a batch needs read and written: weights and the cache.

    Args:
        sizes: of the model.
        context: tokens that attention looks at, the token itself included.
        num_rows: rows of the batch, which share the reading of the weights.
        itemsize: bytes of a number.

    Returns:
        Bytes.
    """
    of_matrices = sum(rows * columns for rows, columns in sizes.matrices) / num_rows
    # Keys and values of the context are read, those of the token are written.
    place = 2 * sizes.num_layers * sizes.num_key_heads * sizes.head_dim
    return itemsize * (of_matrices + place * (context + 1))
