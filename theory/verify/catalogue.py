"""The claims, as data: each entry of the catalogue with its experiment, statistic and mutants.

P1 to P50 are the project's catalogue of predictions, P51 to P57 go beyond it. Predictions are
called through their modules, so that a change there reaches every claim.
"""

from theory.verify.claim import Claim
from theory.verify.claims.adam import ADAM_CLAIMS
from theory.verify.claims.adam_arms import ADAM_ARMS_CLAIMS
from theory.verify.claims.adam_drift import ADAM_DRIFT_CLAIMS
from theory.verify.claims.batch_curves import BATCH_CLAIMS
from theory.verify.claims.bounded_penalty import BOUNDED_PENALTY_CLAIMS
from theory.verify.claims.bounds import BOUND_CLAIMS
from theory.verify.claims.clip_force import CLIP_FORCE_CLAIMS
from theory.verify.claims.clip_growth import CLIP_GROWTH_CLAIMS
from theory.verify.claims.committal import COMMITTAL_CLAIMS
from theory.verify.claims.conditional_advantage import CONDITIONAL_ADVANTAGE_CLAIMS
from theory.verify.claims.diversity import DIVERSITY_CLAIMS
from theory.verify.claims.dual_ascent import DUAL_ASCENT_CLAIMS
from theory.verify.claims.effective_samples import EFFECTIVE_SAMPLES_CLAIMS
from theory.verify.claims.entropy import ENTROPY_CLAIMS
from theory.verify.claims.extra_rollouts import EXTRA_ROLLOUTS_CLAIMS
from theory.verify.claims.failure_shares import FAILURE_SHARE_CLAIMS
from theory.verify.claims.failures import FAILURE_CLAIMS
from theory.verify.claims.first_success import FIRST_SUCCESS_CLAIMS
from theory.verify.claims.gradient_paths import GRADIENT_PATH_CLAIMS
from theory.verify.claims.group_moments import GROUP_MOMENT_CLAIMS
from theory.verify.claims.group_stuck import GROUP_STUCK_CLAIMS
from theory.verify.claims.identities import IDENTITY_CLAIMS
from theory.verify.claims.inner_loop import INNER_LOOP_CLAIMS
from theory.verify.claims.kernels import KERNEL_CLAIMS
from theory.verify.claims.learning_curves import CURVE_CLAIMS
from theory.verify.claims.long_run import LONG_RUN_CLAIMS
from theory.verify.claims.lumping import LUMPING_CLAIMS
from theory.verify.claims.many_arms import MANY_ARMS_CLAIMS
from theory.verify.claims.moments import MOMENT_CLAIMS
from theory.verify.claims.negative_reward import NEGATIVE_REWARD_CLAIMS
from theory.verify.claims.noisy_verifier import NOISY_VERIFIER_CLAIMS
from theory.verify.claims.off_policy import OFF_POLICY_CLAIMS
from theory.verify.claims.one_step import ONE_STEP_CLAIMS
from theory.verify.claims.penalty_optimum import PENALTY_OPTIMUM_CLAIMS
from theory.verify.claims.penalty_overshoot import PENALTY_OVERSHOOT_CLAIMS
from theory.verify.claims.prompt_batches import PROMPT_BATCH_CLAIMS
from theory.verify.claims.prompt_discovery import PROMPT_DISCOVERY_CLAIMS
from theory.verify.claims.reference_curve import REFERENCE_CURVE_CLAIMS
from theory.verify.claims.reference_rounds import REFERENCE_ROUNDS_CLAIMS
from theory.verify.claims.reference_term import REFERENCE_TERM_CLAIMS
from theory.verify.claims.reference_tilt import REFERENCE_TILT_CLAIMS
from theory.verify.claims.reward_history import REWARD_HISTORY_CLAIMS
from theory.verify.claims.running_baseline import RUNNING_BASELINE_CLAIMS
from theory.verify.claims.several_correct import SEVERAL_CORRECT_CLAIMS
from theory.verify.claims.signal import SIGNAL_CLAIMS
from theory.verify.claims.single_failures import SINGLE_FAILURE_CLAIMS
from theory.verify.claims.squeezing import SQUEEZING_CLAIMS
from theory.verify.claims.stale_data import STALE_DATA_CLAIMS
from theory.verify.claims.stale_replay import STALE_REPLAY_CLAIMS
from theory.verify.claims.stale_thresholds import STALE_THRESHOLD_CLAIMS
from theory.verify.claims.standardized_moments import STANDARDIZED_MOMENT_CLAIMS
from theory.verify.claims.standardized_objective import STANDARDIZED_OBJECTIVE_CLAIMS
from theory.verify.claims.stuck import STUCK_CLAIMS
from theory.verify.claims.success_times import SUCCESS_TIME_CLAIMS
from theory.verify.claims.take_off import TAKE_OFF_CLAIMS
from theory.verify.claims.take_off_factors import TAKE_OFF_FACTOR_CLAIMS
from theory.verify.claims.take_off_law import TAKE_OFF_LAW_CLAIMS
from theory.verify.claims.token_levels import TOKEN_LEVEL_CLAIMS
from theory.verify.claims.token_ratios import TOKEN_RATIO_CLAIMS
from theory.verify.claims.trust_region import TRUST_REGION_CLAIMS
from theory.verify.claims.trust_region_start import TRUST_REGION_START_CLAIMS
from theory.verify.claims.wrong_answer_kernel import WRONG_ANSWER_KERNEL_CLAIMS

_TOPICS: tuple[tuple[Claim, ...], ...] = (
    LUMPING_CLAIMS,
    IDENTITY_CLAIMS,
    SIGNAL_CLAIMS,
    MOMENT_CLAIMS,
    GROUP_MOMENT_CLAIMS,
    STANDARDIZED_MOMENT_CLAIMS,
    STANDARDIZED_OBJECTIVE_CLAIMS,
    CONDITIONAL_ADVANTAGE_CLAIMS,
    RUNNING_BASELINE_CLAIMS,
    ONE_STEP_CLAIMS,
    PENALTY_OPTIMUM_CLAIMS,
    PENALTY_OVERSHOOT_CLAIMS,
    BOUNDED_PENALTY_CLAIMS,
    DUAL_ASCENT_CLAIMS,
    PROMPT_BATCH_CLAIMS,
    KERNEL_CLAIMS,
    SQUEEZING_CLAIMS,
    OFF_POLICY_CLAIMS,
    REFERENCE_TILT_CLAIMS,
    REFERENCE_ROUNDS_CLAIMS,
    LONG_RUN_CLAIMS,
    STUCK_CLAIMS,
    GROUP_STUCK_CLAIMS,
    COMMITTAL_CLAIMS,
    BOUND_CLAIMS,
    GRADIENT_PATH_CLAIMS,
    MANY_ARMS_CLAIMS,
    ENTROPY_CLAIMS,
    CLIP_FORCE_CLAIMS,
    CURVE_CLAIMS,
    BATCH_CLAIMS,
    INNER_LOOP_CLAIMS,
    TRUST_REGION_CLAIMS,
    TRUST_REGION_START_CLAIMS,
    NOISY_VERIFIER_CLAIMS,
    SUCCESS_TIME_CLAIMS,
    TAKE_OFF_CLAIMS,
    TAKE_OFF_LAW_CLAIMS,
    TAKE_OFF_FACTOR_CLAIMS,
    CLIP_GROWTH_CLAIMS,
    SEVERAL_CORRECT_CLAIMS,
    DIVERSITY_CLAIMS,
    FAILURE_CLAIMS,
    FAILURE_SHARE_CLAIMS,
    PROMPT_DISCOVERY_CLAIMS,
    ADAM_CLAIMS,
    ADAM_ARMS_CLAIMS,
    ADAM_DRIFT_CLAIMS,
    TOKEN_LEVEL_CLAIMS,
    TOKEN_RATIO_CLAIMS,
    REFERENCE_TERM_CLAIMS,
    REFERENCE_CURVE_CLAIMS,
    STALE_DATA_CLAIMS,
    STALE_THRESHOLD_CLAIMS,
    EFFECTIVE_SAMPLES_CLAIMS,
    STALE_REPLAY_CLAIMS,
    REWARD_HISTORY_CLAIMS,
    EXTRA_ROLLOUTS_CLAIMS,
    NEGATIVE_REWARD_CLAIMS,
    SINGLE_FAILURE_CLAIMS,
    FIRST_SUCCESS_CLAIMS,
    WRONG_ANSWER_KERNEL_CLAIMS,
)


def _entry_order(claim: Claim) -> tuple[str, int]:
    """P2 before P10; entries of another letter after them."""
    letter, number = claim.entry[0], claim.entry[1:]
    return ("" if letter == "P" else letter, int(number) if number.isdigit() else 0)


CLAIMS: tuple[Claim, ...] = tuple(
    sorted((claim for topic in _TOPICS for claim in topic), key=_entry_order)
)
"""All claims, in the order of the catalogue; ids are distinct."""
