"""Claims on what stale data is worth under the clip, the penalty and TOPR (P54)."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from banditlab.rules import UpdateRule, get_rule
from banditlab.weights import clipped_weight
from theory.predict import stale_data
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.experiments import stale_data as experiment
from theory.verify.measurement import Measurement

_DERIVED = "derived in this project; the rules as in arXiv 1707.06347, 2601.03320 and 2503.14286"
_EXACT = {"statistic": "difference", "tolerance": 1e-12, "mutant_tolerance": 1e-4}

Adapt = Callable[[UpdateRule], UpdateRule]


def stale_rules(adapt: Adapt, **mutated: UpdateRule) -> list[UpdateRule]:
    """Rules of banditlab in the order of `STALE_RULES`, with the same advantage.

    Args:
        adapt: sets the advantage of a rule.
        **mutated: broken rules, by name, in place of the right ones.

    Returns:
        The rules.
    """
    known = {name: get_rule(name) for name in ("clip", "variance_penalty", "topr")}
    known |= {"policy_gradient": get_rule("group_mean")} | mutated
    return [adapt(known[name]) for name in stale_data.STALE_RULES]


def _clip_of_any_sign(log_prob, old_log_prob, advantage, **widths):
    """Clip on both sides, whether or not the sample has left in the direction of its advantage."""
    good = clipped_weight(log_prob, old_log_prob, np.ones_like(log_prob), **widths)
    bad = clipped_weight(log_prob, old_log_prob, -np.ones_like(log_prob), **widths)
    return np.where((good == 0.0) | (bad == 0.0), 0.0, good * advantage)


def _tapered(log_prob, old_log_prob, advantage):
    """TOPR's taper on good samples too."""
    return np.exp(np.minimum(log_prob - old_log_prob, 0.0)) * advantage


_BROKEN = (
    (
        "the ratio dropped",
        "policy_gradient",
        lambda: replace(get_rule("group_mean"), weight=lambda log_prob, old, advantage: advantage),
    ),
    (
        "the clip on both sides, whatever the sign of the advantage",
        "clip",
        lambda: replace(get_rule("clip"), weight=_clip_of_any_sign),
    ),
    (
        "the penalty's weight without its factor 2",
        "variance_penalty",
        lambda: get_rule("variance_penalty", multiplier=0.25),
    ),
    (
        "TOPR's taper on successes too",
        "topr",
        lambda: replace(get_rule("topr"), weight=_tapered),
    ),
)


def _mutants(measure: Callable[..., Experiment]) -> tuple[Mutant, ...]:
    """One mutant per broken rule, measured in place of the right one."""
    return tuple(Mutant(what, experiment=measure(**{name: rule()})) for what, name, rule in _BROKEN)


_OLD, _DISTANCE = (
    grid.ravel()
    for grid in np.meshgrid([-5.0, -2.0, 0.5], [-1.0, -0.2, 0.1, 0.5, 1.5, 3.0], indexing="ij")
)


def _moments() -> np.ndarray:
    return np.stack(
        [
            stale_data.predicted_stale_moments(rule, _OLD, _DISTANCE, baseline=experiment.BASELINE)
            for rule in stale_data.STALE_RULES
        ]
    )


def _measure_moments(**mutated: UpdateRule) -> Experiment:
    return lambda rng, size: experiment.measure_stale_moments(
        stale_rules(experiment.over_baseline, **mutated), _OLD, _DISTANCE
    )


_REWARD = np.array([1.0, 1.0, 0.0, 0.0, 0.0])
_OLD_LOGITS = np.array([-0.3, 0.4, 0.4, 0.3, -0.6])
_LOGITS = _OLD_LOGITS + np.array([0.4, -0.1, -0.5, 0.1, 0.2])
_GROUP = 4


def _prob(logits: np.ndarray) -> np.ndarray:
    weight = np.exp(logits)
    return weight / weight.sum()


def _updates() -> np.ndarray:
    return np.stack(
        [
            stale_data.predicted_stale_update(
                rule, _prob(_OLD_LOGITS), _prob(_LOGITS), _REWARD, group_size=_GROUP
            )
            for rule in stale_data.STALE_RULES
        ]
    )


def _measure_updates(**mutated: UpdateRule) -> Experiment:
    return lambda rng, size: experiment.measure_stale_updates(
        stale_rules(experiment.with_group_mean, **mutated),
        _OLD_LOGITS,
        _LOGITS,
        _REWARD,
        _GROUP,
    )


def _measure_sampled(rng: np.random.Generator, size: int) -> Measurement:
    return experiment.measure_sampled_class_gradients(
        rng,
        stale_rules(experiment.with_group_mean),
        _OLD_LOGITS,
        _LOGITS,
        _REWARD,
        group_size=_GROUP,
        num_runs=size,
    )


STALE_DATA_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P54-moments",
        what="mean and second moment of one stale sample, four rules",
        statement=(
            "policy gradient: mean p q at any age; clip: p q ((1 - b) [success kept] + b [failure "
            "kept]); penalty: p q (1 - 2 multiplier (p - p_old)/(p_old q_old)); topr: p_old q (1 - "
            "b) + q_old p min(ratio_w, 1) b; second moment p_old w_c^2 q^2 + q_old w_w^2 p^2"
        ),
        tags=("P54", "stale-data", "exact", "clip", "variance_penalty", "topr"),
        source=_DERIVED,
        theory=(stale_data.predicted_stale_moments,),
        predicted=_moments,
        experiment=_measure_moments(),
        mutants=_mutants(_measure_moments),
        axis=Axis("rule, moment, old log-odds and distance (numbered)"),
        unit="moment of the class gradient",
        **_EXACT,
    ),
    Claim(
        id="P54-update",
        what="expected change of 5 logits on stale groups of 4, four rules",
        statement=(
            "change = pull - prob sum(pull), pull = old_prob weight(ratio, (G - 1)/G (reward - "
            "p_old)); for the policy gradient that is (G - 1)/G of the on-policy gradient"
        ),
        tags=("P54", "stale-data", "exact", "group_mean", "clip", "variance_penalty", "topr"),
        source=_DERIVED,
        theory=(stale_data.predicted_stale_update,),
        predicted=_updates,
        experiment=_measure_updates(),
        mutants=(
            *_mutants(_measure_updates),
            Mutant("without (G - 1)/G", lambda: _updates() * _GROUP / (_GROUP - 1)),
        ),
        axis=Axis("rule and arm (numbered)"),
        unit="change of the logit per unit step",
        **_EXACT,
    ),
    Claim(
        id="P54-sampled",
        what="class gradient on drawn stale groups of 4, four rules",
        statement="the mean over drawn groups of the change of the correct logits is P54-update's",
        tags=("P54", "stale-data", "sampled", "group_mean", "clip", "variance_penalty", "topr"),
        source=_DERIVED,
        theory=(stale_data.predicted_stale_update,),
        predicted=lambda: _updates() @ _REWARD,
        experiment=_measure_sampled,
        mutants=(
            Mutant("without (G - 1)/G", lambda: _updates() @ _REWARD * _GROUP / (_GROUP - 1)),
            Mutant(
                "no rule but importance weighting",
                lambda: np.repeat(_updates()[:1] @ _REWARD, len(stale_data.STALE_RULES)),
            ),
            Mutant(
                "clip and penalty exchanged",
                lambda: (_updates() @ _REWARD)[[0, 2, 1, 3]],
            ),
        ),
        statistic="z",
        size={"quick": 32_000, "full": 240_000},
        axis=Axis("rule", at=stale_data.STALE_RULES),
        unit="class gradient",
    ),
)
