"""Are the p-values what they claim to be? Pooled over seeds, those of true claims are uniform.

A p-value that is too small too often raises false alarms; one that is too large too often hides
errors (a claim that is systematically tight). Both show in the p-values of true claims over many
seeds at a reduced size.

Shapes: n claims, S seeds.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2, kstest

from theory.predict.conditions import require
from theory.verify.claim import Claim
from theory.verify.run import gather_evidence
from theory.verify.statistics import p_value

REDUCTION = 4
"""The quick size is divided by this."""

CALIBRATED_STATISTICS = ("z", "shares")


@dataclass(frozen=True)
class Calibration:
    """How p-values of true claims are distributed.

    Attributes:
        claims: ids of the claims.
        p_values: their p-values, shape [n, S].
        pooled: p-value of the Kolmogorov-Smirnov test that all of them are uniform.
        tight: for each claim the probability of as small a scatter, shape [n].
        loose: for each claim the probability of as large a scatter, shape [n].
    """

    claims: tuple[str, ...]
    p_values: np.ndarray
    pooled: float
    tight: np.ndarray
    loose: np.ndarray

    def suspects(self, level: float = 1e-3) -> list[str]:
        """Claims whose scatter is too small or too large, by Bonferroni's correction.

        Args:
            level: probability that any claim is named although all are calibrated.

        Returns:
            Ids.
        """
        worst = np.minimum(self.tight, self.loose) * 2.0 * len(self.claims)
        return [name for name, value in zip(self.claims, worst, strict=True) if value < level]


def calibrated_claims(claims: Sequence[Claim]) -> list[Claim]:
    """Claims whose p-values must be uniform: sampled equalities that are expected to hold.

    Args:
        claims: all claims.

    Returns:
        Those claims; bounds are left out, whose p-values are upper bounds.
    """
    return [
        claim
        for claim in claims
        if claim.statistic in CALIBRATED_STATISTICS and claim.expected_verdict == "holds"
    ]


def _p_value(claim: Claim, seed: int) -> float:
    evidence = gather_evidence(claim, max(1, claim.size["quick"] // REDUCTION), seed)
    return p_value(claim.statistic, evidence.predicted, evidence.measurement)


def pool_p_values(
    claims: Sequence[Claim],
    seeds: Sequence[int],
    *,
    num_workers: int = 1,
    on_value: Callable[[], object] | None = None,
) -> np.ndarray:
    """p-values of claims over seeds, at a quarter of the quick size, without their mutants.

    Args:
        claims: the claims.
        seeds: the seeds.
        num_workers: processes.
        on_value: called as each p-value comes.

    Returns:
        Shape [n, S].
    """
    from dataclasses import replace

    from joblib import Parallel, delayed, parallel_config

    # The mutants' own experiments are not needed here, and cost as much as the claim's.
    plain = [
        replace(claim, mutants=tuple(m for m in claim.mutants if m.experiment is None)[:1])
        if any(m.experiment is None for m in claim.mutants)
        else claim
        for claim in claims
    ]
    found = []
    with parallel_config("loky", n_jobs=num_workers, inner_max_num_threads=1):
        tasks = (delayed(_p_value)(claim, seed) for claim in plain for seed in seeds)
        for value in Parallel(return_as="generator")(tasks):
            found.append(value)
            if on_value is not None:
                on_value()
    return np.array(found).reshape(len(claims), len(seeds))


def assess(claims: Sequence[str], p_values: np.ndarray) -> Calibration:
    """Test p-values for uniformity, all together and claim by claim.

    A claim's scatter is the sum over seeds of the squared normal quantiles of its p-values, which
    is chi-squared with S degrees of freedom.

    Args:
        claims: ids of the claims.
        p_values: shape [n, S].

    Returns:
        The calibration.

    Raises:
        ValueError: there are no p-values.
    """
    p_values = np.asarray(p_values, dtype=np.float64)
    require(
        p_values.size > 0,
        "assess",
        "p_values",
        "at least one",
        p_values.shape,
        "Choose sampled claims",
    )
    squared = chi2.isf(np.clip(p_values, 1e-300, 1.0), 1).sum(axis=1)
    num_seeds = p_values.shape[1]
    return Calibration(
        tuple(claims),
        p_values,
        float(kstest(p_values.ravel(), "uniform").pvalue),
        chi2.cdf(squared, num_seeds),
        chi2.sf(squared, num_seeds),
    )


def root_mean_square(p_values: np.ndarray) -> np.ndarray:
    """Root mean square of the normal quantiles of p-values: 1 where they are uniform.

    Args:
        p_values: shape [n, S].

    Returns:
        Shape [n].
    """
    return np.sqrt(chi2.isf(np.clip(p_values, 1e-300, 1.0), 1).mean(axis=1))


def largest_gap(num_values: int, level: float = 0.01) -> float:
    """Largest distance of an empirical from the uniform distribution that chance allows.

    Args:
        num_values: values.
        level: probability of a larger one.

    Returns:
        The asymptotic Kolmogorov-Smirnov bound, sqrt(log(2/level) / (2 num_values)).
    """
    return math.sqrt(math.log(2.0 / level) / (2.0 * num_values))
