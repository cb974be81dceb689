"""Claims on Adam under random successes, and on the largest change it can make (P51)."""

import numpy as np

from banditlab.optimizers import SGD, Adam
from theory.predict import adam, adam_drift
from theory.verify.claim import Axis, Claim, Mutant
from theory.verify.experiments import adam as experiment
from theory.verify.measurement import Measurement

_SOURCE = "derived in this project; the optimizer as in arXiv 1412.6980"
_TINY_EPS = 1e-30
_USUAL = {"beta1": 0.9, "beta2": 0.999}
_SHORT = {"beta1": 0.9, "beta2": 0.99}

_PATTERN_RATES = np.array([0.01, 0.1, 0.5, 0.9])


def _pattern_rises() -> np.ndarray:
    return adam_drift.predicted_mean_displacement(_PATTERN_RATES, 10, step_size=1.0, **_USUAL)


_RATES = np.array([0.02, 0.1, 0.5])
_NUM_ROUNDS = 300
_SMALL_STEP = 1e-6


def _mean_rises() -> np.ndarray:
    return adam_drift.predicted_mean_displacement(
        _RATES, _NUM_ROUNDS, step_size=_SMALL_STEP, **_SHORT
    )[:, -1]


_NUM_GROWING = 80
_NUM_WAITING, _NUM_STREAK = 2_000, 12
_STREAK = (np.arange(_NUM_WAITING + _NUM_STREAK) >= _NUM_WAITING)[None]


def _largest() -> np.ndarray:
    count = np.concatenate(
        [np.arange(1, _NUM_GROWING + 1), _NUM_WAITING + np.arange(1, _NUM_STREAK + 1)]
    )
    return adam_drift.predicted_largest_change(count, step_size=1.0, **_USUAL)


def _measure_streak(rng: np.random.Generator, size: int) -> Measurement:
    rise = experiment.play(Adam(1.0, **_USUAL), _STREAK)[0]
    return Measurement.exact(np.diff(rise)[_NUM_WAITING - 1 :])


def _measure_largest(rng: np.random.Generator, size: int) -> Measurement:
    growth = _USUAL["beta2"] / _USUAL["beta1"]
    optimizer = Adam(1.0, eps=_TINY_EPS, **_USUAL)
    growing = experiment.measure_growing_gradients(optimizer, growth, _NUM_GROWING)
    return Measurement.joined(growing, _measure_streak(rng, size))


def _published(num: int, factor: float = 1.0) -> np.ndarray:
    return np.full(num, factor * adam_drift.published_largest_change(step_size=1.0, **_USUAL))


_IDENTITY = {"statistic": "difference", "tolerance": 1e-10, "mutant_tolerance": 1e-3}

ADAM_DRIFT_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P51-drift-exact",
        what="mean rise of log-odds over all 1024 patterns of successes in 10 rounds",
        statement=(
            "E[m/sqrt(v)] = 2/sqrt(pi) int E[m exp(-u^2 v)] du, a product over independent rounds"
        ),
        tags=("P51", "adam", "drift", "exact", "raw_reward"),
        source=_SOURCE,
        theory=(adam_drift.predicted_mean_displacement,),
        predicted=_pattern_rises,
        experiment=lambda rng, size: experiment.measure_mean_over_patterns(
            Adam(1.0, eps=_TINY_EPS, **_USUAL), _PATTERN_RATES, 10
        ),
        mutants=(
            Mutant(
                "mean over root of the mean square, step_size sqrt(p)",
                lambda: np.sqrt(_PATTERN_RATES)[:, None] * np.arange(1.0, 11.0),
            ),
            Mutant(
                "SGD",
                experiment=lambda rng, size: experiment.measure_mean_over_patterns(
                    SGD(1.0), _PATTERN_RATES, 10
                ),
            ),
        ),
        axis=Axis("pass rate and round (numbered)"),
        unit="mean rise of log-odds (nats)",
        **_IDENTITY,
    ),
    Claim(
        id="P51-drift-sampled",
        what="mean rise of log-odds over 300 rounds of one drawn rollout, three pass rates",
        statement=(
            "the integral of P51-drift-exact: near step_size sqrt(p) a round at p >> 1 - beta2, "
            "less where successes are rarer"
        ),
        tags=("P51", "adam", "drift", "sampled", "raw_reward"),
        source=_SOURCE,
        theory=(adam_drift.predicted_mean_displacement,),
        predicted=_mean_rises,
        experiment=lambda rng, size: experiment.measure_mean_rise(
            rng, Adam(_SMALL_STEP, **_SHORT), _RATES, _NUM_ROUNDS, size
        ),
        mutants=(
            Mutant(
                "step_size sqrt(p) a round",
                lambda: _SMALL_STEP * _NUM_ROUNDS * np.sqrt(_RATES),
            ),
            Mutant(
                "each success as a lone one",
                lambda: (
                    _RATES
                    * _NUM_ROUNDS
                    * adam.predicted_lone_displacement(step_size=_SMALL_STEP, **_SHORT)
                ),
            ),
            Mutant("SGD", lambda: _SMALL_STEP * _NUM_ROUNDS * _RATES * (1.0 - _RATES)),
        ),
        statistic="z",
        size={"quick": 5_000, "full": 40_000},
        axis=Axis("pass rate", at=_RATES, is_log=True),
        unit="mean rise of log-odds (nats)",
    ),
    Claim(
        id="P51-largest-change",
        what="changes of a logit by growing gradients and by a streak of successes",
        statement=(
            "|change| <= step_size (1 - beta1)/(1 - beta1^t) sqrt((1 - beta2^t)/(1 - beta2) sum_j "
            "(beta1^2/beta2)^j), attained by gradients that grow by beta2/beta1: 7.27 steps"
        ),
        tags=("P51", "adam", "bound", "exact", "raw_reward"),
        source=_SOURCE,
        theory=(adam_drift.predicted_largest_change,),
        predicted=_largest,
        experiment=_measure_largest,
        mutants=(
            Mutant(
                "the published bound, that of a lone gradient",
                lambda: _published(_NUM_GROWING + _NUM_STREAK),
            ),
            Mutant("1 % tighter", lambda: 0.99 * _largest()),
        ),
        axis=Axis("growing gradients, then the streak (numbered)"),
        unit="change of the logit (nats)",
        statistic="bound",
        tolerance=1e-10,
        mutant_tolerance=1e-3,
    ),
    Claim(
        id="P51-published-change",
        what="changes of a logit by a streak of 12 successes after 2000 failures",
        statement="|change| <= step_size max(1, (1 - beta1)/sqrt(1 - beta2)), 3.16 steps",
        tags=("P51", "adam", "bound", "exact", "raw_reward"),
        source="Kingma and Ba, arXiv 1412.6980, section 2.1 (read)",
        theory=(adam_drift.published_largest_change,),
        predicted=lambda: _published(_NUM_STREAK),
        experiment=_measure_streak,
        mutants=(Mutant("half the published bound", lambda: _published(_NUM_STREAK, 0.5)),),
        expected_verdict="rejected",
        evidence=(
            "A lone gradient after a long wait is not the worst case: the second success in a row "
            "moves the logit by 3.95 steps and the twelfth by 6.11. The bound of "
            "P51-largest-change holds and is attained."
        ),
        axis=Axis("success of the streak", at=np.arange(1, _NUM_STREAK + 1)),
        unit="change of the logit (nats)",
        statistic="bound",
        tolerance=1e-10,
        mutant_tolerance=1e-3,
    ),
)
