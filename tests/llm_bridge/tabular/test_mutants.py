"""Mistakes planted into the bridge that the comparison with the simulator must reject."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from banditlab.rules import RULES
from llm_bridge import surrogate as bridge_module
from llm_bridge import update as update_module
from llm_bridge.memory import RuleMemory
from llm_bridge.optimizer import make_optimizer
from tests.llm_bridge.tabular.problems import BANDIT, SEQUENCES, TOLERANCE, make_config
from tests.llm_bridge.tabular.side_by_side import run_both


def _reweigh(patch, mutate):
    """Put a function of (score_weight, rule, log_prob, old_log_prob, advantage) in its place."""
    original = bridge_module.score_weight
    patch.setattr(
        bridge_module,
        "score_weight",
        lambda rule, log_prob, old_log_prob, advantage, **options: mutate(
            lambda *words: original(rule, *words, **options), log_prob, old_log_prob, advantage
        ),
    )


def _drop_the_ratio(run, patch):
    _reweigh(patch, lambda weigh, now, old, advantage: weigh(old, old, advantage))


def _swap_the_sign(run, patch):
    _reweigh(patch, lambda weigh, now, old, advantage: weigh(now, old, -advantage))


def _double_the_weight(run, patch):
    _reweigh(patch, lambda weigh, now, old, advantage: 2.0 * weigh(now, old, advantage))


def _lag_one_epoch(run, patch):
    """Ratios of the inner epoch before."""
    seen = {}

    def lagging(weigh, now, old, advantage):
        before = seen.get("now", old) if seen.get("old") is old.sum().item() else old
        seen.update(now=now, old=old.sum().item())
        return weigh(before, old, advantage)

    _reweigh(patch, lagging)


def _average_over_groups(run, patch):
    original = bridge_module.averaged_weight
    num_groups = run.config.num_prompts
    patch.setattr(
        bridge_module,
        "averaged_weight",
        lambda *words, **options: original(*words, **options | {"num_rollouts": num_groups}),
    )


def _average_over_tokens(run, patch):
    original = bridge_module.averaged_weight
    patch.setattr(
        bridge_module,
        "averaged_weight",
        lambda weight, mask, averaging, **options: original(weight, mask, "token_mean", **options),
    )


def _move_the_multiplier_first(run, patch):
    """Before the steps of a round its ratio variance is 0."""
    patch.setattr(update_module, "ratio_variance", lambda *words: 0.0)


def _move_the_multiplier_late(run, patch):
    """Each dual step takes the variance of the round before."""
    variances, original = [0.0], RuleMemory.move_multiplier

    def late(memory, rule, variance):
        variances.append(variance)
        original(memory, rule, variances[-2])

    patch.setattr(RuleMemory, "move_multiplier", late)


class _EpsUnderTheRoot:
    """AdamW that adds eps to the mean square."""

    def __init__(self, optimizer, table):
        self.param_groups, self.zero_grad = optimizer.param_groups, optimizer.zero_grad
        self._table, self._count = table, 0
        self._mean, self._square = torch.zeros_like(table), torch.zeros_like(table)

    @torch.no_grad()
    def step(self):
        (group,) = self.param_groups
        beta1, beta2 = group["betas"]
        self._count += 1
        self._table.mul_(1 - group["lr"] * group["weight_decay"])
        self._mean.lerp_(self._table.grad, 1 - beta1)
        self._square.lerp_(self._table.grad**2, 1 - beta2)
        root = (self._square / (1 - beta2**self._count) + group["eps"]).sqrt()
        self._table.sub_(group["lr"] * self._mean / (1 - beta1**self._count) / root)


def _put_eps_under_the_root(run, patch):
    run.optimizer = _EpsUnderTheRoot(run.optimizer, run.policy.model.displacement)


def _change_optimizer(**changes):
    def change(run, patch):
        config = replace(run.config, **changes)
        run.optimizer = make_optimizer(config, run.policy.model.parameters())

    return change


def _record_in_float32(run, patch):
    original = update_module.sample_rollouts

    def rounded(*words, **options):
        rollout = original(*words, **options)
        return replace(rollout, old_log_prob=rollout.old_log_prob.float())

    patch.setattr(update_module, "sample_rollouts", rounded)


def _forget_every_reward(run, patch):
    def advantage(memory, rule, reward, questions):
        start = RuleMemory.start(rule, len(reward))
        return original(start, rule, reward, np.arange(len(reward)))

    original = RuleMemory.advantage
    patch.setattr(RuleMemory, "advantage", advantage)


def _follow_the_policy(run, patch):
    run.reference = run.policy.model


def _run_another_rule(name):
    def change(run, patch):
        _reweigh(
            patch,
            lambda weigh, now, old, advantage: RULES[name].weight(
                now, old, advantage, **RULES[name].weight_hyper
            ),
        )

    return change


def _look_at_another_level(run, patch):
    original = update_module.accumulate_gradient
    patch.setattr(
        update_module,
        "accumulate_gradient",
        lambda *words, **options: original(*words, **options | {"level": "sequence_geometric"}),
    )


def _reward_another_prompt(run, patch):
    original = run.grader.grade
    patch.setattr(run.grader, "grade", lambda texts, golds: original(texts, golds[::-1]))


# Name -> arm space, rule, settings, mistake.
MUTANTS = {
    "no ratio": (BANDIT, "group_mean", {}, _drop_the_ratio),
    "no ratio, of tokens": (SEQUENCES, "raw_reward", {"level": "token"}, _drop_the_ratio),
    "ratios of the inner epoch before": (BANDIT, "clip", {}, _lag_one_epoch),
    "sign of the advantage": (BANDIT, "topr", {}, _swap_the_sign),
    "twice the weight": (BANDIT, "cispo", {}, _double_the_weight),
    "twice the weight, under Adam": (BANDIT, "grpo", {"optimizer": "adam"}, _double_the_weight),
    "mean over groups": (BANDIT, "raw_reward", {}, _average_over_groups),
    "mean over tokens": (SEQUENCES, "raw_reward", {}, _average_over_tokens),
    "no dual clip": (
        SEQUENCES,
        "dual_clip",
        {"optimizer": "adam", "seed": 3},
        _run_another_rule("clip"),
    ),
    "another width": (BANDIT, "clip", {}, _run_another_rule("clip_higher")),
    "multiplier moved first": (BANDIT, "variance_penalty_dual", {}, _move_the_multiplier_first),
    "multiplier moved late": (BANDIT, "variance_penalty_dual", {}, _move_the_multiplier_late),
    "eps under the root": (BANDIT, "raw_reward", {"optimizer": "adam"}, _put_eps_under_the_root),
    "another eps": (BANDIT, "grpo", {"optimizer": "adam"}, _change_optimizer(adam_eps=2e-8)),
    "another beta": (BANDIT, "grpo", {"optimizer": "adam"}, _change_optimizer(adam_beta2=0.998)),
    "no decay": (BANDIT, "grpo", {"optimizer": "adam"}, _change_optimizer(weight_decay=0.0)),
    "a record in float32": (BANDIT, "group_mean", {}, _record_in_float32),
    "memory that starts anew": (BANDIT, "running_mean", {}, _forget_every_reward),
    "history that starts anew": (BANDIT, "reward_history", {}, _forget_every_reward),
    "no pull to the reference": (BANDIT, "grpo_k3", {}, _follow_the_policy),
    "no price of divergence": (BANDIT, "leave_one_out_k1", {}, _follow_the_policy),
    "geometric ratios": (SEQUENCES, "clip", {"level": "sequence"}, _look_at_another_level),
    "rewards of another prompt": (BANDIT, "raw_reward", {}, _reward_another_prompt),
}


@pytest.mark.parametrize("words", MUTANTS)
def test_the_comparison_rejects(words, monkeypatch):
    problem, rule, changes, mutate = MUTANTS[words]
    optimizer = changes.get("optimizer", "sgd")
    others = {name: value for name, value in changes.items() if name != "optimizer"}
    config = make_config(rule, optimizer, inner_epochs=3, **others)
    comparison = run_both(problem, config, monkeypatch, num_rounds=8, break_bridge=mutate)
    assert comparison.worst > 10 * TOLERANCE[optimizer]


@pytest.mark.parametrize("problem", [BANDIT, SEQUENCES], ids=["arms", "sequences"])
@pytest.mark.parametrize("optimizer", TOLERANCE)
def test_without_a_mistake_these_few_rounds_agree(problem, optimizer, monkeypatch):
    config = make_config("clip", optimizer, inner_epochs=3)
    assert run_both(problem, config, monkeypatch, num_rounds=8).worst < TOLERANCE[optimizer]
