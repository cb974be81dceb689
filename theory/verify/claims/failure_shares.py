"""Claims on how failures share what they take away, and on how much that can be (P31)."""

import numpy as np

from banditlab.rules import get_rule
from theory.predict import failures
from theory.verify.claim import Axis, Claim, Mutant
from theory.verify.experiments import failures as failed
from theory.verify.measurement import Measurement

_SOURCE = "derived in this project (catalogue entry P31)"
_EXACT = {"statistic": "difference"}
_NEGATIVE = get_rule("negative_reward")

_WRONG_SHARES = np.array([0.50, 0.20, 0.15, 0.10, 0.05])
_BOUND_PRIORS = tuple(
    np.concatenate([[prob], (1.0 - prob) * _WRONG_SHARES]) for prob in (1e-6, 0.05)
)
_UNIFORM = np.full(40, 1.0 / 40.0)


def _gain_bounds() -> np.ndarray:
    return np.array(
        [
            failures.predicted_odds_gain_bound(np.log(prior[1:]))
            for prior in (*_BOUND_PRIORS, _UNIFORM)
        ]
    )


def _measure_gains(is_net_of_rise: bool = True) -> Measurement:
    return Measurement.exact(
        [
            failed.largest_odds_gain(
                _NEGATIVE,
                prior,
                step_size=0.05,
                num_failures=400,
                is_net_of_rise=is_net_of_rise,
            )
            for prior in (*_BOUND_PRIORS, _UNIFORM)
        ]
    )


_ARMS = np.array([0.1, 0.2, 0.3, 0.4])
_REST = _ARMS[:3]
_FAILED = {"failed": 3, "step_size": 2.0}

FAILURE_SHARE_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P31-bound",
        what="largest odds/odds_0 along 400 failures, net of the correct logit's own rise",
        statement=(
            "odds/odds_0 <= AM/GM of the initial wrong weights * exp(rise (1 + 1/m)), rise = the "
            "correct logit's displacement, without a success; two unequal priors and a uniform one"
        ),
        tags=("P31", "failures", "bound", "exact", "negative_reward"),
        source=_SOURCE + ", with the exponential factor derived here",
        theory=(failures.predicted_odds_gain_bound,),
        predicted=_gain_bounds,
        experiment=lambda rng, size: _measure_gains(),
        mutants=(
            Mutant("no gain at any prior", lambda: np.ones(3)),
            Mutant("the square root of AM/GM", lambda: np.sqrt(_gain_bounds())),
            Mutant(
                "the rise left out of the bound",
                experiment=lambda rng, size: _measure_gains(is_net_of_rise=False),
            ),
        ),
        statistic="bound",
        tolerance=1e-12,
        mutant_tolerance=1e-2,
        axis=Axis("prior", at=("p 1e-6", "p 0.05", "uniform 40")),
        unit="odds over initial odds",
    ),
    Claim(
        id="P31-no-gain",
        what="largest odds/odds_0 along failures from a uniform pool of 40 arms",
        statement="a uniform prior lets failures add nothing whatsoever: odds <= odds_0 AM/GM",
        tags=("P31", "failures", "bound", "exact", "negative_reward"),
        source="catalogue entry P31: uniform prior => no gain whatsoever",
        theory=(failures.predicted_odds_gain_bound,),
        predicted=lambda: failures.predicted_odds_gain_bound(np.log(_UNIFORM[1:])),
        experiment=lambda rng, size: Measurement.exact(_measure_gains(False).value[-1]),
        mutants=(Mutant("half of the bound", lambda: 0.5),),
        statistic="bound",
        tolerance=1e-12,
        mutant_tolerance=1e-2,
        expected_verdict="rejected",
        evidence=(
            "The factor 1 + O(p) of the entry is exp(rise (1 + 1/m)), in which the rise adds a p "
            "with every failure: it is of order 1 after 1/(a p) failures, here twofold. "
            "P31-bound holds with that factor, with equality for the uniform prior once the wrong "
            "arms are equal; p = 1/(M - 1 + e^-a) of the same entry is a gain too."
        ),
    ),
    Claim(
        id="P31-log-ratio",
        what="log-ratios of the arms that did not fail, change by one failure",
        statement="log(pi_b/pi_c) += eta |A| (pi_b - pi_c) where b, c did not fail; eta = 2",
        tags=("P31", "failures", "exact", "negative_reward"),
        source=_SOURCE,
        theory=(failures.predicted_log_ratio_change,),
        predicted=lambda: failures.predicted_log_ratio_change(_REST, _FAILED["step_size"]),
        experiment=lambda rng, size: failed.measure_log_ratio_change(_NEGATIVE, _ARMS, **_FAILED),
        mutants=(
            Mutant("in proportion to the prior: no change", lambda: np.zeros(2)),
            Mutant(
                "the failed arm's weight over the others, eta |A| pi_b",
                lambda: _FAILED["step_size"] * _REST[1:],
            ),
        ),
        tolerance=1e-12,
        mutant_tolerance=1e-2,
        axis=Axis("arm", at=("1", "2")),
        unit="nats",
        **_EXACT,
    ),
    Claim(
        id="P31-proportional",
        what="shares of the arms that did not fail, after one failure",
        statement="a negative sample redistributes in proportion to the prior of the other arms",
        tags=("P31", "failures", "exact", "negative_reward"),
        source="arXiv 2506.01347, as the catalogue quotes it; true to first order only",
        theory=(failures.predicted_proportional_shares,),
        predicted=lambda: failures.predicted_proportional_shares(_REST),
        experiment=lambda rng, size: failed.measure_shares_after_failure(
            _NEGATIVE, _ARMS, **_FAILED
        ),
        mutants=(Mutant("equal shares", lambda: np.full(3, 1.0 / 3.0)),),
        tolerance=1e-3,
        mutant_tolerance=1e-2,
        expected_verdict="rejected",
        evidence=(
            "The likelier of the arms that did not fail gain more: log(pi_b/pi_c) += eta |A| "
            "(pi_b - pi_c) exactly (P31-log-ratio). The gain in probability, eta |A| pi_a (pi_b + "
            "...), is in proportion to the prior only where all pi are alike or the step is small."
        ),
        axis=Axis("arm", at=("0", "1", "2")),
        unit="share",
        **_EXACT,
    ),
)
