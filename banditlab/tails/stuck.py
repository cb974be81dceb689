"""How long noise keeps policy gradient on a wrong arm: raw reward, and group baselines.

Runs go from one draw of a rare arm to the next, over times that no step-by-step run reaches.

- `simulate_group_corner` is exact: the advantages of a group of one arm alone sum to 0 and move
  nothing, so waits are geometric.
- `simulate_stuck_times` is exact where wrong arms always pay 0, since those move nothing either.
  Elsewhere it goes round by round up to odds of `threshold` and takes the asymptotic jump of
  `banditlab.tails.jumps` beyond, which neglects terms of relative order 1/threshold.

Each result says which of these it is. `banditlab.tails.runs.hill_exponent` gives the exponent of
the times' tail.

Shapes: R runs, n of them still under way, K arms, G group.
"""

import math

import numpy as np
from scipy.special import gammaln

from banditlab.events.draws import geometric_wait, hazard_of_success
from banditlab.rules import UpdateRule, group_advantage, score_weight
from banditlab.tails.runs import (
    EXACT,
    Arm,
    TailRuns,
    label_runs,
    require_start,
    require_tail_settings,
)
from banditlab.validation import require


def simulate_stuck_times(
    *,
    correct: Arm,
    wrong: Arm,
    num_wrong: int = 1,
    step_size: float,
    log_odds: float,
    horizon: float,
    num_runs: int,
    rng: np.random.Generator,
    threshold: float = 100.0,
) -> TailRuns:
    """Rounds that single-sample raw-reward policy gradient stays on wrong arms (theory P33).

    A run starts at log-odds `log_odds` against the correct arm and ends once it has probability
    above 1/2. A pull of it moves them by -step_size * K/(K - 1) * reward * (1 - p).

    Exact where wrong arms always pay 0; elsewhere jumps are asymptotic, and how little the
    threshold matters is for the caller to see by changing it.

    Args:
        correct: the best arm.
        wrong: each of the other arms.
        num_wrong: their number, K - 1; all stay equally likely, so several must always pay 0.
        step_size: step size of SGD on the logits.
        log_odds: log((1 - p)/p) at the start, above 0, nats.
        horizon: rounds after which a run is given up.
        num_runs: R.
        rng: source of randomness.
        threshold: odds from which on jumps are taken.

    Returns:
        Rounds, inf where the horizon came first.

    Raises:
        TypeError: a setting is not a number.
        ValueError: a setting is out of range.

    Examples:
        >>> from banditlab.reward_laws import Gaussian
        >>> from banditlab.tails.runs import hill_exponent
        >>> runs = simulate_stuck_times(
        ...     correct=Arm(0.5, Gaussian(1.0)), wrong=Arm(0.0), num_wrong=4, step_size=1.0,
        ...     log_odds=4.0, horizon=1e12, num_runs=4000, rng=np.random.default_rng(0),
        ... )
        >>> exponent, error = hill_exponent(runs.value, 1e3, 1e12)
        >>> runs.approximation, abs(exponent - 0.8) < 4 * error
        ('exact in law', True)
    """
    function = "simulate_stuck_times"
    require_tail_settings(function, step_size, horizon, num_runs, threshold)
    require_start(function, log_odds)
    is_silent = not wrong.law.is_random and wrong.mean_reward == 0.0
    require(
        num_wrong == 1 or (num_wrong > 1 and is_silent),
        function,
        "num_wrong",
        "1, or more where wrong arms always pay 0",
        num_wrong,
        "Wrong arms that pay drift apart; `simulate_regret_constant` follows each of them",
    )
    require(
        wrong.observed_mean >= 0.0,
        function,
        "wrong",
        "an arm of mean reward 0 or more",
        wrong.observed_mean,
        "An arm that is punished is left at once, without a tail",
    )
    share = step_size * (num_wrong + 1) / num_wrong
    rounds, num_jumps = np.full(num_runs, np.inf), np.zeros(num_runs, dtype=np.int64)
    run, clock, score = np.arange(num_runs), np.zeros(num_runs), np.full(num_runs, float(log_odds))
    while run.size:
        is_far = np.full(run.size, not is_silent) & (score > math.log(threshold))
        if is_silent:
            is_correct = np.True_
            wait = geometric_wait(np.log1p(np.exp(-score)), rng.random(run.size))
        else:
            is_correct = is_far | (rng.random(run.size) < np.exp(-np.logaddexp(0.0, score)))
            wait = np.ones(run.size)
            jumped = _two_arm_jump(score[is_far], share * wrong.observed_mean, rng)
            score[is_far], wait[is_far] = jumped
            num_jumps[run] += is_far
        clock += wait
        success_prob, uniform = np.exp(-np.logaddexp(0.0, score)), rng.random(run.size)
        pull = np.where(
            is_correct,
            -correct.pay(uniform) * (1.0 - success_prob),
            wrong.pay(uniform) * success_prob,
        )
        score += share * pull
        is_past = clock > horizon
        is_there = (score < 0.0) & ~is_past
        rounds[run[is_there]] = clock[is_there]
        is_left = ~(is_past | is_there)
        run, clock, score = run[is_left], clock[is_left], score[is_left]
    return label_runs(rounds, num_jumps, threshold)


def _two_arm_jump(
    score: np.ndarray, drift: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Log-odds of the majority arm at the next draw of the other one, and the rounds until then."""
    exponential = rng.standard_exponential(score.size)
    grown = drift * exponential
    with np.errstate(over="ignore"):
        stretch = np.expm1(grown) / drift if drift > 0.0 else exponential
        return score + grown, np.exp(score) * stretch


def simulate_group_corner(
    rule: UpdateRule,
    *,
    correct: Arm,
    wrong: Arm,
    group_size: int,
    step_size: float,
    log_odds: float,
    horizon: float,
    num_runs: int,
    rng: np.random.Generator,
) -> TailRuns:
    """Groups that a group baseline stays on the wrong one of two arms (theory P34); exact.

    A run starts at log-odds `log_odds` against the correct arm and ends once it has probability
    above 1/2. A group that holds both arms moves them by -(2 * step_size / G) * (sum of the
    advantages of the correct arm's rollouts); others move nothing, since advantages sum to 0.

    Args:
        rule: a rule whose advantages sum to 0 in a group, and whose first step follows them.
        correct: the better arm.
        wrong: the other arm.
        group_size: rollouts of a group, G.
        step_size: step size of SGD on the logits.
        log_odds: log((1 - p)/p) at the start, above 0, nats.
        horizon: groups after which a run is given up.
        num_runs: R.
        rng: source of randomness.

    Returns:
        Groups, inf where the horizon came first.

    Raises:
        TypeError: a setting is not a number.
        ValueError: a setting is out of range, or the rule's advantages do not sum to 0.
    """
    function = "simulate_group_corner"
    require_tail_settings(function, step_size, horizon, num_runs, None)
    require_start(function, log_odds)
    _require_centred(rule, group_size)
    count = np.arange(1, group_size)
    log_ways = gammaln(group_size + 1) - gammaln(count + 1) - gammaln(group_size - count + 1)
    groups = np.full(num_runs, np.inf)
    run, clock, score = np.arange(num_runs), np.zeros(num_runs), np.full(num_runs, float(log_odds))
    while run.size:
        log_wrong = -group_size * np.logaddexp(0.0, -score)
        all_correct = np.exp(-group_size * np.logaddexp(0.0, score))
        mixed = -np.expm1(log_wrong) - all_correct
        hazard = hazard_of_success(mixed, np.exp(log_wrong) + all_correct)
        clock += geometric_wait(hazard, rng.random(run.size))
        # Relative to groups with one rollout of the correct arm, whose share is nearly all.
        weight = np.exp(log_ways - (count - 1) * score[:, None]).cumsum(axis=1)
        target = (rng.random(run.size) * weight[:, -1])[:, None]
        num_correct = 1 + (target >= weight[:, :-1]).sum(axis=1)
        is_correct = np.arange(group_size) < num_correct[:, None]
        uniform = rng.random(is_correct.shape)
        reward = np.where(is_correct, correct.pay(uniform), wrong.pay(uniform))
        pull = np.where(is_correct, group_advantage(rule, reward), 0.0).sum(axis=1)
        score -= (2.0 * step_size / group_size) * pull
        is_past = clock > horizon
        is_there = (score < 0.0) & ~is_past
        groups[run[is_there]] = clock[is_there]
        is_left = ~(is_past | is_there)
        run, clock, score = run[is_left], clock[is_left], score[is_left]
    return TailRuns(groups, np.zeros(num_runs, dtype=np.int64), EXACT)


def _require_centred(rule: UpdateRule, group_size: int) -> None:
    function = "simulate_group_corner"
    require(
        rule.initial_state is None and rule.reference is None and rule.extra_rollouts == 0,
        function,
        "rule",
        "one without memory, reference term or extra rollouts",
        rule.name,
        "Use group_mean, leave_one_out or grpo",
    )
    require(
        group_size >= max(2, rule.smallest_group),
        function,
        "group_size",
        "at least 2",
        group_size,
        "A group of one holds one arm only",
    )
    reward = np.linspace(-1.0, 2.0, group_size)[None] ** 2
    advantage = group_advantage(rule, reward)
    level = np.zeros_like(advantage)
    weight = score_weight(rule, level, level, advantage)
    require(
        bool(abs(advantage.sum()) < 1e-9 and np.array_equal(weight, advantage)),
        function,
        "rule",
        "one whose score weights are advantages at ratio 1 and sum to 0 in a group",
        rule.name,
        "Use group_mean, leave_one_out or grpo",
    )
