"""Closed forms and differential equations: numbers in, numbers out. NumPy and SciPy only."""

from theory.predict.batch_curves import (
    RULES_WITHOUT_CLOSED_FORM,
    predicted_pass_rates,
    predicted_shift,
)
from theory.predict.drift import (
    predicted_class_gradient,
    standardized_class_gradient,
    success_advantage,
)
from theory.predict.learning_curves import (
    predicted_natural_log_odds,
    predicted_raw_log_odds,
    predicted_raw_time,
    predicted_standardized_log_odds,
    tabular_kernel,
)
from theory.predict.stability import (
    is_batch_penalty_stable,
    is_inner_loop_stable,
    predicted_batch_contractions,
    predicted_contraction,
    predicted_fixed_ratio,
    predicted_largest_learning_rate,
)
from theory.predict.take_off import (
    TAKE_OFF_RULES,
    predicted_log_odds_factor,
    predicted_take_off_mean,
    predicted_take_off_rollouts,
    predicted_take_off_variance,
)
from theory.predict.trust_region import (
    predicted_flow_error,
    predicted_flow_log_odds,
    predicted_gain,
    predicted_multiplier,
    predicted_optimal_ratio,
    predicted_step_log_odds,
)

__all__ = [
    "RULES_WITHOUT_CLOSED_FORM",
    "TAKE_OFF_RULES",
    "is_batch_penalty_stable",
    "is_inner_loop_stable",
    "predicted_batch_contractions",
    "predicted_class_gradient",
    "predicted_contraction",
    "predicted_fixed_ratio",
    "predicted_flow_error",
    "predicted_flow_log_odds",
    "predicted_gain",
    "predicted_largest_learning_rate",
    "predicted_log_odds_factor",
    "predicted_multiplier",
    "predicted_natural_log_odds",
    "predicted_optimal_ratio",
    "predicted_pass_rates",
    "predicted_raw_log_odds",
    "predicted_raw_time",
    "predicted_shift",
    "predicted_standardized_log_odds",
    "predicted_step_log_odds",
    "predicted_take_off_mean",
    "predicted_take_off_rollouts",
    "predicted_take_off_variance",
    "standardized_class_gradient",
    "success_advantage",
    "tabular_kernel",
]
