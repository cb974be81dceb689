"""The configuration of a simulation: what it builds, and every value that it refuses."""

import dataclasses

import numpy as np
import pytest

from banditlab.arm_spaces import from_pass_rates, rare_correct
from banditlab.config import SimulationConfig
from banditlab.lumped.policy import LumpedSoftmax
from banditlab.optimizers import SGD, Adam, Momentum
from banditlab.rules import RULES
from banditlab.softmax import DenseSoftmax

PROBLEM = from_pass_rates([0.2, 0.5, 0.7], [0.4], shared_kernel=1.0)
TABULAR = rare_correct(2, 0.1)


def config_of(**changes) -> SimulationConfig:
    return SimulationConfig(
        **{"num_runs": 2, "num_steps": 3, "group_size": 4, "step_size": 0.1, **changes}
    )


def test_the_defaults_are_valid_for_every_rule():
    for rule in RULES.values():
        config_of().require_valid(PROBLEM, rule)


@pytest.mark.parametrize(
    "changes",
    [
        {"batch_size": 3},
        {"batch_size": 1, "batch_order": "epochs"},
        {"batch_size": 17, "batch_order": "replacement"},
        {"rollout_ages": (0, 1, 2)},
        {"rollout_ages": [4]},
        {"num_log_records": 9, "record_every": 100},
        {"seed": 2**80},
    ],
)
def test_valid_values_are_taken(changes):
    config_of(**changes).require_valid(PROBLEM, RULES["grpo"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"num_runs": 0},
            r"`num_runs` must be a whole number of at least 1, got 0\. Give a positive count",
        ),
        ({"num_steps": -3}, r"`num_steps` must be a whole number of at least 1, got -3"),
        ({"group_size": 0}, r"`group_size` must be a whole number of at least 1, got 0"),
        ({"inner_epochs": 0}, r"`inner_epochs` must be a whole number of at least 1, got 0"),
        ({"record_every": 0}, r"`record_every` must be a whole number of at least 1, got 0"),
        (
            {"num_log_records": -1},
            r"`num_log_records` must be at least 0, got -1\. 0 records every",
        ),
        ({"seed": -1}, r"`seed` must be at least 0, got -1\. Give a whole number"),
        (
            {"group_size": 1},
            r"`group_size` must be at least 2 for grpo, got 1\. A group baseline needs several",
        ),
        ({"rollout_ages": ()}, r"`rollout_ages` must be different ages of 0.*got \(\)\. \(0,\) t"),
        ({"rollout_ages": (1, 1)}, r"`rollout_ages` must be different ages.*got \(1, 1\)"),
        ({"rollout_ages": (-1, 0)}, r"`rollout_ages` must be different ages.*got \(-1, 0\)"),
        (
            {"policy": "lumpde"},
            r"`policy` must be a known policy, got 'lumpde'\. Did you mean 'lum",
        ),
        ({"level": "word"}, r"`level` must be a known level, got 'word'\..*There are: token, seq"),
    ],
)
def test_impossible_values_are_refused(changes, message):
    with pytest.raises(ValueError, match=rf"^simulate: {message}"):
        config_of(**changes).require_valid(PROBLEM, RULES["grpo"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"batch_size": 4},
            r"^Batches: `batch_size` must be between 1 and the 3 prompts trained on",
        ),
        ({"batch_size": -2}, r"^Batches: `batch_size` must be between 1.*got -2"),
        ({"batch_order": "random"}, r"^Batches: `order` must be a known order, got 'random'"),
    ],
)
def test_batches_that_the_problem_cannot_give_are_refused(changes, message):
    """Of four prompts one is held out."""
    with pytest.raises(ValueError, match=message):
        config_of(**changes).require_valid(PROBLEM, RULES["grpo"])


def test_extra_rollouts_count_towards_the_smallest_group():
    rule = RULES["grpo"].with_hyper(extra_rollouts=1)
    config_of(group_size=1).require_valid(PROBLEM, rule)
    # Once, not twice.
    rule = dataclasses.replace(rule, smallest_draw=4)
    config_of(group_size=3).require_valid(PROBLEM, rule)
    with pytest.raises(ValueError, match=r"`group_size` must be at least 3 for grpo, got 2"):
        config_of(group_size=2).require_valid(PROBLEM, rule)


def test_rules_without_a_group_baseline_take_one_rollout():
    config_of(group_size=1).require_valid(PROBLEM, RULES["raw_reward"])


@pytest.mark.parametrize(
    ("changes", "optimizer"),
    [
        ({}, SGD(0.1)),
        ({"optimizer_hyper": {"decay": 0.5}}, SGD(0.1, decay=0.5)),
        ({"optimizer": "momentum", "optimizer_hyper": {"momentum": 0.5}}, Momentum(0.1, 0.5)),
        ({"optimizer": "adam"}, Adam(0.1)),
    ],
)
def test_the_optimizer_is_the_one_asked_for(changes, optimizer):
    assert config_of(**changes).build_optimizer() == optimizer


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": "adamw"}, r"^get_optimizer: `name` must be a known optimizer, got 'adamw'"),
        ({"step_size": -1.0}, r"^SGD: `step_size` must be a finite number"),
        (
            {"optimizer_hyper": {"beta1": 0.5}},
            r"^get_optimizer: `hyper` must be a known hyperp.*sgd",
        ),
        ({"optimizer": "adam"}, r"^LumpedSoftmax: `optimizer` must be SGD or momentum"),
        ({"optimizer": "adam", "policy": "dense"}, r"^DenseSoftmax: `optimizer` must be SGD or"),
        (
            {"policy": "sequence"},
            r"^simulate: `policy` must be lumped or dense, got sequence\. The ",
        ),
        ({"policy": "dense"}, r"^arm_class: `log_count` must be small enough"),
    ],
)
def test_policies_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        config_of(**changes).build_policy(PROBLEM)


@pytest.mark.parametrize(
    ("changes", "kind"), [({}, LumpedSoftmax), ({"policy": "dense"}, DenseSoftmax)]
)
def test_the_policy_starts_at_the_base_policy_of_the_problem(changes, kind):
    policy = config_of(**changes).build_policy(TABULAR)
    assert type(policy) is kind
    assert policy.num_runs == 2
    np.testing.assert_allclose(policy.expected_reward(), [[0.1], [0.1]], rtol=1e-13)


def test_the_configuration_cannot_be_changed():
    with pytest.raises(AttributeError, match="cannot assign to field"):
        config_of().seed = 1
