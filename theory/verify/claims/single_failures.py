"""Claims on what a single failure of reward -1 does: to the log-odds, and in inner epochs (P57)."""

from dataclasses import replace

import numpy as np
from scipy.special import expit

from banditlab.rules import get_rule
from theory.predict import negative_reward
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.experiments import negative_reward as experiment
from theory.verify.measurement import Measurement

_DERIVED = "derived in this project; reward -1 as arXiv 2601.14599 tries it (read in digest)"
_TAGS = ("P57", "negative-reward")
_EXACT = {"statistic": "difference", "tolerance": 1e-12, "mutant_tolerance": 1e-3}

_SIGNED = get_rule("negative_reward")

_GRID = np.array([-8.0, -5.0, -3.5, -2.0, 0.0])
_ARMS = (2, 5, 50)
_STEP = 0.8


def _failure_steps() -> np.ndarray:
    return np.stack(
        [
            negative_reward.predicted_failure_step(_GRID, num_wrong=count, step_size=_STEP)
            for count in _ARMS
        ]
    )


def _first_order() -> np.ndarray:
    return np.stack([_STEP * expit(_GRID) * (1.0 + 1.0 / count) for count in _ARMS])


def _measure_failure_steps(rng: np.random.Generator, size: int) -> Measurement:
    return Measurement.exact(
        [
            experiment.failure_step(_SIGNED, float(start), count, _STEP)
            for count in _ARMS
            for start in _GRID
        ]
    )


_STEPS = (0.2, 1.0, 3.0)


def _breakdowns(factor: float = 1.0) -> np.ndarray:
    """Pass rates of the breakdown over the step size."""
    return np.array(
        [
            factor
            * expit(
                negative_reward.predicted_breakdown_log_odds(num_wrong=count, step_size=step_size)
            )
            / step_size
            for count in _ARMS
            for step_size in _STEPS
        ]
    )


def _small_step_breakdowns() -> np.ndarray:
    return np.repeat(
        [(count - 1.0) / (4.0 * count * (count + 1.0)) for count in _ARMS], len(_STEPS)
    )


def _measure_breakdowns(rng: np.random.Generator, size: int) -> Measurement:
    found = []
    for count in _ARMS:
        for step_size in _STEPS:
            share = np.full(count, 1.0 / count)
            start = experiment.breakdown(
                lambda at, share=share, step_size=step_size: experiment.mean_step(
                    _SIGNED, at, share, step_size
                )
            )
            found.append(expit(start) / step_size)
    return Measurement.exact(found)


_EPOCHS = 12
_COEFFICIENT = 0.4


def _measure_epochs(rule=_SIGNED) -> Experiment:
    return lambda rng, size: experiment.measure_inner_log_ratios(rule, _EPOCHS, _COEFFICIENT)


SINGLE_FAILURE_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P57-failure",
        what="change of the log-odds by one failure among 2, 5 and 50 wrong arms",
        statement=(
            "step (p - (1 - p)/K) - log(1 - (1 - e^-step)/K): up where p is large, down where it "
            "is small; step = 0.8"
        ),
        tags=(*_TAGS, "exact", "negative_reward"),
        source=_DERIVED,
        theory=(negative_reward.predicted_failure_step,),
        predicted=_failure_steps,
        experiment=_measure_failure_steps,
        mutants=(
            Mutant("first order in the step: a failure never harms", _first_order),
            Mutant("endless wrong arms: step p", lambda: np.tile(_STEP * expit(_GRID), len(_ARMS))),
        ),
        axis=Axis("wrong arms and log-odds (numbered)"),
        unit="change of the log-odds (nats)",
        **_EXACT,
    ),
    Claim(
        id="P57-breakdown",
        what="pass rate below which a rollout lowers the log-odds on average, over the step",
        statement=(
            "p = (1/K + log(1 - (1 - e^-step)/K)/step)/(2 (1 + 1/K)), about step (K - 1)/(4 K (K + "
            "1)); the raw reward has no such pass rate"
        ),
        tags=(*_TAGS, "exact", "negative_reward"),
        source=_DERIVED,
        theory=(negative_reward.predicted_breakdown_log_odds,),
        predicted=_breakdowns,
        experiment=_measure_breakdowns,
        mutants=(
            Mutant("its form for small steps", _small_step_breakdowns),
            Mutant("the one below which a failure alone lowers them", lambda: _breakdowns(2.0)),
        ),
        statistic="difference",
        tolerance=1e-10,
        mutant_tolerance=1e-3,
        axis=Axis("wrong arms and step size (numbered)"),
        unit="pass rate over step size",
    ),
    Claim(
        id="P57-epochs",
        what="log-ratio of a failure after 1 to 12 inner epochs, endless wrong arms",
        statement=(
            "l <- l - coefficient e^l, about -log(1 + coefficient k): inner epochs do not drive a "
            "failure off, as long as its weight has the ratio; without it l = -coefficient k"
        ),
        tags=(*_TAGS, "inner-epochs", "exact", "negative_reward"),
        source=_DERIVED,
        theory=(negative_reward.predicted_inner_log_ratio,),
        predicted=lambda: negative_reward.predicted_inner_log_ratio(_EPOCHS, _COEFFICIENT),
        experiment=_measure_epochs(),
        mutants=(
            Mutant(
                "the ratio dropped from the weight",
                experiment=_measure_epochs(
                    replace(_SIGNED, weight=lambda log_prob, old_log_prob, advantage: advantage)
                ),
            ),
            Mutant(
                "-log(1 + coefficient k) itself",
                lambda: -np.log1p(_COEFFICIENT * np.arange(1, _EPOCHS + 1)),
            ),
        ),
        axis=Axis("inner epoch", at=np.arange(1, _EPOCHS + 1)),
        unit="log-ratio (nats)",
        **_EXACT,
    ),
)
