"""Log-probabilities of given responses, with logits only where a token was sampled.

Shapes as in the package.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from llm_bridge.fast_llama.joint_pass import batch_by_length, run_joint_pass
from llm_bridge.fast_llama.layers import read_rotations
from llm_bridge.fast_llama.parameters import read_weights

# Entries of the logits that are worked on together: 1 MiB, which the processor's cache holds.
_ENTRIES_AT_ONCE = 2**18


class _SelectedLogProb(torch.autograd.Function):
    """log softmax(hidden @ head^T / temperature) at chosen (place, token) pairs.

    Exponentials are taken once, in the place of the logits, and the backward pass turns them into
    its gradient in the same place: a vocabulary's worth of memory a token is the largest there is.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, head: Tensor, place: Tensor, token: Tensor, temperature: float
    ) -> Tensor:
        logits = F.linear(hidden if temperature == 1.0 else hidden / temperature, head)
        selected = logits[place, token]
        top, total = (hidden.new_empty(len(hidden), 1) for _ in range(2))
        parts = (x.split(max(1, _ENTRIES_AT_ONCE // len(head))) for x in (logits, top, total))
        for some_logits, some_top, some_total in zip(*parts, strict=True):
            torch.amax(some_logits, dim=1, keepdim=True, out=some_top)
            torch.sum(some_logits.sub_(some_top).exp_(), dim=1, keepdim=True, out=some_total)
        ctx.save_for_backward(hidden, head, place, token, logits, total)
        ctx.temperature = temperature
        # The largest of the exponentials is 1, so that the logarithm of their sum always exists.
        return selected - top[place, 0] - total.log()[place, 0]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        hidden, head, place, token, exponential, total = ctx.saved_tensors
        gradient = gradient / ctx.temperature
        of_place = gradient.new_zeros(len(hidden)).index_add_(0, place, gradient)
        logit_gradient = exponential.mul_(-of_place[:, None] / total)
        flat = place * head.shape[0] + token
        logit_gradient.view(-1).index_add_(0, flat, gradient)
        return logit_gradient @ head, logit_gradient.T @ hidden, None, None, None


def fast_token_log_prob(
    model: Any,
    prompt_tokens: Tensor,
    prompt_mask: Tensor,
    prompt_of_row: Tensor,
    response_tokens: Tensor,
    mask: Tensor,
    *,
    temperature: float = 1.0,
) -> Tensor:
    """Log-probability of each response token, each prompt read once for all of its rows.

    Args:
        model: a model that `is_supported`.
        prompt_tokens: shape [P, T_prompt], left-padded.
        prompt_mask: shape [P, T_prompt].
        prompt_of_row: index of each row's prompt, shape [n].
        response_tokens: shape [n, T], right-padded.
        mask: shape [n, T], True places first in each row.
        temperature: the one the rows were sampled at.

    Returns:
        Log-probabilities in nats, shape [n, T], of the model's type, 0 where the mask is False;
        differentiable in the model's parameters.
    """
    weights = read_weights(model)
    rotations = read_rotations(model, weights, prompt_tokens.shape[1] + mask.shape[1])
    # The last token of a response is predicted but never read.
    batches = batch_by_length(mask.sum(dim=1) - 1)
    hidden, _ = run_joint_pass(
        weights, rotations, prompt_tokens, prompt_mask, prompt_of_row, response_tokens, batches
    )
    # Where the hidden state that predicts each token stands.
    place = prompt_of_row[:, None].repeat(1, mask.shape[1])
    start = len(prompt_tokens)
    for batch in batches:
        count = len(batch.rows) * batch.width
        places = torch.arange(start, start + count, device=place.device)
        place[batch.rows, 1 : batch.width + 1] = places.view(-1, batch.width)
        start += count
    selected = _SelectedLogProb.apply(
        hidden, weights.head, place[mask], response_tokens[mask], temperature
    )
    return selected.new_zeros(mask.shape).masked_scatter(mask, selected)
