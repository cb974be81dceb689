"""Claims on the take-off of a rare correct arm in an endless arm space (P26)."""

from functools import partial

import numpy as np

from theory.predict import take_off
from theory.verify.claim import Claim, Mutant
from theory.verify.experiments import sampled_runs

_STEP = {"step_size": 4.0, "group_size": 8}
_RUN = {**_STEP, "success_prob": 1e-9}
_SOURCE = "derived in this project (catalogue entry P26)"
_Z = {"statistic": "z"}


def _mean(rule: str, **how: float) -> float:
    return take_off.predicted_take_off_mean(
        take_off.predicted_log_odds_factor(rule, **{**_STEP, **how})
    )


def _continuous_growth(rule: str) -> float:
    return 1.0 / take_off.predicted_log_odds_factor(rule, **_STEP)


def _variance(rule: str) -> float:
    return take_off.predicted_take_off_variance(take_off.predicted_log_odds_factor(rule, **_STEP))


def _sum_over_group(rule: str) -> float:
    factor = take_off.predicted_log_odds_factor(rule, **_STEP)
    return take_off.predicted_take_off_mean(factor * _STEP["group_size"])


def _mean_claim(rule: str, formula: str, neighbours: tuple[str, ...], *more: Mutant) -> Claim:
    return Claim(
        id=f"P26-{rule.replace('_', '-')}",
        what=f"p0 * rollouts to p = 1/2, {rule}",
        statement=f"mean = f/(f - 1) with f = {formula}; eta = 4, G = 8, p0 = 1e-9",
        tags=("P26", "take-off", "sampled", rule),
        source=_SOURCE,
        theory=(take_off.predicted_log_odds_factor, take_off.predicted_take_off_mean),
        predicted=partial(_mean, rule),
        experiment=lambda rng, size: sampled_runs.measure_take_off_mean(
            rng, rule, num_runs=size, **_RUN
        ),
        mutants=(
            *(Mutant(f"f of {name}", partial(_mean, name)) for name in neighbours),
            Mutant("continuous growth, 1/(p0 log f)", partial(_continuous_growth, rule)),
            Mutant("the sum over the group instead of its mean", partial(_sum_over_group, rule)),
            *more,
        ),
        size={"quick": 4_000, "full": 100_000},
        **_Z,
    )


TAKE_OFF_CLAIMS: tuple[Claim, ...] = (
    _mean_claim("raw_reward", "exp(eta/G)", ("group_mean", "grpo")),
    _mean_claim("leave_one_out", "exp(eta/G)", ("group_mean", "grpo")),
    _mean_claim("group_mean", "exp(eta (G - 1)/G^2)", ("leave_one_out", "grpo")),
    _mean_claim(
        "grpo",
        "exp(eta (G - 1)/G^(3/2)), as ddof = 1",
        ("raw_reward", "group_mean"),
    ),
    Claim(
        id="P26-variance",
        what="variance of p0 * rollouts to p = 1/2, raw_reward",
        statement="variance = 1/(1 - f^-2) with f = exp(eta/G); eta = 4, G = 8, p0 = 1e-9",
        tags=("P26", "take-off", "sampled", "raw_reward"),
        source=_SOURCE,
        theory=(take_off.predicted_take_off_variance,),
        predicted=partial(_variance, "raw_reward"),
        experiment=lambda rng, size: sampled_runs.measure_take_off_variance(
            rng, "raw_reward", num_runs=size, **_RUN
        ),
        mutants=(
            Mutant("a single exponential wait of the same mean", lambda: _mean("raw_reward") ** 2),
            Mutant("the first wait alone", lambda: np.ones(1)),
        ),
        size={"quick": 8_000, "full": 250_000},
        **_Z,
    ),
)
