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


class _SelectedLogProb(torch.autograd.Function):
    """log softmax(hidden @ head^T / temperature) at chosen (place, token) pairs.

    Exponentials are taken once; the backward pass finds the probabilities ready.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, head: Tensor, place: Tensor, token: Tensor, temperature: float
    ) -> Tensor:
        logits = F.linear(hidden if temperature == 1.0 else hidden / temperature, head)
        prob = torch.softmax(logits, dim=-1)
        # The largest probability is at least 1/V, so that its logarithm always exists.
        top_prob, top_token = prob.max(dim=-1, keepdim=True)
        log_total = logits.gather(1, top_token) - top_prob.log()
        ctx.save_for_backward(hidden, head, place, token, prob)
        ctx.temperature = temperature
        return logits[place, token] - log_total[place, 0]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        hidden, head, place, token, prob = ctx.saved_tensors
        gradient = gradient / ctx.temperature
        total = gradient.new_zeros(len(hidden)).index_add_(0, place, gradient)
        logit_gradient = prob * -total[:, None]
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
    rotations = read_rotations(model, prompt_tokens.shape[1] + mask.shape[1])
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
