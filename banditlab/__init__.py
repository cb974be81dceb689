"""banditlab: one definition of each RL fine-tuning update rule, simulated over huge arm spaces."""

from banditlab.advantages import group_mean, leave_one_out, raw, standardized
from banditlab.levels import pool, spread
from banditlab.rules import RULES, UpdateRule, get_rule, group_advantage, score_weight
from banditlab.weights import (
    clipped_weight,
    policy_gradient_weight,
    probability_ratio,
    ratio_variance_weight,
)

__all__ = [
    "RULES",
    "UpdateRule",
    "clipped_weight",
    "get_rule",
    "group_advantage",
    "group_mean",
    "leave_one_out",
    "policy_gradient_weight",
    "pool",
    "probability_ratio",
    "ratio_variance_weight",
    "raw",
    "score_weight",
    "spread",
    "standardized",
]

__version__ = "0.1.0"
