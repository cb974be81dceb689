"""Claims on the long run of single-sample policy gradient: regret and its bound (P32, P50)."""

import numpy as np

from banditlab.reward_laws import Bernoulli, Gaussian, Rademacher, RewardLaw
from banditlab.tails.runs import Arm
from theory.predict import long_run, regret_bound
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.experiments import long_run as experiment

_DERIVED = "derived in this project (catalogue entry P32)"


def _arms(mean: tuple[float, ...], law: RewardLaw | None = None) -> list[Arm]:
    return [Arm(value) if law is None else Arm(value, law) for value in mean]


_PAIRS = (
    (_arms((0.9, 0.3), Bernoulli()), 0.2),
    (_arms((1.0, 0.2), Gaussian(0.5)), 0.2),
    (_arms((1.0, 0.6)), 0.1),
)
_PAIR_STEPS = np.array([step_size for _, step_size in _PAIRS])
_PAIR_GAPS = np.array([0.6, 0.8, 0.4])
_PAIR_NAMES = ("Bernoulli .9/.3", "Gaussian 1/.2", "certain 1/.6")

_MANY = (
    (_arms((0.9, 0.3), Bernoulli()), 0.3),
    (_arms((1.0, 0.5, 0.3, 0.2, 0.1)), 0.3),
    (_arms((1.0, *np.linspace(0.5, 0.1, 9))), 0.3),
)
_MANY_STEPS = np.array([step_size for _, step_size in _MANY])
_MANY_COUNTS = (2, 5, 10)


def _mistake_rates() -> np.ndarray:
    return np.array(
        [
            float(long_run.predicted_mistake_rate(step_size, gap))
            for step_size, gap in zip(_PAIR_STEPS, _PAIR_GAPS, strict=True)
        ]
    )


def _constants() -> np.ndarray:
    return np.array(
        [
            long_run.predicted_regret_constant(step_size, num_arms)
            for step_size, num_arms in zip(_MANY_STEPS, _MANY_COUNTS, strict=True)
        ]
    )


def _small_gap_first() -> np.ndarray:
    """Regret if every wrong arm were pulled equally often, at the rate of the first one."""
    gaps = [arms[0].mean_reward - np.array([a.mean_reward for a in arms[1:]]) for arms, _ in _MANY]
    return np.array(
        [
            gap.sum() * float(long_run.predicted_mistake_rate(step_size, gap.min(), num_arms))
            for gap, step_size, num_arms in zip(gaps, _MANY_STEPS, _MANY_COUNTS, strict=True)
        ]
    )


_BOUNDED = (((0.5, -0.5), 0.2, 250), ((0.3, -0.3), 0.1, 400))


def _bounds() -> list[float]:
    return [
        regret_bound.predicted_regret_bound(step_size, mean[0] - mean[1], horizon)
        for mean, step_size, horizon in _BOUNDED
    ]


def _logarithms(factor: float) -> np.ndarray:
    return np.array(
        [
            np.log1p(factor * step_size * (mean[0] - mean[1]) * horizon) / (2.0 * step_size)
            for mean, step_size, horizon in _BOUNDED
        ]
    )


def _measure_bounded(factor: float = 1.0) -> Experiment:
    bandits = [
        (_arms(mean, Rademacher()), factor * step_size, horizon)
        for mean, step_size, horizon in _BOUNDED
    ]
    return lambda rng, size: experiment.measure_regrets(rng, bandits, num_runs=size)


LONG_RUN_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P32-mistakes",
        what="pulls of the wrong one of two arms per e-fold of time",
        statement=(
            "t E[1 - p_t] -> 1/(2 step gap), whatever the noise; Bernoulli .9/.3 and Gaussian "
            "1/.2 (sd .5) at step .2, certain 1/.6 at step .1, between rounds 1e6 and 1e30"
        ),
        tags=("P32", "regret", "sampled", "raw_reward"),
        source=_DERIVED,
        theory=(long_run.predicted_mistake_rate,),
        predicted=_mistake_rates,
        experiment=lambda rng, size: experiment.measure_mistake_rates(
            rng, _PAIRS, begin=1e6, horizon=1e30, num_runs=size
        ),
        mutants=(
            Mutant("1/(step gap), one logit alone", lambda: 1.0 / (_PAIR_STEPS * _PAIR_GAPS)),
            Mutant("1/(2 step), free of the gap", lambda: 0.5 / _PAIR_STEPS),
        ),
        statistic="z",
        size={"quick": 300, "full": 4_000},
        axis=Axis("arms", at=_PAIR_NAMES),
        unit="pulls per e-fold",
    ),
    Claim(
        id="P32-regret",
        what="regret per e-fold of time, 2, 5 and 10 arms",
        statement=(
            "dR/dlog(T) -> (K - 1)/(K step), free of gaps and noise; K = 2 (Bernoulli), 5 and 10 "
            "(certain, unequal gaps), step .3, between rounds 1e20 and 1e50"
        ),
        tags=("P32", "regret", "sampled", "raw_reward"),
        source=_DERIVED,
        theory=(long_run.predicted_regret_constant,),
        predicted=_constants,
        experiment=lambda rng, size: experiment.measure_regret_constants(
            rng, _MANY, begin=1e20, horizon=1e50, num_runs=size
        ),
        mutants=(
            Mutant("1/step, without (K - 1)/K", lambda: 1.0 / _MANY_STEPS),
            Mutant("1/(2 step) for any K", lambda: 0.5 / _MANY_STEPS),
            Mutant("wrong arms pulled equally often", _small_gap_first),
        ),
        statistic="z",
        size={"quick": 120, "full": 4_000},
        axis=Axis("arms K", at=_MANY_COUNTS),
        unit="regret per e-fold",
    ),
    Claim(
        id="P50-bound",
        what="mean regret of two arms paying +-1, two cases",
        statement=(
            "R_T <= log(1 + 4 step gap T)/(2 step) + gap/(2 step (gap - step C)), "
            "C = 2 sum (2 step)^n/(n + 2)!, while step C < gap"
        ),
        tags=("P50", "regret", "bound", "sampled", "raw_reward"),
        source="Baudry et al. 2025, Theorem 1, as the catalogue cites it",
        theory=(regret_bound.predicted_regret_bound,),
        predicted=_bounds,
        experiment=_measure_bounded(),
        mutants=(
            Mutant("the second term dropped", lambda: _logarithms(4.0)),
            Mutant(
                "step in place of 4 step in the logarithm",
                lambda: np.array(_bounds()) - _logarithms(4.0) + _logarithms(1.0),
            ),
            Mutant("half the step size under the same bound", experiment=_measure_bounded(0.5)),
        ),
        statistic="expected_bound",
        size={"quick": 1_600, "full": 12_000},
        axis=Axis(
            "gap, step size, rounds",
            at=[f"{mean[0] - mean[1]:g}, {step:g}, {rounds}" for mean, step, rounds in _BOUNDED],
        ),
        unit="regret",
    ),
)
