"""Top-k and top-p: sampling from the likeliest tokens alone, in evaluation only.

In training they would break what every rule builds on: samples come from a filtered
distribution, the ratio is taken between whole ones, and E_old[ratio] is no longer 1. Besides, a
step moves what the filter keeps, so a sampled token can have probability 0 an epoch later.

Shapes: n rows, V vocabulary.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from llm_bridge.choices import require_filter_bounds

LogitsFilter = Callable[[Tensor], Tensor]


def keep_top_k(logits: Tensor, top_k: int) -> Tensor:
    """Leave out all but the k likeliest tokens.

    Args:
        logits: shape [n, V].
        top_k: tokens that stay; more if others are as likely as the last of them.

    Returns:
        Logits, -infinity where left out, shape [n, V].

    Examples:
        >>> keep_top_k(torch.tensor([[1.0, 3.0, 2.0]]), 2)
        tensor([[-inf, 3., 2.]])
    """
    least = logits.topk(min(top_k, logits.shape[-1]), dim=-1).values[:, -1:]
    return torch.where(logits >= least, logits, -torch.inf)


def keep_top_p(logits: Tensor, top_p: float) -> Tensor:
    """Leave out all but the fewest likeliest tokens whose probability comes to p.

    Args:
        logits: shape [n, V].
        top_p: probability that stays at the least, in (0, 1].

    Returns:
        Logits, -infinity where left out, shape [n, V].

    Examples:
        >>> keep_top_p(torch.tensor([[0.5, 0.3, 0.2]]).log(), 0.6).isfinite()
        tensor([[ True,  True, False]])
    """
    ordered, places = logits.sort(dim=-1, descending=True, stable=True)
    prob = ordered.double().softmax(dim=-1)
    # A token stays if those before it do not come to p yet; the first one always does.
    is_kept = prob.cumsum(dim=-1) - prob < top_p
    return torch.where(torch.zeros_like(is_kept).scatter(-1, places, is_kept), logits, -torch.inf)


def make_filter(top_k: int | None, top_p: float | None) -> LogitsFilter | None:
    """Filter of an evaluation: top-k first, then top-p among what is left.

    Args:
        top_k: as in `keep_top_k`; None keeps all.
        top_p: as in `keep_top_p`; None keeps all.

    Returns:
        A function of logits, which are divided by the temperature already; None keeps all.

    Raises:
        ValueError: a bound is out of range.
    """
    require_filter_bounds(top_k, top_p)
    if top_k is None and top_p is None:
        return None

    def keep(logits: Tensor) -> Tensor:
        logits = logits if top_k is None else keep_top_k(logits, top_k)
        return logits if top_p is None else keep_top_p(logits, top_p)

    return keep
