"""banditlab: one definition of each RL fine-tuning update rule, simulated over huge arm spaces."""

from banditlab.advantages import (
    batch_mean,
    batch_standardized,
    constant_baseline,
    group_mean,
    leave_one_out,
    raw,
    signed,
    standardized,
    standardized_or_raw,
)
from banditlab.dual import DualAscent, multiplier_step
from banditlab.levels import pool, spread
from banditlab.reference import ReferenceTerm, kl_estimate, reference_weight
from banditlab.rules import (
    RULES,
    UpdateRule,
    advantage_and_state,
    get_rule,
    group_advantage,
    initial_state,
    score_weight,
    shaped_reward,
)
from banditlab.stateful_advantages import reward_history, running_mean
from banditlab.weights import (
    bounded_ratio_variance_weight,
    cispo_weight,
    clipped_weight,
    dual_clipped_weight,
    policy_gradient_weight,
    probability_ratio,
    ratio_variance_weight,
    topr_weight,
)

__all__ = [
    "RULES",
    "DualAscent",
    "ReferenceTerm",
    "UpdateRule",
    "advantage_and_state",
    "batch_mean",
    "batch_standardized",
    "bounded_ratio_variance_weight",
    "cispo_weight",
    "clipped_weight",
    "constant_baseline",
    "dual_clipped_weight",
    "get_rule",
    "group_advantage",
    "group_mean",
    "initial_state",
    "kl_estimate",
    "leave_one_out",
    "multiplier_step",
    "policy_gradient_weight",
    "pool",
    "probability_ratio",
    "ratio_variance_weight",
    "raw",
    "reference_weight",
    "reward_history",
    "running_mean",
    "score_weight",
    "shaped_reward",
    "signed",
    "spread",
    "standardized",
    "standardized_or_raw",
    "topr_weight",
]

__version__ = "0.1.0"
