"""Settings in which a round of failures moves something are refused by name, others are taken."""

from dataclasses import replace

import numpy as np
import pytest

from banditlab.arm_spaces import explicit_rewards, rare_correct
from banditlab.config import SimulationConfig
from banditlab.events.run import simulate_events
from banditlab.problems import BanditProblem
from banditlab.reward_laws import Bernoulli, NoisyVerifier
from banditlab.rules import RULES, get_rule
from banditlab.sequence.problem import uniform_sequences

TWO_PROMPTS = BanditProblem(
    log_count=np.log([[1.0, 999.0], [3.0, 500.0]]),
    log_mass=np.log([[0.4, 0.6], [0.02, 0.98]]),
    reward=np.array([[1.0, 0.0], [1.0, 0.0]]),
)


def config_of(**changes) -> SimulationConfig:
    fields = {"num_runs": 5, "num_steps": 20, "group_size": 1, "step_size": 1.0}
    return SimulationConfig(**{**fields, **changes})


ROWS = {
    "dense": (
        "raw_reward",
        {"policy": "dense"},
        r"^simulate_events: `policy` must be lumped, .* got dense on a BanditProblem\. Use `sim",
    ),
    "momentum": (
        "raw_reward",
        {"optimizer": "momentum"},
        r"`optimizer` must be without memory \(sgd\).*, got momentum\. Use `simulate`",
    ),
    "adam": ("raw_reward", {"optimizer": "adam"}, r"`optimizer` must be .*, got adam\."),
    "decay": (
        "raw_reward",
        {"optimizer_hyper": {"decay": 0.1}},
        r"`decay` must be 0, since decay moves the logits in every round, got 0\.1\.",
    ),
    "stale": (
        "raw_reward",
        {"rollout_ages": (0, 1)},
        r"`rollout_ages` must be \(0,\), .* got \(0, 1\)\.",
    ),
    "batch": (
        "raw_reward",
        {"batch_size": 1},
        r"`batch_size` must be 0 or 2, all prompts in every round, got 1 in the order 'subset'\. "
        r"Set batch_size=0",
    ),
    "replacement": (
        "raw_reward",
        {"batch_size": 2, "batch_order": "replacement"},
        r"`batch_size` must be .*, got 2 in the order 'replacement'\.",
    ),
    "memory": ("running_mean", {}, r"`rule` must be one without memory .*, got running_mean\."),
    "history": ("reward_history", {}, r"`rule` must be one without memory .* got reward_history"),
    "dual": (
        "variance_penalty_dual",
        {},
        r"`rule` must be one without a dual, .* got variance_penalty_dual\.",
    ),
    "loss": ("grpo_k3", {}, r"`rule` must be one without a reference term, .*, got grpo_k3\."),
    "shaped": ("leave_one_out_k1", {}, r"without a reference term, .*, got leave_one_out_k1\."),
    "extra": ("extra_rollouts", {}, r"one without extra rollouts, got extra_rollouts\. Use"),
    "negative": (
        "negative_reward",
        {},
        r"`rule` must be one that gives a group of failures the advantage 0, got negative_reward\.",
    ),
    "topr": ("topr", {}, r"a group of failures the advantage 0, got topr\. Use `simulate`"),
    "baseline": ("constant_baseline", {}, r"the advantage 0, got constant_baseline\."),
    "batch mean": (
        "batch_mean",
        {},
        r"the advantage 0, got batch_mean, where it has another one once another prompt succeeds",
    ),
    "whitened": ("batch_standardized", {}, r"the advantage 0, got batch_standardized, where"),
    "horizon": (
        "raw_reward",
        {"num_steps": 1e301},
        r"`num_steps` must be a finite number in \[1, 1e\+300\], got 1e\+301\. Give the horizon",
    ),
    "records": (
        "raw_reward",
        {"num_steps": 1e7},
        r"`record_every` must be such that at most 1000000 steps are recorded, got 1\. "
        r"Set num_log_records",
    ),
    "no stop": (
        "raw_reward",
        {"num_steps": 1e16, "num_log_records": 9},
        r"`stop_success_prob` must be given where num_steps is above 2\^53 = 9007199254740992, "
        r"got None\. Near p = 1 every round has a success and none is skipped; 0\.99 is usual\.$",
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_settings_in_which_a_round_of_failures_moves_something_are_refused_by_name(row):
    rule, changes, message = ROWS[row]
    with pytest.raises(ValueError, match=message):
        simulate_events(TWO_PROMPTS, RULES[rule], config_of(**{"group_size": 4, **changes}))


@pytest.mark.parametrize(
    ("law", "message"),
    [
        (
            Bernoulli(),
            r"`reward_law` must be Deterministic\(\) for every class, got Bernoulli\(\)\.",
        ),
        (
            NoisyVerifier(0.9, 0.1),
            r"got NoisyVerifier\(true_positive_rate=0\.9, .*\)\. Noise gives",
        ),
    ],
)
def test_random_rewards_are_refused(law, message):
    with pytest.raises(ValueError, match=message):
        simulate_events(rare_correct(3, 0.1, reward_law=law), RULES["raw_reward"], config_of())


def test_negative_rewards_are_refused():
    with pytest.raises(
        ValueError, match=r"`reward` must be at least 0 in every class, .* got -1\.0"
    ):
        simulate_events(explicit_rewards(np.array([1, -1])), RULES["raw_reward"], config_of())


def test_a_tree_of_tokens_is_refused():
    problem = uniform_sequences(4, 2, [[[1]]])
    for policy in ("sequence", "lumped"):
        with pytest.raises(ValueError, match=r"`policy` must be lumped, .* on a SequenceProblem"):
            simulate_events(problem, RULES["raw_reward"], config_of(policy=policy))


def test_a_weight_that_moves_without_advantage_is_refused():
    def always_pushing(log_prob, old_log_prob, advantage):
        return np.exp(log_prob - old_log_prob)

    rule = replace(RULES["raw_reward"], name="pushing", weight=always_pushing)
    with pytest.raises(ValueError, match=r"`rule` must be one of score weight 0 .* got pushing\."):
        simulate_events(rare_correct(3, 0.1), rule, config_of())


def test_a_horizon_that_is_no_number_and_a_stop_that_is_no_probability_are_refused():
    problem, rule = rare_correct(3, 0.1), RULES["raw_reward"]
    with pytest.raises(TypeError, match=r"`num_steps` must be a real number, got str\."):
        simulate_events(problem, rule, config_of(num_steps="1e9"))
    with pytest.raises(ValueError, match=r"`stop_success_prob` must be in \(0, 1\], got 0\.0\."):
        simulate_events(problem, rule, config_of(), stop_success_prob=0.0)


@pytest.mark.parametrize(
    "rule",
    [
        *(
            "raw_reward",
            "group_mean",
            "leave_one_out",
            "grpo",
            "grpo_or_raw",
            "clip",
            "clip_higher",
        ),
        *("dual_clip", "cispo", "variance_penalty"),
    ],
)
def test_every_other_rule_is_taken(rule):
    record = simulate_events(TWO_PROMPTS, RULES[rule], config_of(group_size=4, inner_epochs=2))
    assert np.isfinite(record.curves["pass_rate"]).all()


def test_baseline_0_and_a_batch_of_one_prompt_are_taken():
    for rule in (get_rule("constant_baseline", baseline=0.0), RULES["batch_mean"]):
        record = simulate_events(rare_correct(3, 0.2), rule, config_of(group_size=4))
        assert np.isfinite(record.curves["pass_rate"]).all()
