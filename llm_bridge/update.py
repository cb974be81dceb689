"""One update of a language model: roll out, reward, advantage, inner epochs, dual step.

It reads like a round of the simulator (`banditlab.rounds.step`), and every rule takes this path.

Shapes: P prompts, G group (rollouts per prompt), E extra rollouts, T tokens.
"""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from banditlab.rules import score_weight, shaped_reward
from llm_bridge.evaluate import decode_responses
from llm_bridge.experience import Experience, first_rollouts, join_experience
from llm_bridge.metrics import describe_divergence, describe_ratio, describe_rollout
from llm_bridge.microbatches import rollout_log_prob
from llm_bridge.optimizer import advance, clip_gradient
from llm_bridge.ratios import SurrogateStats, ratio_variance
from llm_bridge.rollout import Rollout, sample_rollouts
from llm_bridge.run import (
    MINIBATCHES,
    REPLAY,
    SAMPLES,
    Run,
    choose_prompts,
    make_generator,
    seed_of,
)
from llm_bridge.surrogate import accumulate_gradient


def _has_signal(run: Run, experience: Experience) -> bool:
    """Whether a step can move the model: some weight at ratio 1 differs from 0.

    If none does, SGD stays where it is but for rounding, the ratios stay 1, and so it goes in
    every inner epoch. AdamW moves on by its momentum, a decay by itself, a stale rollout has
    another ratio, and a reference in the loss pulls.
    """
    config, rule = run.config, run.config.update_rule
    is_pulled = rule.reference is not None and rule.reference.place == "loss"
    is_stale = bool((experience.born != experience.born[0]).any())
    if config.optimizer != "sgd" or config.weight_decay > 0 or is_pulled or is_stale:
        return True
    zero = torch.zeros_like(experience.advantage)
    return bool(score_weight(rule, zero, zero, experience.advantage).any())


def _roll_out(run: Run, update: int, questions: np.ndarray) -> Rollout:
    """Draw P * (G + E) responses."""
    config, policy = run.config, run.policy
    return sample_rollouts(
        policy.model,
        [run.prompts[question] for question in questions],
        group_size=config.num_drawn,
        max_new_tokens=config.max_new_tokens,
        eos_token_id=policy.eos_token_id,
        pad_token_id=policy.pad_token_id,
        temperature=config.temperature,
        generator=make_generator(config, SAMPLES, update),
        processes=run.processes,
    )


def _grade(run: Run, rollout: Rollout, questions: np.ndarray) -> np.ndarray:
    """Reward of each response, [P, G + E]."""
    num_drawn = run.config.num_drawn
    targets = [run.task.targets[question] for question in questions for _ in range(num_drawn)]
    reward = run.grader.grade(decode_responses(run.policy, rollout), targets)
    return reward.reshape(len(questions), num_drawn)


def _working_type(run: Run) -> torch.dtype:
    """That of the model, float32 at the least: what weights are computed in."""
    return torch.promote_types(next(run.policy.model.parameters()).dtype, torch.float32)


def _judge(
    run: Run, update: int, drawn: Rollout, reward: np.ndarray, questions: np.ndarray
) -> tuple[Experience, Tensor | None]:
    """What is trained on, [P, G], and the reference's log-probs of all that it read, [P, *, T].

    A reference in the reward needs the log-probs of extra rollouts too, one in the loss does not.
    """
    config, rule = run.config, run.config.update_rule
    kept = first_rollouts(drawn, config.group_size)
    ref_log_prob = shaped = None
    if rule.reference is not None:
        read = drawn if rule.reference.place == "reward" else kept
        ref_log_prob = rollout_log_prob(
            run.reference,
            read,
            temperature=config.temperature,
            microbatch_tokens=config.microbatch_tokens,
            processes=run.processes,
        )
        if rule.reference.place == "reward":
            both = (drawn.old_log_prob, ref_log_prob)
            responses = [value.double().sum(dim=-1).cpu().numpy() for value in both]
            shaped = shaped_reward(rule, reward, *responses)
    advantage = run.memory.advantage(rule, reward if shaped is None else shaped, questions)
    advantage = torch.from_numpy(np.ascontiguousarray(advantage[:, : config.group_size]))
    experience = Experience(
        rollout=kept,
        advantage=advantage.to(kept.old_log_prob.device, _working_type(run)),
        born=torch.full((len(questions),), update, device=kept.mask.device),
        ref_log_prob=None if shaped is not None else ref_log_prob,
    )
    return experience, ref_log_prob


def _with_replay(run: Run, fresh: Experience, update: int) -> Experience:
    """The fresh groups and, behind them, the stale ones of this update."""
    if run.replay is None:
        return fresh
    rng = np.random.default_rng(seed_of(run.config, REPLAY, update))
    stale = run.replay.draw(run.config.replay_groups, rng)
    run.replay.push(fresh)
    return join_experience([fresh, *stale], run.policy.pad_token_id)


def _minibatches(
    run: Run, experience: Experience, rng: np.random.Generator
) -> Iterator[Tensor | None]:
    """Disjoint parts of the rollouts, in random order; None stands for all of them."""
    if run.config.minibatches == 1:
        yield None
        return
    num_rollouts = experience.advantage.numel()
    for rows in np.array_split(rng.permutation(num_rollouts), run.config.minibatches):
        yield torch.from_numpy(rows).to(experience.advantage.device)


def _step(
    run: Run, experience: Experience, rows: Tensor | None, num_fresh: int
) -> tuple[SurrogateStats, float]:
    """One optimizer step; statistics of its ratios, and the norm of its gradient."""
    config = run.config
    run.optimizer.zero_grad()
    stats = accumulate_gradient(
        run.policy.model,
        experience.rollout,
        experience.advantage,
        config.update_rule,
        level=config.level,
        temperature=config.temperature,
        microbatch_tokens=config.microbatch_tokens,
        averaging=config.averaging,
        max_new_tokens=config.max_new_tokens,
        rows=rows,
        num_fresh=num_fresh,
        ref_log_prob=experience.ref_log_prob,
        multiplier=run.memory.multiplier,
        processes=run.processes,
    )
    run.processes.sum_gradients(run.policy.model.parameters())
    norm = clip_gradient(run.policy.model.parameters(), config.max_gradient_norm)
    run.optimizer.step()
    return stats, norm


def _train_on(run: Run, experience: Experience, update: int, num_fresh: int) -> dict[str, Any]:
    """All steps of an update, and its dual step; what they met, for the log."""
    config, rule = run.config, run.config.update_rule
    rng = np.random.default_rng(seed_of(config, MINIBATCHES, update))
    first, last, norm = SurrogateStats.at_sampling_policy(), [], 0.0
    is_moving = _has_signal(run, experience)
    for epoch in range(config.inner_epochs if is_moving else 0):
        last = []
        for rows in _minibatches(run, experience, rng):
            stats, norm = _step(run, experience, rows, num_fresh)
            first = stats if epoch == 0 and not last else first
            last.append(stats)
    if not all(value.isfinite().all() for value in run.policy.model.parameters()):
        raise FloatingPointError("a weight of the model is not finite; lower the learning rate")
    line = describe_ratio(SurrogateStats.merged(last) if last else first)
    line |= {"log_prob_mismatch": first.log_prob_mismatch, "gradient_norm": norm}
    if rule.dual is not None:
        variance = 0.0
        if is_moving:
            log_prob = rollout_log_prob(
                run.policy.model,
                experience.rollout,
                temperature=config.temperature,
                microbatch_tokens=config.microbatch_tokens,
                processes=run.processes,
            )
            variance = ratio_variance(log_prob, experience.rollout, config.level)
        line |= {"multiplier": run.memory.multiplier, "final_ratio_variance": variance}
        run.memory.move_multiplier(rule, variance)
    return line


def run_update(run: Run, update: int) -> dict[str, Any]:
    """One update: roll out, reward, advantage, the inner epochs, and the dual step.

    Args:
        run: model, optimizer and memories are changed.
        update: number of the update, from 1.

    Returns:
        The update's metrics line.

    Raises:
        FloatingPointError: a weight, a log-probability, the gradient or the model is not finite.
    """
    config = run.config
    num_timeouts = run.grader.num_timeouts
    times = [time.perf_counter()]
    questions = choose_prompts(config, len(run.task), update)
    drawn = _roll_out(run, update, questions)
    times.append(time.perf_counter())
    reward = _grade(run, drawn, questions)
    run.samples.add(run.task, questions, drawn, reward, kind="update", update=update, split="train")
    times.append(time.perf_counter())
    fresh, ref_log_prob = _judge(run, update, drawn, reward, questions)
    times.append(time.perf_counter())
    experience = _with_replay(run, fresh, update)
    learning_rate = run.optimizer.param_groups[0]["lr"]
    trained = _train_on(run, experience, update, len(fresh))
    advance(run.scheduler)
    times.append(time.perf_counter())
    line = {
        "kind": "update",
        "update": update,
        **describe_rollout(drawn, reward, fresh.advantage.cpu().numpy()),
        **trained,
        "learning_rate": learning_rate,
    }
    if ref_log_prob is not None:
        line |= describe_divergence(drawn, ref_log_prob)
    if run.replay is not None:
        age = update - experience.born[len(fresh) :].double()
        line["num_replayed_groups"] = len(age)
        line["replayed_age_mean"] = float(age.mean()) if len(age) else 0.0
    return line | {
        "num_grade_timeouts": run.grader.num_timeouts - num_timeouts,
        "tokens_per_second": int(drawn.mask.sum()) / (times[-1] - times[0]),
        "seconds_rollout": times[1] - times[0],
        "seconds_grade": times[2] - times[1],
        "seconds_reference": times[3] - times[2],
        "seconds_gradient": times[4] - times[3],
    }
