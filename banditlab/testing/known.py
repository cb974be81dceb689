"""Promises of banditlab's own weights and advantages, and so of every rule made of them."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

from banditlab import advantages, stateful_advantages, weights
from banditlab.testing import objectives
from banditlab.testing.promises import NAMESPACES, Promises, joined, promises_of
from banditlab.update_rule import UpdateRule

Array = Any
_CENTRED = Promises(
    expected_scale=lambda group_size: (group_size - 1) / group_size,
    reward_shift="ignored",
    singleton_group="refused",
)
_STANDARDIZED = Promises(
    expected_scale=None,
    reward_shift="ignored",
    reward_scale="ignored",
    # The eps of 1e-6 against the smallest standard deviation of the checks.
    reward_scale_error=1e-4,
    singleton_group="refused",
)
_DEVIATIONS = ("population", "sample")

_ADVANTAGES: Mapping[Callable[..., Any], Promises] = {
    advantages.raw: Promises(reward_shift="followed", singleton_group="raw"),
    advantages.signed: Promises(
        expected_scale=2.0,
        reward_shift="unpromised",
        reward_scale="unpromised",
        singleton_group="finite",
    ),
    advantages.constant_baseline: Promises(
        reward_shift="followed", reward_scale="unpromised", singleton_group="finite"
    ),
    advantages.group_mean: _CENTRED,
    advantages.leave_one_out: replace(_CENTRED, expected_scale=1.0),
    advantages.standardized: _STANDARDIZED,
    advantages.standardized_or_raw: replace(_STANDARDIZED, singleton_group="raw"),
    # With one prompt in the batch, its N rollouts are the group.
    advantages.batch_mean: replace(_CENTRED, couples_groups=True),
    advantages.batch_standardized: replace(_STANDARDIZED, couples_groups=True),
    stateful_advantages.running_mean: Promises(
        reward_shift="followed", reward_scale="unpromised", singleton_group="finite"
    ),
    stateful_advantages.reward_history: Promises(
        expected_scale=None,
        reward_shift="unpromised",
        reward_scale="unpromised",
        singleton_group="finite",
    ),
}


def _of_policy_gradient() -> Promises:
    return Promises(objective=objectives.importance_weighted)


def _of_clip(**widths: float) -> Promises:
    return Promises(objective=partial(objectives.clipped, **widths), **widths)


def _of_dual_clip(**widths: float) -> Promises:
    return Promises(objective=partial(objectives.dual_clipped, **widths), **widths)


def _of_cispo(**widths: float) -> Promises:
    return Promises(objective=partial(objectives.cispo, **widths))


def _of_topr() -> Promises:
    return Promises(objective=objectives.topr)


def _of_ratio_variance(multiplier: float) -> Promises:
    return Promises(
        objective=partial(objectives.ratio_variance, multiplier=multiplier), multiplier=multiplier
    )


def _of_bounded_ratio_variance(multiplier: float) -> Promises:
    objective = partial(objectives.bounded_ratio_variance, multiplier=multiplier)
    return Promises(objective=objective, multiplier=multiplier)


_WEIGHTS: Mapping[Callable[..., Any], Callable[..., Promises]] = {
    weights.policy_gradient_weight: _of_policy_gradient,
    weights.clipped_weight: _of_clip,
    weights.dual_clipped_weight: _of_dual_clip,
    weights.cispo_weight: _of_cispo,
    weights.topr_weight: _of_topr,
    weights.ratio_variance_weight: _of_ratio_variance,
    weights.bounded_ratio_variance_weight: _of_bounded_ratio_variance,
}


def reference_of(old_log_prob: Array, advantage: Array) -> Array:
    """Log-probability under the checks' reference policy, which moves along with the samples.

    Args:
        old_log_prob: nats, shape [*].
        advantage: shape [*].

    Returns:
        Log-probabilities, nats, shape [*].
    """
    return old_log_prob - 0.3 * advantage


def _with_reference(declared: Promises, rule: UpdateRule) -> Promises:
    """Promises of a rule that also pays for its divergence from a reference, in the loss."""
    term, inner = rule.reference, declared.objective

    def objective(log_prob: Array, old_log_prob: Array, advantage: Array) -> Array:
        estimate = objectives.kl_estimate(
            log_prob, reference_of(old_log_prob, advantage), term.estimator
        )
        if term.is_ratio_corrected:
            estimate = (log_prob - old_log_prob).exp() * estimate
        return inner(log_prob, old_log_prob, advantage) - term.coefficient * estimate

    return replace(
        declared,
        objective=None if inner is None else objective,
        # The term acts on fresh samples too, and trades reward for closeness.
        on_policy_scale=None,
        no_improvement="a reference term gives up reward for closeness to the reference policy",
    )


def promises_of_weight(weight: Callable[..., Any], hyper: Mapping[str, Any]) -> Promises | None:
    """Promises of a score weight with given hyperparameters.

    Args:
        weight: what it carries (`@promises`) counts first, then what is known of our own.
        hyper: its keyword arguments.

    Returns:
        The promises; None where nothing is known.
    """
    declared = promises_of(weight)
    if declared is None and weight in _WEIGHTS:
        declared = replace(_WEIGHTS[weight](**hyper), namespaces=NAMESPACES)
    return declared


def promises_of_advantage(
    advantage: Callable[..., Any], hyper: Mapping[str, Any] = MappingProxyType({})
) -> Promises | None:
    """Promises of an advantage estimator, as `promises_of_weight` for a weight."""
    declared = promises_of(advantage)
    if declared is None and advantage in _ADVANTAGES:
        declared = replace(_ADVANTAGES[advantage], namespaces=NAMESPACES)
        if declared.reward_scale == "ignored" and "ddof" in hyper:
            declared = replace(declared, unit_deviation=_DEVIATIONS[hyper["ddof"]])
    return declared


def promises_of_rule(rule: UpdateRule) -> Promises:
    """Promises of a rule: those of its advantage, its weight and its reference term.

    Args:
        rule: the update rule.

    Returns:
        The promises; the default contract holds for a part of which nothing is known.
    """
    hyper = dict(rule.weight_hyper)
    if rule.dual is not None:
        hyper["multiplier"] = rule.dual.initial
    of_weight = promises_of_weight(rule.weight, hyper) or Promises()
    of_advantage = promises_of_advantage(rule.advantage, rule.advantage_hyper) or Promises()
    declared = joined(of_advantage, of_weight)
    if rule.reference is not None and rule.reference.place == "loss":
        declared = _with_reference(declared, rule)
    return declared
