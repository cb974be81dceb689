"""One round of a rule on a bandit: roll out, reward, advantage, inner steps, dual step.

A round reads as on a language model: roll out under the old policy, reward, advantage; then
inner_epochs times: fresh log-probs, score weight, step; then the multiplier's dual step. Stale
rollouts of earlier rounds may be trained on again, with the ratio to the policy that drew them.

Shapes: R runs, P prompts (contexts), B prompts of a batch, G group, T tokens, H remembered.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from banditlab.dual import multiplier_step
from banditlab.levels import Level, pool, spread
from banditlab.policy import Draw, Policy, Uniforms
from banditlab.rules import (
    UpdateRule,
    advantage_and_state,
    initial_state,
    score_weight,
    shaped_reward,
)
from banditlab.validation import require


@dataclass
class Memory:
    """What a rule carries from round to round.

    Attributes:
        advantage_state: what the advantage remembers of each prompt, [R, P, H], or None.
        multiplier: price of ratio variance of each run, [R], or None.
    """

    advantage_state: np.ndarray | None = None
    multiplier: np.ndarray | None = None

    @classmethod
    def start(cls, rule: UpdateRule, num_runs: int, num_contexts: int) -> "Memory":
        """Memory before the first round.

        Args:
            rule: the update rule.
            num_runs: R.
            num_contexts: P.

        Returns:
            The memory.
        """
        multiplier = None if rule.dual is None else np.full(num_runs, rule.dual.initial)
        return cls(initial_state(rule, (num_runs, num_contexts)), multiplier)


@dataclass(frozen=True)
class Rollouts:
    """Rollouts of one round, fresh or stale.

    Attributes:
        draw: the arms.
        reward: observed reward of each rollout, extra ones included, [R, B, G + extra].
        advantage: advantage under the rule, [R, B, G + extra].
        old_log_prob: log-prob at sampling less that of the base policy, nats, [R, B, G + extra],
            or by token, [R, B, G + extra, T].
        group_size: the first G of each group are trained on, the others serve statistics only.
    """

    draw: Draw
    reward: np.ndarray
    advantage: np.ndarray
    old_log_prob: np.ndarray
    group_size: int

    @property
    def num_trained(self) -> int:
        """Rollouts of one run that are trained on, B * G."""
        return self.reward.shape[1] * self.group_size


@dataclass(frozen=True)
class Round:
    """What one round measured.

    Attributes:
        reward: observed reward of each trained rollout, [R, B, G].
        advantage: its advantage, [R, B, G].
        log_ratio: log_prob - old_log_prob after the last inner step, nats, [R, B, G], or at token
            level [R, B, G, T].
        rollouts: the round's rollouts, where they were kept.
    """

    reward: np.ndarray
    advantage: np.ndarray
    log_ratio: np.ndarray
    rollouts: Rollouts | None = field(default=None, repr=False)


def roll_out(
    policy: Policy,
    rule: UpdateRule,
    contexts: np.ndarray,
    *,
    group_size: int,
    rng: Uniforms | None,
    memory: Memory,
    arms: np.ndarray | None = None,
    draw: Draw | None = None,
) -> Rollouts:
    """Draw arms under the present policy, and say what they are worth.

    Args:
        policy: the policy.
        rule: the update rule.
        contexts: prompts of the batch, shape [R, B].
        group_size: trained rollouts per prompt, G.
        rng: source of uniforms; not needed where `arms` are given and pay for certain.
        memory: the rule's memory, moved in place.
        arms: arms to take instead of drawing them, [R, B, G + extra], or [R, B, G + extra, T].
        draw: what the policy drew already, instead of either.

    Returns:
        The rollouts.

    Raises:
        ValueError: none of `rng`, `arms` and `draw` is given, or the rule refuses the group.
    """
    require(
        arms is None or draw is None,
        "roll_out",
        "draw",
        "None where arms are given",
        "both",
        "Give one of them",
    )
    shape = (*contexts.shape, group_size + rule.extra_rollouts)
    is_random = policy.problem.has_random_reward
    require(
        rng is not None or not (is_random or (arms is None and draw is None)),
        "roll_out",
        "rng",
        "given where arms are drawn or rewards are random",
        rng,
        "Pass numpy.random.default_rng(seed), or RunStreams(seed, num_runs)",
    )
    if arms is not None:
        draw = policy.place(contexts, arms)
    elif draw is None:
        draw = policy.sample(contexts, rng.random((*shape, policy.num_uniforms())))
    reward = policy.reward(draw, rng.random(shape) if is_random else np.zeros(shape))
    old_log_prob = policy.relative_log_prob(draw)
    response = old_log_prob.sum(axis=-1) if policy.has_tokens else old_log_prob
    shaped = shaped_reward(rule, reward, response, np.zeros_like(response))
    advantage = _advantage(rule, shaped, contexts, memory)
    return Rollouts(draw, reward, advantage, old_log_prob, group_size)


def _advantage(
    rule: UpdateRule, reward: np.ndarray, contexts: np.ndarray, memory: Memory
) -> np.ndarray:
    if memory.advantage_state is None:
        return advantage_and_state(rule, reward, None)[0]
    # Prompt by prompt of the batch, since one may come twice.
    runs, advantage = np.arange(len(contexts)), np.empty_like(reward)
    for batch, context in enumerate(contexts.T):
        state = memory.advantage_state[runs, context]
        advantage[:, batch], state = advantage_and_state(rule, reward[:, batch], state)
        memory.advantage_state[runs, context] = state
    return advantage


def _weight(
    policy: Policy,
    rule: UpdateRule,
    rollouts: Rollouts,
    log_prob: np.ndarray,
    level: Level,
    multiplier: Any,
) -> np.ndarray:
    """Weight on each log-prob that the policy knows."""
    old_log_prob = rollouts.old_log_prob
    advantage = rollouts.advantage
    mask = None
    if policy.has_tokens:
        mask = np.ones(log_prob.shape, dtype=bool)
        log_prob, old_log_prob = (pool(x, mask, level) for x in (log_prob, old_log_prob))
        if level == "token":
            advantage = np.broadcast_to(advantage[..., None], log_prob.shape)
    if multiplier is not None:
        per_run = multiplier.reshape(-1, *[1] * (log_prob.ndim - 1))
        multiplier = np.broadcast_to(per_run, log_prob.shape)
    with np.errstate(over="ignore", invalid="ignore"):
        weight = score_weight(
            rule,
            log_prob,
            old_log_prob,
            advantage,
            multiplier=multiplier,
            ref_log_prob=np.zeros_like(log_prob),
        )
    if not np.isfinite(weight).all():
        raise FloatingPointError(
            f"step: a score weight of {rule!r} is not finite (largest log-ratio "
            f"{np.abs(log_prob - old_log_prob).max():.4g} nats). Lower the step size or the "
            "number of inner epochs."
        )
    if mask is not None:
        weight = spread(weight, mask, level)
    weight[:, :, rollouts.group_size :] = 0.0
    return weight


def step(
    policy: Policy,
    rule: UpdateRule,
    contexts: np.ndarray,
    *,
    group_size: int,
    inner_epochs: int = 1,
    rng: Uniforms | None = None,
    arms: np.ndarray | None = None,
    memory: Memory | None = None,
    stale: Sequence[Rollouts] = (),
    trains_fresh: bool = True,
    level: Level = "sequence",
    keeps_rollouts: bool = False,
    fresh: Rollouts | None = None,
) -> Round:
    """Run one round: roll out, then inner_epochs steps with fresh ratios, then the dual step.

    Coefficients are weights divided by the number of trained rollouts, stale ones included, so a
    step follows the mean over rollouts, and the sum over tokens.

    Args:
        policy: the policy, moved in place.
        rule: the update rule.
        contexts: prompts of the batch, shape [R, B].
        group_size: trained rollouts per prompt, G.
        inner_epochs: steps per round.
        rng: source of uniforms; not needed where `arms` are given and pay for certain.
        arms: arms to take instead of drawing them, shape [R, B, G + extra].
        memory: what the rule carries from round to round; that of a first round by default.
        stale: rollouts of earlier rounds, kept then, to train on again.
        trains_fresh: whether the round's own rollouts are trained on.
        level: what has a ratio, for a policy of tokens.
        keeps_rollouts: whether the rollouts are kept, to be given as `stale` later; whoever keeps
            them releases their draw.
        fresh: the round's own rollouts, where `roll_out` made them already.

    Returns:
        Rewards, advantages and final log-ratios of the round.

    Raises:
        ValueError: an argument does not fit the policy or the rule.
        FloatingPointError: a score weight is not finite.
    """
    memory = memory or Memory.start(rule, policy.num_runs, policy.problem.num_contexts)
    if fresh is None:
        fresh = roll_out(
            policy, rule, contexts, group_size=group_size, rng=rng, memory=memory, arms=arms
        )
    trained = ((fresh,) if trains_fresh else ()) + tuple(stale)
    scale = 1.0 / max(1, sum(rollouts.num_trained for rollouts in trained))
    for epoch in range(inner_epochs if trained else 0):
        for rollouts in trained:
            is_unmoved = epoch == 0 and rollouts is fresh
            log_prob = (
                rollouts.old_log_prob if is_unmoved else policy.relative_log_prob(rollouts.draw)
            )
            weight = _weight(policy, rule, rollouts, log_prob, level, memory.multiplier)
            policy.accumulate(rollouts.draw, scale * weight)
        policy.move()
    if rule.dual is not None and trained:
        log_ratios = [_final_log_ratio(policy, rollouts, level) for rollouts in trained]
        memory.multiplier = multiplier_step(
            memory.multiplier,
            ratio_variance(*log_ratios),
            bound=rule.dual.bound,
            dual_step_size=rule.dual.dual_step_size,
        )
    if not keeps_rollouts:
        policy.release(fresh.draw)
    return Round(
        fresh.reward[..., :group_size],
        fresh.advantage[..., :group_size],
        _final_log_ratio(policy, fresh, level),
        fresh if keeps_rollouts else None,
    )


def ratio_variance(*log_ratio: np.ndarray) -> np.ndarray:
    """Mean of (ratio - 1)^2 of each run, about the known mean ratio 1.

    Args:
        *log_ratio: log-ratios, nats, each of shape [R, *].

    Returns:
        Shape [R].

    Raises:
        FloatingPointError: a ratio is too large for its square to be a number.
    """
    every = np.concatenate([value.reshape(len(value), -1) for value in log_ratio], axis=1)
    with np.errstate(over="ignore"):
        variance = (np.expm1(every) ** 2).mean(axis=1)
    if not np.isfinite(variance).all():
        raise FloatingPointError(
            f"ratio_variance: a ratio is too large to be squared (log-ratio {every.max():.4g} "
            "nats). Lower the step size or the number of inner epochs."
        )
    return variance


def _final_log_ratio(policy: Policy, rollouts: Rollouts, level: Level) -> np.ndarray:
    log_ratio = policy.relative_log_prob(rollouts.draw) - rollouts.old_log_prob
    if policy.has_tokens:
        log_ratio = pool(log_ratio, np.ones(log_ratio.shape, dtype=bool), level)
    return log_ratio[:, :, : rollouts.group_size]
