"""Claims on how long noise keeps policy gradient on a wrong arm: raw rewards (P33)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from banditlab.reward_laws import Bernoulli, Gaussian, Rademacher
from banditlab.rules import get_rule
from banditlab.tails.runs import Arm
from theory.predict import escape, stuck
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.experiments import stuck as experiment
from theory.verify.experiments.stuck import Corner
from theory.verify.measurement import Measurement

_DERIVED = "derived in this project (catalogue entry P33)"


@dataclass(frozen=True)
class _Case:
    """A corner, and the law of its rewards as the predictions take it."""

    name: str
    corner: Corner
    reward: np.ndarray
    prob: np.ndarray
    noise_sd: float = 0.0

    @property
    def law(self) -> dict[str, Any]:
        return {
            "reward": self.reward,
            "prob": self.prob,
            "noise_sd": self.noise_sd,
            "wrong_mean": self.corner.wrong.observed_mean,
            "num_wrong": self.corner.num_wrong,
        }

    @property
    def gap(self) -> float:
        return float(self.prob @ self.reward) - self.corner.wrong.observed_mean

    @property
    def second_moment(self) -> float:
        return float(self.prob @ self.reward**2) + self.noise_sd**2

    @property
    def share(self) -> float:
        """(K - 1)/K."""
        return self.corner.num_wrong / (self.corner.num_wrong + 1)


def _gaussian(step_size: float) -> _Case:
    corner = Corner(Arm(0.5, Gaussian(1.0)), Arm(0.0), step_size)
    return _Case("Gaussian .5/0", corner, np.array([0.5]), np.ones(1), noise_sd=1.0)


def _signs(num_wrong: int, step_size: float) -> _Case:
    corner = Corner(Arm(0.3, Rademacher()), Arm(0.0), step_size, num_wrong)
    name = f"+-1 (.3)/0, K = {num_wrong + 1}"
    return _Case(name, corner, np.array([1.0, -1.0]), np.array([0.65, 0.35]))


def _coins(correct: float, wrong: float, step_size: float) -> _Case:
    corner = Corner(Arm(correct, Bernoulli()), Arm(wrong, Bernoulli()), step_size)
    prob = np.array([correct, 1.0 - correct])
    return _Case(f"Bernoulli {correct:g}/{wrong:g}", corner, np.array([1.0, 0.0]), prob)


def _certain(correct: float, wrong: float, step_size: float) -> _Case:
    corner = Corner(Arm(correct), Arm(wrong), step_size)
    return _Case(f"certain {correct:g}/{wrong:g}", corner, np.array([correct]), np.ones(1))


_EXPONENTS = (
    _gaussian(1.3),
    _signs(4, 1.1),
    _signs(19, 1.3),
    _coins(0.9, 0.4, 2.4),
    _certain(1.0, 0.8, 0.6),
    _certain(2.0, 1.8, 0.14),
)
_THRESHOLD_STEPS = np.array([0.8, 1.2, 1.8])
_THRESHOLDS = [_coins(0.9, 0.6, float(step_size)) for step_size in _THRESHOLD_STEPS]
_MEANS = (_gaussian(1 / 12), _signs(4, 1 / 12), _coins(0.9, 0.6, 1 / 13))
_MEAN_START = 11.0
_GROWTHS = (_gaussian(2.0), _signs(4, 1.3), _coins(0.9, 0.6, 1.75))
_ESCAPE_STARTS = np.array([2.0, 3.0, 3.5])
_ESCAPE = {"reward": (1.0, 0.8), "step_size": 5.0, "num_rounds": 100}
_BASELINE = 0.9


def _predicted(quantity: Callable[..., float], cases: Sequence[_Case]) -> np.ndarray:
    return np.array([quantity(case.corner.step_size, **case.law) for case in cases])


def _small_step_exponents(cases: Sequence[_Case]) -> np.ndarray:
    return np.array([2.0 * c.share * c.gap / (c.corner.step_size * c.second_moment) for c in cases])


def _exponents_of_two_arms() -> np.ndarray:
    two = [replace(case, corner=replace(case.corner, num_wrong=1)) for case in _EXPONENTS]
    return _predicted(stuck.predicted_stuck_exponent, two)


def _measure_exponents(cases: Sequence[_Case]) -> Experiment:
    corners = [case.corner for case in cases]
    return lambda rng, size: experiment.measure_stuck_exponents(rng, corners, size)


def _threshold() -> np.ndarray:
    value = stuck.predicted_learning_rate_threshold(**_THRESHOLDS[0].law)
    return np.full(len(_THRESHOLDS), value)


def _measure_thresholds(rng: np.random.Generator, size: int) -> Measurement:
    exponent = _measure_exponents(_THRESHOLDS)(rng, size)
    return Measurement.estimates(
        _THRESHOLD_STEPS * exponent.value, _THRESHOLD_STEPS * exponent.standard_error
    )


def _longest_escapes() -> np.ndarray:
    wrong_advantage = _ESCAPE["reward"][1] - _BASELINE
    return escape.predicted_longest_escape(_ESCAPE["step_size"], _ESCAPE_STARTS, wrong_advantage)


def _measure_escapes(rule: str, **hyper: float) -> Experiment:
    return lambda rng, size: experiment.measure_longest_escapes(
        rng, get_rule(rule, **hyper), log_odds=_ESCAPE_STARTS, num_runs=size, **_ESCAPE
    )


STUCK_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P33-exponent",
        what="tail exponent of the time on wrong arms, six cases",
        statement=(
            "P(T > t) ~ t^-alpha, alpha = c/step, 2 c mean_wrong + E exp(-2 c R) = 1, with "
            "K/(K - 1) for the 2 where K - 1 wrong arms pay 0"
        ),
        tags=("P33", "stuck", "tail", "sampled", "raw_reward"),
        source=f"{_DERIVED}; for rewards +-1 the lower bound's exponent in Baudry et al. 2025",
        theory=(stuck.predicted_stuck_exponent, stuck.predicted_learning_rate_threshold),
        predicted=lambda: _predicted(stuck.predicted_stuck_exponent, _EXPONENTS),
        experiment=_measure_exponents(_EXPONENTS),
        mutants=(
            Mutant("small steps, gap/(step E[R^2])", lambda: _small_step_exponents(_EXPONENTS)),
            Mutant("two arms for any K, without (K - 1)/K", _exponents_of_two_arms),
        ),
        statistic="z",
        size={"quick": 20_000, "full": 160_000},
        largest_error=0.15,
        axis=Axis("rewards", at=[case.name for case in _EXPONENTS]),
        unit="tail exponent",
    ),
    Claim(
        id="P33-threshold",
        what="tail exponent times step size, Bernoulli .9/.6, three step sizes",
        statement=(
            "alpha step = c = 0.437 at any step size, which is the learning rate threshold: the "
            "expected time on the wrong arm is infinite from step = c on"
        ),
        tags=("P33", "stuck", "tail", "sampled", "raw_reward"),
        source=_DERIVED,
        theory=(stuck.predicted_learning_rate_threshold,),
        predicted=_threshold,
        experiment=_measure_thresholds,
        mutants=(
            Mutant("the gap, 0.3", lambda: np.full(len(_THRESHOLDS), _THRESHOLDS[0].gap)),
            Mutant(
                "gap/E[R^2], of small gaps",
                lambda: _THRESHOLD_STEPS * _small_step_exponents(_THRESHOLDS),
            ),
        ),
        statistic="z",
        size={"quick": 25_000, "full": 300_000},
        largest_error=0.15,
        axis=Axis("step size", at=_THRESHOLD_STEPS),
        unit="learning rate threshold",
    ),
    Claim(
        id="P33-mean",
        what="mean rounds on wrong arms over the odds at the start, three cases",
        statement=(
            "E[T]/X0 = 1/(1 - 2 step mean_wrong - E exp(-2 step R)) below the threshold (K/(K - 1) "
            "for the second 2 as in P33-exponent), infinite from the threshold on"
        ),
        tags=("P33", "stuck", "sampled", "raw_reward"),
        source="derived in this project (beside catalogue entry P33)",
        theory=(stuck.predicted_stuck_mean,),
        predicted=lambda: _predicted(stuck.predicted_stuck_mean, _MEANS),
        experiment=lambda rng, size: experiment.measure_stuck_means(
            rng, [case.corner for case in _MEANS], _MEAN_START, size
        ),
        mutants=(
            Mutant(
                "without noise, (K - 1)/(K step gap)",
                lambda: np.array([c.share / (c.corner.step_size * c.gap) for c in _MEANS]),
            ),
        ),
        statistic="z",
        size={"quick": 3_000, "full": 30_000},
        axis=Axis("rewards", at=[case.name for case in _MEANS]),
        unit="rounds per unit of odds",
    ),
    Claim(
        id="P33-regret",
        what="log-log slope of the time lost above the threshold, three cases",
        statement="E[min(T, t)] grows like t^(1 - c/step) for step > c, instead of having a limit",
        tags=("P33", "stuck", "tail", "regret", "sampled", "raw_reward"),
        source=_DERIVED,
        theory=(stuck.predicted_regret_growth,),
        predicted=lambda: _predicted(stuck.predicted_regret_growth, _GROWTHS),
        experiment=lambda rng, size: experiment.measure_regret_growth(
            rng, [case.corner for case in _GROWTHS], size
        ),
        mutants=(
            Mutant("linear regret", lambda: np.ones(len(_GROWTHS))),
            Mutant("small steps", lambda: 1.0 - _small_step_exponents(_GROWTHS)),
            Mutant("square-root regret", lambda: np.full(len(_GROWTHS), 0.5)),
        ),
        statistic="z",
        largest_error=0.15,
        size={"quick": 50_000, "full": 400_000},
        axis=Axis("rewards", at=[case.name for case in _GROWTHS]),
        unit="log-log slope",
    ),
    Claim(
        id="P33-baseline",
        what="longest time of any run on the wrong arm, baseline between the rewards",
        statement=(
            "with certain rewards and a baseline between them no run stays longer than one that "
            "pulls the wrong arm alone: T <= about X0/(2 step (baseline - reward)), no tail"
        ),
        tags=("P33", "stuck", "bound", "exact", "constant_baseline"),
        source=_DERIVED,
        theory=(escape.predicted_longest_escape,),
        predicted=_longest_escapes,
        experiment=_measure_escapes("constant_baseline", baseline=_BASELINE),
        mutants=(
            Mutant("raw rewards, without the baseline", experiment=_measure_escapes("raw_reward")),
            Mutant("three quarters of that time", lambda: 0.75 * _longest_escapes()),
        ),
        statistic="bound",
        tolerance=1e-12,
        mutant_tolerance=1e-2,
        size={"quick": 400, "full": 10_000},
        axis=Axis("log-odds at the start (nats)", at=_ESCAPE_STARTS),
        unit="rounds",
    ),
)
