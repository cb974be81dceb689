"""One prompt with endless answers: how long learning takes, and how much runs differ, exactly.

The log-odds of success are a Markov chain: a round with k right answers of G moves them by
step * g_k, g_k the realized class gradient (P12), step = learning rate * kernel. Learning is timed
by the round in which the failures have halved, 1 - p <= (1 - p0)/2: near p = 1/2 for a rare answer.

Shapes: N places of the grid, G group, S recorded updates.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, gammaln, log_expit, logit

from banditlab.shared_shift.law import KernelLaw
from banditlab.validation import require, require_known
from theory.predict.one_step import class_gradients

RULES = ("raw_reward", "negative_reward", "group_mean", "leave_one_out", "grpo")
_LEAST_PLACES, _MOST_PLACES = 300, 20_000
# Places of the grid in the smallest move; fewer would blur the moves and add to the deviation.
_PLACES_PER_MOVE = 2.0


@dataclass(frozen=True)
class HalvingTime:
    """Rounds until the failures have halved: moments over runs.

    Attributes:
        mean: rounds.
        sd: rounds.
    """

    mean: float
    sd: float

    @property
    def variation(self) -> float:
        """Coefficient of variation: by how much runs differ, relative to their mean."""
        return self.sd / self.mean


def halving_time(rule: str, pass_rate: float, *, step: float, group_size: int = 1) -> HalvingTime:
    """Mean and deviation of the rounds until the failures of a prompt have halved.

    Assumes one right and endless wrong answers (or classes of any size that share what they learn),
    a constant kernel, fresh rollouts and one step a round. Solved backwards from the target, where
    the time is 0, with linear interpolation between places: T(z) = 1 + E[T(z')]. The mean is right
    to 1 %, the deviation to 10 % as long as moves are not below a thousandth of a nat.

    Args:
        rule: one of `RULES`.
        pass_rate: of the base policy, p0, in (0, 1).
        step: learning rate * kernel, nats.
        group_size: rollouts of a round, G.

    Returns:
        The moments.

    Raises:
        ValueError: an argument is out of range.
    """
    require_known("halving_time", "rule", rule, RULES, "rule")
    require(0.0 < pass_rate < 1.0, "halving_time", "pass_rate", "in (0, 1)", pass_rate, "0 is idle")
    require(step > 0.0, "halving_time", "step", "above 0", step, "At 0 nothing moves")
    first, last = logit(pass_rate), logit(1.0 - (1.0 - pass_rate) / 2.0)
    smallest = step * (1.0 - pass_rate) / 2.0 / group_size
    wanted = _PLACES_PER_MOVE * (last - first) / smallest
    places = np.linspace(first, last, int(np.clip(wanted, _LEAST_PLACES, _MOST_PLACES)) + 1)
    jump = step * class_gradients(rule, places, group_size=group_size) / (places[1] - places[0])
    chance = _binomial(places, group_size)
    end = len(places) - 1
    whole = np.floor(np.minimum(jump, end)).astype(int)
    below = np.minimum(np.arange(end + 1)[:, None] + whole, end)
    above = np.minimum(below + 1, end)
    to_above = chance * np.where(below < end, np.minimum(jump, end) - whole, 0.0)
    to_below = chance - to_above
    # What interpolation leaves on the place itself is solved for.
    stays = np.where(whole == 0, to_below, 0.0).sum(axis=1)
    to_below = np.where(whole == 0, 0.0, to_below)
    mean, square = np.zeros(end + 1), np.zeros(end + 1)
    for place in range(end - 1, -1, -1):
        low, high = below[place], above[place]
        after = to_below[place] @ mean[low] + to_above[place] @ mean[high]
        mean[place] = (1.0 + after) / (1.0 - stays[place])
        after = to_below[place] @ square[low] + to_above[place] @ square[high]
        # E[T^2] = 1 + 2 E[T'] + E[T'^2], and E[T'] is the mean less this round.
        square[place] = (2.0 * mean[place] - 1.0 + after) / (1.0 - stays[place])
    variance = max(square[0] - mean[0] ** 2, 0.0)
    return HalvingTime(float(mean[0]), float(np.sqrt(variance)))


def _binomial(log_odds: np.ndarray, group_size: int) -> np.ndarray:
    """Chance of k right answers of G, shape [N, G + 1]."""
    count = np.arange(group_size + 1)
    choices = gammaln(group_size + 1) - gammaln(count + 1) - gammaln(group_size - count + 1)
    z = log_odds[:, None]
    return np.exp(choices + count * log_expit(z) + (group_size - count) * log_expit(-z))


def success_law(
    pass_rate: float, kernel: KernelLaw, *, learning_rate: float, num_updates: int
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation over runs of the pass rate, update by update: one rollout, raw reward.

    A failure moves nothing, so the policy after j successes is the same in every run (P25-policy),
    and a run is known by its number of successes: a chain on j.

    Args:
        pass_rate: of the base policy.
        kernel: of the prompt, and how it falls.
        learning_rate: of SGD.
        num_updates: S - 1.

    Returns:
        Mean and standard deviation, shape [S] each.
    """
    log_odds = np.empty(num_updates + 1)
    log_odds[0] = logit(pass_rate)
    for count in range(num_updates):
        rate = expit(log_odds[count])
        log_odds[count + 1] = log_odds[count] + learning_rate * kernel.strength(rate) * (1 - rate)
    rates = expit(log_odds)
    chance = np.zeros(num_updates + 1)
    chance[0] = 1.0
    means, squares = [], []
    for _ in range(num_updates + 1):
        means.append(chance @ rates)
        squares.append(chance @ rates**2)
        succeeds = chance * rates
        chance = chance - succeeds
        chance[1:] += succeeds[:-1]
    mean = np.array(means)
    return mean, np.sqrt(np.maximum(np.array(squares) - mean**2, 0.0))
