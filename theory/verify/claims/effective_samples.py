"""Claims on how many stale samples count, and from which staleness the clip keeps more (P54)."""

from dataclasses import replace

import numpy as np

from banditlab.rules import UpdateRule, get_rule
from banditlab.weights import ratio_variance_weight
from theory.predict import effective_samples, stale_data, stale_thresholds
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.claims.stale_data import stale_rules
from theory.verify.experiments import stale_thresholds as experiment
from theory.verify.measurement import Measurement

_DERIVED = "derived in this project; the rules as in arXiv 1707.06347, 2601.03320 and 2503.14286"
_TAGS = ("P54", "stale-data", "effective-samples", "exact")

_BASELINE = 0.5
_OLD, _DISTANCE = (
    grid.ravel()
    for grid in np.meshgrid([-4.0, -2.2, 1.5], [0.1, 0.3, 0.8, 2.0, 5.0], indexing="ij")
)


def _shares() -> np.ndarray:
    return np.stack(
        [
            effective_samples.predicted_two_class_share(rule, _OLD, _DISTANCE, baseline=_BASELINE)
            for rule in stale_data.STALE_RULES
        ]
    )


def _measure_shares(**mutated: UpdateRule) -> Experiment:
    return lambda rng, size: experiment.measure_effective_shares(
        stale_rules(lambda rule: rule, **mutated), _OLD, _DISTANCE, _BASELINE
    )


def _linear_weight(log_prob, old_log_prob, advantage, *, multiplier):
    """The penalty's weight without its outer ratio."""
    weight = ratio_variance_weight(log_prob, old_log_prob, advantage, multiplier=multiplier)
    return weight / np.exp(log_prob - old_log_prob)


# The drift of a steady improvement, so that a distance is a number of rounds.
_STEP = 0.05
_RARE = np.array([-6.0, -3.0, -2.2])
_PENALTIES = (0.25, 0.5, 1.0)
# There the clip has dropped the successes and not yet the failures.
_ROUNDS = (0.21 / _STEP, 1.2 / _STEP)


def _two_class_crossovers() -> np.ndarray:
    return np.concatenate(
        [
            effective_samples.predicted_crossover_distance(
                _RARE, baseline=_BASELINE, multiplier=multiplier
            )
            / _STEP
            for multiplier in _PENALTIES
        ]
    )


def _measure_two_class_crossovers(factor: float = 1.0) -> Experiment:
    def measure(rng: np.random.Generator, size: int) -> Measurement:
        drift, advantage = np.array([_STEP, 0.0]), np.array([1.0 - _BASELINE, -_BASELINE])
        found = []
        for multiplier in _PENALTIES:
            penalty = get_rule("variance_penalty", multiplier=factor * multiplier)
            for start in _RARE:
                logits = np.array([start, 0.0])
                found.append(
                    experiment.measure_crossover(penalty, logits, drift, advantage, _ROUNDS)
                )
        return Measurement.exact(found)

    return measure


EFFECTIVE_SAMPLES_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P54-effective",
        what="effective share of stale samples, four rules",
        statement=(
            "(E_old[w/A])^2/E_old[(w/A)^2]: policy gradient 1/(1 + chi2); clip the same, then "
            "1 - p_old once it has dropped the successes; topr (p_old + q_old s)^2/(p_old + q_old "
            "s^2), s = min(ratio_w, 1); the penalty in closed form"
        ),
        tags=(*_TAGS, "clip", "variance_penalty", "topr"),
        source=_DERIVED,
        theory=(effective_samples.predicted_two_class_share,),
        predicted=_shares,
        experiment=_measure_shares(),
        mutants=(
            Mutant(
                "the penalty's weight without its factor 2",
                experiment=_measure_shares(
                    variance_penalty=get_rule("variance_penalty", multiplier=0.25)
                ),
            ),
            Mutant(
                "the penalty's weight without its outer ratio",
                experiment=_measure_shares(
                    variance_penalty=replace(get_rule("variance_penalty"), weight=_linear_weight)
                ),
            ),
            Mutant(
                "importance weights for TOPR",
                experiment=_measure_shares(topr=get_rule("group_mean")),
            ),
        ),
        statistic="difference",
        tolerance=1e-11,
        mutant_tolerance=1e-2,
        axis=Axis("rule, old log-odds and distance (numbered)"),
        unit="effective share",
    ),
    Claim(
        id="P54-crossover",
        what="staleness from which the penalty has fewer effective samples than the clip",
        statement=(
            "age * step = log(r q_old/(1 - r p_old)), r = 1 + (1 - b)/(2 multiplier): the ratio "
            "from which the penalty turns against successes, which the clip has dropped long "
            "before; clip 0.2, b = 0.5, step = 0.05 nats a round"
        ),
        tags=(*_TAGS, "clip", "variance_penalty"),
        source=_DERIVED,
        theory=(effective_samples.predicted_crossover_distance,),
        predicted=_two_class_crossovers,
        experiment=_measure_two_class_crossovers(),
        mutants=(
            Mutant(
                "a price of ratio variance that is a tenth lower",
                experiment=_measure_two_class_crossovers(0.9),
            ),
            Mutant(
                "the distance at which the expected gradient turns",
                lambda: np.concatenate(
                    [
                        stale_thresholds.predicted_reversal_distance(_RARE, multiplier) / _STEP
                        for multiplier in _PENALTIES
                    ]
                ),
            ),
        ),
        statistic="difference",
        tolerance=1e-8,
        mutant_tolerance=1e-2,
        axis=Axis("multiplier and old log-odds (numbered)"),
        unit="staleness (rounds)",
    ),
)
