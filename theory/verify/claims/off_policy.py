"""Claims on training for ever on the samples of one fixed policy (P46)."""

from dataclasses import replace

import numpy as np

from banditlab.rules import UpdateRule, get_rule
from theory.predict import off_policy
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.experiments import off_policy as experiment

_DERIVED = "derived in this project; the rules as in arXiv 2503.14286 (abstract read)"
_TAGS = ("P46", "off-policy", "exact")
_EXACT = {"statistic": "difference"}

_NAIVE, _TOPR = experiment.without_ratio(), get_rule("topr")
_COUNTS = np.array([4, 3, 2, 1])
_BEHAVIOUR = _COUNTS / _COUNTS.sum()
_POSITIVE = np.array([0.5, 1.0, 0.25, 2.0])
# The third arm is bad, and the last one pays so little that it dies with it when not tapered.
_MIXED = np.array([0.5, 1.0, -0.6, 0.2])
_ARMS = Axis("arm (numbered)")


def _imitated() -> np.ndarray:
    return off_policy.predicted_imitated_policy(_BEHAVIOUR, _POSITIVE)


def _measure_policy(rule: UpdateRule) -> Experiment:
    return lambda rng, size: experiment.measure_final_policy(
        rule, _COUNTS, _POSITIVE, step_size=2.0, num_steps=size
    )


def _untapered() -> np.ndarray:
    return np.array(off_policy.predicted_untapered_limit(_BEHAVIOUR, _MIXED))


def _in_proportion() -> np.ndarray:
    """The living arms as if by imitation, at the right speed."""
    policy, speed = off_policy.predicted_untapered_limit(_BEHAVIOUR, _MIXED)
    share = np.where(policy > 0.0, _BEHAVIOUR * _MIXED, 0.0)
    return np.array([share / share.sum(), speed])


def _without_compensation() -> np.ndarray:
    """As if only the bad arm moved."""
    policy, _ = off_policy.predicted_untapered_limit(_BEHAVIOUR, _MIXED)
    return np.array([policy, np.minimum(_BEHAVIOUR * _MIXED, 0.0)])


def _measure_untapered(rule: UpdateRule) -> Experiment:
    return lambda rng, size: experiment.measure_policy_and_speed(
        rule, _COUNTS, _MIXED, step_size=2.0, num_steps=size
    )


# Two bad arms and one worthless one, for which the law is the same.
_TAPERED_COUNTS = np.array([6, 5, 4, 3, 2])
_TAPERED_BEHAVIOUR = _TAPERED_COUNTS / _TAPERED_COUNTS.sum()
_TAPERED_REWARD = np.array([1.0, 0.6, -1.0, 0.0, -0.3])


def _decay() -> np.ndarray:
    return off_policy.predicted_tapered_decay(_TAPERED_BEHAVIOUR, _TAPERED_REWARD)


def _decay_alone() -> np.ndarray:
    """As if the others stood still."""
    return _decay() * len(_TAPERED_REWARD) / (_TAPERED_REWARD > 0.0).sum()


def _measure_decay(rule: UpdateRule) -> Experiment:
    return lambda rng, size: experiment.measure_decay(
        rule, _TAPERED_COUNTS, _TAPERED_REWARD, step_size=4.0, num_steps=size
    )


def _half_tapered(log_prob, old_log_prob, advantage):
    """The square root of the ratio in place of the ratio."""
    ratio = np.minimum(np.exp(0.5 * (log_prob - old_log_prob)), 1.0)
    return np.where(advantage < 0.0, ratio, 1.0) * advantage


_RATES, _BASELINE = np.array([0.05, 0.3, 0.5, 0.8]), 0.4


OFF_POLICY_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P46-imitation",
        what="policy after training off-policy on positive rewards, 4 arms",
        statement="with positive rewards and no ratio the policy goes to behaviour * reward",
        tags=(*_TAGS, "topr"),
        source=_DERIVED,
        theory=(off_policy.predicted_imitated_policy,),
        predicted=_imitated,
        experiment=_measure_policy(_TOPR),
        mutants=(
            Mutant("the best arm alone", lambda: np.array([0.0, 0.0, 0.0, 1.0])),
            Mutant("the behaviour policy", lambda: _BEHAVIOUR),
            Mutant("importance weights", experiment=_measure_policy(get_rule("raw_reward"))),
        ),
        tolerance=1e-11,
        mutant_tolerance=1e-2,
        size={"quick": 1500, "full": 3000},
        axis=_ARMS,
        unit="probability",
        **_EXACT,
    ),
    Claim(
        id="P46-untapered",
        what="policy and speed of the logits with a negative reward and no taper, 4 arms",
        statement=(
            "dying arms have the logit speed behaviour * reward for ever; the others share the "
            "speed c that makes up for it, and (behaviour reward - c)/sum(behaviour reward) of "
            "the probability"
        ),
        tags=(*_TAGS, "cispo"),
        source="derived in this project, beyond the catalogue",
        theory=(off_policy.predicted_untapered_limit,),
        predicted=_untapered,
        experiment=_measure_untapered(_NAIVE),
        mutants=(
            Mutant("the living arms in proportion to behaviour * reward", _in_proportion),
            Mutant("logits that need not keep their sum", _without_compensation),
            Mutant("TOPR's taper", experiment=_measure_untapered(_TOPR)),
        ),
        tolerance=1e-10,
        mutant_tolerance=1e-3,
        size={"quick": 1500, "full": 3000},
        axis=Axis("policy, then speed, by arm (numbered)"),
        unit="probability, and nats per unit of step_size * updates",
        **_EXACT,
    ),
    Claim(
        id="P46-tapered",
        what="probability * time of three arms of no or negative reward under TOPR",
        statement=(
            "probability * time -> num_positive/(K (|reward| + sum over positive of behaviour "
            "reward)): the taper lets bad arms fade like 1/time"
        ),
        tags=(*_TAGS, "topr"),
        source=_DERIVED,
        theory=(off_policy.predicted_tapered_decay,),
        predicted=_decay,
        experiment=_measure_decay(_TOPR),
        mutants=(
            Mutant("as if the other arms stood still", _decay_alone),
            Mutant(
                "the reward left out",
                lambda: off_policy.predicted_tapered_decay(
                    _TAPERED_BEHAVIOUR, np.maximum(_TAPERED_REWARD, 0.0)
                ),
            ),
            Mutant(
                "the square root of the ratio for its taper",
                experiment=_measure_decay(replace(_TOPR, weight=_half_tapered)),
            ),
        ),
        # What happened early is forgotten only as log(time)/time.
        tolerance=1e-2,
        mutant_tolerance=1e-1,
        size={"quick": 1500, "full": 10_000},
        axis=Axis("reward of the arm", at=_TAPERED_REWARD[_TAPERED_REWARD <= 0.0]),
        unit="probability * step_size * updates",
        **_EXACT,
    ),
    Claim(
        id="P46-share",
        what="share of successes in the weights, rewards 1 and -1 over the baseline 0.4",
        statement="p (1 - c)/(1 + (1 - 2 p) c): a baseline acts as a smaller share of successes",
        tags=(*_TAGS, "topr"),
        source=_DERIVED,
        theory=(off_policy.predicted_positive_share,),
        predicted=lambda: off_policy.predicted_positive_share(_RATES, _BASELINE),
        experiment=lambda rng, size: experiment.measure_positive_share(_TOPR, _RATES, _BASELINE),
        mutants=(
            Mutant(
                "of the opposite baseline",
                lambda: off_policy.predicted_positive_share(_RATES, -_BASELINE),
            ),
            Mutant("p (1 - c)", lambda: _RATES * (1.0 - _BASELINE)),
        ),
        tolerance=1e-14,
        mutant_tolerance=1e-2,
        axis=Axis("share of successes among the samples", at=_RATES),
        unit="share of successes in the weights",
        **_EXACT,
    ),
)
