"""Claims on the rounds at which successes come under raw reward (P25)."""

import numpy as np
from scipy.special import logit

from banditlab.arm_spaces import explicit_rewards, rare_correct
from banditlab.rules import get_rule
from theory.predict import success_times
from theory.verify.claim import Axis, Claim, Mutant
from theory.verify.experiments import success_times as successes
from theory.verify.measurement import Measurement

_SOURCE = "derived in this project (catalogue entry P25)"
_RAW = get_rule("raw_reward")

# Six unequal arms, the first one correct.
_PROB = np.array([0.04, 0.30, 0.20, 0.26, 0.15, 0.05])
_SIX_ARMS = explicit_rewards(np.array([1.0, 0.0, 0.0, 0.0, 0.0, 0.0]), np.log(_PROB))
_RUN = {"step_size": 0.5, "num_successes": 6}
_NUM_PATHS = 4


def _success_probs() -> np.ndarray:
    return success_times.predicted_success_probs(np.log(_PROB), **_RUN)


def _first_order_probs() -> np.ndarray:
    """p_j if p grows by its first-order change, step_size p (1 - 2 p + sum of squares)."""
    prob, success_probs = _PROB.copy(), []
    for _ in range(_RUN["num_successes"]):
        success_probs.append(prob[0])
        score = -prob
        score[0] += 1.0
        prob = prob * (1.0 + _RUN["step_size"] * (score - prob @ score))
    return np.array(success_probs)


def _measure_paths(rng: np.random.Generator, name: str = "raw_reward") -> Measurement:
    probs, _ = successes.success_paths(rng, get_rule(name), _SIX_ARMS, num_runs=_NUM_PATHS, **_RUN)
    return Measurement.exact(probs)


_POOL = rare_correct(np.log10(20.0), 0.05)
_GROUP_SIZE, _NUM_ROUNDS = 4, 5
_RULES = ("raw_reward", "group_mean", "leave_one_out", "grpo", "clip")


def _no_success(rollouts_per_round: int = _GROUP_SIZE) -> np.ndarray:
    share = success_times.predicted_no_success(logit(0.05), _NUM_ROUNDS, rollouts_per_round)
    return np.full(len(_RULES), share)


def _measure_no_success(
    rng: np.random.Generator, num_runs: int, rules: tuple[str, ...] = _RULES
) -> Measurement:
    parts = [
        successes.measure_no_success(
            rng,
            get_rule(name),
            _POOL,
            _NUM_ROUNDS,
            step_size=2.0,
            group_size=_GROUP_SIZE,
            inner_epochs=2,
            num_runs=num_runs,
        )
        for name in rules
    ]
    return Measurement.joined(*parts)


_EDGES = np.array([23, 35, 80, 116])


def _time_cells(success_probs: np.ndarray | None = None) -> np.ndarray:
    probs = _success_probs() if success_probs is None else success_probs
    survival = success_times.predicted_success_time_survival(_EDGES, probs)
    return -np.diff([1.0, *survival, 0.0])


def _measure_time_cells(
    rng: np.random.Generator, num_runs: int, name: str = "raw_reward"
) -> Measurement:
    _, last = successes.success_paths(rng, get_rule(name), _SIX_ARMS, num_runs=num_runs, **_RUN)
    cell = np.searchsorted(_EDGES, last)
    return Measurement.shares(np.bincount(cell, minlength=_EDGES.size + 1))


def _moments(success_probs: np.ndarray | None = None) -> np.ndarray:
    probs = _success_probs() if success_probs is None else success_probs
    return success_times.predicted_success_time_moments(probs)


def _moments_of_one_wait() -> np.ndarray:
    mean = _moments()[0]
    return np.array([mean, mean**2 - mean])


SUCCESS_TIME_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P25-policy",
        what="success probability before each of six successes, six unequal arms, four runs",
        statement=(
            "after j successes the policy is that of j steps on the correct arm, whatever failures "
            "lay between: logits += eta (e_correct - policy); eta = 0.5"
        ),
        tags=("P25", "first-success", "exact", "raw_reward"),
        source=_SOURCE,
        theory=(success_times.predicted_success_probs,),
        predicted=lambda: np.tile(_success_probs(), _NUM_PATHS),
        experiment=lambda rng, size: _measure_paths(rng),
        mutants=(
            Mutant(
                "first-order growth of p",
                lambda: np.tile(_first_order_probs(), _NUM_PATHS),
            ),
            Mutant(
                "failures that have an advantage of -1",
                experiment=lambda rng, size: _measure_paths(rng, "negative_reward"),
            ),
        ),
        statistic="difference",
        tolerance=1e-12,
        mutant_tolerance=1e-3,
        axis=Axis("successes before, in each of four runs"),
        unit="success probability",
    ),
    Claim(
        id="P25-first",
        what="share of runs without a success in 5 rounds of 4 rollouts, five rules",
        statement=(
            "P(T > t) = (1 - p0)^(B t) under every rule to which a group of failures says nothing; "
            "p0 = 0.05, 20 wrong arms, two inner epochs"
        ),
        tags=("P25", "first-success", "sampled", *_RULES),
        source=_SOURCE,
        theory=(success_times.predicted_no_success,),
        predicted=_no_success,
        experiment=_measure_no_success,
        mutants=(
            Mutant("rounds for rollouts, (1 - p0)^t", lambda: _no_success(1)),
            Mutant(
                "failures that have an advantage of -1",
                experiment=lambda rng, size: _measure_no_success(
                    rng, size, (*_RULES[:-1], "negative_reward")
                ),
            ),
        ),
        statistic="z",
        size={"quick": 10_000, "full": 100_000},
        axis=Axis("rule", at=_RULES),
    ),
    Claim(
        id="P25-law",
        what="law of the round of the sixth success, six unequal arms, round by round",
        statement="T_n = sum over j < n of independent Geom(p_j), p_j as in P25-policy",
        tags=("P25", "first-success", "sampled", "raw_reward"),
        source=_SOURCE,
        theory=(
            success_times.predicted_success_probs,
            success_times.predicted_success_time_survival,
        ),
        predicted=_time_cells,
        experiment=_measure_time_cells,
        mutants=(
            Mutant("p_j from first-order growth", lambda: _time_cells(_first_order_probs())),
            Mutant(
                "no growth between successes",
                lambda: _time_cells(np.full(_RUN["num_successes"], _success_probs().mean())),
            ),
            Mutant(
                "failures that have an advantage of -1",
                experiment=lambda rng, size: _measure_time_cells(rng, size, "negative_reward"),
            ),
        ),
        statistic="shares",
        size={"quick": 8_000, "full": 40_000},
        axis=Axis("last round of the cell before", at=(0.0, *_EDGES)),
        unit="share of runs",
    ),
    Claim(
        id="P25-moments",
        what="mean and variance of the round of the sixth success, from event to event",
        statement="mean = sum 1/p_j, variance = sum (1 - p_j)/p_j^2, p_j as in P25-policy",
        tags=("P25", "first-success", "sampled", "raw_reward"),
        source=_SOURCE,
        theory=(
            success_times.predicted_success_probs,
            success_times.predicted_success_time_moments,
        ),
        predicted=_moments,
        experiment=lambda rng, size: successes.measure_success_time_moments(
            rng, _RAW, _SIX_ARMS, num_runs=size, **_RUN
        ),
        mutants=(
            Mutant("p_j from first-order growth", lambda: _moments(_first_order_probs())),
            Mutant("a single geometric wait of the same mean", _moments_of_one_wait),
        ),
        statistic="z",
        size={"quick": 30_000, "full": 200_000},
        axis=Axis(at=("mean", "variance")),
    ),
)
