"""Which rules TRL can run, and which of its settings would contradict them."""

from dataclasses import make_dataclass, replace
from importlib.util import find_spec

import pytest

from banditlab.rules import RULES
from llm_bridge.trl_settings import require_supported

DEFAULTS = {
    "loss_type": "dapo",
    "epsilon": 0.2,
    "epsilon_high": None,
    "delta": None,
    "off_policy_mask_threshold": None,
    "top_entropy_quantile": 1.0,
    "entropy_coef": 0.0,
    "use_adaptive_entropy": False,
    "importance_sampling_level": "token",
    "scale_rewards": "group",
    "multi_objective_aggregation": "sum_then_normalize",
    "beta": 0.0,
    "mask_truncated_completions": False,
    "top_p": 1.0,
    "top_k": 0,
    "min_p": None,
    "repetition_penalty": 1.0,
    "num_generations": 8,
    "num_iterations": 1,
    "steps_per_generation": 2,
    "gradient_accumulation_steps": 2,
    "remove_unused_columns": False,
}
Settings = make_dataclass("Settings", [(name, object, value) for name, value in DEFAULTS.items()])


@pytest.mark.skipif(find_spec("trl") is None, reason="trl is not installed; its extra brings it")
def test_the_settings_that_are_checked_have_the_defaults_assumed_here():
    from trl import GRPOConfig

    fields = GRPOConfig.__dataclass_fields__
    own = {"num_iterations", "steps_per_generation", "gradient_accumulation_steps"}
    for name in DEFAULTS.keys() - own:
        assert fields[name].default == DEFAULTS[name], name


@pytest.mark.parametrize("name", RULES)
def test_every_rule_is_taken_but_those_that_draw_more_than_they_train_on(name):
    if RULES[name].extra_rollouts:
        with pytest.raises(ValueError, match=f"all rollouts, as TRL does, got {name}, which draws"):
            require_supported(RULES[name], "token", "token_mean", Settings())
    else:
        require_supported(RULES[name], "token", "token_mean", Settings())


REFUSED = {
    "`level` must be a known level": {"level": "word"},
    "`averaging` must be a known averaging": {"averaging": "mean"},
    r"`loss_type` must be left at TRL's default, 'dapo', got 'grpo'\. Give the rule": {
        "loss_type": "grpo"
    },
    r"`epsilon_high` must be left .* got 0.28": {"epsilon_high": 0.28},
    r"`importance_sampling_level` must be left .* Give level=": {
        "importance_sampling_level": "sequence"
    },
    r"`scale_rewards` must be left .* Choose a rule": {"scale_rewards": "none"},
    r"`beta` must be left .* with_reference": {"beta": 0.01},
    r"`top_p` must be left .* whole distributions": {"top_p": 0.9},
    "`num_generations` must be at least 2 for grpo": {"num_generations": 1},
    "`gradient_accumulation_steps` must be a divisor of steps_per_generation = 2": {
        "gradient_accumulation_steps": 4
    },
    r"steps_per_generation \* num_iterations = 2 for variance_penalty_dual": {
        "rule": "variance_penalty_dual",
        "averaging": "sequence_sum",
        "gradient_accumulation_steps": 4,
    },
    "`remove_unused_columns` must be False for running_mean": {
        "rule": "running_mean",
        "remove_unused_columns": True,
    },
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_contradicts_the_rule_is_refused_with_the_remedy(words):
    changes = dict(REFUSED[words])
    rule = RULES[changes.pop("rule", "grpo")]
    level, averaging = changes.pop("level", "token"), changes.pop("averaging", "token_mean")
    with pytest.raises(ValueError, match=words):
        require_supported(rule, level, averaging, replace(Settings(), **changes))
