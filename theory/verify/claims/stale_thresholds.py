"""Claims on how far the policy may move until stale data is dropped or turned against (P54)."""

import numpy as np

from banditlab.rules import get_rule
from theory.predict import stale_data, stale_thresholds
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.experiments import stale_thresholds as experiment
from theory.verify.experiments.stale_data import BASELINE, measure_stale_moments, over_baseline
from theory.verify.measurement import Measurement

_DERIVED = "derived in this project; the rules as in arXiv 1707.06347 and 2601.03320"
_EXACT = {"statistic": "difference", "tolerance": 1e-10, "mutant_tolerance": 1e-3}

_MULTIPLIERS = (0.2, 0.5, 2.0)
_STARTS = (-8.0, -3.0, -1.7)


def _reversals() -> np.ndarray:
    return np.array(
        [
            stale_thresholds.predicted_reversal_distance(start, multiplier)
            for multiplier in _MULTIPLIERS
            for start in _STARTS
        ]
    )


def _measure_reversals(factor: float = 1.0) -> Experiment:
    return lambda rng, size: Measurement.exact(
        [
            experiment.measure_reversal(
                over_baseline(get_rule("variance_penalty", multiplier=factor * multiplier)),
                start,
            )
            for multiplier in _MULTIPLIERS
            for start in _STARTS
        ]
    )


_WIDTHS = {"clip_low": 0.2, "clip_high": 0.3}
_CLIPPED = (-6.0, -2.0, 0.3)


def _measure_clip_distances(rng: np.random.Generator, size: int) -> Measurement:
    rule = get_rule("clip", **_WIDTHS)
    return Measurement.exact(
        [
            experiment.measure_silencing(rule, start, advantage, is_success=advantage > 0.0)
            for advantage in (0.7, -0.3)
            for start in _CLIPPED
        ]
    )


def _clip_distances(**widths: float) -> np.ndarray:
    return stale_thresholds.predicted_clip_distances(np.array(_CLIPPED), **_WIDTHS | widths)


_ADVANTAGES = (0.9, 0.5, 0.1)
_PRICE = 0.4


def _flip_distances(multiplier: float = _PRICE) -> np.ndarray:
    ratio = stale_thresholds.predicted_flip_ratio(_ADVANTAGES, multiplier)
    return stale_thresholds.distance_to_success_ratio(-2.0, ratio)


def _measure_flips(rng: np.random.Generator, size: int) -> Measurement:
    rule = get_rule("variance_penalty", multiplier=_PRICE)
    return Measurement.exact(
        [
            experiment.measure_silencing(rule, -2.0, advantage, is_success=True)
            for advantage in _ADVANTAGES
        ]
    )


_SMALL = np.full(6, -3.0)
_GROWING = np.array([0.1, 0.3, 0.6, 0.9, 1.5, 3.0])


def _measure_signs(rng: np.random.Generator, size: int) -> Measurement:
    rules = [over_baseline(get_rule("variance_penalty"))]
    moments = measure_stale_moments(rules, _SMALL, _GROWING).value
    return Measurement.exact(np.sign(moments[: len(_SMALL)]))


def _fresh_signs() -> np.ndarray:
    moments = stale_data.predicted_stale_moments(
        "policy_gradient", _SMALL, _GROWING, baseline=BASELINE
    )
    return np.sign(moments[0])


STALE_THRESHOLD_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P54-clip-distance",
        what="distances at which the clip drops successes, and failures",
        statement=(
            "log((1 + clip_high) q_old/(1 - (1 + clip_high) p_old)) for successes, log(1 + clip_low"
            "/((1 - clip_low) p_old)) for failures: rare successes go long before failures"
        ),
        tags=("P54", "stale-data", "exact", "clip"),
        source=_DERIVED,
        theory=(stale_thresholds.predicted_clip_distances,),
        predicted=_clip_distances,
        experiment=_measure_clip_distances,
        mutants=(
            Mutant(
                "the two widths exchanged", lambda: _clip_distances(clip_low=0.3, clip_high=0.2)
            ),
            Mutant(
                "log(1 + clip_high) and -log(1 - clip_low), a clip on log-odds",
                lambda: np.repeat([np.log(1.3), -np.log(0.8)], len(_CLIPPED)),
            ),
        ),
        **_EXACT,
        axis=Axis("side and old log-odds (numbered)"),
        unit="distance in log-odds (nats)",
    ),
    Claim(
        id="P54-flip",
        what="distance from which the penalty pushes a success down, by its advantage",
        statement="ratio = 1 + A/(2 multiplier): the better a sample, the longer it is kept",
        tags=("P54", "stale-data", "exact", "variance_penalty"),
        source=_DERIVED,
        theory=(stale_thresholds.predicted_flip_ratio,),
        predicted=_flip_distances,
        experiment=_measure_flips,
        mutants=(
            Mutant("ratio = 1 + A/multiplier", lambda: _flip_distances(_PRICE / 2.0)),
            Mutant("the clip's distance", lambda: np.repeat(_clip_distances()[0, 1], 3)),
        ),
        **_EXACT,
        axis=Axis("advantage", at=_ADVANTAGES),
        unit="distance in log-odds (nats)",
    ),
    Claim(
        id="P54-reversal",
        what="distance from which the penalty's stale gradient points backwards",
        statement="p = p_old (1 + (1 - p_old)/(2 multiplier)), whatever the baseline",
        tags=("P54", "stale-data", "exact", "variance_penalty"),
        source=_DERIVED,
        theory=(stale_thresholds.predicted_reversal_distance,),
        predicted=_reversals,
        experiment=_measure_reversals(),
        mutants=(
            Mutant("the penalty's weight without its factor 2", experiment=_measure_reversals(0.5)),
            Mutant(
                "log(1 + 1/(2 multiplier)), of a success so rare that p does not matter",
                lambda: np.repeat(np.log1p(0.5 / np.array(_MULTIPLIERS)), len(_STARTS)),
            ),
        ),
        **_EXACT,
        axis=Axis("multiplier and old log-odds (numbered)"),
        unit="distance in log-odds (nats)",
    ),
    Claim(
        id="P54-reweighted",
        what="sign of the penalty's stale gradient, multiplier 0.5, p_old = 0.047",
        statement=(
            "stale data that clipping discards is re-weighted by the penalty and goes on pulling "
            "towards the reward, however far the policy has moved"
        ),
        tags=("P54", "stale-data", "exact", "variance_penalty"),
        source=(
            "a reading of the abstract of arXiv 2601.03320 (stale data is weighed, not discarded), "
            "which does not say how far"
        ),
        theory=(stale_data.predicted_stale_moments,),
        predicted=_fresh_signs,
        experiment=_measure_signs,
        mutants=(
            Mutant("it pulls nowhere", lambda: np.zeros_like(_GROWING)),
            Mutant("it pulls away from the reward, at any distance", lambda: -_fresh_signs()),
        ),
        statistic="difference",
        tolerance=1e-6,
        mutant_tolerance=0.5,
        expected_verdict="rejected",
        evidence=(
            "The pull ends at the distance of P54-reversal, about log(1 + 1/(2 multiplier)) = 0.69 "
            "nats for a rare success, and is backwards beyond it: at 0.9, 1.5 and 3 nats the "
            "expected stale gradient, enumerated with banditlab's weight, is negative."
        ),
        axis=Axis("distance in log-odds (nats)", at=_GROWING),
        unit="sign",
    ),
)
