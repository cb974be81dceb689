"""Claims on where the ratio-variance penalty holds the policy (P37, P38)."""

from dataclasses import replace

import numpy as np

from banditlab.rules import get_rule
from theory.predict import penalty_optimum
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.experiments import penalty_optimum as experiment
from theory.verify.measurement import Measurement

_DERIVED = "derived in this project; objective as in arXiv 2601.03320 and 2605.26784"
_PENALTY = get_rule("variance_penalty")
_EXACT = {"statistic": "difference", "mutant_tolerance": 1e-2}

_ADVANTAGE = np.array([1.5, 0.9, 0.2, 1.2, -0.5, 0.6])
_PROB = np.array([0.05, 0.30, 0.25, 0.10, 0.18, 0.12])
# Between the multipliers at which arms die: .54, .19, .16, .11 and .0075.
_INTERIOR, _FILLED = np.array([3.0, 0.9, 0.6]), np.array([0.4, 0.175, 0.13, 0.04])


def _without_outer_ratio(log_prob, old_log_prob, advantage, *, multiplier):
    return advantage - 2.0 * multiplier * np.expm1(log_prob - old_log_prob)


_BROKEN = replace(_PENALTY, weight=_without_outer_ratio)


def _population(multipliers: np.ndarray, factor: float = 1.0) -> np.ndarray:
    return np.array(
        [
            penalty_optimum.predicted_population_ratio(_ADVANTAGE, _PROB, factor * multiplier)
            for multiplier in multipliers
        ]
    )


def _centred(multipliers: np.ndarray, centre: float) -> np.ndarray:
    return 1.0 + (_ADVANTAGE - centre) / (2.0 * multipliers[:, None])


def _cut_and_normalised() -> np.ndarray:
    cut = np.maximum(0.0, _centred(_FILLED, _PROB @ _ADVANTAGE))
    return cut / (cut @ _PROB)[:, None]


def _measure_population(multipliers: np.ndarray) -> Experiment:
    return lambda rng, size: experiment.measure_population_ratios(
        _PENALTY, _ADVANTAGE, _PROB, multipliers
    )


# Three arms, the first drawn twice with different advantages; in a huge space and in a small one.
_ARMS = np.array([0, 1, 0, 2])
_SAMPLED = np.array([1.5, 0.5, 0.5, -0.4])
_OF_ARM, _SHARE = np.array([1.0, 0.5, -0.4]), np.array([0.5, 0.25, 0.25])
_MULTIPLIER = 0.6
_SPARSE, _HEAVY, _FULL = np.full(3, 1e-9), np.array([0.1, 0.2, 0.3]), np.array([0.3, 0.25, 0.4])


def _sampled(prob: np.ndarray) -> np.ndarray:
    return penalty_optimum.predicted_sampled_ratio(_OF_ARM, prob, _SHARE, _MULTIPLIER)


def _uncentred_heavy(advantage: np.ndarray) -> np.ndarray:
    return np.tile(1.0 + advantage / (2.0 * _MULTIPLIER), 2)


def _measure_sampled(rule=_PENALTY) -> Experiment:
    how = {"step_size": 0.5, "inner_epochs": 1200}
    rule = rule.with_hyper(multiplier=_MULTIPLIER)

    def experiment_on_both(rng: np.random.Generator, size: int) -> Measurement:
        return Measurement.joined(
            *(
                experiment.measure_sampled_ratios(rule, prob, _ARMS, _SAMPLED, **how)
                for prob in (_SPARSE, _HEAVY)
            )
        )

    return experiment_on_both


def _measure_full(rng: np.random.Generator, size: int) -> Measurement:
    rest = 1.0 - _FULL.sum()
    ratio = experiment.ascended_ratio(
        _PENALTY.with_hyper(multiplier=_MULTIPLIER),
        np.append(_OF_ARM, 0.0),
        np.append(_FULL, rest),
        np.append(_SHARE, 0.0),
    )
    return Measurement.exact(ratio[:-1])


_BOUND = 0.05
_DUAL = get_rule("variance_penalty_dual", bound=_BOUND, dual_step_size=8.0, initial=1.0)


def _budgeted() -> np.ndarray:
    return np.append(
        penalty_optimum.predicted_budgeted_multiplier(_OF_ARM, _SHARE, _BOUND),
        penalty_optimum.predicted_budgeted_ratio(_OF_ARM, _SHARE, _BOUND),
    )


def _centred_budget() -> np.ndarray:
    centred = _OF_ARM - _SHARE @ _OF_ARM
    deviation = np.sqrt(_SHARE @ centred**2)
    slope = np.sqrt(_BOUND)
    return np.append(deviation / (2.0 * slope), 1.0 + slope * centred / deviation)


def _measure_budgeted(rng: np.random.Generator, size: int) -> Measurement:
    return experiment.measure_budgeted_ratios(
        _DUAL, _SPARSE, _ARMS, _SAMPLED, step_size=0.5, inner_epochs=120, num_rounds=60
    )


PENALTY_OPTIMUM_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P37-interior",
        what="ratios of 6 arms at the optimum, three multipliers at which all live",
        statement="ratio = 1 + (A - mean A)/(2 multiplier) for multiplier >= max(mean A - A)/2",
        tags=("P37", "penalty", "exact", "variance_penalty"),
        source=_DERIVED,
        theory=(penalty_optimum.predicted_population_ratio,),
        predicted=lambda: _population(_INTERIOR),
        experiment=_measure_population(_INTERIOR),
        mutants=(
            Mutant("multiplier for 2 multiplier", lambda: _population(_INTERIOR, 0.5)),
            Mutant("not centred by the mean advantage", lambda: _centred(_INTERIOR, 0.0)),
            Mutant(
                "the outer ratio missing in the weight",
                experiment=lambda rng, size: experiment.measure_population_ratios(
                    _BROKEN, _ADVANTAGE, _PROB, _INTERIOR
                ),
            ),
        ),
        tolerance=1e-12,
        axis=Axis("multiplier and arm (numbered)"),
        unit="ratio of optimal to old probability",
        **_EXACT,
    ),
    Claim(
        id="P37-water-filling",
        what="ratios of 6 arms at the optimum, four multipliers at which 1 to 4 arms die",
        statement=(
            "ratio = max(0, 1 + (A - price)/(2 multiplier)) where the price solves sum prob ratio "
            "= 1, as soon as multiplier < max(mean A - A)/2"
        ),
        tags=("P37", "penalty", "exact", "variance_penalty"),
        source=_DERIVED,
        theory=(penalty_optimum.predicted_population_ratio,),
        predicted=lambda: _population(_FILLED),
        experiment=_measure_population(_FILLED),
        mutants=(
            Mutant("no water-filling", lambda: _centred(_FILLED, _PROB @ _ADVANTAGE)),
            Mutant("negative ratios cut off, the rest scaled to fit", _cut_and_normalised),
            Mutant("multiplier for 2 multiplier", lambda: _population(_FILLED, 0.5)),
        ),
        tolerance=1e-11,
        axis=Axis("multiplier and arm (numbered)"),
        unit="ratio of optimal to old probability",
        **_EXACT,
    ),
    Claim(
        id="P37-threshold",
        what="multiplier at which the worst of 6 arms dies",
        statement="the smallest multiplier at which all arms live is max(mean A - A)/2",
        tags=("P37", "penalty", "exact", "variance_penalty"),
        source=_DERIVED,
        theory=(penalty_optimum.predicted_smallest_interior_multiplier,),
        predicted=lambda: penalty_optimum.predicted_smallest_interior_multiplier(_ADVANTAGE, _PROB),
        experiment=lambda rng, size: experiment.measure_least_multiplier(
            _PENALTY, _ADVANTAGE, _PROB, (0.7, 1.0)
        ),
        mutants=(
            Mutant(
                "the whole spread of the advantages over 2",
                lambda: 0.5 * (_ADVANTAGE.max() - _ADVANTAGE.min()),
            ),
            Mutant("max(mean A - A)", lambda: _PROB @ _ADVANTAGE - _ADVANTAGE.min()),
        ),
        tolerance=1e-11,
        unit="multiplier, in units of reward",
        **_EXACT,
    ),
    Claim(
        id="P38-uncentred",
        what="ratios of 3 drawn arms of probability 1e-9 or 0.1 to 0.3, others never drawn",
        statement=(
            "a drawn arm gets 1 + A/(2 multiplier), A the mean over its own samples, without "
            "centring and however often it was drawn: arms without a sample make room"
        ),
        tags=("P38", "penalty", "exact", "variance_penalty"),
        source=_DERIVED,
        theory=(penalty_optimum.predicted_sampled_ratio,),
        predicted=lambda: np.append(_sampled(_SPARSE), _sampled(_HEAVY)),
        experiment=_measure_sampled(),
        mutants=(
            Mutant(
                "centred by the mean over samples",
                lambda: _uncentred_heavy(_OF_ARM - _SHARE @ _OF_ARM),
            ),
            Mutant(
                "in proportion to the number of samples",
                lambda: _uncentred_heavy(_OF_ARM * _SHARE / _SHARE.mean()),
            ),
            Mutant(
                "without the penalty's factor 2",
                experiment=_measure_sampled(
                    replace(
                        _PENALTY,
                        weight=lambda log_prob, old, advantage, multiplier: _PENALTY.weight(
                            log_prob, old, advantage, multiplier=multiplier / 2.0
                        ),
                    )
                ),
            ),
        ),
        tolerance=1e-8,
        axis=Axis("probability and arm (numbered)"),
        unit="ratio of new to old probability",
        **_EXACT,
    ),
    Claim(
        id="P38-full",
        what="ratios of 3 drawn arms with 0.95 of the probability, which want more than 1",
        statement=(
            "where the drawn arms would take more than 1, a price comes back: ratio = 1 + (A - "
            "price prob/share)/(2 multiplier), the others die"
        ),
        tags=("P38", "penalty", "exact", "variance_penalty"),
        source="derived in this project, beyond the catalogue",
        theory=(penalty_optimum.predicted_sampled_ratio,),
        predicted=lambda: _sampled(_FULL),
        experiment=_measure_full,
        mutants=(
            Mutant("no price", lambda: 1.0 + _OF_ARM / (2.0 * _MULTIPLIER)),
            Mutant(
                "the population's price, the same for all arms",
                lambda: penalty_optimum.predicted_population_ratio(
                    _OF_ARM, _FULL / _FULL.sum(), _MULTIPLIER
                ),
            ),
        ),
        tolerance=1e-11,
        axis=Axis("arm (numbered)"),
        unit="ratio of new to old probability",
        **_EXACT,
    ),
    Claim(
        id="P38-budget",
        what="multiplier and ratios after 60 rounds of dual ascent on 4 samples of 3 arms",
        statement=(
            "with the ratio variance of the samples held at its bound, multiplier = rms(A)/(2 "
            "sqrt(bound)) and ratio = 1 + sqrt(bound) A/rms(A)"
        ),
        tags=("P38", "penalty", "dual", "exact", "variance_penalty_dual"),
        source=_DERIVED,
        theory=(
            penalty_optimum.predicted_budgeted_multiplier,
            penalty_optimum.predicted_budgeted_ratio,
        ),
        predicted=_budgeted,
        experiment=_measure_budgeted,
        mutants=(
            Mutant("sd(A) and A - mean(A), as over all arms", _centred_budget),
            Mutant(
                "rms over arms instead of samples",
                lambda: np.append(
                    np.sqrt((_OF_ARM**2).mean() / _BOUND) / 2.0,
                    1.0 + np.sqrt(_BOUND) * _OF_ARM / np.sqrt((_OF_ARM**2).mean()),
                ),
            ),
        ),
        tolerance=1e-8,
        axis=Axis("quantity", at=["multiplier", "arm 0", "arm 1", "arm 2"]),
        unit="multiplier in units of reward, and ratios",
        **_EXACT,
    ),
)
