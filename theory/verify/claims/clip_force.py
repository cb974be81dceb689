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


_FAR_OLD, _FAR_NEW = np.log([0.45, 0.45, 0.1]), np.log([0.15, 0.75, 0.1])


def _predicted_when_far(**changes: float) -> np.ndarray:
    force = clip_force.predicted_clip_force(
        np.exp(_FAR_OLD), np.exp(_FAR_NEW), **(_WIDTHS | changes)
    )
    return force[:-1]


_DROPPED_RATIO = replace(_rule(), weight=_without_ratio)

_OFF = {"clip_low": 1.0, "clip_high": 1e9}
_MOVES = (
    # What moved, old policy, present policy, widths of which one side is off.
    ("rare arm rose", [0.6, 0.3, 0.1], [0.55, 0.25, 0.2], _OFF | {"clip_high": 0.25}),
    ("likely arm rose", [0.45, 0.35, 0.2], [0.7, 0.25, 0.05], _OFF | {"clip_high": 0.25}),
    ("rare arm fell", [0.45, 0.35, 0.2], [0.7, 0.25, 0.05], _OFF | {"clip_low": 0.5}),
    ("likely arm fell", [0.8, 0.1, 0.1], [0.5, 0.3, 0.2], _OFF | {"clip_low": 0.25}),
)


def _predicted_slopes() -> np.ndarray:
    return np.array(
        [
            clip_force.predicted_clip_entropy_slope(old, new, **widths)
            for _, old, new, widths in _MOVES
        ]
    )


def _measure_slopes() -> Measurement:
    return Measurement.exact(
        [
            experiment.clip_entropy_slope(_rule(**widths), np.log(old), np.log(new))
            for _, old, new, widths in _MOVES
        ]
    )


_UNIFORM = np.zeros(10)
_PEAKED = np.log(np.concatenate([[0.9], np.full(9, 0.1 / 9)]))
_HIGH_ALONE = {"clip_low": 1.0, "clip_high": 0.2}


def _entropy_gain(rng: np.random.Generator, logits: np.ndarray, num_runs: int) -> np.ndarray:
    """Entropy with a clip on the high side alone less that without, on independent runs."""
    clipped, free = (
        experiment.entropy_after_noise(rng, rule, logits, num_rounds=3, num_runs=num_runs)
        for rule in (_rule(**_HIGH_ALONE), replace(get_rule("group_mean"), advantage=raw))
    )
    return clipped - free


# 6000 runs of 3 rounds of 20 inner epochs on 8 samples of 10 arms, step size .3, widths .2.
_FROM_UNIFORM = (
    "From a uniform policy of 10 arms noise makes some arms likely, and the clip's pull on them "
    "(P14-force) spreads the policy: +.72 +- .01 nats with the high side alone, +.23 with the low "
    "side alone, +.84 with both, relative to no clip. The sign is that of P14-entropy; the "
    "published one is seen from a peaked policy, as language models are (P14-high-raises)."
)
_FROM_PEAKED = (
    "From a policy with .9 on one arm the arms that rise past the clip are the rare ones, and "
    "holding them back narrows the policy: -.20 +- .01 nats with the high side alone, +.19 with "
    "the low side alone, -.10 with both, relative to no clip, all three as arXiv 2509.26114 "
    "states. The sign is that of P14-entropy; from a uniform policy it is the opposite "
    "(P14-high-lowers)."
)

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
        experiment=lambda rng, size: Measurement.exact(
            experiment.expected_force(_rule(), _OLD, _NEW)
        ),
        mutants=(
            Mutant(
                "the ratio dropped, weights of the old policy",
                experiment=lambda rng, size: Measurement.exact(
                    experiment.expected_force(_DROPPED_RATIO, _OLD, _NEW)
                ),
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
        what="mean inner step on drawn arms and rewards, 3 arms far from the old policy",
        statement="the mean step of rounds on drawn samples is the force of P14-force",
        tags=("P14", "clip", "noise", "sampled"),
        source="derived in this project",
        theory=(clip_force.predicted_clip_force,),
        predicted=_predicted_when_far,
        experiment=lambda rng, size: experiment.measure_sampled_force(
            rng, _rule(), _FAR_OLD, _FAR_NEW, size
        ),
        mutants=(
            Mutant(
                "the ratio dropped",
                experiment=lambda rng, size: experiment.measure_sampled_force(
                    rng, _DROPPED_RATIO, _FAR_OLD, _FAR_NEW, size
                ),
            ),
            Mutant("no clip and thus no force", lambda: np.zeros(2)),
            Mutant("the high side alone", lambda: _predicted_when_far(clip_low=1.0)),
        ),
        statistic="z",
        size={"quick": 400, "full": 4_000},
        axis=Axis("arm", range(2)),
        unit="change of the logit per unit step",
    ),
    Claim(
        id="P14-entropy",
        what="slope of the entropy along the clip's pull, one side of the clip at a time",
        statement=(
            "dH = 1/2 Cov_pi(rose - fell, pi (log pi + H)): each side of the clip has either "
            "sign, + where the arms that rose are likely or those that fell are rare, - where it "
            "is the other way round"
        ),
        tags=("P14", "clip", "entropy", "noise", "exact"),
        source="derived in this project",
        theory=(clip_force.predicted_clip_entropy_slope,),
        predicted=_predicted_slopes,
        experiment=lambda rng, size: _measure_slopes(),
        mutants=(
            Mutant(
                "the high side always lowers and the low side always raises the entropy",
                lambda: np.array([-1.0, -1.0, 1.0, 1.0]) * np.abs(_predicted_slopes()),
            ),
            Mutant("both sides always raise the entropy", lambda: np.abs(_predicted_slopes())),
        ),
        statistic="difference",
        tolerance=1e-10,
        mutant_tolerance=1e-3,
        axis=Axis("what moved past the clip", [what for what, *_ in _MOVES]),
        unit="nats per unit step",
    ),
    Claim(
        id="P14-high-lowers",
        what="1 + (entropy with clip_high alone - without clip), uniform start",
        statement="under random rewards a clip on the high side leaves less entropy than no clip",
        tags=("P14", "clip", "entropy", "noise", "sampled"),
        source="arXiv 2509.26114 (abstract read) on language models",
        theory=(clip_force.predicted_clip_entropy_slope,),
        predicted=lambda: np.ones(1),
        experiment=lambda rng, size: Measurement.mean_of_runs(
            1.0 + _entropy_gain(rng, _UNIFORM, size)
        ),
        mutants=(Mutant("less by half a nat", lambda: np.full(1, 0.5)),),
        statistic="expected_bound",
        size={"quick": 2_000, "full": 20_000},
        expected_verdict="rejected",
        evidence=_FROM_UNIFORM,
    ),
    Claim(
        id="P14-high-raises",
        what="1 - (entropy with clip_high alone - without clip), start with .9 on one arm",
        statement="under random rewards a clip on the high side leaves more entropy than no clip",
        tags=("P14", "clip", "entropy", "noise", "sampled"),
        source="catalogue entry P14, seen there in one toy run",
        theory=(clip_force.predicted_clip_entropy_slope,),
        predicted=lambda: np.ones(1),
        experiment=lambda rng, size: Measurement.mean_of_runs(
            1.0 - _entropy_gain(rng, _PEAKED, size)
        ),
        mutants=(Mutant("more by half a nat", lambda: np.full(1, 0.5)),),
        statistic="expected_bound",
        size={"quick": 2_000, "full": 20_000},
        expected_verdict="rejected",
        evidence=_FROM_PEAKED,
    ),
)
