"""Claims on how long a group baseline stays on the wrong one of two arms (P34)."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from banditlab.reward_laws import Bernoulli, Gaussian
from banditlab.rules import get_rule
from banditlab.tails.runs import Arm
from theory.predict import group_stuck
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.experiments import stuck as experiment
from theory.verify.experiments.stuck import GroupCorner

_DERIVED = "derived in this project (catalogue entry P34)"
_TAGS = ("group_mean", "leave_one_out", "grpo")

_CERTAIN_START = 18.0
_CERTAIN = (
    GroupCorner(get_rule("leave_one_out"), Arm(0.9), Arm(0.4), 5, 1.0),
    GroupCorner(get_rule("group_mean"), Arm(0.9), Arm(0.4), 5, 1.0),
    GroupCorner(get_rule("grpo"), Arm(0.9), Arm(0.4), 5, 0.25),
    GroupCorner(get_rule("grpo"), Arm(0.9), Arm(0.8), 5, 0.25),
)
_CERTAIN_NAMES = ("leave_one_out", "group_mean", "grpo, gap .5", "grpo, gap .1")


def _escapes(moment: int, gap_factor: float = 1.0) -> np.ndarray:
    """Mean (0) or variance (1) of the groups, per unit of X0/G; per unit of X0 as measured."""
    found = []
    for corner in _CERTAIN:
        move = group_stuck.predicted_group_move(
            corner.rule.name,
            step_size=corner.step_size,
            group_size=corner.group_size,
            gap=gap_factor * (corner.correct.mean_reward - corner.wrong.mean_reward),
        )
        value = group_stuck.predicted_group_escape(move)[moment]
        found.append(value / corner.group_size ** (moment + 1))
    return np.array(found)


def _flow_escapes() -> np.ndarray:
    return np.array(
        [
            1.0
            / corner.group_size
            / group_stuck.predicted_group_move(
                corner.rule.name,
                step_size=corner.step_size,
                group_size=corner.group_size,
                gap=corner.correct.mean_reward - corner.wrong.mean_reward,
            )
            for corner in _CERTAIN
        ]
    )


def _with_rules(corners: Sequence[GroupCorner], *names: str) -> list[GroupCorner]:
    return [
        replace(corner, rule=get_rule(name)) for corner, name in zip(corners, names, strict=True)
    ]


def _measure_means(corners: Sequence[GroupCorner]) -> Experiment:
    return lambda rng, size: experiment.measure_stuck_means(rng, corners, _CERTAIN_START, size)


_POPULATION = get_rule("grpo", ddof=0, eps=0.0)


def _coins(rule: str, correct: float, wrong: float, group: int, step_size: float) -> GroupCorner:
    law = Bernoulli()
    chosen = _POPULATION if rule == "grpo" else get_rule(rule)
    return GroupCorner(chosen, Arm(correct, law), Arm(wrong, law), group, step_size)


_NOISE_SD = 0.6
_GAUSSIAN = GroupCorner(
    get_rule("leave_one_out"), Arm(0.6, Gaussian(_NOISE_SD)), Arm(0.4, Gaussian(_NOISE_SD)), 4, 6.5
)
_COINS = (
    _coins("grpo", 0.5, 0.3, 8, 14.0),
    _coins("grpo", 0.55, 0.4, 8, 9.0),
    _coins("leave_one_out", 0.6, 0.4, 4, 9.0),
)
_NOISY = (*_COINS, _GAUSSIAN)
_NOISY_NAMES = ("grpo .5/.3, G = 8", "grpo .55/.4, G = 8", "loo .6/.4, G = 4", "loo, Gaussian")


def _moves(corner: GroupCorner) -> tuple[np.ndarray, np.ndarray]:
    return group_stuck.predicted_group_moves(
        corner.rule.name,
        corner.correct.mean_reward,
        corner.wrong.mean_reward,
        step_size=corner.step_size,
        group_size=corner.group_size,
    )


def _exponents() -> np.ndarray:
    roots = [group_stuck.predicted_group_stuck_exponent(*_moves(corner)) for corner in _COINS]
    gap = _GAUSSIAN.correct.mean_reward - _GAUSSIAN.wrong.mean_reward
    gaussian = group_stuck.predicted_gaussian_group_exponent(
        _GAUSSIAN.step_size, _GAUSSIAN.group_size, gap, _NOISE_SD
    )
    return np.array([*roots, gaussian])


def _gaussian_roots() -> np.ndarray:
    """2 E[J]/E[J^2], exact for Gaussian J of small mean."""
    roots = [2.0 * (prob @ move) / (prob @ move**2) for prob, move in map(_moves, _COINS)]
    return np.array([*roots, _exponents()[-1]])


def _measure_exponents(corners: Sequence[GroupCorner]) -> Experiment:
    return lambda rng, size: experiment.measure_stuck_exponents(rng, corners, size)


GROUP_STUCK_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P34-mean",
        what="mean groups on the wrong arm over X0, certain rewards, G = 5",
        statement=(
            "E[groups] G/X0 = 1/(1 - e^-J), J = 2 step gap/G (leave_one_out), times (G - 1)/G "
            "(group_mean), 2 step (G - 1)/G^(3/2) whatever the gap (grpo, ddof 1)"
        ),
        tags=("P34", "stuck", "sampled", *_TAGS),
        source=_DERIVED,
        theory=(group_stuck.predicted_group_move, group_stuck.predicted_group_escape),
        predicted=lambda: _escapes(0),
        experiment=_measure_means(_CERTAIN),
        mutants=(
            Mutant("without discrete jumps, 1/J", _flow_escapes),
            Mutant("step gap/G, one logit alone", lambda: _escapes(0, gap_factor=0.5)),
            Mutant(
                "group_mean for leave_one_out",
                experiment=_measure_means(
                    _with_rules(_CERTAIN, "group_mean", "group_mean", "grpo", "grpo")
                ),
            ),
        ),
        statistic="z",
        size={"quick": 4_000, "full": 40_000},
        axis=Axis("rule", at=_CERTAIN_NAMES),
        unit="groups per unit of odds",
    ),
    Claim(
        id="P34-variance",
        what="variance of the groups on the wrong arm over X0^2, certain rewards, G = 5",
        statement=(
            "Var[groups] (G/X0)^2 = 1/(1 - e^-2J): a sum of exponential waits of geometrically "
            "falling means, no tail"
        ),
        tags=("P34", "stuck", "sampled", *_TAGS),
        source=_DERIVED,
        theory=(group_stuck.predicted_group_move, group_stuck.predicted_group_escape),
        predicted=lambda: _escapes(1),
        experiment=lambda rng, size: experiment.measure_stuck_variances(
            rng, _CERTAIN, _CERTAIN_START, size
        ),
        mutants=(
            Mutant("a single exponential wait of the same mean", lambda: _escapes(0) ** 2),
            Mutant("the first wait alone", lambda: np.full(len(_CERTAIN), 1.0 / 25.0)),
        ),
        statistic="z",
        size={"quick": 8_000, "full": 200_000},
        axis=Axis("rule", at=_CERTAIN_NAMES),
        unit="squared groups per squared unit of odds",
    ),
    Claim(
        id="P34-exponent",
        what="tail exponent of the groups on the wrong arm, noisy rewards, four cases",
        statement=(
            "P(T > t) ~ t^-alpha with E exp(-alpha J) = 1 over the rewards of a group with one "
            "better rollout, J = 2 step A/G: noise brings the tail back under any group baseline"
        ),
        tags=("P34", "stuck", "tail", "sampled", "leave_one_out", "grpo"),
        source=_DERIVED,
        theory=(
            group_stuck.predicted_group_moves,
            group_stuck.predicted_group_stuck_exponent,
            group_stuck.predicted_gaussian_group_exponent,
        ),
        predicted=_exponents,
        experiment=_measure_exponents(_NOISY),
        mutants=(
            Mutant("the Gaussian root 2 E[J]/E[J^2]", _gaussian_roots),
            Mutant(
                "the sum over the group instead of its mean",
                experiment=_measure_exponents(
                    [replace(c, step_size=c.group_size * c.step_size) for c in _NOISY]
                ),
            ),
        ),
        statistic="z",
        size={"quick": 24_000, "full": 120_000},
        largest_error=0.15,
        axis=Axis("rule and rewards", at=_NOISY_NAMES),
        unit="tail exponent",
    ),
)
