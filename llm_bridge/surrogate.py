"""The gradient of an update rule on a language model: its score weight times grad log_prob.

Shapes: P prompts, G group (rollouts per prompt), T tokens of the longest response, n rollouts,
M parameters of the model.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from banditlab.levels import Level, pool, spread
from banditlab.rules import UpdateRule, score_weight
from banditlab.validation import require
from llm_bridge.forward import RolloutPart, token_log_prob
from llm_bridge.rollout import Rollout

# Upper bounds of one microbatch: tokens, padding included, and entries of its logits.
_MICROBATCH_TOKENS = 32768
_MICROBATCH_LOGITS = 2**26


@dataclass(frozen=True)
class SurrogateStats:
    """Ratios that a gradient step met, per unit of the level (token or response).

    Attributes:
        ratio_mean: mean ratio; 1 in expectation.
        ratio_variance: mean of (ratio - 1)^2, about the known mean 1.
        ratio_max: largest ratio.
        clip_low_fraction: share of units with an advantage, a ratio below 1, and weight 0.
        clip_high_fraction: share of units with an advantage, a ratio above 1, and weight 0.
        max_abs_log_ratio: largest |log_prob - old_log_prob| of a unit, nats.
        log_prob_mismatch: the same of a token; before the first step after sampling it is what
            rounding makes of one and the same number in the sampling and the training pass.
    """

    ratio_mean: float
    ratio_variance: float
    ratio_max: float
    clip_low_fraction: float
    clip_high_fraction: float
    max_abs_log_ratio: float
    log_prob_mismatch: float

    @classmethod
    def at_sampling_policy(cls) -> "SurrogateStats":
        """Statistics of a policy that has not moved since it sampled: every ratio is 1."""
        return cls(1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0)


@dataclass
class _Tally:
    """Sums from which the statistics follow, microbatch by microbatch."""

    count: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    largest: dict[str, float] = field(default_factory=dict)

    def add(self, log_ratio: Tensor, weight: Tensor, advantage: Tensor, token: Tensor) -> None:
        ratio = log_ratio.double().exp()
        is_zeroed = (weight == 0) & (advantage != 0)
        self.count += len(ratio)
        for name, value in (
            ("ratio", ratio),
            ("variance", (ratio - 1.0) ** 2),
            ("low", is_zeroed & (ratio < 1)),
            ("high", is_zeroed & (ratio > 1)),
        ):
            self.sums[name] = self.sums.get(name, 0.0) + float(value.sum())
        for name, value in (("ratio", ratio), ("unit", log_ratio.abs()), ("token", token.abs())):
            self.largest[name] = max(self.largest.get(name, 0.0), float(value.max()))

    def result(self) -> SurrogateStats:
        return SurrogateStats(
            ratio_mean=self.sums["ratio"] / self.count,
            ratio_variance=self.sums["variance"] / self.count,
            ratio_max=self.largest["ratio"],
            clip_low_fraction=self.sums["low"] / self.count,
            clip_high_fraction=self.sums["high"] / self.count,
            max_abs_log_ratio=self.largest["unit"],
            log_prob_mismatch=self.largest["token"],
        )


def split_rows(rollout: Rollout, microbatch_tokens: int) -> Iterator[Tensor]:
    """Split a rollout into microbatches of rows of similar length, groups kept together.

    Args:
        rollout: P prompts of G responses.
        microbatch_tokens: most tokens of a microbatch, padding included; a single row may have
            more.

    Yields:
        Indices into the P * G rollouts, shape [n]; together, each index once.
    """
    prompt_lengths = rollout.prompt_mask.sum(dim=1)
    lengths = rollout.mask.sum(dim=-1)
    group_size = lengths.shape[1]
    longest = (prompt_lengths + lengths.max(dim=1).values).tolist()
    prompt_lengths, lengths = prompt_lengths.tolist(), lengths.tolist()
    order = [
        (prompt, member)
        for prompt in sorted(range(len(longest)), key=lambda prompt: longest[prompt])
        for member in sorted(range(group_size), key=lambda member: lengths[prompt][member])
    ]
    rows: list[int] = []
    widest_prompt = widest_response = 0
    for prompt, member in order:
        new_prompt = max(widest_prompt, prompt_lengths[prompt])
        new_response = max(widest_response, lengths[prompt][member])
        if rows and (len(rows) + 1) * (new_prompt + new_response) > microbatch_tokens:
            yield torch.tensor(rows)
            rows = []
            new_prompt, new_response = prompt_lengths[prompt], lengths[prompt][member]
        rows.append(prompt * group_size + member)
        widest_prompt, widest_response = new_prompt, new_response
    yield torch.tensor(rows)


def _microbatches(
    model: Any, rollout: Rollout, microbatch_tokens: int | None
) -> Iterator[tuple[Tensor, RolloutPart]]:
    if microbatch_tokens is None:
        vocabulary = model.get_input_embeddings().num_embeddings
        microbatch_tokens = min(_MICROBATCH_TOKENS, _MICROBATCH_LOGITS // vocabulary)
    for rows in split_rows(rollout, microbatch_tokens):
        rows = rows.to(rollout.mask.device)
        yield rows, rollout.part(rows)


def _require_advantage(function: str, rollout: Rollout, advantage: Tensor) -> None:
    shape = tuple(rollout.mask.shape[:2])
    require(
        tuple(advantage.shape) == shape,
        function,
        "advantage",
        f"of shape [P, G] = {shape}",
        tuple(advantage.shape),
        "Give one advantage for each rollout",
    )


def _weigh(
    rule: UpdateRule,
    level: Level,
    log_prob: Tensor,
    old_log_prob: Tensor,
    advantage: Tensor,
    mask: Tensor,
    tally: _Tally,
) -> Tensor:
    """Weight of each token, [n, T]; all arguments detached, advantage [n]."""
    old_log_prob = torch.where(mask, old_log_prob, 0.0)
    unit_log_prob = pool(log_prob, mask, level)
    unit_old_log_prob = pool(old_log_prob, mask, level)
    is_unit = mask if level == "token" else torch.ones_like(mask[:, 0])
    if level == "token":
        advantage = advantage[:, None].expand(mask.shape)
    weight = score_weight(rule, unit_log_prob, unit_old_log_prob, advantage)
    log_ratio = (unit_log_prob - unit_old_log_prob)[is_unit]
    is_finite = torch.isfinite(weight[is_unit]).all() & torch.isfinite(log_ratio).all()
    if not bool(is_finite):
        raise FloatingPointError(
            "`accumulate_gradient`: weights and log-probabilities must be finite; the largest "
            f"log-ratio is {float(log_ratio.max()):g} nats. The policy has run away from the one "
            "that sampled; lower the learning rate or the number of inner epochs, or clip."
        )
    tally.add(log_ratio, weight[is_unit], advantage[is_unit], (log_prob - old_log_prob)[mask])
    return spread(weight, mask, level)


def accumulate_gradient(
    model: Any,
    rollout: Rollout,
    advantage: Tensor,
    rule: UpdateRule,
    *,
    level: Level = "sequence",
    temperature: float = 1.0,
    microbatch_tokens: int | None = None,
) -> SurrogateStats:
    """Add the gradient of an update rule's loss to `.grad` of the model's parameters.

    loss gradient = -1/(P*G) * sum over tokens of spread(weight) * grad log_prob: a sum over
    tokens, a mean over rollouts. The weight comes from `score_weight` on the pooled, detached
    log-probabilities of this very pass. The result does not depend on how rows are split.

    Args:
        model: a causal language model, in evaluation mode.
        rollout: P prompts of G responses.
        advantage: shape [P, G], in units of reward.
        rule: the update rule; only its weight is used.
        level: unit of the ratio: "token", "sequence" or "sequence_geometric".
        temperature: the one that the rollout was sampled at.
        microbatch_tokens: most tokens, padding included, in one forward and backward pass; by
            default as many as keep the logits below 256 MiB.

    Returns:
        Statistics of the ratios.

    Raises:
        ValueError: the advantage is not of shape [P, G].
        FloatingPointError: a weight or a log-probability is not finite; `.grad` may then hold
            part of the gradient.
    """
    _require_advantage("accumulate_gradient", rollout, advantage)
    tally = _Tally()
    for rows, part in _microbatches(model, rollout, microbatch_tokens):
        log_prob = token_log_prob(model, part, temperature=temperature)
        detached = log_prob.detach()
        old_log_prob = rollout.old_log_prob.flatten(0, 1)[rows, : part.mask.shape[1]]
        weight = _weigh(
            rule,
            level,
            detached,
            old_log_prob.to(detached.dtype),
            advantage.flatten()[rows].to(detached),
            part.mask,
            tally,
        )
        log_prob.backward(-weight / advantage.numel())
    return tally.result()


def _trainable(model: Any) -> list[Tensor]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def _flat_gradient(output: Tensor, weight: Tensor, parameters: list[Tensor]) -> Tensor:
    gradients = torch.autograd.grad(output, parameters, weight, allow_unused=True)
    return torch.cat(
        [
            (torch.zeros_like(parameter) if gradient is None else gradient).flatten()
            for parameter, gradient in zip(parameters, gradients, strict=True)
        ]
    )


def score_gradients(model: Any, rollout: Rollout, *, temperature: float = 1.0) -> Tensor:
    """Gradient of the log-probability of each response: the vectors of the response kernel.

    Args:
        model: a causal language model, in evaluation mode; `.grad` is left alone.
        rollout: P prompts of G responses.
        temperature: the one that the rollout was sampled at.

    Returns:
        One gradient a rollout, shape [P * G, M], of the parameters' type, in the order of
        `model.parameters()`, those that require no gradient left out.
    """
    parameters = _trainable(model)
    rows = range(rollout.mask.shape[0] * rollout.mask.shape[1])
    scores = []
    for row in rows:
        part = rollout.part(torch.tensor([row], device=rollout.mask.device))
        log_prob = token_log_prob(model, part, temperature=temperature)
        scores.append(_flat_gradient(log_prob, torch.ones_like(log_prob), parameters))
    return torch.stack(scores)


def mean_gradient(
    model: Any, rollout: Rollout, advantage: Tensor, *, temperature: float = 1.0
) -> Tensor:
    """REINFORCE estimate of the gradient of the mean reward: mean of advantage * grad log_prob.

    It points uphill, and reads the rollout as fresh: no ratio.

    Args:
        model: a causal language model, in evaluation mode; `.grad` is left alone.
        rollout: P prompts of G responses, sampled from this model.
        advantage: shape [P, G], in units of reward.
        temperature: the one that the rollout was sampled at.

    Returns:
        The gradient, shape [M], in the order of `score_gradients`.

    Raises:
        ValueError: the advantage is not of shape [P, G].
    """
    _require_advantage("mean_gradient", rollout, advantage)
    parameters = _trainable(model)
    total = torch.zeros((), device=rollout.mask.device)
    for rows, part in _microbatches(model, rollout, None):
        log_prob = token_log_prob(model, part, temperature=temperature)
        weight = spread(advantage.flatten()[rows].to(log_prob), part.mask, "sequence")
        total = total + _flat_gradient(log_prob, weight / advantage.numel(), parameters)
    return total
