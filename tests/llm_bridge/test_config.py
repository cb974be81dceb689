import json
import pickle
from dataclasses import replace

import pytest

from banditlab.reference import ReferenceTerm
from banditlab.rules import RULES
from llm_bridge.config import TrainConfig
from tests.llm_bridge.training import SMALL


@pytest.mark.parametrize("name", RULES)
def test_every_rule_is_taken(name):
    config = TrainConfig(rule=name)
    assert config.update_rule == RULES[name]
    assert config.resolved().update_rule == RULES[name]
    assert config.resolved().resolved() == config.resolved()
    assert TrainConfig(**json.loads(json.dumps(config.resolved().as_dict()))) == config.resolved()


def test_a_rule_of_a_file_is_read_once_and_read_anew_by_another_process(tmp_path):
    path = tmp_path / "rules.py"
    path.write_text(
        "from banditlab import UpdateRule, group_mean\n"
        "def weight(log_prob, old_log_prob, advantage):\n"
        "    return advantage\n"
        "mine = UpdateRule('mine', group_mean, weight, 'A', 'made up')\n"
    )
    config = TrainConfig(rule=f"{path}:mine")
    assert config.update_rule is config.update_rule
    again = pickle.loads(pickle.dumps(config))
    assert again == config
    assert "update_rule" not in vars(again)
    assert again.update_rule.name == config.update_rule.name
    path.write_text(path.read_text().replace("return advantage", "return 2 * advantage"))
    assert config.update_rule.weight(0.0, 0.0, 1.0) == 1.0, "a run keeps the rule it began with"


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
        ({"averaging": "mean"}, r"TrainConfig: `averaging` must be a known averaging"),
        ({"schedule": "cosin"}, r"`schedule` must be a known schedule.*Did you mean 'cosine'"),
        (
            {"minibatches": 25},
            r"`minibatches` must be at most the 24 rollouts of an update, got 25",
        ),
        ({"minibatches": 0}, r"TrainConfig: `minibatches` must be at least 1, got 0"),
        ({"microbatch_tokens": 0}, r"`microbatch_tokens` must be at least 1, got 0"),
        ({"warmup_updates": -1}, r"`warmup_updates` must be at least 0, got -1"),
        ({"replay_groups": -1}, r"`replay_groups` must be at least 0, got -1"),
        ({"replay_capacity": 4}, r"`replay_capacity` must be left out where no stale groups"),
        ({"adam_beta1": 1.0}, r"`adam_beta1` must be below 1, got 1"),
        ({"adam_eps": 0.0}, r"`adam_eps` must be a finite number in \(0"),
        ({"weight_decay": -0.1}, r"`weight_decay` must be a finite number in \[0"),
        ({"max_gradient_norm": 0.0}, r"`max_gradient_norm` must be a finite number in \(0"),
        ({"reference_model": "a"}, r"`reference_model` must be left out for clip.*--kl k3"),
        ({"reference": {"kind": "k3"}}, r"`reference` must be a known field.*estimator"),
        ({"reference": {"estimator": "k3"}}, r"given with `coefficient` for clip.*--kl-coeff"),
        (
            {"reference": {"estimator": "k4", "coefficient": 0.1}},
            r"ReferenceTerm: `estimator` must be a known estimator, got 'k4'",
        ),
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


def test_a_reference_term_replaces_adds_to_and_leaves_the_rules_own():
    assert TrainConfig(rule="grpo_k3", reference={}).update_rule.reference is None
    changed = TrainConfig(rule="grpo_k3", reference={"estimator": "k2"}).resolved()
    assert changed.update_rule.reference == ReferenceTerm(0.001, "k2", "loss")
    assert changed.reference == changed.update_rule.reference.as_dict()
    added = TrainConfig(rule="clip", reference={"estimator": "k1", "coefficient": 0.2})
    assert added.update_rule.reference == ReferenceTerm(0.2, "k1", "loss")
    again = replace(added.resolved(), reference={**added.resolved().reference, "place": "reward"})
    assert again.update_rule.reference == ReferenceTerm(0.2, "k1", "reward")
    priced = TrainConfig(rule="grpo_k3", hyper={"coefficient": 0.5}).resolved()
    with pytest.raises(ValueError, match=r"`reference` must be of the coefficient.*0.1 beside 0.5"):
        replace(priced, reference={"coefficient": 0.1})
    assert priced.reference["coefficient"] == priced.hyper["coefficient"] == 0.5


def test_the_replay_buffer_holds_by_default_all_that_is_young_enough():
    config = replace(SMALL, replay_groups=3, replay_max_age=5)
    assert config.resolved().replay_capacity == 5 * SMALL.num_prompts
    assert replace(config, replay_capacity=7).resolved().replay_capacity == 7
    assert SMALL.resolved().replay_capacity is None
