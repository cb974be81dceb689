"""The gradient of an update rule on a language model: its score weight times grad log_prob.

Shapes: P prompts, G group (rollouts per prompt), T tokens of the longest response, n rollouts.
"""

from typing import Any

import torch
from torch import Tensor

from banditlab.levels import Level, pool, spread
from banditlab.rules import UpdateRule, score_weight
from banditlab.validation import require, require_known
from llm_bridge.averaging import AVERAGINGS, Averaging, averaged_weight
from llm_bridge.forward import token_log_prob
from llm_bridge.microbatches import iterate_microbatches
from llm_bridge.parallel import ALONE, Alone
from llm_bridge.ratios import RatioTally, SurrogateStats, require_advantage
from llm_bridge.rollout import Rollout


def weigh_tokens(
    rule: UpdateRule,
    level: Level,
    log_prob: Tensor,
    old_log_prob: Tensor,
    advantage: Tensor,
    mask: Tensor,
    ref_log_prob: Tensor | None = None,
    multiplier: float | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Weight of each token: that of its unit, spread.

    Args:
        rule: the update rule.
        level: unit of the ratio.
        log_prob: log-probabilities of this very pass, detached, nats, shape [n, T].
        old_log_prob: those under the policy that sampled, nats, shape [n, T].
        advantage: of each rollout, in units of reward, shape [n].
        mask: True for sampled tokens, shape [n, T].
        ref_log_prob: those under the reference policy, nats, shape [n, T], if the rule reads them.
        multiplier: present multiplier of a rule with a dual.

    Returns:
        The weights, shape [n, T], 0 where the mask is False; log-ratio, weight and advantage of
        each unit, as many as there are units.

    Raises:
        FloatingPointError: a weight or a log-ratio is not finite.
    """
    unit_log_prob, unit_old_log_prob = (pool(x, mask, level) for x in (log_prob, old_log_prob))
    is_unit = mask if level == "token" else torch.ones_like(mask[:, 0])
    if level == "token":
        advantage = advantage[:, None].expand(mask.shape)
    weight = score_weight(
        rule,
        unit_log_prob,
        unit_old_log_prob,
        advantage,
        multiplier=multiplier,
        ref_log_prob=None if ref_log_prob is None else pool(ref_log_prob, mask, level),
    )
    log_ratio = (unit_log_prob - unit_old_log_prob)[is_unit]
    if not bool(torch.isfinite(weight[is_unit]).all() & torch.isfinite(log_ratio).all()):
        raise FloatingPointError(
            "`weigh_tokens`: weights and log-probabilities must be finite; the largest "
            f"log-ratio is {float(log_ratio.max()):g} nats. The policy has run away from the one "
            "that sampled; lower the learning rate or the number of inner epochs, or clip."
        )
    return spread(weight, mask, level), log_ratio, weight[is_unit], advantage[is_unit]


def _recorded(values: Tensor, rows: Tensor, mask: Tensor, like: Tensor) -> Tensor:
    """What was recorded of some rows, [n, T] of [P, G, T], 0 where the mask is False."""
    chosen = values.flatten(0, 1)[rows, : mask.shape[1]]
    return torch.where(mask, chosen.to(like.dtype), 0.0)


def _require_loss(averaging: Averaging, max_new_tokens: int | None) -> None:
    require_known("accumulate_gradient", "averaging", averaging, AVERAGINGS, "averaging")
    require(
        averaging != "constant_length" or max_new_tokens is not None,
        "accumulate_gradient",
        "max_new_tokens",
        "given where averaging is 'constant_length'",
        max_new_tokens,
        "It is the length, in tokens, that the sum is divided by",
    )


def accumulate_gradient(
    model: Any,
    rollout: Rollout,
    advantage: Tensor,
    rule: UpdateRule,
    *,
    level: Level = "sequence",
    temperature: float = 1.0,
    microbatch_tokens: int | None = None,
    averaging: Averaging = "sequence_sum",
    max_new_tokens: int | None = None,
    rows: Tensor | None = None,
    num_fresh: int | None = None,
    ref_log_prob: Tensor | None = None,
    multiplier: float | None = None,
    processes: Alone = ALONE,
) -> SurrogateStats:
    """Add the gradient of an update rule's loss to `.grad` of the model's parameters.

    loss gradient = minus the average of spread(weight) * grad log_prob, by default a sum over
    tokens and a mean over rollouts; see `llm_bridge.averaging`. The weight comes from
    `score_weight` on the pooled, detached log-probabilities of this very pass. The result does not
    depend on how rows are split: in float32 to 1e-6 of the rollouts' gradients (Euclidean norms,
    added in quadrature), row by row to 2e-6. What is left is the rounding of the passes themselves,
    whose matrices have other shapes: summing over microbatches in float64 changes nothing.

    Args:
        model: a causal language model, in evaluation mode.
        rollout: P prompts of G responses.
        advantage: shape [P, G], in units of reward.
        rule: the update rule; only its weight is used.
        level: unit of the ratio: "token", "sequence" or "sequence_geometric".
        temperature: the one that the rollout was sampled at.
        microbatch_tokens: most tokens, padding included, in one forward and backward pass; by
            default as many as keep the logits below 256 MiB.
        averaging: "sequence_sum", "token_mean", "sequence_mean" or "constant_length".
        max_new_tokens: the length that "constant_length" divides by, tokens.
        rows: the rollouts of this step, indices into the P * G; by default all. Means are over
            these.
        num_fresh: the first prompts, whose responses this policy drew, the others being stale; by
            default all.
        ref_log_prob: log-probability of each token under the reference policy, nats, shape
            [P, G, T]; needed where the rule has a reference term in the loss.
        multiplier: present multiplier of a rule with a dual.
        processes: those that share the rows. Means are over the rows of all; `.grad` gets the
            terms of this process alone, and the gradient is the sum over processes.

    Returns:
        Statistics of the ratios of all rows.

    Raises:
        ValueError: the advantage is not of shape [P, G], the averaging is unknown or lacks its
            length, or the rule's reference or multiplier is missing.
        FloatingPointError: a weight or a log-probability is not finite; `.grad` may then hold
            part of the gradient.
    """
    require_advantage("accumulate_gradient", rollout, advantage)
    _require_loss(averaging, max_new_tokens)
    flat_mask = rollout.mask.flatten(0, 1)
    num_rollouts = len(flat_mask) if rows is None else len(rows)
    num_tokens = int((flat_mask if rows is None else flat_mask[rows]).sum())
    num_fresh_rows = (len(rollout.mask) if num_fresh is None else num_fresh) * advantage.shape[1]
    tally, own = RatioTally(), processes.own_rows(len(flat_mask), rows)
    with processes.together():
        for part_rows, part in iterate_microbatches(model, rollout, microbatch_tokens, own):
            log_prob = token_log_prob(model, part, temperature=temperature)
            detached = log_prob.detach()
            old_log_prob = _recorded(rollout.old_log_prob, part_rows, part.mask, detached)
            weight, log_ratio, unit_weight, unit_advantage = weigh_tokens(
                rule,
                level,
                detached,
                old_log_prob,
                advantage.flatten()[part_rows].to(detached),
                part.mask,
                None
                if ref_log_prob is None
                else _recorded(ref_log_prob, part_rows, part.mask, detached),
                multiplier,
            )
            is_fresh = part_rows < num_fresh_rows
            difference = (detached - old_log_prob)[part.mask & is_fresh[:, None]]
            tally.add(log_ratio, unit_weight, unit_advantage, difference)
            weight = averaged_weight(
                weight,
                part.mask,
                averaging,
                num_rollouts=num_rollouts,
                num_tokens=num_tokens,
                max_new_tokens=max_new_tokens,
            )
            log_prob.backward(-weight)
    return RatioTally.merged(processes.gather(tally)).result()
