"""Claims on the unit of reward (P2), and on clip and penalty in the first inner step (P3)."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from banditlab.arm_spaces import explicit_rewards
from banditlab.rules import UpdateRule, get_rule
from banditlab.softmax import DenseSoftmax
from theory.predict import invariances
from theory.predict.invariances import log_prob_of
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.experiments import invariances as runs
from theory.verify.experiments.invariances import GivenRun

_DERIVED = "derived in this project (catalogue entry {})"
_EXACT = {"statistic": "difference", "tolerance": 1e-12, "mutant_tolerance": 1e-4}

_ARM_REWARD = np.array([0.9, 0.1, 0.6, 0.35, 0.2])
_LOGITS = np.array([-0.4, 0.5, 0.0, 0.3, -0.2])
_LOG_PROB = _LOGITS - np.log(np.exp(_LOGITS).sum())
_STEP = 0.1
# No group is of one arm alone, so that no deviation is 0.
_UNIT_ROUNDS = runs.scattered_rounds(120, 4, 5)


def _log_prob_changes(
    rule: str, reward: np.ndarray = _ARM_REWARD, step: float = _STEP, **how: float
) -> np.ndarray:
    advantage = invariances.predicted_group_advantage(rule, reward[_UNIT_ROUNDS], **how)
    displacement = invariances.predicted_logit_changes(
        _UNIT_ROUNDS, advantage, _LOG_PROB, np.ones(5), step_size=step
    )
    return log_prob_of(_LOG_PROB, displacement, np.zeros(5)) - _LOG_PROB


def _measure_in_units(
    rules: Sequence[UpdateRule], *, scale: float = 1.0, shift: float = 0.0
) -> Experiment:
    played = [GivenRun(rule, step_size=_STEP) for rule in rules]
    problem = explicit_rewards(scale * _ARM_REWARD + shift, _LOGITS)
    return lambda rng, size: runs.measure_log_probs(
        played, problem, _UNIT_ROUNDS, np.arange(5), (DenseSoftmax,)
    )


_SHIFT, _SCALE = 3.0, 7.0
_SHIFTED_RULES = ("group_mean", "leave_one_out", "grpo", "raw_reward")


def _shifted(raw_shift: float = _SHIFT) -> np.ndarray:
    free = [_log_prob_changes(rule) for rule in _SHIFTED_RULES[:-1]]
    return np.array([*free, _log_prob_changes("raw_reward", _ARM_REWARD + raw_shift)])


def _mean_with_a_zero(reward: np.ndarray) -> np.ndarray:
    """Baseline over the group and one reward of 0: not free of the origin of reward."""
    return reward - reward.sum(axis=-1, keepdims=True) / (reward.shape[-1] + 1)


def _broken_mean() -> UpdateRule:
    return replace(get_rule("group_mean"), advantage=_mean_with_a_zero)


_EPS = 1e-6


def _scaled(mean_step: float = _SCALE * _STEP, eps: float = _EPS / _SCALE) -> np.ndarray:
    return np.array(
        [
            _log_prob_changes("group_mean", step=mean_step),
            _log_prob_changes("leave_one_out", step=mean_step),
            _log_prob_changes("grpo", eps=0.0),
            _log_prob_changes("grpo", eps=eps),
        ]
    )


def _scaled_rules(added: float = 0.0) -> list[UpdateRule]:
    free = get_rule("grpo", eps=added)
    return [get_rule("group_mean"), get_rule("leave_one_out"), free, get_rule("grpo", eps=_EPS)]


_FIRST_GROUP = np.array([0, 1, 1, 3, 4, 2])
_FIRST_STEP = 0.7
_FIRST_SPACE = explicit_rewards(_ARM_REWARD, _LOGITS)
_INVISIBLE = (
    get_rule("clip"),
    get_rule("clip", clip_low=0.0, clip_high=0.0),
    get_rule("clip_higher"),
    get_rule("dual_clip"),
    get_rule("cispo"),
    get_rule("variance_penalty", multiplier=0.0),
    get_rule("variance_penalty"),
    get_rule("variance_penalty", multiplier=5.0),
    get_rule("variance_penalty_dual"),
)


def _first_steps() -> np.ndarray:
    advantage = invariances.predicted_group_advantage("group_mean", _ARM_REWARD[_FIRST_GROUP])
    change = invariances.predicted_logit_changes(
        _FIRST_GROUP[None], advantage[None], _LOG_PROB, np.ones(5), step_size=_FIRST_STEP
    )
    return np.tile(change, (len(_INVISIBLE), 1))


def _measure_first(rules: Sequence[UpdateRule], **how: int) -> Experiment:
    return lambda rng, size: runs.measure_first_steps(
        rules, _FIRST_SPACE, _FIRST_GROUP, step_size=_FIRST_STEP, **how
    )


def _visible(weight: Callable[..., np.ndarray]) -> list[UpdateRule]:
    """A broken weight in place of the last one."""
    return [*_INVISIBLE[:-1], runs.rule_of_weight(weight)]


def _clip_from_the_edge_on(log_prob, old_log_prob, advantage):
    ratio = np.exp(log_prob - old_log_prob)
    is_out = ((advantage > 0.0) & (ratio >= 1.0)) | ((advantage < 0.0) & (ratio <= 1.0))
    return np.where(is_out, 0.0, ratio * advantage)


def _penalty_on_distance(log_prob, old_log_prob, advantage):
    ratio = np.exp(log_prob - old_log_prob)
    return ratio * (advantage - 0.5 * np.where(ratio >= 1.0, 1.0, -1.0))


def _penalty_on_log_ratio(log_prob, old_log_prob, advantage):
    return np.exp(log_prob - old_log_prob) * advantage - 0.5


IDENTITY_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P2-shift",
        what="log-probs after 120 rounds on the same draws, rewards r + 3",
        statement=(
            "group_mean, leave_one_out and grpo do what they do on r; raw_reward does what it does "
            "on r + 3"
        ),
        tags=("P2", "invariance", "exact", *_SHIFTED_RULES),
        source=_DERIVED.format("P2"),
        theory=(invariances.predicted_logit_changes, invariances.predicted_group_advantage),
        predicted=_shifted,
        experiment=_measure_in_units([get_rule(name) for name in _SHIFTED_RULES], shift=_SHIFT),
        mutants=(
            Mutant("raw_reward does not see the shift either", lambda: _shifted(0.0)),
            Mutant(
                "a mean over the group and one reward of 0",
                experiment=_measure_in_units(
                    [_broken_mean(), *(get_rule(name) for name in _SHIFTED_RULES[1:])],
                    shift=_SHIFT,
                ),
            ),
        ),
        axis=Axis("rule and arm (numbered)"),
        unit="change of log-probability, nats",
        **_EXACT,
    ),
    Claim(
        id="P2-scale",
        what="log-probs after 120 rounds on the same draws, rewards 7 r",
        statement=(
            "group_mean and leave_one_out do what they do on r at 7 times the step size; grpo with "
            "eps = 0 does what it does on r, and with eps > 0 what it does there with eps/7"
        ),
        tags=("P2", "invariance", "exact", "group_mean", "leave_one_out", "grpo"),
        source=_DERIVED.format("P2"),
        theory=(invariances.predicted_logit_changes, invariances.predicted_group_advantage),
        predicted=_scaled,
        experiment=_measure_in_units(_scaled_rules(), scale=_SCALE),
        mutants=(
            Mutant("the mean is free of scale, too", lambda: _scaled(mean_step=_STEP)),
            Mutant("eps = 1e-6 is nothing", lambda: _scaled(eps=0.0)),
            Mutant("eps keeps its unit", lambda: _scaled(eps=_EPS)),
            Mutant(
                "std + 1e-4 in place of std",
                experiment=_measure_in_units(_scaled_rules(1e-4), scale=_SCALE),
            ),
        ),
        axis=Axis("rule and arm (numbered)"),
        unit="change of log-probability, nats",
        **_EXACT | {"mutant_tolerance": 1e-8},
    ),
    Claim(
        id="P3-first-step",
        what="first inner step of nine clips and penalties, five arms, G = 6",
        statement=(
            "the first inner step of every clip (any width) and of the ratio-variance penalty (any "
            "multiplier) is that of REINFORCE: step_size (1/G) sum_i A_i (e_i - pi)"
        ),
        tags=("P3", "invariance", "exact", *dict.fromkeys(rule.name for rule in _INVISIBLE)),
        source=_DERIVED.format("P3"),
        theory=(invariances.predicted_logit_changes, invariances.predicted_group_advantage),
        predicted=_first_steps,
        experiment=_measure_first(_INVISIBLE),
        mutants=(
            Mutant(
                "clip from the ratio 1 itself on",
                experiment=_measure_first(_visible(_clip_from_the_edge_on)),
            ),
            Mutant(
                "penalty on |ratio - 1|",
                experiment=_measure_first(_visible(_penalty_on_distance)),
            ),
            Mutant(
                "penalty on log(ratio)",
                experiment=_measure_first(_visible(_penalty_on_log_ratio)),
            ),
            Mutant(
                "the second inner step counts, too",
                experiment=_measure_first(_INVISIBLE, inner_epochs=2),
            ),
        ),
        axis=Axis("rule and arm (numbered)"),
        unit="change of the logit, nats",
        **_EXACT | {"tolerance": 1e-14},
    ),
)
