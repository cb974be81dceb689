"""How the loss of a language model averages over tokens and rollouts.

The names are those of `banditlab.testing.promises`. With w the weight of a token (that of its
unit, spread), N rollouts of a step, T_i tokens of rollout i, the gradient of the loss is minus

    sequence_sum      1/N sum_i sum_t w grad log_prob          what the objective per response says
    token_mean        1/(sum_i T_i) sum_i sum_t w grad log_prob
    sequence_mean     1/N sum_i 1/T_i sum_t w grad log_prob    GRPO (arXiv 2402.03300)
    constant_length   1/(N L) sum_i sum_t w grad log_prob      Dr. GRPO (arXiv 2503.20783), L fixed

On fresh samples sequence_sum follows the gradient of the expected reward, and constant_length the
same divided by L. sequence_mean weighs a response by 1/T_i, and token_mean divides by a random
number, the batch's tokens: neither does.

Shapes: n rollouts, T tokens.
"""

from typing import Any, Literal

Tensor = Any

Averaging = Literal["sequence_sum", "token_mean", "sequence_mean", "constant_length"]
AVERAGINGS: tuple[Averaging, ...] = (
    "sequence_sum",
    "token_mean",
    "sequence_mean",
    "constant_length",
)


def averaged_weight(
    token_weight: Tensor,
    mask: Tensor,
    averaging: Averaging,
    *,
    num_rollouts: int,
    num_tokens: int,
    max_new_tokens: int | None = None,
) -> Tensor:
    """Weights of tokens, divided as the loss averages.

    Args:
        token_weight: weight of each token, 0 where the mask is False, shape [n, T].
        mask: True for sampled tokens, shape [n, T].
        averaging: a name of `AVERAGINGS`.
        num_rollouts: N, rollouts of the whole step, of which these n may be a part.
        num_tokens: tokens of the whole step.
        max_new_tokens: L, for "constant_length".

    Returns:
        The divided weights, shape [n, T].
    """
    if averaging == "token_mean":
        return token_weight / num_tokens
    if averaging == "constant_length":
        return token_weight / (num_rollouts * max_new_tokens)
    if averaging == "sequence_mean":
        return token_weight / (num_rollouts * mask.sum(dim=1, keepdim=True).clamp(min=1))
    return token_weight / num_rollouts
