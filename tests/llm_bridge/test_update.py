"""Every rule and every option of the training loop, against the same updates worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from banditlab.rules import RULES
from llm_bridge import update as update_module
from llm_bridge.memory import RuleMemory
from llm_bridge.optimizer import make_optimizer, make_scheduler
from llm_bridge.replay import ReplayBuffer
from llm_bridge.run import prepare_run
from tests.llm_bridge.by_hand import OddsGrader, distance, run_both, tiny_config
from tests.llm_bridge.small_model import make_tokenizer, save_small_model

# What the sampler recorded is the same on both sides, and all is in float64.
TOLERANCE = 1e-9


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_small_model(
        tmp_path_factory.mktemp("small") / "model",
        kind="llama",
        initializer_range=0.3,
        num_hidden_layers=1,
    )


def assert_same(run, hand):
    error, change = distance(run, hand)
    assert change > 1e-4, "the updates moved nothing"
    assert error < TOLERANCE * change
    assert run.memory.multiplier == (
        None if hand.multiplier is None else pytest.approx(hand.multiplier, rel=1e-9)
    )


@pytest.mark.parametrize("name", RULES)
def test_two_updates_of_every_rule_are_those_by_hand(name, folder, monkeypatch):
    run, hand, lines = run_both(tiny_config(folder, rule=name), monkeypatch)
    assert_same(run, hand)
    assert hand.max_abs_log_ratio > 1e-3
    assert lines[-1]["last_forward_ratio_variance"] > 0


OPTIONS = {
    "dual, token level, token mean": {
        "rule": "variance_penalty_dual",
        "level": "token",
        "averaging": "token_mean",
    },
    "dual by minibatches, microbatches and geometric ratios": {
        "rule": "variance_penalty_dual",
        "level": "sequence_geometric",
        "averaging": "sequence_mean",
        "minibatches": 5,
        "microbatch_tokens": 60,
    },
    "clip by AdamW with everything": {
        "rule": "clip",
        "averaging": "constant_length",
        "minibatches": 3,
        "optimizer": "adamw",
        "adam_beta1": 0.8,
        "adam_beta2": 0.95,
        "adam_eps": 1e-5,
        "weight_decay": 0.1,
        "max_gradient_norm": 0.3,
        "schedule": "cosine",
        "warmup_updates": 2,
        "num_updates": 5,
    },
    "decay, linear schedule and gradients cut by SGD": {
        "rule": "grpo",
        "weight_decay": 0.5,
        "max_gradient_norm": 0.5,
        "schedule": "linear",
    },
    "replay with a reference and a dual": {
        "rule": "variance_penalty_dual",
        "level": "token",
        "replay_groups": 2,
        "replay_max_age": 2,
        "replay_capacity": 3,
        "num_prompts": 2,
        "minibatches": 2,
        "reference": {"estimator": "k3", "coefficient": 0.3, "place": "loss"},
    },
    "replay of raw rewards": {"rule": "raw_reward", "replay_groups": 8},
    "k2 in the reward with extra rollouts": {
        "rule": "leave_one_out",
        "hyper": {"extra_rollouts": 2},
        "group_size": 1,
        "reference": {"estimator": "k2", "coefficient": 0.3, "place": "reward"},
    },
    "ratio-corrected k1 in the loss by token": {
        "rule": "cispo",
        "level": "token",
        "averaging": "token_mean",
        "reference": {
            "estimator": "k1",
            "coefficient": 0.3,
            "place": "loss",
            "is_ratio_corrected": True,
        },
    },
}


@pytest.mark.parametrize("words", OPTIONS)
def test_updates_with_options_are_those_by_hand(words, folder, monkeypatch):
    config = tiny_config(folder, **OPTIONS[words])
    # AdamW divides by small roots, which lifts rounding.
    tolerance = 1e-7 if config.optimizer == "adamw" else TOLERANCE
    num_updates = 4 if config.replay_groups or config.warmup_updates else 2
    run, hand, lines = run_both(config, monkeypatch, num_updates=num_updates)
    error, change = distance(run, hand)
    assert change > 1e-4
    assert error < tolerance * change
    assert lines[-1]["learning_rate"] == pytest.approx(hand.rate(num_updates))
    assert lines[-1]["gradient_norm"] == pytest.approx(hand.norm, rel=1e-6)
    if config.max_gradient_norm is not None:
        assert hand.largest_norm > config.max_gradient_norm, "nothing was cut"
    if hand.multiplier is not None:
        assert run.memory.multiplier == pytest.approx(hand.multiplier, rel=1e-9)
        assert lines[0]["multiplier"] == run.config.update_rule.dual.initial
        assert lines[1]["multiplier"] != lines[0]["multiplier"]
    if config.replay_groups:
        assert len(run.replay) == min(config.replay_capacity, 4 * config.num_prompts)
        assert lines[0]["num_replayed_groups"] == 0
        assert lines[-1]["num_replayed_groups"] == config.replay_groups


CHANGES = {
    "another average": ("dual, token level, token mean", {"averaging": "sequence_sum"}),
    "another level": ("ratio-corrected k1 in the loss by token", {"level": "sequence"}),
    "fewer minibatches": ("clip by AdamW with everything", {"minibatches": 1}),
    "no decay": ("decay, linear schedule and gradients cut by SGD", {"weight_decay": 0.0}),
    "no cut": ("decay, linear schedule and gradients cut by SGD", {"max_gradient_norm": None}),
    "no schedule": ("decay, linear schedule and gradients cut by SGD", {"schedule": "constant"}),
    "another beta": ("clip by AdamW with everything", {"adam_beta2": 0.96}),
    "another seed": ("clip by AdamW with everything", {"seed": 1}),
    "no replay": ("replay of raw rewards", {"replay_groups": 1}),
    "older replay": ("replay with a reference and a dual", {"replay_max_age": 1}),
}


@pytest.mark.parametrize("words", CHANGES)
def test_a_loop_that_did_something_else_would_be_seen(words, folder, monkeypatch):
    """The loop runs another configuration than the one worked out by hand."""
    name, changes = CHANGES[words]
    config = tiny_config(folder, **OPTIONS[name])

    def other(run):
        run.config = replace(config, **changes)
        run.optimizer = make_optimizer(run.config, run.policy.model.parameters())
        run.scheduler = make_scheduler(run.config, run.optimizer)
        if run.replay is not None:
            run.replay = ReplayBuffer(run.config.replay_capacity, run.config.replay_max_age)

    num_updates = 4 if config.replay_groups or config.warmup_updates else 2
    run, hand, _ = run_both(config, monkeypatch, num_updates=num_updates, break_run=other)
    error, change = distance(run, hand)
    assert error > 1e-5 * change


def _forget(run):
    run.memory.advantage = lambda rule, reward, _: RuleMemory.start(rule, len(reward)).advantage(
        rule, reward, np.arange(len(reward))
    )


def _keep_multiplier(run):
    run.memory.move_multiplier = lambda *_: None


def _follow_the_policy(run):
    run.reference = run.policy.model


def _renew_advantages(run):
    run.replay.push, push = (
        lambda fresh: push(replace(fresh, advantage=fresh.advantage + 0.5)),
        run.replay.push,
    )


def _renew_log_probs(run):
    run.replay.push, push = (
        lambda fresh: push(
            replace(
                fresh,
                rollout=replace(fresh.rollout, old_log_prob=fresh.rollout.old_log_prob + 0.01),
            )
        ),
        run.replay.push,
    )


MUTANTS = {
    "memory that starts anew": ({"rule": "running_mean"}, _forget),
    "history that starts anew": ({"rule": "reward_history"}, _forget),
    "a multiplier that stays": ({"rule": "variance_penalty_dual"}, _keep_multiplier),
    "a reference that follows the policy": ({"rule": "leave_one_out_k1"}, _follow_the_policy),
    "stale advantages made anew": ({"rule": "clip", "replay_groups": 3}, _renew_advantages),
    "stale log-probs made anew": ({"rule": "clip", "replay_groups": 3}, _renew_log_probs),
}


@pytest.mark.parametrize("words", MUTANTS)
def test_mutants_of_the_loop_are_seen(words, folder, monkeypatch):
    changes, mutate = MUTANTS[words]
    config = tiny_config(folder, **changes)
    run, hand, _ = run_both(config, monkeypatch, num_updates=3, break_run=mutate)
    error, change = distance(run, hand)
    assert error > 1e-5 * change


def test_training_on_the_extra_rollouts_would_be_seen(folder, monkeypatch):
    monkeypatch.setattr(update_module, "first_rollouts", lambda rollout, _: rollout)
    config = tiny_config(folder, rule="extra_rollouts", group_size=1)
    with pytest.raises(ValueError, match="`advantage` must be of shape"):
        run_both(config, monkeypatch)


def test_extra_rollouts_are_drawn_graded_and_cost_no_gradient(folder, monkeypatch):
    seen = []
    original = update_module.accumulate_gradient

    def spy(model, rollout, advantage, rule, **options):
        seen.append(tuple(rollout.mask.shape[:2]))
        return original(model, rollout, advantage, rule, **options)

    monkeypatch.setattr(update_module, "accumulate_gradient", spy)
    config = tiny_config(folder, rule="extra_rollouts", group_size=2)
    _, hand, lines = run_both(config, monkeypatch)
    assert seen == [(4, 2)] * 4
    assert len(hand.rule.hyper) == 3
    assert all(round(line["reward_mean"] * 36) == line["reward_mean"] * 36 for line in lines)


@pytest.mark.parametrize("place", ["loss", "reward"])
def test_the_logged_divergence_is_that_of_the_reference(place, folder, monkeypatch):
    term = {"estimator": "k2", "coefficient": 0.1, "place": place}
    _, hand, lines = run_both(tiny_config(folder, rule="clip", reference=term), monkeypatch)
    assert lines[0]["reference_k1"] == pytest.approx(0.0, abs=1e-5)
    rows = [row for group in hand.replay[-4:] for row in group]
    k1 = np.array([float((row.old - row.ref).sum()) for row in rows])
    assert lines[1]["reference_k1"] == pytest.approx(k1.mean(), rel=1e-6)
    assert lines[1]["reference_k3"] == pytest.approx((np.exp(-k1) - 1 + k1).mean(), rel=1e-6)
    assert abs(k1.mean()) > 1e-3
    assert "reference_k1" not in run_both(tiny_config(folder, rule="clip"), monkeypatch)[2][0]


def test_another_reference_model_is_read_and_needs_the_same_tokenizer(folder, tmp_path):
    other = save_small_model(tmp_path / "other", kind="qwen3")
    run = prepare_run(tiny_config(folder, rule="grpo_k3", reference_model=str(other)), OddsGrader())
    assert type(run.reference).__name__ == "Qwen3ForCausalLM"
    assert not any(value.requires_grad for value in run.reference.parameters())
    tokenizer = make_tokenizer()
    tokenizer.add_tokens(["<more>"])
    alien = save_small_model(tmp_path / "alien", tokenizer=tokenizer)
    config = tiny_config(folder, rule="grpo_k3", reference_model=str(alien))
    with pytest.raises(ValueError, match="a model with the tokenizer of the policy"):
        prepare_run(config, OddsGrader())


def test_the_mismatch_is_that_of_fresh_rollouts_before_the_first_step(folder, monkeypatch):
    config = tiny_config(folder, rule="clip", replay_groups=4, minibatches=2)
    _, hand, lines = run_both(config, monkeypatch, num_updates=3)
    assert all(0 < line["log_prob_mismatch"] < 1e-5 for line in lines)
    assert hand.max_abs_log_ratio > 1e-3
