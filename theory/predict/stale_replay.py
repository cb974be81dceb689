"""Learning from rollouts that are all of one age: a recursion with a delay.

Plain importance weighting learns as if its data were fresh, but for the rounds before the first
ones are old enough. The penalty brakes by the distance covered since the data were drawn; the clip
stops the successes once that distance is above its width, so that the policy waits for younger
data. TOPR runs on.
"""

from scipy.special import expit

from theory.predict.conditions import as_log_odds, require, require_known, require_positive
from theory.predict.stale_data import STALE_RULES, class_ratios, score_weight


def predicted_replay_pass_rate(
    rule: str,
    log_odds: float,
    num_updates: int,
    *,
    age: int,
    learning_rate: float,
    group_size: int,
    **how: float,
) -> float:
    """Pass rate after training on rollouts of one age: z(n + 1) = z(n) + learning_rate * gradient.

    gradient = p_old w_c (1 - p) - (1 - p_old) w_w p with the weights of a success and of a failure
    at the ratios between z(n - age) and z(n), and the expected advantages (G - 1)/G (reward -
    p_old); +1 and -1 for topr. Nothing moves in the first `age` rounds.

    Assumes:
        So many rollouts per round that the log-odds follow the mean; one kernel number moves all
        log-odds; rewards 0 or 1; one inner epoch.

    Derivation:
        Rollouts of age s were drawn by the policy of s rounds ago and have trained nothing since,
        so that they are independent of the present policy given that one, and
        `predicted_stale_update` is their mean. While the log-odds drift by d per round, d * age
        small, the penalty learns at 1/(1 + 2 multiplier age learning_rate p (1 - p)) of the speed
        of fresh data, and the clip binds beyond d * age of about log(1 + clip_high).

    Args:
        rule: one of `STALE_RULES`; topr has the advantage 2 * reward - 1, the others the group
            mean for a baseline.
        log_odds: initial log-odds of every prompt, nats.
        num_updates: rounds.
        age: age of the rollouts, in rounds, at least 0.
        learning_rate: step_size * kernel, nats per unit of class gradient.
        group_size: rollouts per prompt, G, at least 2.
        **how: clip_low, clip_high, multiplier; as in `score_weight`.

    Returns:
        The pass rate.

    Raises:
        ValueError: an argument is out of range.

    Examples:
        >>> how = {"learning_rate": 1.0, "group_size": 8}
        >>> rate = predicted_replay_pass_rate("clip", -3.0, 46, age=16, **how)
        >>> fresh = predicted_replay_pass_rate("clip", -3.0, 30, age=0, **how)
        >>> round(rate, 3), round(fresh, 3)
        (0.075, 0.467)

    References:
        Derived here.
    """
    function = "predicted_replay_pass_rate"
    require_known(function, "rule", rule, STALE_RULES, "rule for stale data")
    start = float(as_log_odds(function, "log_odds", log_odds))
    require_positive(function, "learning_rate", learning_rate, "At 0 nothing moves")
    for name, value, least in (("age", age, 0), ("group_size", group_size, 2)):
        require(value >= least, function, name, f"at least {least}", value, "Give whole numbers")
    path = [start]
    for update in range(num_updates):
        now = path[-1]
        if update < age:
            path.append(now)
            continue
        before = path[update - age]
        old, new = expit(before), expit(now)
        share = (group_size - 1) / group_size
        right, wrong = (1.0, -1.0) if rule == "topr" else (share * (1.0 - old), -share * old)
        success, failure = class_ratios(before, now - before)
        gradient = old * score_weight(rule, success, right, **how) * (1.0 - new)
        gradient -= (1.0 - old) * score_weight(rule, failure, wrong, **how) * new
        path.append(now + learning_rate * float(gradient))
    return float(expit(path[-1]))
