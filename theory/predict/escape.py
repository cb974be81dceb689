"""Leaving a wrong arm under a baseline between the rewards: a longest time instead of a tail (P33).

Where every pull of the wrong arm lowers its own logit, nothing but time is needed to leave it.
"""

import numpy as np
from numpy.typing import ArrayLike

from theory.predict.conditions import as_log_odds, require, require_positive


def predicted_longest_escape(
    step_size: float, log_odds: ArrayLike, wrong_advantage: float
) -> np.ndarray:
    """Most rounds that any run stays on a wrong arm of constant negative advantage.

    Pulling the wrong arm alone: log_odds falls by 2 step_size |A| (1 - prob_wrong) each round.

    Assumes:
        Two arms with deterministic rewards, one rollout per round, a constant baseline between
        the two rewards and no nearer to the better one.

    Derivation:
        log_odds - 2 step_size |A|/(1 + exp(log_odds)) rises with log_odds, so a run that is below
        the slowest one stays below; and a pull of the better arm takes it further down, by
        2 step_size A_best prob_wrong with A_best >= |A| and prob_wrong >= 1/2.

    Args:
        step_size: step size of SGD on the logits, per unit of reward.
        log_odds: log-odds against the better arm at the start, nats, above 0, shape [*].
        wrong_advantage: reward of the wrong arm less the baseline, below 0, in size at most that
            of the better arm.

    Returns:
        Rounds until the log-odds are below 0, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_longest_escape"
    require_positive(function, "step_size", step_size, "At 0 nothing moves")
    log_odds = as_log_odds(function, "log_odds", log_odds)
    require(
        bool((log_odds > 0.0).all()),
        function,
        "log_odds",
        "above 0, against the better arm",
        log_odds.tolist(),
        "Below 0 the run has left already",
    )
    require(
        wrong_advantage < 0.0,
        function,
        "wrong_advantage",
        "below 0",
        wrong_advantage,
        "Without a baseline above its reward the arm is not left for sure",
    )
    move = -2.0 * step_size * wrong_advantage
    left, rounds = log_odds.copy(), np.zeros(log_odds.shape)
    while (is_there := left >= 0.0).any():
        left = np.where(is_there, left - move / (1.0 + np.exp(left)), left)
        rounds += is_there
    return rounds
