"""A table trained by the bridge is the policy of the simulator: every rule, on the same draws.

Under Adam at its usual eps, a parameter whose gradients all cancelled is moved by their rounding:
divided by 1e-8, 1e-17 becomes a step of 1e-10. Where that step brings a gradient of its own, the
next one divides it by 1e-8 again, and two worlds that round differently part for good. On the
table of prefixes the rules of `ROUNDED` do so: their weight or their reward has a difference of
log-probs as a factor, which on fresh samples of a prefix that never moved is 0 in the simulator
and 1e-16 in the bridge, whose sampling pass and training pass round differently.
"""

from dataclasses import replace

import pytest

from banditlab.levels import LEVELS
from banditlab.rules import RULES
from llm_bridge import update as update_module
from llm_bridge.microbatches import rollout_log_prob
from tests.llm_bridge.tabular.problems import (
    BANDIT,
    OPTIMIZERS,
    SEQUENCES,
    TOLERANCE,
    make_config,
)
from tests.llm_bridge.tabular.side_by_side import run_both

EPOCHS = [{"inner_epochs": 1}, {"inner_epochs": 3}]
# Six rounds have each level with each number of inner epochs.
EPOCHS_AND_LEVELS = [
    {"inner_epochs": epochs, "level": level}
    for epochs, level in zip((1, 3, 1, 3, 1, 3), LEVELS * 2, strict=True)
]
CLIPPED = ("clip", "clip_higher", "dual_clip")
ROUNDED = (
    "variance_penalty",
    "variance_penalty_dual",
    "variance_penalty_bounded",
    "leave_one_out_k1",
)
# An eps so large that no step grows from rounding.
WIDE_EPS = {"adam_eps": 0.03, "learning_rate": 0.25}


def assert_same(comparison, rule, optimizer):
    assert comparison.worst < TOLERANCE[optimizer], dict(comparison.error)
    # The seeds are fixed, and no draw comes near a kink: none had to be left out.
    assert comparison.num_near_kinks == 0
    assert comparison.largest_log_ratio > 0.3, "the ratios hardly left 1"
    assert (comparison.num_silenced > 0) == (rule in CLIPPED)
    assert sum(has_any for has_any, _ in comparison.signals) > 20


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("rule", RULES)
def test_a_table_of_arms_is_the_dense_policy(rule, optimizer, monkeypatch):
    comparison = run_both(BANDIT, make_config(rule, optimizer), monkeypatch, turns=EPOCHS)
    assert_same(comparison, rule, optimizer)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("rule", RULES)
def test_a_table_of_prefixes_is_the_sequence_policy(rule, optimizer, monkeypatch):
    changes = {"weight_decay": 0.05} if optimizer == "sgd" else {}
    if optimizer == "adam" and rule in ROUNDED:
        changes = WIDE_EPS
    config = make_config(rule, optimizer, **changes)
    comparison = run_both(SEQUENCES, config, monkeypatch, turns=EPOCHS_AND_LEVELS)
    assert_same(comparison, rule, optimizer)


def _record_by_the_training_pass(run, patch):
    sample = update_module.sample_rollouts

    def recorded(model, *words, **options):
        rollout = sample(model, *words, **options)
        return replace(rollout, old_log_prob=rollout_log_prob(model, rollout))

    patch.setattr(update_module, "sample_rollouts", recorded)


@pytest.mark.parametrize("rule", ROUNDED)
def test_at_the_usual_eps_it_is_the_rounding_of_the_record_that_parts_them(rule, monkeypatch):
    options = {"turns": EPOCHS_AND_LEVELS, "num_rounds": 12}
    config = make_config(rule, "adam")
    assert run_both(SEQUENCES, config, monkeypatch, **options).worst > TOLERANCE["adam"]
    options["break_bridge"] = _record_by_the_training_pass
    assert run_both(SEQUENCES, config, monkeypatch, **options).worst < TOLERANCE["adam"]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_stale_rollouts_weigh_alike(optimizer, monkeypatch):
    config = make_config("clip", optimizer, replay_groups=2, replay_max_age=1)
    comparison = run_both(BANDIT, config, monkeypatch, turns=EPOCHS)
    assert_same(comparison, "clip", optimizer)


def test_some_groups_are_silent_and_some_updates_are_idle(monkeypatch):
    """What the comparisons above go through, so that leaving out idle steps is compared too."""
    signals = run_both(BANDIT, make_config("group_mean"), monkeypatch, turns=EPOCHS).signals
    assert {(True, True), (True, False), (False, False)} == set(signals)
