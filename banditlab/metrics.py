"""What a simulation records, and at which steps.

Shapes: R runs, P prompts, B prompts of a batch, G group, S recorded steps.
"""

import numpy as np

from banditlab.policy import Policy
from banditlab.rounds import Memory, Round, ratio_variance
from banditlab.validation import require

METRICS = {
    "pass_rate": "true mean reward of the policy over the prompts trained on; exact, not sampled",
    "heldout_pass_rate": "the same over the held-out prompts, where there are any",
    "entropy": "mean entropy over the prompts trained on, nats",
    "collision": "mean probability over those prompts that two rollouts are the same arm",
    "ratio_variance": "mean of (ratio - 1)^2 over the round's fresh rollouts after its last step",
    "signal_share": "share of prompts of the round whose advantages are not all zero",
    "multiplier": "price of ratio variance, of rules with a dual",
}


LARGEST_COUNT = 2.0**53
"""From here on float64 cannot tell one round from the next."""

MAX_RECORDS = 1_000_000


def record_steps(
    num_steps: int | float, record_every: int | float, num_log_records: int
) -> np.ndarray:
    """Steps after which to record.

    Args:
        num_steps: rounds.
        record_every: rounds between records, for a linear grid.
        num_log_records: steps at equal distance in log(step), if above 0, instead of those.

    Returns:
        Ascending steps from 0, the last one included, integers up to 2^53 rounds, shape [S].

    Raises:
        ValueError: there are too many of them.

    Examples:
        >>> record_steps(10, 4, 0).tolist(), record_steps(1000, 1, 4).tolist()
        ([0, 4, 8, 10], [0, 1, 10, 100, 1000])
        >>> record_steps(1e100, 1, 3).tolist()
        [0.0, 1.0, 1e+50, 1e+100]
    """
    if num_log_records:
        grid = np.rint(np.geomspace(1.0, num_steps, num_log_records))
    else:
        require(
            num_steps <= MAX_RECORDS * float(record_every),
            "record_steps",
            "record_every",
            f"such that at most {MAX_RECORDS} steps are recorded",
            record_every,
            "Set num_log_records, e.g. 200, for a grid in log(step)",
        )
        grid = np.arange(record_every, num_steps, record_every, dtype=np.float64)
    steps = np.unique(np.concatenate([[0.0], grid, [float(num_steps)]]))
    return steps.astype(np.int64) if num_steps <= LARGEST_COUNT else steps


def measure(
    policy: Policy, num_train: int, memory: Memory, outcome: Round | None
) -> dict[str, np.ndarray]:
    """All metrics at one step.

    Args:
        policy: the policy after the round.
        num_train: prompts trained on.
        memory: the rule's memory after the round.
        outcome: what the round measured; None at step 0, where the policy is the base policy.

    Returns:
        Metric -> values, shape [R].
    """
    reward = policy.expected_reward()
    values = {
        "pass_rate": reward[:, :num_train].mean(axis=1),
        "entropy": policy.entropy()[:, :num_train].mean(axis=1),
        "collision": policy.collision()[:, :num_train].mean(axis=1),
        "ratio_variance": np.zeros(len(reward)),
        "signal_share": np.zeros(len(reward)),
    }
    if num_train < reward.shape[1]:
        values["heldout_pass_rate"] = reward[:, num_train:].mean(axis=1)
    if outcome is not None:
        values["ratio_variance"] = ratio_variance(outcome.log_ratio)
        values["signal_share"] = (outcome.advantage != 0.0).any(axis=-1).mean(axis=1)
    if memory.multiplier is not None:
        values["multiplier"] = memory.multiplier
    return values
