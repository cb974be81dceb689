"""What one round makes of a rare right response that was sampled once: exact, for every rule.

In an arm space without end a lone success of its round is moved by nothing but its own weight, so
several inner epochs are a recursion of one number, which the rule's own `score_weight` drives. It
gives the factor f by which the round multiplies the odds of that response, and with f the mean
number of rollouts until it is likely, f/((f - 1) p0) (theory P26).

The numbers are those of the embedded model, 32 prompts x 8 rollouts: a step on a response moves its
own log-probability by learning_rate * own_kernel / 256 for each unit of weight.
"""

import math

import numpy as np

from banditlab.arm_spaces import rare_correct
from banditlab.config import SimulationConfig
from banditlab.events.run import take_off_rounds
from banditlab.rules import UpdateRule, get_rule, group_advantage, score_weight
from banditlab.validation import require
from llm_bridge.claims.card import Axis
from llm_bridge.claims.effect import Interval, expanded_level, resample
from llm_bridge.claims.twins import calibration

GROUP_SIZE, NUM_ROLLOUTS = 8, 256
PASS_RATES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 0.3, 0.5, 0.7, 0.9)
EPOCHS = (1.0, 2.0, 4.0, 6.0, 8.0, 12.0, 16.0, 32.0, 64.0)
RATES = (0.003, 0.006, 0.01, 0.02, 0.03, 0.06, 0.1, 0.14, 0.2, 0.3)
RATE = 0.01
_MAP_RATE, _MAP_EPOCHS, _NUM_RUNS, _HORIZON, _LIKELY, _SEED = 0.03, 8, 200, 1e4, 0.9, 2601

PASS_RATE_AXIS = Axis("pass_rate", "base pass rate of the prompt", PASS_RATES)
EPOCHS_AXIS = Axis("inner_epochs", "inner epochs", EPOCHS)
RATE_AXIS = Axis("learning_rate", "learning rate of the embedded model, SGD", RATES)


def step_of(learning_rate: float) -> float:
    """Shift of a response's log-probability per unit of its weight, on the embedded model.

    Args:
        learning_rate: of SGD.

    Returns:
        Nats.
    """
    return learning_rate * calibration().own_kernel / NUM_ROLLOUTS


def _lone_advantage(rule: UpdateRule) -> float:
    """Advantage of the only success of a group."""
    reward = np.zeros((1, GROUP_SIZE))
    reward[0, 0] = 1.0
    return float(group_advantage(rule, reward)[0, 0])


def log_odds_gain(
    rule_name: str,
    *,
    pass_rate: float,
    step: float,
    inner_epochs: int,
    log10_arms: float = math.inf,
    **hyper: float,
) -> float:
    """How far one round moves the log-odds of the only right response, sampled once.

    Each epoch adds step * (1 + 1/num_wrong) * (1 - p) * weight(ratio). A rule with a dual has the
    multiplier 0, to which the rounds without a success before have brought it (theory P26).

    Args:
        rule_name: name of the rule; its advantage is that of a lone success among 8 rollouts.
        pass_rate: probability of the response before the round.
        step: shift of its log-probability per unit of weight, where it is rare, nats.
        inner_epochs: steps on the round's rollouts.
        log10_arms: of the wrong responses, equally likely.
        **hyper: hyperparameters of the rule.

    Returns:
        Nats; -infinity where the response is thrown out of the range of numbers.

    Raises:
        ValueError: the step is not above 0.
    """
    require(step > 0.0, "log_odds_gain", "step", "above 0", step, "At 0 nothing moves")
    rule = get_rule(rule_name).with_hyper(**hyper)
    advantage = np.array([_lone_advantage(rule)])
    multiplier = None if rule.dual is None else 0.0
    step *= 1.0 + 10.0**-log10_arms
    start, moved = math.log(pass_rate) - math.log1p(-pass_rate), 0.0
    for _ in range(inner_epochs):
        now = start + moved
        log_prob = np.array([-np.logaddexp(0.0, -now)])
        old_log_prob = np.array([-np.logaddexp(0.0, -start)])
        with np.errstate(over="ignore", invalid="ignore"):
            weight = score_weight(rule, log_prob, old_log_prob, advantage, multiplier=multiplier)
        moved += step * math.exp(-np.logaddexp(0.0, now)) * float(weight[0])
        if not math.isfinite(moved):
            return -math.inf
    return moved


def _exact(value: float) -> Interval:
    return Interval(value, value, value)


def survival(pass_rate: float, inner_epochs: float) -> Interval:
    """Gain under the penalty less that under the clip, at learning rate 0.01.

    Args:
        pass_rate: probability of the response before the round.
        inner_epochs: steps on the round's rollouts.

    Returns:
        Nats of log-odds, exact.
    """
    how = {"pass_rate": pass_rate, "step": step_of(RATE), "inner_epochs": int(inner_epochs)}
    return _exact(log_odds_gain("variance_penalty", **how) - log_odds_gain("clip", **how))


def rollouts_to_likely(rule_name: str, *, step: float, inner_epochs: int, **hyper: float) -> float:
    """Mean rollouts until a rare response is likely, times its probability: f/(f - 1).

    Args:
        rule_name: name of the rule.
        step: shift of the log-probability per unit of weight, nats.
        inner_epochs: steps on a round's rollouts.
        **hyper: hyperparameters of the rule.

    Returns:
        The number; infinite where a success does not raise the response.
    """
    gain = log_odds_gain(rule_name, pass_rate=1e-12, step=step, inner_epochs=inner_epochs, **hyper)
    return math.inf if gain <= 0.0 else -1.0 / math.expm1(-gain)


def saved_rollouts(learning_rate: float, inner_epochs: float) -> Interval:
    """Share of the clip's rollouts to take-off that the penalty saves.

    Args:
        learning_rate: of the embedded model.
        inner_epochs: steps on a round's rollouts.

    Returns:
        1 less the ratio of the two numbers of rollouts, at least -1, exact.
    """
    how = {"step": step_of(learning_rate), "inner_epochs": int(inner_epochs)}
    ratio = rollouts_to_likely("variance_penalty", **how) / rollouts_to_likely("clip", **how)
    return _exact(max(1.0 - ratio, -1.0))


def _simulated_rounds(rule_name: str, pass_rate: float, log10_arms: float) -> np.ndarray:
    """Rounds until a right response has probability 0.9, one prompt, rate 0.03, 8 epochs, [R]."""
    config = SimulationConfig(
        num_runs=_NUM_RUNS,
        num_steps=round(_HORIZON / pass_rate),
        group_size=GROUP_SIZE,
        inner_epochs=_MAP_EPOCHS,
        # A prompt alone: the mean is over its group.
        step_size=step_of(_MAP_RATE) * GROUP_SIZE,
    )
    problem = rare_correct(log10_arms, pass_rate)
    return take_off_rounds(problem, get_rule(rule_name), config, success_prob=_LIKELY)


def saved_rollouts_simulated(pass_rate: float, log10_arms: float) -> Interval:
    """Share of the clip's rollouts to a likely response that the penalty saves, simulated.

    Args:
        pass_rate: probability of the response under the base policy.
        log10_arms: of the wrong responses.

    Returns:
        1 less the ratio of mean rollouts, with its 95 % interval over 200 runs of each rule.
    """
    rng, level = np.random.default_rng(_SEED), expanded_level(_NUM_RUNS)
    penalty, clip = (
        resample(_simulated_rounds(name, pass_rate, log10_arms), "mean", rng)
        for name in ("variance_penalty", "clip")
    )
    low, high = np.quantile(1.0 - penalty[1] / clip[1], [level, 1.0 - level])
    return Interval(1.0 - penalty[0] / clip[0], float(low), float(high))
