"""Claims on Adam among few and many arms: one success, and which logits it moves (P51)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import logit

from banditlab.optimizers import SGD, Adam, Optimizer
from banditlab.rules import get_rule
from theory.predict import adam, adam_arms, take_off
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.experiments import adam_arms as experiment

_SOURCE = "derived in this project; the optimizer as in arXiv 1412.6980"

Measure = Callable[[Optimizer], Experiment]


@dataclass(frozen=True)
class _EpsInRoot(Adam):
    """Broken Adam: adds the square of eps under the root."""

    def change(self, gradient, state, count):
        _, new = super().change(gradient, state, count)
        square = new["mean_square"] / (1.0 - self.beta2**count)
        mean = new["mean"] / (1.0 - self.beta1**count)
        return self.step_size * mean / np.sqrt(square + self.eps**2), new


_STEP = 0.3
_PROB = 0.1
_START = float(logit(_PROB))
_GROUP = 8
_RULES = ("raw_reward", "group_mean", "leave_one_out", "grpo")


def _first_gradients() -> np.ndarray:
    factor = np.array(
        [
            take_off.predicted_log_odds_factor(rule, step_size=1.0, group_size=_GROUP)
            for rule in _RULES
        ]
    )
    # Advantages about a group's mean sum to 0, and so do the parts of the score that are -prob.
    return np.where(np.array(_RULES) == "raw_reward", factor * (1.0 - _PROB), factor)


def _first_gains() -> np.ndarray:
    return adam.predicted_lone_changes(_first_gradients(), 1, 1, step_size=_STEP)[:, 0]


def _measure_first(optimizer: Optimizer) -> Experiment:
    rules = [get_rule(rule) for rule in _RULES]
    return lambda rng, size: experiment.measure_first_gains(
        optimizer, rules, success_prob=_PROB, group_size=_GROUP
    )


_LOG10_WRONG = np.array([0.0, 2.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 12.0, 100.0, 100_000.0])
_FORGETFUL = {"beta1": 0.9, "beta2": 0.95}
_LATE = {"first_round": 250, "num_rounds": 60}
_FEW_LOG10_WRONG = np.array([0.0, 6.0, 7.0, 8.0, 100.0])


def _gains(log10_wrong: np.ndarray, first_round: int, num_rounds: int, **betas) -> np.ndarray:
    log_num_wrong = log10_wrong * np.log(10.0)
    return adam_arms.predicted_success_gains(
        1.0, _START, log_num_wrong, first_round, num_rounds, step_size=_STEP, **betas
    )[:, -1]


def _measure_gains(log10_wrong: np.ndarray, first_round: int, num_rounds: int) -> Measure:
    return lambda optimizer: (
        lambda rng, size: experiment.measure_gains(
            optimizer,
            log10_wrong,
            success_prob=_PROB,
            first_round=first_round,
            num_rounds=num_rounds,
        )
    )


_measure_early = _measure_gains(_LOG10_WRONG, 1, 1)
_measure_late = _measure_gains(_FEW_LOG10_WRONG, **_LATE)

_NUM_WRONG = np.array([1, 10, 100, 1_000, 10_000, 100_000])
_SUM_EPS = 1e-4


def _logit_sums() -> np.ndarray:
    return adam_arms.predicted_logit_sum(
        _NUM_WRONG, coefficient=1.0, log_odds=_START, step_size=_STEP, eps=_SUM_EPS
    )


_IDENTITY = {"statistic": "difference", "tolerance": 1e-10, "mutant_tolerance": 1e-3}

ADAM_ARMS_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P51-first",
        what="log-odds gained in a first round of one success of 8, four rules",
        statement=(
            "the first step is step_size g/(|g| + eps): one step_size for raw reward, g = q/G, and "
            "for group mean, leave-one-out and GRPO, g = A/G, whatever their advantage"
        ),
        tags=("P51", "adam", "exact", *_RULES),
        source=_SOURCE,
        theory=(adam.predicted_lone_changes,),
        predicted=_first_gains,
        experiment=_measure_first(Adam(_STEP)),
        mutants=(
            Mutant("SGD, whose step follows the advantage", experiment=_measure_first(SGD(_STEP))),
            Mutant(
                "without bias corrections",
                lambda: _first_gains() * 0.1 / np.sqrt(0.001),
            ),
            Mutant("endless wrong arms fall as far", lambda: 2.0 * _first_gains()),
        ),
        axis=Axis("rule", at=_RULES),
        unit="gain of log-odds (nats)",
        **_IDENTITY,
    ),
    Claim(
        id="P51-arms",
        what="log-odds gained by a success in round 1, among 1 to 10^100000 wrong arms",
        statement=(
            "gain = step_size (g/(g + eps) + h/(h + eps)), g = q, h = q/num_wrong: all wrong arms "
            "fall by step_size too, until there are q/eps = 1e8 of them"
        ),
        tags=("P51", "adam", "arm-space", "exact", "raw_reward"),
        source=_SOURCE,
        theory=(adam_arms.predicted_success_gains,),
        predicted=lambda: _gains(_LOG10_WRONG, 1, 1),
        experiment=_measure_early(Adam(_STEP)),
        mutants=(
            Mutant("only the correct arm moves", lambda: np.full(len(_LOG10_WRONG), _STEP)),
            Mutant(
                "all wrong arms fall, however many",
                lambda: np.full(len(_LOG10_WRONG), 2.0 * _STEP),
            ),
            Mutant("SGD", experiment=_measure_early(SGD(_STEP))),
            Mutant("eps under the root", experiment=_measure_early(_EpsInRoot(_STEP))),
        ),
        axis=Axis("wrong arms", at=[f"1e{log10:.0f}" for log10 in _LOG10_WRONG]),
        unit="gain of log-odds (nats)",
        **_IDENTITY,
    ),
    Claim(
        id="P51-arms-late",
        what="log-odds gained by a success in round 250 and 59 idle rounds, among wrong arms",
        statement=(
            "gain = step_size sum_k (1 - beta1) beta1^k (g/(g root_k + eps) + h/(h root_k + eps)),"
            " root_k^2 = (1 - beta2) beta2^k: the border sinks to sqrt(1 - beta2) q/eps arms"
        ),
        tags=("P51", "adam", "arm-space", "exact", "raw_reward"),
        source=_SOURCE,
        theory=(adam_arms.predicted_success_gains,),
        predicted=lambda: _gains(_FEW_LOG10_WRONG, **_LATE, **_FORGETFUL),
        experiment=_measure_late(Adam(_STEP, **_FORGETFUL)),
        mutants=(
            Mutant(
                "the success alone, nothing after it",
                lambda: _gains(_FEW_LOG10_WRONG, _LATE["first_round"], 1, **_FORGETFUL),
            ),
            Mutant(
                "as in round 1",
                lambda: _gains(_FEW_LOG10_WRONG, 1, _LATE["num_rounds"], **_FORGETFUL),
            ),
            Mutant("eps under the root", experiment=_measure_late(_EpsInRoot(_STEP, **_FORGETFUL))),
        ),
        axis=Axis("wrong arms", at=[f"1e{log10:.0f}" for log10 in _FEW_LOG10_WRONG]),
        unit="gain of log-odds (nats)",
        **_IDENTITY,
    ),
    Claim(
        id="P51-sum",
        what="change of the sum of logits by a success in round 1",
        statement=(
            "sum = step_size (g/(g + eps) - num_wrong h/(h + eps)): not conserved, unlike under "
            "SGD (P1)"
        ),
        tags=("P51", "adam", "exact", "raw_reward"),
        source=_SOURCE,
        theory=(adam_arms.predicted_logit_sum,),
        predicted=_logit_sums,
        experiment=lambda rng, size: experiment.measure_logit_sums(
            Adam(_STEP, eps=_SUM_EPS), _NUM_WRONG, success_prob=_PROB
        ),
        mutants=(
            Mutant("conserved", lambda: np.zeros(len(_NUM_WRONG))),
            Mutant("signs alone, without eps", lambda: _STEP * (1.0 - _NUM_WRONG)),
            Mutant(
                "SGD",
                experiment=lambda rng, size: experiment.measure_logit_sums(
                    SGD(_STEP), _NUM_WRONG, success_prob=_PROB
                ),
            ),
        ),
        axis=Axis("wrong arms", at=_NUM_WRONG, is_log=True),
        unit="change of the sum (nats)",
        **_IDENTITY | {"tolerance": 1e-9},
    ),
)
