"""Claims on the law of the take-off time, and on its factor under clip, penalty, batch (P26)."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import expon, norm

from banditlab.rules import get_rule
from theory.predict import several_correct, take_off, take_off_law
from theory.verify.claim import Axis, Claim, Mutant
from theory.verify.experiments import take_off_law as races
from theory.verify.measurement import Measurement

_SOURCE = "derived in this project (catalogue entry P26)"
_SUCCESS_PROB = 1e-9


def _cells(survival: ArrayLike) -> np.ndarray:
    """Probabilities of the cells between the edges at which a survival function is given."""
    return -np.diff([1.0, *survival, 0.0])


def _law_claim(
    rule: str,
    wrong_rule: str,
    edges: tuple[float, ...],
    formula: str,
    *,
    step_size: float,
    group_size: int,
) -> Claim:
    def log_factor() -> float:
        return take_off.predicted_log_odds_factor(rule, step_size=step_size, group_size=group_size)

    def law(power: float = 1.0) -> np.ndarray:
        return _cells(take_off_law.predicted_take_off_survival(edges, power * log_factor()))

    def exponential() -> np.ndarray:
        return _cells(expon.sf(edges, scale=take_off.predicted_take_off_mean(log_factor())))

    def normal() -> np.ndarray:
        deviation = np.sqrt(take_off.predicted_take_off_variance(log_factor()))
        return _cells(norm.sf(edges, take_off.predicted_take_off_mean(log_factor()), deviation))

    def measure(rng: np.random.Generator, num_runs: int, name: str = rule) -> Measurement:
        return races.measure_take_off_shares(
            rng,
            get_rule(name),
            np.array(edges),
            success_prob=_SUCCESS_PROB,
            step_size=step_size,
            group_size=group_size,
            num_runs=num_runs,
        )

    return Claim(
        id=f"P26-law-{rule.replace('_', '-')}",
        what=f"law of p0 * rollouts to p = 1/2, {rule}, five cells",
        statement=(
            "P(p0 T > x) = sum_k (-1)^k q^(k (k + 1)/2) exp(-x/q^k)/((q)_k (q)_inf), q = 1/f, "
            f"f = {formula}; eta = {step_size:g}, G = {group_size}, p0 = {_SUCCESS_PROB:g}"
        ),
        tags=("P26", "take-off", "sampled", rule),
        source=_SOURCE,
        theory=(take_off.predicted_log_odds_factor, take_off_law.predicted_take_off_survival),
        predicted=law,
        experiment=measure,
        mutants=(
            Mutant("an exponential law of the same mean", exponential),
            Mutant("a normal law of the same mean and variance", normal),
            Mutant("odds multiplied by f^2", lambda: law(2.0)),
            Mutant(
                f"the step of {wrong_rule}",
                experiment=lambda rng, size: measure(rng, size, wrong_rule),
            ),
        ),
        statistic="shares",
        size={"quick": 6_000, "full": 40_000},
        axis=Axis("lower edge of the cell, p0 * rollouts", at=(0.0, *edges)),
        unit="share of runs",
    )


_BATCH = {"step_size": 4.0, "num_prompts": 8}


def _batch_mean(factor: float = 1.0) -> float:
    num_prompts = _BATCH["num_prompts"]
    log_factor = take_off.predicted_log_odds_factor(
        "raw_reward", step_size=_BATCH["step_size"], group_size=num_prompts
    )
    first = several_correct.predicted_first_take_off_mean(num_prompts, factor * log_factor)
    # The prompts' success probabilities are p0 each and do not share one p0, as arms would.
    return first / num_prompts


TAKE_OFF_LAW_CLAIMS: tuple[Claim, ...] = (
    _law_claim(
        "raw_reward",
        "group_mean",
        (0.4, 0.73, 2.28, 3.68),
        "exp(eta/G)",
        step_size=2.0,
        group_size=2,
    ),
    _law_claim(
        "grpo",
        "group_mean",
        (0.3, 0.59, 2.07, 3.46),
        "exp(eta (G - 1)/G^(3/2)), as ddof = 1",
        step_size=4.0,
        group_size=8,
    ),
    Claim(
        id="P26-batch",
        what="p0 * rounds until the first of 8 prompts is at p = 1/2",
        statement=(
            "in a batch of B prompts with one rollout each, averaged over the batch, each prompt "
            "takes off on its own with f = exp(eta/B); the first of them after "
            "int P(W_f > x)^B dx; eta = 4, B = 8"
        ),
        tags=("P26", "take-off", "batch", "sampled", "raw_reward"),
        source=_SOURCE,
        theory=(
            take_off.predicted_log_odds_factor,
            several_correct.predicted_first_take_off_mean,
        ),
        predicted=_batch_mean,
        experiment=lambda rng, size: races.measure_take_off_mean(
            rng, get_rule("raw_reward"), success_prob=_SUCCESS_PROB, num_runs=size, **_BATCH
        ),
        mutants=(
            Mutant("the sum over the batch, f = exp(eta)", lambda: _batch_mean(8.0)),
            Mutant(
                "the mean take-off of a single prompt",
                lambda: take_off.predicted_take_off_mean(
                    take_off.predicted_log_odds_factor("raw_reward", step_size=4.0, group_size=8)
                ),
            ),
            Mutant(
                "prompts that share one p0",
                lambda: 8.0 * _batch_mean(),
            ),
        ),
        statistic="z",
        size={"quick": 2_000, "full": 10_000},
    ),
)
