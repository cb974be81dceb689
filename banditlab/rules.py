"""Update rules at work: the functions that a loop calls, the same for every rule.

A rule *is* the weight on the score function, dJ/dlog_prob. `RULES` lists the compositions; the
simulator and the language model both call the functions below, and nothing else:

    state = initial_state(rule, leading_shape)
    reward = shaped_reward(rule, reward, old_log_prob, ref_log_prob)
    advantage, state = advantage_and_state(rule, reward, state)
    weight = score_weight(rule, log_prob, old_log_prob, advantage, multiplier=, ref_log_prob=)

Where a rule has extra rollouts, rewards and advantages have them too, [*, G + extra_rollouts],
and the loop trains on the first G.

Shapes: [*, G], the group (rollouts of one prompt) last; [*, H], what is remembered of a prompt.
"""

from typing import Any

from banditlab.find import get_rule
from banditlab.reference import kl_estimate, reference_weight
from banditlab.registry import RULES
from banditlab.update_rule import UpdateRule
from banditlab.validation import require, require_equal_shapes

__all__ = [
    "RULES",
    "UpdateRule",
    "advantage_and_state",
    "get_rule",
    "group_advantage",
    "initial_state",
    "score_weight",
    "shaped_reward",
]

Array = Any


def group_advantage(rule: UpdateRule, reward: Array) -> Array:
    """Advantage that a rule without memory gives to a group of rewards.

    Args:
        rule: the update rule.
        reward: reward of each rollout, extra ones included, shape [*, G + extra_rollouts].

    Returns:
        The advantage, of that shape.

    Raises:
        ValueError: the group is smaller than the rule allows, or the rule remembers rewards.
    """
    require(
        rule.initial_state is None,
        "group_advantage",
        "rule",
        "one whose advantage depends on the present rewards alone",
        rule.name,
        "It remembers earlier rewards; use `advantage_and_state`",
    )
    return rule.advantage(reward, **rule.advantage_hyper)


def initial_state(rule: UpdateRule, leading_shape: tuple[int, ...]) -> Array | None:
    """State of a rule's advantage before any reward.

    Args:
        rule: the update rule.
        leading_shape: the shape *, e.g. (R, P) for R runs of P prompts.

    Returns:
        The state, NumPy, shape [*, H]; None for a rule that remembers nothing.
    """
    if rule.initial_state is None:
        return None
    return rule.initial_state(leading_shape, **rule.advantage_hyper)


def advantage_and_state(
    rule: UpdateRule, reward: Array, state: Array | None
) -> tuple[Array, Array | None]:
    """Advantage that a rule gives to a group of rewards, and what it remembers of them.

    Args:
        rule: the update rule.
        reward: reward of each rollout, extra ones included, shape [*, G + extra_rollouts].
        state: what the rule remembers of each prompt, shape [*, H], as `initial_state` or an
            earlier call gave it; None for a rule that remembers nothing.

    Returns:
        The advantage, of the reward's shape, and the next state, a new array or None.

    Raises:
        ValueError: the group is smaller than the rule allows, or the state does not fit.

    Examples:
        >>> import numpy as np
        >>> rule = RULES["running_mean"]
        >>> state = initial_state(rule, (1,))
        >>> for reward in (1.0, 0.0):
        ...     advantage, state = advantage_and_state(rule, np.array([[reward]]), state)
        >>> advantage
        array([[-1.]])
    """
    is_stateful = rule.initial_state is not None
    require(
        is_stateful == (state is not None),
        "advantage_and_state",
        "state",
        f"{'given' if is_stateful else 'None'} for {rule.name}",
        "None" if state is None else "a state",
        "Begin with `initial_state`, which knows whether the rule remembers rewards",
    )
    if not is_stateful:
        return group_advantage(rule, reward), None
    return rule.advantage(reward, state, **rule.advantage_hyper)


def _require_reference(
    function: str, rule: UpdateRule, place: str, ref_log_prob: Array | None
) -> None:
    require(
        ref_log_prob is not None,
        function,
        "ref_log_prob",
        f"given for {rule.name}, whose reference term is in the {place}",
        None,
        "Pass the reference policy's log-probabilities of the same samples",
    )


def shaped_reward(
    rule: UpdateRule,
    reward: Array,
    old_log_prob: Array | None = None,
    ref_log_prob: Array | None = None,
) -> Array:
    """Reward that the advantage is taken of: less the reference term, where it stands there.

    Args:
        rule: the update rule.
        reward: reward of each rollout, shape [*].
        old_log_prob: log-probability under the policy that drew the sample, nats, shape [*].
        ref_log_prob: log-probability under the reference policy, nats, shape [*].

    Returns:
        reward - coefficient * estimate at the sampling policy, shape [*]; the reward itself where
        the rule has no reference term in the reward.

    Raises:
        ValueError: the shapes differ, or a log-probability that is needed is missing.
    """
    term = rule.reference
    if term is None or term.place != "reward":
        return reward
    _require_reference("shaped_reward", rule, "reward", ref_log_prob)
    require(
        old_log_prob is not None,
        "shaped_reward",
        "old_log_prob",
        f"given for {rule.name}, whose reference term is in the reward",
        None,
        "Pass the log-probabilities under the sampling policy",
    )
    require_equal_shapes(
        "shaped_reward", reward=reward, old_log_prob=old_log_prob, ref_log_prob=ref_log_prob
    )
    return reward - term.coefficient * kl_estimate(old_log_prob, ref_log_prob, term.estimator)


def score_weight(
    rule: UpdateRule,
    log_prob: Array,
    old_log_prob: Array,
    advantage: Array,
    *,
    multiplier: float | Array | None = None,
    ref_log_prob: Array | None = None,
) -> Array:
    """Score weight of a rule: dJ/dlog_prob, recomputed with the fresh log_prob each inner epoch.

    Args:
        rule: the update rule.
        log_prob: log-probability under the current policy, nats, shape [*].
        old_log_prob: log-probability under the policy that drew the sample, nats, shape [*].
        advantage: advantage of the sample, shape [*].
        multiplier: present multiplier of a rule with a dual, a number or of shape [*]; by default
            the one that its dual begins with.
        ref_log_prob: log-probability under the reference policy, nats, shape [*]; needed where
            the rule has a reference term in the loss, and not read elsewhere.

    Returns:
        The weight on grad log_prob, shape [*].

    Raises:
        ValueError: the shapes differ, a hyperparameter is out of range, a multiplier is given for
            a rule without dual, or a reference that is needed is missing.
    """
    hyper = dict(rule.weight_hyper)
    if rule.dual is not None:
        hyper["multiplier"] = rule.dual.initial if multiplier is None else multiplier
    else:
        require(
            multiplier is None,
            "score_weight",
            "multiplier",
            f"None for {rule.name}, which has no dual",
            "a multiplier",
            "Set a fixed one with with_hyper(multiplier=...), or use variance_penalty_dual",
        )
    weight = rule.weight(log_prob, old_log_prob, advantage, **hyper)
    term = rule.reference
    if term is None or term.place != "loss":
        return weight
    _require_reference("score_weight", rule, "loss", ref_log_prob)
    return weight + reference_weight(
        log_prob,
        old_log_prob,
        ref_log_prob,
        coefficient=term.coefficient,
        estimator=term.estimator,
        is_ratio_corrected=term.is_ratio_corrected,
    )
