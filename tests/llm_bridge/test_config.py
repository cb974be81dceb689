import pytest

from banditlab.rules import RULES
from llm_bridge.config import TrainConfig

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
