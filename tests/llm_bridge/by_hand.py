"""Updates of a small model worked out by hand: the oracle for the training loop.

Rows are passed one by one and unpadded through the model, objectives are the published ones, and
advantages, averages, optimizer steps and random orders are written out. Only the rollouts, as they
were drawn, come from the loop.
"""

import copy
import math
import zlib
from dataclasses import dataclass

import numpy as np
import torch

from banditlab.rules import RULES
from banditlab.testing.known import promises_of_rule
from banditlab.testing.objectives import importance_weighted, kl_estimate
from llm_bridge import update as update_module
from llm_bridge.config import TrainConfig
from llm_bridge.forward import RolloutPart, token_log_prob
from llm_bridge.run import choose_prompts, prepare_run
from llm_bridge.update import run_update
from tests.llm_bridge.small_model import ROWS_FILE

EPS = 1e-6


class OddsGrader:
    """Rewards that depend on the text alone and are neither rare nor all alike."""

    num_timeouts = 0

    def grade(self, texts, golds):
        return np.array([float(zlib.crc32(text.encode()) % 5 < 2) for text in texts])


def tiny_config(folder, **changes):
    values = {
        "model": str(folder),
        "dataset": str(ROWS_FILE),
        "take": 4,
        "num_prompts": 4,
        "group_size": 3,
        "inner_epochs": 2,
        "learning_rate": 0.005,
        "num_updates": 3,
        "eval_samples": 1,
        "max_new_tokens": 6,
        "temperature": 0.9,
    }
    return TrainConfig(**{**values, **changes}).resolved()


def _standardized(reward):
    deviation = reward.std(axis=-1, ddof=1, keepdims=True)
    return (reward - reward.mean(axis=-1, keepdims=True)) / (deviation + EPS)


def _group_mean(reward):
    return reward - reward.mean(axis=-1, keepdims=True)


def _leave_one_out(reward):
    count = reward.shape[-1]
    return reward - (reward.sum(axis=-1, keepdims=True) - reward) / (count - 1)


def _running_mean(reward, earlier):
    return reward - (np.mean(earlier) if earlier else 0.0)


def _reward_history(reward, earlier):
    last = np.array([*earlier, *reward][-8:])
    return (reward - last.mean()) / (last.std(ddof=1) + EPS)


MEMORYLESS = {
    "raw_reward": lambda reward: reward,
    "negative_reward": lambda reward: 2 * reward - 1,
    "constant_baseline": lambda reward: reward - 0.5,
    "leave_one_out": _leave_one_out,
    "leave_one_out_k1": _leave_one_out,
    "batch_mean": lambda reward: reward - reward.mean(),
    "batch_standardized": lambda reward: (reward - reward.mean()) / (reward.std(ddof=1) + EPS),
    "topr": lambda reward: 2 * reward - 1,
    **dict.fromkeys(
        ("grpo", "grpo_or_raw", "grpo_k3", "grpo_k3_corrected", "extra_rollouts"), _standardized
    ),
    **dict.fromkeys(
        (
            "group_mean",
            "clip",
            "clip_higher",
            "dual_clip",
            "cispo",
            "variance_penalty",
            "variance_penalty_dual",
            "variance_penalty_bounded",
        ),
        _group_mean,
    ),
}
WITH_MEMORY = {"running_mean": _running_mean, "reward_history": _reward_history}


@dataclass
class Row:
    prompt: list
    response: list
    old: torch.Tensor
    ref: torch.Tensor
    advantage: float
    born: int


def log_probs(model, prompt, response, temperature):
    """Of one unpadded row; Transformers' own Llama pass would round to float32 inside."""
    tokens, mask = ([prompt], [response]), ([True] * len(prompt), [True] * len(response))
    part = RolloutPart(
        prompt_tokens=torch.tensor(tokens[0]),
        prompt_mask=torch.tensor([mask[0]]),
        prompt_of_row=torch.tensor([0]),
        response_tokens=torch.tensor(tokens[1]),
        mask=torch.tensor([mask[1]]),
    )
    return token_log_prob(model, part, temperature=temperature)[0]


class ByHand:
    """The same run without any of the loop's code."""

    def __init__(self, run):
        self.config, self.rule = run.config, run.config.update_rule
        self.prompts = run.prompts
        self.model = copy.deepcopy(run.policy.model)
        self.base = copy.deepcopy(run.policy.model)
        self.earlier = {question: [] for question in range(len(run.prompts))}
        self.multiplier = None if self.rule.dual is None else self.rule.dual.initial
        self.replay = []
        self.moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in self.model.parameters()]
        self.num_steps = 0
        self.max_abs_log_ratio = self.largest_norm = 0.0

    def rng(self, purpose, update):
        seed = np.random.SeedSequence((self.config.seed, purpose, update))
        return np.random.default_rng(int(seed.generate_state(1, np.uint64)[0]))

    def advantages(self, reward, questions):
        name = self.rule.name
        if name in MEMORYLESS:
            return MEMORYLESS[name](reward)
        rows = []
        for values, question in zip(reward, questions.tolist(), strict=True):
            rows.append(WITH_MEMORY[name](values, self.earlier[question]))
            self.earlier[question] += values.tolist()
        return np.array(rows)

    def groups(self, drawn, reward, questions, update):
        config, rule = self.config, self.rule
        temperature = config.temperature
        rows = []
        for place, question in enumerate(questions):
            group = []
            for member in range(drawn.mask.shape[1]):
                mask = drawn.mask[place, member]
                response = drawn.response_tokens[place, member][mask].tolist()
                old = drawn.old_log_prob[place, member][mask].double()
                prompt = self.prompts[question]
                ref = torch.zeros_like(old)
                if rule.reference is not None:
                    with torch.no_grad():
                        ref = log_probs(self.base, prompt, response, temperature)
                group.append(Row(prompt, response, old, ref, 0.0, update))
            rows.append(group)
        if rule.reference is not None and rule.reference.place == "reward":
            estimates = [
                [
                    float(kl_estimate(r.old.sum(), r.ref.sum(), rule.reference.estimator))
                    for r in group
                ]
                for group in rows
            ]
            reward = reward - rule.reference.coefficient * np.array(estimates)
        advantage = self.advantages(reward, questions)
        for group, values in zip(rows, advantage, strict=True):
            for row, value in zip(group, values, strict=True):
                row.advantage = float(value)
        return [group[: config.group_size] for group in rows]

    def unit(self, values):
        level = self.config.level
        return (
            values if level == "token" else values.sum() if level == "sequence" else values.mean()
        )

    def objective(self, row):
        term, name = self.rule.reference, self.rule.name
        log_prob = log_probs(self.model, row.prompt, row.response, self.config.temperature)
        unit, old, ref = (self.unit(values) for values in (log_prob, row.old, row.ref))
        self.max_abs_log_ratio = max(
            self.max_abs_log_ratio, float((unit - old).detach().abs().max())
        )
        published = importance_weighted if "k3" in name else promises_of_rule(RULES[name]).objective
        options = {} if self.multiplier is None else {"multiplier": self.multiplier}
        total = published(unit, old, torch.full_like(unit, row.advantage), **options)
        if term is not None and term.place == "loss":
            factor = torch.exp(unit - old) if term.is_ratio_corrected else 1.0
            total = total - term.coefficient * factor * kl_estimate(unit, ref, term.estimator)
        return total.sum()

    def divisor(self, row, rows):
        return {
            "sequence_sum": len(rows),
            "token_mean": sum(len(other.response) for other in rows),
            "sequence_mean": len(rows) * len(row.response),
            "constant_length": len(rows) * self.config.max_new_tokens,
        }[self.config.averaging]

    def rate(self, update):
        config, done = self.config, update - 1
        if done < config.warmup_updates:
            return config.learning_rate * done / config.warmup_updates
        progress = (done - config.warmup_updates) / (config.num_updates - config.warmup_updates)
        shape = {
            "constant": 1.0,
            "linear": 1 - progress,
            "cosine": 0.5 * (1 + math.cos(math.pi * progress)),
        }
        return config.learning_rate * shape[config.schedule]

    def step(self, rows, update):
        config, rate = self.config, self.rate(update)
        self.model.zero_grad()
        (-sum(self.objective(row) / self.divisor(row, rows) for row in rows)).backward()
        self.num_steps += 1
        parameters = list(self.model.parameters())
        norm = math.sqrt(sum(float((p.grad**2).sum()) for p in parameters))
        bound = config.max_gradient_norm
        scale = 1.0 if bound is None else min(1.0, bound / (norm + 1e-6))
        self.norm, self.largest_norm = norm, max(norm, self.largest_norm)
        with torch.no_grad():
            for parameter, (mean, square) in zip(parameters, self.moments, strict=True):
                gradient = scale * parameter.grad
                parameter.mul_(1 - rate * config.weight_decay)
                if config.optimizer == "sgd":
                    parameter.sub_(rate * gradient)
                    continue
                mean.mul_(config.adam_beta1).add_((1 - config.adam_beta1) * gradient)
                square.mul_(config.adam_beta2).add_((1 - config.adam_beta2) * gradient**2)
                root = (square / (1 - config.adam_beta2**self.num_steps)).sqrt()
                mean_now = mean / (1 - config.adam_beta1**self.num_steps)
                parameter.sub_(rate * mean_now / (root + config.adam_eps))

    def ratio_variance(self, rows):
        squares = []
        for row in rows:
            with torch.no_grad():
                now = log_probs(self.model, row.prompt, row.response, self.config.temperature)
            squares.append(((self.unit(now - row.old).exp() - 1) ** 2).reshape(-1))
        return float(torch.cat(squares).mean())

    def stale(self, update):
        config = self.config
        if not config.replay_groups:
            return []
        kept = [group for group in self.replay if update - group[0].born <= config.replay_max_age]
        kept = kept[-config.replay_capacity :]
        count = min(config.replay_groups, len(kept))
        chosen = self.rng(4, update).choice(len(kept), size=count, replace=False)
        return [kept[place] for place in sorted(chosen)]

    def update(self, drawn, update):
        config = self.config
        questions = choose_prompts(config, len(self.prompts), update)
        texts = [self.decode(row) for row in drawn.response_tokens.flatten(0, 1)]
        reward = OddsGrader().grade(texts, texts).reshape(drawn.mask.shape[:2])
        fresh = self.groups(drawn, reward, questions, update)
        rows = [row for group in [*fresh, *self.stale(update)] for row in group]
        self.replay += fresh
        order = self.rng(3, update)
        for _ in range(config.inner_epochs):
            if config.minibatches == 1:
                self.step(rows, update)
                continue
            parts = np.array_split(order.permutation(len(rows)), config.minibatches)
            for part in parts:
                self.step([rows[place] for place in part], update)
        if self.rule.dual is not None:
            dual = self.rule.dual
            moved = dual.dual_step_size * (self.ratio_variance(rows) - dual.bound)
            self.multiplier = max(0.0, self.multiplier + moved)


def run_both(config, monkeypatch, *, num_updates=2, break_run=None):
    """The loop's run and the one by hand, after some updates, and the loop's metrics lines.

    break_run is given the run before its first update, to plant a mutant.
    """
    run = prepare_run(config, OddsGrader())
    run.policy.model.double()
    if run.reference is not None:
        run.reference.double()
    hand = ByHand(run)
    hand.decode = lambda row: run.policy.tokenizer.decode(row, skip_special_tokens=True)
    if break_run is not None:
        break_run(run)
    drawn, sample = [], update_module.sample_rollouts
    monkeypatch.setattr(
        update_module,
        "sample_rollouts",
        lambda *words, **options: drawn.append(sample(*words, **options)) or drawn[-1],
    )
    lines = []
    for update in range(1, num_updates + 1):
        lines.append(run_update(run, update))
        hand.update(drawn[-1], update)
    return run, hand, lines


def distance(run, hand):
    """Largest difference of the weights, and the largest change by training."""
    pairs = zip(
        run.policy.model.parameters(), hand.model.parameters(), hand.base.parameters(), strict=True
    )
    found = [
        (float((a - b).abs().max()), float((b - c).abs().max()))
        for a, b, c in (tuple(value.detach() for value in trio) for trio in pairs)
    ]
    return max(error for error, _ in found), max(change for _, change in found)


assert set(RULES) == {*MEMORYLESS, *WITH_MEMORY}, "a rule without its advantage by hand"
