"""Update rules: an advantage and a score weight, composed and named.

A rule *is* the weight on the score function, dJ/dlog_prob. `RULES` lists the compositions; the
simulator and the language model both call `group_advantage` and `score_weight`, and nothing else.

Shapes: [*, G], the group (rollouts of one prompt) last.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from banditlab.advantages import group_mean, leave_one_out, raw, standardized
from banditlab.validation import require_known, requirement_error
from banditlab.weights import clipped_weight, policy_gradient_weight, ratio_variance_weight

Array = Any


@dataclass(frozen=True)
class UpdateRule:
    """One update rule: advantage from rewards, then score weight from log-probs and advantage.

    Attributes:
        name: name in the registry.
        advantage: function of reward [*, G] -> advantage [*, G].
        weight: function of (log_prob, old_log_prob, advantage), each [*] -> weight [*].
        formula: the objective per sample, ASCII.
        source: where the rule comes from.
        advantage_hyper: keyword arguments of `advantage`.
        weight_hyper: keyword arguments of `weight`.
        smallest_group: fewest rollouts per prompt for which the advantage says anything.
    """

    name: str
    advantage: Callable[..., Array]
    weight: Callable[..., Array]
    formula: str
    source: str
    advantage_hyper: Mapping[str, float] = field(default_factory=dict)
    weight_hyper: Mapping[str, float] = field(default_factory=dict)
    smallest_group: int = 1

    def __post_init__(self) -> None:
        for name in ("advantage_hyper", "weight_hyper"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def __reduce__(self) -> tuple[Any, ...]:
        # A mapping proxy cannot be pickled, and worker processes receive rules.
        return (
            type(self),
            (
                self.name,
                self.advantage,
                self.weight,
                self.formula,
                self.source,
                dict(self.advantage_hyper),
                dict(self.weight_hyper),
                self.smallest_group,
            ),
        )

    @property
    def hyper(self) -> dict[str, float]:
        """All hyperparameters by name."""
        return {**self.advantage_hyper, **self.weight_hyper}

    def with_hyper(self, **hyper: float) -> "UpdateRule":
        """Return the same rule with other hyperparameters.

        Args:
            **hyper: hyperparameter -> value, e.g. clip_high=0.28.

        Returns:
            A new rule.

        Raises:
            ValueError: the rule has no such hyperparameter.

        Examples:
            >>> RULES["clip"].with_hyper(clip_high=0.28)
            clip(clip_low=0.2, clip_high=0.28)
        """
        advantage_hyper, weight_hyper = dict(self.advantage_hyper), dict(self.weight_hyper)
        for name, value in hyper.items():
            owners = [h for h in (advantage_hyper, weight_hyper) if name in h]
            if not owners:
                raise requirement_error(
                    "with_hyper",
                    name,
                    f"a hyperparameter of {self.name}",
                    value,
                    f"It has: {', '.join(self.hyper) or 'none'}",
                )
            owners[0][name] = value
        return replace(self, advantage_hyper=advantage_hyper, weight_hyper=weight_hyper)

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(f'{k}={v:g}' for k, v in self.hyper.items())})"


RULES: Mapping[str, UpdateRule] = MappingProxyType(
    {
        "raw_reward": UpdateRule(
            name="raw_reward",
            advantage=raw,
            weight=policy_gradient_weight,
            formula="ratio * reward",
            source="REINFORCE (Williams 1992); the minimalist baseline of arXiv 2601.22532",
        ),
        "group_mean": UpdateRule(
            name="group_mean",
            advantage=group_mean,
            weight=policy_gradient_weight,
            formula="ratio * (reward - mean(reward))",
            source="Dr. GRPO without its length term (arXiv 2503.20783)",
            smallest_group=2,
        ),
        "leave_one_out": UpdateRule(
            name="leave_one_out",
            advantage=leave_one_out,
            weight=policy_gradient_weight,
            formula="ratio * (reward - mean(other rewards))",
            source="RLOO (arXiv 2402.14740)",
            smallest_group=2,
        ),
        "grpo": UpdateRule(
            name="grpo",
            advantage=standardized,
            weight=policy_gradient_weight,
            formula="ratio * (reward - mean(reward)) / (std(reward, ddof) + eps)",
            source="GRPO (arXiv 2402.03300); ddof and eps as in the code of arXiv 2601.22532",
            advantage_hyper={"ddof": 1, "eps": 1e-6},
            smallest_group=2,
        ),
        "clip": UpdateRule(
            name="clip",
            advantage=group_mean,
            weight=clipped_weight,
            formula="min(ratio * A, clip(ratio, 1 - clip_low, 1 + clip_high) * A), A = group mean",
            source="PPO (arXiv 1707.06347)",
            weight_hyper={"clip_low": 0.2, "clip_high": 0.2},
            smallest_group=2,
        ),
        "variance_penalty": UpdateRule(
            name="variance_penalty",
            advantage=group_mean,
            weight=ratio_variance_weight,
            formula="ratio * A - multiplier * (ratio - 1)^2, A = group mean",
            source="R2VPO (arXiv 2601.03320, 2605.26784), fixed multiplier",
            weight_hyper={"multiplier": 0.5},
            smallest_group=2,
        ),
    }
)


def get_rule(name: str, **hyper: float) -> UpdateRule:
    """Look a rule up by name, with other hyperparameters where given.

    Args:
        name: a key of `RULES`.
        **hyper: hyperparameters to replace.

    Returns:
        The rule.

    Raises:
        ValueError: the rule or the hyperparameter is unknown.
    """
    require_known("get_rule", "name", name, RULES, "rule")
    return RULES[name].with_hyper(**hyper)


def group_advantage(rule: UpdateRule, reward: Array) -> Array:
    """Advantage that a rule gives to a group of rewards.

    Args:
        rule: the update rule.
        reward: reward of each rollout, shape [*, G].

    Returns:
        The advantage, shape [*, G].

    Raises:
        ValueError: the group is smaller than the rule allows.
    """
    return rule.advantage(reward, **rule.advantage_hyper)


def score_weight(rule: UpdateRule, log_prob: Array, old_log_prob: Array, advantage: Array) -> Array:
    """Score weight of a rule: dJ/dlog_prob, recomputed with the fresh log_prob each inner epoch.

    Args:
        rule: the update rule.
        log_prob: log-probability under the current policy, nats, shape [*].
        old_log_prob: log-probability under the policy that drew the sample, nats, shape [*].
        advantage: advantage of the sample, shape [*].

    Returns:
        The weight on grad log_prob, shape [*].

    Raises:
        ValueError: the shapes differ or a hyperparameter is out of range.
    """
    return rule.weight(log_prob, old_log_prob, advantage, **rule.weight_hyper)
