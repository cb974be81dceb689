"""Claims on the clip under rewards that carry no information (P14)."""

from dataclasses import replace

import numpy as np
from scipy.special import softmax

from banditlab.advantages import raw
from banditlab.rules import UpdateRule, get_rule
from banditlab.weights import clipped_weight
from theory.predict import clip_force
from theory.verify.claim import Axis, Claim, Mutant
from theory.verify.experiments import clip_force as experiment
from theory.verify.measurement import Measurement

_WIDTHS = {"clip_low": 0.25, "clip_high": 0.5}
_OLD = np.array([0.4, -0.3, 0.8, 0.0, -0.7, 0.2])
_NEW = _OLD + np.array([0.45, -0.8, 0.1, -0.3, 0.6, -0.2])


def _rule(**widths: float) -> UpdateRule:
    return replace(get_rule("clip", **(_WIDTHS | widths)), advantage=raw)


def _without_ratio(log_prob, old_log_prob, advantage, *, clip_low, clip_high):
    weight = clipped_weight(
        log_prob, old_log_prob, advantage, clip_low=clip_low, clip_high=clip_high
    )
    return np.where(weight == 0.0, 0.0, advantage)


def _predicted(**changes: float) -> np.ndarray:
    return clip_force.predicted_clip_force(softmax(_OLD), softmax(_NEW), **(_WIDTHS | changes))


def _along_first_two() -> float:
    force = _predicted()
    return float(force[0] - force[1])


_DROPPED_RATIO = replace(_rule(), weight=_without_ratio)
_NOISE_RUN = {"num_arms": 10, "num_rounds": 3}


def _one_plus_gain(rng: np.random.Generator, rule: UpdateRule, num_runs: int) -> Measurement:
    """1 + (entropy with clip - entropy without), on independent runs."""
    clipped, free = (
        experiment.entropy_after_noise(rng, each, num_runs=num_runs, **_NOISE_RUN)
        for each in (rule, replace(get_rule("group_mean"), advantage=raw))
    )
    return Measurement.mean_of_runs(1.0 + clipped - free)


CLIP_FORCE_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P14-force",
        what="expected inner step under random rewards, 6 arms",
        statement=(
            "step = sum_a pi_a/2 ([ratio < 1 - clip_low] - [ratio > 1 + clip_high]) s_a: arms that "
            "rose too far are pushed down, arms that fell too far up"
        ),
        tags=("P14", "clip", "noise", "exact"),
        source="derived in this project; behind arXiv 2509.26114 (abstract read)",
        theory=(clip_force.predicted_clip_force,),
        predicted=_predicted,
        experiment=lambda rng, size: experiment.measure_force(_rule(), _OLD, _NEW),
        mutants=(
            Mutant(
                "the ratio dropped, weights of the old policy",
                experiment=lambda rng, size: experiment.measure_force(_DROPPED_RATIO, _OLD, _NEW),
            ),
            Mutant("the two sides exchanged", lambda: _predicted(clip_low=0.5, clip_high=0.25)),
            Mutant("the force away from the old policy", lambda: -_predicted()),
        ),
        statistic="difference",
        tolerance=1e-14,
        mutant_tolerance=1e-4,
        axis=Axis("arm", range(6)),
        unit="change of the logit per unit step",
    ),
    Claim(
        id="P14-sampled",
        what="the same on drawn arms and rewards, along e_0 - e_1",
        statement="the mean step on drawn samples is P14-force's",
        tags=("P14", "clip", "noise", "sampled"),
        source="derived in this project",
        theory=(clip_force.predicted_clip_force,),
        predicted=_along_first_two,
        experiment=lambda rng, size: experiment.measure_sampled_force(
            rng, _rule(), _OLD, _NEW, size
        ),
        mutants=(
            Mutant(
                "the ratio dropped",
                experiment=lambda rng, size: experiment.measure_sampled_force(
                    rng, _DROPPED_RATIO, _OLD, _NEW, size
                ),
            ),
            Mutant("no force", lambda: np.zeros(1)),
        ),
        statistic="z",
        size={"quick": 300_000, "full": 8_000_000},
    ),
    Claim(
        id="P14-high-lowers",
        what="1 + (entropy with clip_high alone - without clip), random rewards",
        statement="a clip on the high side alone leaves less entropy than no clip",
        tags=("P14", "clip", "entropy", "noise", "sampled"),
        source="arXiv 2509.26114 (abstract read) on language models",
        theory=(clip_force.predicted_clip_force,),
        predicted=lambda: np.ones(1),
        experiment=lambda rng, size: _one_plus_gain(rng, _rule(clip_low=1.0), size),
        mutants=(Mutant("less by half a nat", lambda: np.full(1, 0.5)),),
        statistic="expected_bound",
        size={"quick": 2_000, "full": 20_000},
        expected_verdict="rejected",
        evidence=(
            "In a tabular softmax both one-sided clips leave more entropy than no clip, and both "
            "together most: the clip pulls back (P14-force). 10 arms, 3 rounds of 20 inner epochs "
            "on 8 samples, step size .3: +.61 nats with clip_high .5 alone, +.23 with clip_low .25 "
            "alone. The published sign is of language models, whose arms share parameters."
        ),
    ),
)
