"""Claims on the bounded ratio-variance penalty: its overshoot (P40), and the optimum (P17, P38)."""

import numpy as np

from banditlab.rules import UpdateRule, get_rule
from theory.predict import (
    bounded_penalty,
    penalty_optimum,
    penalty_overshoot,
    stability,
    trust_region,
)
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.experiments import bounded_penalty as experiment
from theory.verify.experiments import penalty_optimum as optimum
from theory.verify.experiments.penalty_overshoot import measure_second_log_ratios

_DERIVED = "derived in this project, beyond the catalogue"
_TAGS = ("P40", "stability", "inner-epochs", "exact", "variance_penalty_bounded")

_ADVANTAGE = np.array([-2.0, -1.0, -0.3, 0.0, 0.6, 1.0, 3.0])
_PRICE, _FIXED = 0.5, 2.0
_BOUNDED = get_rule("variance_penalty_bounded", multiplier=_PRICE)
_PENALTY = get_rule("variance_penalty", multiplier=_PRICE)
_HALF = get_rule("variance_penalty_bounded", multiplier=_PRICE / 2.0)

# The penalty itself is stable here up to a step of 1/2.
_SETTLING = np.array([0.3, 0.8, 1.2, 1.8])
_EPOCHS = np.array([30, 8, 8, 40])
_THROWN = np.array([0.5, 1.0, 2.0, 4.0])
_FALLING = np.array([3.0, 3.5, 4.0, 5.0])

_PROB = np.array([0.05, 0.30, 0.25, 0.10, 0.18, 0.12])
_CENTRED = np.array([1.5, 0.9, 0.2, 1.2, -0.5, 0.6])
_CENTRED = _CENTRED - _PROB @ _CENTRED
_BOUND = 0.05
_OF_BOUND = trust_region.predicted_multiplier(_CENTRED, _PROB, _BOUND)

_ARMS = np.array([0, 1, 0, 2])
_SAMPLED = np.array([1.5, 0.5, 0.5, -0.4])
_OF_ARM, _SHARE, _RARE = np.array([1.0, 0.5, -0.4]), np.array([0.5, 0.25, 0.25]), np.full(3, 1e-9)


def _factors() -> np.ndarray:
    return np.array(
        [
            bounded_penalty.predicted_bounded_contraction(float(step), 1.0, _PRICE)
            for step in _SETTLING
        ]
    )


def _second(multiplier: float = _PRICE) -> np.ndarray:
    return np.array(
        [
            bounded_penalty.predicted_bounded_second_log_ratio(float(step), 1.0, multiplier)
            for step in _THROWN
        ]
    )


def _falls() -> np.ndarray:
    return np.array(
        [bounded_penalty.predicted_deepest_bounded_fall(float(c), 1.0, _PRICE) for c in _FALLING]
    )


def _optimum() -> np.ndarray:
    return trust_region.predicted_optimal_ratio(_CENTRED, _PROB, _BOUND)


def _measure_optimum(advantage: np.ndarray) -> Experiment:
    return lambda rng, size: optimum.measure_population_ratios(
        _BOUNDED, advantage, _PROB, np.array([_OF_BOUND])
    )


def _sampled_ratios(rule: UpdateRule) -> Experiment:
    return lambda rng, size: optimum.measure_sampled_ratios(
        rule.with_hyper(multiplier=0.6), _RARE, _ARMS, _SAMPLED, step_size=0.5, inner_epochs=1200
    )


BOUNDED_PENALTY_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P40-bounded-weight",
        what="largest |weight| at ratios from e^-30 to e^30, seven advantages",
        statement=(
            "min(ratio, 1/ratio) (A - 2 multiplier (ratio - 1)) is never larger than max(|A|, 2 "
            "multiplier)"
        ),
        tags=_TAGS,
        source=_DERIVED,
        theory=(bounded_penalty.predicted_largest_weight,),
        predicted=lambda: bounded_penalty.predicted_largest_weight(_ADVANTAGE, _PRICE),
        experiment=lambda rng, size: experiment.measure_largest_weights(_BOUNDED, _ADVANTAGE, 30.0),
        mutants=(
            Mutant(
                "the penalty without the bound",
                experiment=lambda rng, size: experiment.measure_largest_weights(
                    _PENALTY, _ADVANTAGE, 30.0
                ),
            ),
            Mutant("never larger than |A|", lambda: np.abs(_ADVANTAGE)),
            Mutant("|A| + 2 multiplier", lambda: np.abs(_ADVANTAGE) + 2.0 * _PRICE),
        ),
        statistic="difference",
        tolerance=1e-9,
        mutant_tolerance=1e-1,
        axis=Axis("advantage", at=_ADVANTAGE),
        unit="weight, units of reward",
    ),
    Claim(
        id="P40-bounded-factor",
        what="factor per inner epoch next to the fixed ratio of a lone success, four step sizes",
        statement=(
            "deviations shrink by 1 - 2 multiplier step for every A > 0: stable iff multiplier "
            "step < 1, where the penalty asks for multiplier step ratio*^2 < 1"
        ),
        tags=_TAGS,
        source=_DERIVED,
        theory=(bounded_penalty.predicted_bounded_contraction,),
        predicted=_factors,
        experiment=lambda rng, size: experiment.measure_factors(
            _BOUNDED, _SETTLING, _FIXED, _EPOCHS
        ),
        mutants=(
            Mutant(
                "that of the penalty itself",
                lambda: stability.predicted_contraction(_SETTLING, 1.0, _PRICE),
            ),
            Mutant("multiplier in place of 2 multiplier", lambda: 1.0 - _PRICE * _SETTLING),
        ),
        statistic="difference",
        tolerance=1e-3,
        mutant_tolerance=1e-1,
        axis=Axis("step size", at=_SETTLING),
        unit="factor",
    ),
    Claim(
        id="P40-bounded-second",
        what="log-ratio of a lone success after two inner epochs, four step sizes",
        statement=(
            "the second epoch leads to log ratio = step A + 2 multiplier step (ratio* e^(-step A) "
            "- 1): down by less than 2 multiplier step"
        ),
        tags=_TAGS,
        source=_DERIVED,
        theory=(bounded_penalty.predicted_bounded_second_log_ratio,),
        predicted=_second,
        experiment=lambda rng, size: measure_second_log_ratios(_BOUNDED, _THROWN),
        mutants=(
            Mutant(
                "that of the penalty itself",
                lambda: np.array(
                    [
                        penalty_overshoot.predicted_second_log_ratio(float(step), 1.0, _PRICE)
                        for step in _THROWN
                    ]
                ),
            ),
            Mutant(
                "multiplier in place of 2 multiplier",
                experiment=lambda rng, size: measure_second_log_ratios(_HALF, _THROWN),
            ),
        ),
        statistic="difference",
        tolerance=1e-10,
        mutant_tolerance=1e-1,
        axis=Axis("step size", at=_THROWN),
        unit="log-ratio, nats",
    ),
    Claim(
        id="P40-bounded-floor",
        what="deepest fall of a lone success in 400 inner epochs, four step sizes beyond stability",
        statement=(
            "a success never falls below ratio* c e^(1 - c) times its old probability, c = 2 "
            "multiplier step, however many inner epochs"
        ),
        tags=_TAGS,
        source=_DERIVED,
        theory=(bounded_penalty.predicted_deepest_bounded_fall,),
        predicted=_falls,
        experiment=lambda rng, size: experiment.measure_falls(_BOUNDED, _FALLING, 400),
        mutants=(
            Mutant(
                "the penalty in its place",
                experiment=lambda rng, size: experiment.measure_falls(_PENALTY, _FALLING, 12),
            ),
            Mutant("half of that fall", lambda: _falls() / 2.0),
        ),
        statistic="bound",
        tolerance=1e-12,
        mutant_tolerance=1e-2,
        axis=Axis("step size", at=_FALLING),
        unit="old over new probability",
    ),
    Claim(
        id="P17-bounded",
        what="ratios at which the bounded penalty leaves a policy of 6 arms alone",
        statement=(
            "for advantages of mean 0 the optimum is the trust region's: ratio = 1 + sqrt(bound) "
            "A/sd(A) at multiplier sd(A)/(2 sqrt(bound)), with ratio variance = bound"
        ),
        tags=("P17", "trust-region", "exact", "variance_penalty_bounded"),
        source=_DERIVED,
        theory=(trust_region.predicted_optimal_ratio,),
        predicted=_optimum,
        experiment=_measure_optimum(_CENTRED),
        mutants=(
            Mutant("advantages of mean 1", experiment=_measure_optimum(_CENTRED + 1.0)),
            Mutant("multiplier sd(A)/sqrt(bound)", lambda: 1.0 + (_optimum() - 1.0) / 2.0),
        ),
        statistic="difference",
        tolerance=1e-10,
        mutant_tolerance=1e-3,
    ),
    Claim(
        id="P38-bounded",
        what="ratios of three drawn arms among 10^100000 after 1200 inner epochs",
        statement="as under the penalty, drawn arms end at 1 + A/(2 multiplier), not centred",
        tags=("P38", "penalty", "exact", "variance_penalty_bounded"),
        source=_DERIVED,
        theory=(penalty_optimum.predicted_sampled_ratio,),
        predicted=lambda: penalty_optimum.predicted_sampled_ratio(_OF_ARM, _RARE, _SHARE, 0.6),
        experiment=_sampled_ratios(_BOUNDED),
        mutants=(
            Mutant(
                "centred by the mean advantage",
                lambda: 1.0 + (_OF_ARM - _SHARE @ _OF_ARM) / (2.0 * 0.6),
            ),
            Mutant("multiplier in place of 2 multiplier", lambda: 1.0 + _OF_ARM / 0.6),
        ),
        statistic="difference",
        tolerance=1e-8,
        mutant_tolerance=1e-2,
    ),
)
