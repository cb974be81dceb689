import json
from dataclasses import replace

import pytest

from banditlab.rules import RULES
from llm_bridge.config import TrainConfig
from tests.llm_bridge.training import SMALL

REFUSED = {
    "running_mean": r"one with no memory of earlier rewards.*got running_mean\(.*leave_one_out",
    "reward_history": r"one with no memory of earlier rewards.*batch_mean",
    "extra_rollouts": r"one with no extra rollouts.*larger group_size",
    "grpo_k3": r"one with no reference term.*got grpo_k3\(.*without it",
    "grpo_k3_corrected": r"one with no reference term",
    "leave_one_out_k1": r"one with no reference term",
    "variance_penalty_dual": r"one with a multiplier that does not move.*Use variance_penalty",
}


@pytest.mark.parametrize("name", REFUSED)
def test_rules_that_training_cannot_run_are_refused_by_name(name):
    with pytest.raises(ValueError, match=f"TrainConfig: `rule` must be {REFUSED[name]}"):
        TrainConfig(rule=name)


def test_extra_rollouts_are_refused_of_every_rule():
    with pytest.raises(ValueError, match=r"one with no extra rollouts.*got grpo\(.*=7\)"):
        TrainConfig(rule="grpo", hyper={"extra_rollouts": 7})


@pytest.mark.parametrize("name", sorted(set(RULES) - set(REFUSED)))
def test_all_other_rules_are_taken(name):
    config = TrainConfig(rule=name)
    assert config.update_rule == RULES[name]
    assert config.resolved().update_rule == RULES[name]


def test_a_batch_baseline_takes_one_rollout_of_each_prompt_but_not_one_in_all():
    assert TrainConfig(rule="batch_mean", group_size=1, num_prompts=2).group_size == 1
    with pytest.raises(ValueError, match=r"batch_mean: `reward` must be of shape"):
        TrainConfig(rule="batch_mean", group_size=1, num_prompts=1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rule": "grop"}, r"`name` must be a known rule, got 'grop'\. Did you mean 'grpo'"),
        ({"hyper": {"clip": 1.0}}, r"`clip` must be a hyperparameter of clip"),
        ({"hyper": {"clip_low": 2.0}}, r"`clip_low` must be a finite number in \[0, 1\]"),
        ({"group_size": 1}, r"`group_size` must be at least 2 for clip, which compares"),
        ({"num_prompts": 0}, r"TrainConfig: `num_prompts` must be at least 1, got 0"),
        ({"take": 0}, r"TrainConfig: `take` must be at least 1, got 0"),
        ({"seed": -1}, r"TrainConfig: `seed` must be at least 0, got -1"),
        ({"learning_rate": 0.0}, r"TrainConfig: `learning_rate` must be a finite number in \(0"),
        ({"temperature": float("nan")}, r"TrainConfig: `temperature` must be a finite number"),
        ({"optimizer": "adam"}, r"`optimizer` must be a known optimizer, .*'adamw'"),
        ({"level": "word"}, r"TrainConfig: `level` must be a known level"),
        ({"pass_at": (1, 0)}, r"TrainConfig: `pass_at` must be numbers from 1, got 0"),
        ({"eval_top_p": 0.0}, r"`top_p` must be a finite number in \(0, 1\]"),
        ({"eval_top_k": 0}, r"`top_k` must be at least 1"),
        ({"dtype": "int8"}, r"TrainConfig: `dtype` must be a known choice of type"),
        ({"lora_rank": 0}, r"TrainConfig: `lora_rank` must be at least 1, got 0"),
        ({"prompt_format": "chat"}, r"TrainConfig: `prompt_format` must be a known prompt format"),
    ],
)
def test_an_impossible_configuration_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **changes)


def test_a_count_must_be_an_integer():
    with pytest.raises(TypeError, match="TrainConfig: `num_updates` must be an integer, got float"):
        replace(SMALL, num_updates=2.5)


def test_limits_of_tokens_follow_the_model_and_the_dataset():
    from llm_bridge.embedded.corpus import MAX_NEW_TOKENS

    assert TrainConfig().resolved().max_new_tokens == MAX_NEW_TOKENS
    assert TrainConfig().resolved().prompt_format == "embedded"
    other = TrainConfig(model="a", dataset="b").resolved()
    assert (other.max_new_tokens, other.prompt_format) == (256, "instruction")
    assert TrainConfig(max_new_tokens=5).resolved().max_new_tokens == 5
    assert other.resolved() == other


def test_the_type_follows_the_device_and_small_steps_are_never_rounded_away_by_default():
    assert TrainConfig().resolved().dtype == "float32"
    assert TrainConfig(device="cuda").resolved().dtype == "autocast"
    assert TrainConfig(device="cuda", dtype="bfloat16").resolved().dtype == "bfloat16"


def test_a_configuration_comes_back_from_its_record():
    config = TrainConfig(pass_at=(1, 4), lora_targets=("q_proj",)).resolved()
    assert TrainConfig(**json.loads(json.dumps(config.as_dict()))) == config
