"""Claims on Adam in place of SGD: lone and repeated successes, and the take-off (P51)."""

import numpy as np

from banditlab.optimizers import Adam, Optimizer
from banditlab.rules import get_rule
from theory.predict import adam, take_off
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.experiments import adam as experiment
from theory.verify.measurement import Measurement

_SOURCE = "derived in this project; the optimizer as in arXiv 1412.6980"
_TINY_EPS = 1e-30
_USUAL = {"beta1": 0.9, "beta2": 0.999}
_SHORT = {"beta1": 0.9, "beta2": 0.99}


class _LazyAdam(Adam):
    """Broken Adam: leaves logits and both means alone where the gradient is 0."""

    def change(self, gradient, state, count):
        change, new = super().change(gradient, state, count)
        is_idle = gradient == 0.0
        kept = {name: np.where(is_idle, state[name], value) for name, value in new.items()}
        return np.where(is_idle, 0.0, change), kept


_NUM_COASTING = 40
_LONE = (
    (1, _USUAL),
    (50, _USUAL),
    (400, _SHORT),
    (20, {"beta1": 0.9, "beta2": 0.7}),
    (300, {"beta1": 0.0, "beta2": 0.9}),
)


def _lone_rises() -> np.ndarray:
    return np.stack(
        [
            adam.predicted_lone_changes(1.0, first, _NUM_COASTING, step_size=1.0, **betas).cumsum()
            for first, betas in _LONE
        ]
    )


def _rises_with_root_at_rest() -> np.ndarray:
    first = _lone_rises()[:, :1]
    beta1 = np.array([[betas["beta1"]] for _, betas in _LONE])
    return first * (beta1 ** np.arange(_NUM_COASTING)).cumsum(axis=1)


def _measure_lone(kind: type[Adam]) -> Experiment:
    def measure(rng: np.random.Generator, size: int) -> Measurement:
        rises = []
        for first, betas in _LONE:
            rounds = experiment.lone_success(first, _NUM_COASTING)
            rises.append(experiment.play(kind(1.0, **betas), rounds)[0, first - 1 :])
        return Measurement.exact(rises)

    return measure


_GAPS = np.array([1, 2, 5, 20, 100, 300])
_REPEATED = {"beta1": 0.9, "beta2": 0.98}


def _repeated() -> np.ndarray:
    return adam.predicted_repeated_displacement(_GAPS, step_size=0.1, **_REPEATED)


def _measure_repeated(optimizer: Optimizer) -> Experiment:
    return lambda rng, size: experiment.measure_repeated(optimizer, _GAPS, 1_500)


_QUICK_TO_FORGET = {"beta1": 0.5, "beta2": 0.7}
_LARGE_STEP = 0.7
_TAKE_OFF = (("raw_reward", 1), ("raw_reward", 8), ("leave_one_out", 8), ("grpo", 8))


def _take_off(log_odds_factor: float) -> np.ndarray:
    return np.full(len(_TAKE_OFF), take_off.predicted_take_off_mean(log_odds_factor))


def _take_off_of_sgd() -> np.ndarray:
    factors = [
        take_off.predicted_log_odds_factor(rule, step_size=_LARGE_STEP, group_size=group)
        for rule, group in _TAKE_OFF
    ]
    return np.array([take_off.predicted_take_off_mean(factor) for factor in factors])


def _lone_factor() -> float:
    return adam.predicted_lone_displacement(step_size=_LARGE_STEP, **_QUICK_TO_FORGET)


def _measure_take_off(optimizer: Optimizer) -> Experiment:
    return lambda rng, size: Measurement.exact(
        [
            experiment.measure_take_off(
                optimizer, get_rule(rule), success_prob=1e-8, group_size=group, num_resting=50
            )
            for rule, group in _TAKE_OFF
        ]
    )


_IDENTITY = {"statistic": "difference", "tolerance": 1e-10, "mutant_tolerance": 1e-3}

ADAM_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P51-coasting",
        what="rise of log-odds over 40 rounds after a lone success, five settings",
        statement=(
            "change in round t = n + k: step_size (1 - beta1) beta1^k/(1 - beta1^t) sqrt((1 - "
            "beta2^t)/((1 - beta2) beta2^k)); they fall by beta1/sqrt(beta2) a round if beta1^2 < "
            "beta2, and else rise"
        ),
        tags=("P51", "adam", "exact", "raw_reward"),
        source=_SOURCE,
        theory=(adam.predicted_lone_changes,),
        predicted=_lone_rises,
        experiment=_measure_lone(Adam),
        mutants=(
            Mutant(
                "the success alone, nothing after it",
                lambda: np.repeat(_lone_rises()[:, :1], _NUM_COASTING, axis=1),
            ),
            Mutant("the root does not shrink meanwhile", _rises_with_root_at_rest),
            Mutant("rounds without gradient are left out", experiment=_measure_lone(_LazyAdam)),
        ),
        axis=Axis("setting and round (numbered)"),
        unit="rise of log-odds (nats)",
        **_IDENTITY,
    ),
    Claim(
        id="P51-repeated",
        what="rise of log-odds per success that comes every 1 to 300 rounds",
        statement=(
            "step_size (1 - beta1)/(1 - beta1^gap) sqrt((1 - beta2^gap)/(1 - beta2)) (1 - "
            "rate^gap)/(1 - rate), rate = beta1/sqrt(beta2): about step_size sqrt(gap), then flat"
        ),
        tags=("P51", "adam", "exact", "raw_reward"),
        source=_SOURCE,
        theory=(adam.predicted_repeated_displacement,),
        predicted=_repeated,
        experiment=_measure_repeated(Adam(0.1, eps=_TINY_EPS, **_REPEATED)),
        mutants=(
            Mutant("step_size sqrt(gap) at any gap", lambda: 0.1 * np.sqrt(_GAPS)),
            Mutant(
                "that of a lone success at any gap",
                lambda: np.full(
                    len(_GAPS), adam.predicted_lone_displacement(step_size=0.1, **_REPEATED)
                ),
            ),
            Mutant(
                "rounds without gradient are left out",
                experiment=_measure_repeated(_LazyAdam(0.1, eps=_TINY_EPS, **_REPEATED)),
            ),
        ),
        axis=Axis("rounds from success to success", at=_GAPS, is_log=True),
        unit="rise of log-odds (nats)",
        **_IDENTITY,
    ),
    Claim(
        id="P51-take-off",
        what="mean of p0 * (rollouts to p = 1/2), raw reward, leave-one-out, GRPO; G = 1 and 8",
        statement=(
            "f/(f - 1) with log f = step_size (1 - beta1)/sqrt(1 - beta2)/(1 - beta1/sqrt(beta2)) "
            "for every rule and group size (under SGD log f = step_size A/G)"
        ),
        tags=("P51", "adam", "take-off", "exact", "raw_reward", "leave_one_out", "grpo"),
        source=_SOURCE,
        theory=(adam.predicted_lone_displacement, take_off.predicted_take_off_mean),
        predicted=lambda: _take_off(_lone_factor()),
        experiment=_measure_take_off(Adam(_LARGE_STEP, **_QUICK_TO_FORGET)),
        mutants=(
            Mutant("log f = step_size", lambda: _take_off(_LARGE_STEP)),
            Mutant(
                "the success alone, nothing after it",
                lambda: _take_off(_LARGE_STEP * 0.5 / 0.3**0.5),
            ),
            Mutant("wrong arms fall as far", lambda: _take_off(2.0 * _lone_factor())),
            Mutant("SGD", _take_off_of_sgd),
        ),
        axis=Axis("rule and group size", at=[f"{rule}, {group}" for rule, group in _TAKE_OFF]),
        unit="p0 * rollouts",
        statistic="difference",
        tolerance=1e-6,
        mutant_tolerance=1e-2,
    ),
)
