"""RuleTrainer end to end on the embedded model, and its update against ours on its rollouts."""

import builtins
import importlib
import math
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from banditlab.rules import RULES
from tests.llm_bridge.by_hand import MEMORYLESS

needs_trl = pytest.mark.skipif(
    find_spec("trl") is None, reason="trl is not installed; its extra brings it"
)
if find_spec("trl") is not None:
    from transformers import TrainerCallback
    from trl import GRPOTrainer
    from trl.trainer import grpo_trainer

    from llm_bridge.microbatches import rollout_log_prob
    from llm_bridge.ratios import ratio_variance
    from llm_bridge.trl import MEMORY_FILE, RuleTrainer
    from tests.llm_bridge.trl_batches import (
        OWN_PASS,
        SAME_PASS,
        Comparison,
        as_rollout,
        copy_of,
        make_trainer,
    )

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
ROOT = Path(__file__).resolve().parents[2]

CASES = {
    "clip": ("token", "token_mean", {"learning_rate": 1.0}),
    "cispo": ("sequence_geometric", "sequence_mean", {"learning_rate": 0.3}),
    "variance_penalty_dual": ("sequence", "sequence_sum", {}),
    "grpo_k3": ("token", "constant_length", {"learning_rate": 0.3}),
}


def compare(folder, name, *, has_own_pass=False, **options):
    level, averaging, settings = CASES[name]
    trainer = make_trainer(folder, name, level, averaging, **settings, **options)
    comparison = Comparison(trainer, has_own_pass=has_own_pass)
    trainer.train()
    assert len(comparison.same_pass) == 4
    assert max(comparison.ratio_variances) > 1e-3, "the ratios never left 1"
    return comparison


@needs_trl
@pytest.mark.parametrize("name", CASES)
def test_its_gradient_is_ours_on_the_same_rollouts(name, tmp_path):
    comparison = compare(tmp_path, name, has_own_pass=True)
    assert max(comparison.same_pass) < SAME_PASS
    assert max(comparison.own_pass) < OWN_PASS


def _broken_trainers():
    class OtherSign(RuleTrainer):
        def _compute_loss(self, model, inputs):
            return super()._compute_loss(model, {**inputs, "advantages": -inputs["advantages"]})

    class WithoutRatio(RuleTrainer):
        def _compute_loss(self, model, inputs):
            fresh = {name: value for name, value in inputs.items() if "old" not in name}
            return super()._compute_loss(model, fresh)

    class LossOfTRL(RuleTrainer):
        def _compute_loss(self, model, inputs):
            return GRPOTrainer._compute_loss(self, model, inputs)

    class MeanOfParts(RuleTrainer):
        def _num_tokens(self, batch):
            return 2 * int(batch["completion_mask"].sum())

    return {kind.__name__: kind for kind in (OtherSign, WithoutRatio, LossOfTRL, MeanOfParts)}


@needs_trl
@pytest.mark.parametrize(
    ("mutant", "name"),
    [
        ("OtherSign", "clip"),
        ("WithoutRatio", "variance_penalty_dual"),
        ("LossOfTRL", "cispo"),
        ("MeanOfParts", "clip"),
    ],
)
def test_another_update_would_be_seen(mutant, name, tmp_path):
    comparison = compare(tmp_path, name, kind=_broken_trainers()[mutant])
    assert max(comparison.same_pass) > 1e-2


class Generations(TrainerCallback if find_spec("trl") else object):
    """What each batch of rollouts was given, in the order in which it was drawn."""

    def __init__(self, trainer, patch):
        self.trainer, self.seen = trainer, []
        patch.setattr(grpo_trainer, "shuffle_sequence_dict", lambda batch: batch)
        trainer.add_callback(self)

    def on_step_end(self, *_, **__):
        trainer = self.trainer
        if trainer._step % (trainer.args.steps_per_generation * trainer.num_iterations) == 0:
            logs = trainer._logs
            rollout, advantage, ref = as_rollout(trainer._buffered_inputs)
            self.seen.append(
                SimpleNamespace(
                    prompts=list(logs["prompt"])[::4],
                    reward=np.array(logs["rewards"]["grade"]).reshape(-1, 4),
                    logged=np.array(logs["advantages"]).reshape(-1, 4),
                    advantage=advantage.reshape(-1, 4).double().numpy(),
                    rollout=rollout,
                    ref=ref,
                    model=copy_of(trainer.model),
                    multiplier=trainer.memory.multiplier,
                )
            )


def generations(folder, patch, rule, **settings):
    trainer = make_trainer(folder, rule, **{"learning_rate": 0.01, **settings})
    spy = Generations(trainer, patch)
    trainer.train()
    assert len(spy.seen) >= 2
    for one in spy.seen:
        np.testing.assert_allclose(one.logged, one.advantage, rtol=1e-6)
        assert np.abs(one.advantage).max() > 0.1
    return spy.seen


@needs_trl
def test_its_advantages_are_those_of_the_rule(tmp_path, monkeypatch):
    for one in generations(tmp_path, monkeypatch, "batch_standardized", num_iterations=1):
        expected = MEMORYLESS["batch_standardized"](one.reward)
        np.testing.assert_allclose(one.advantage, expected, rtol=1e-5, atol=1e-6)


@needs_trl
def test_a_rule_with_memory_remembers_by_row(tmp_path, monkeypatch):
    seen = generations(tmp_path, monkeypatch, "running_mean", num_iterations=1, take=3, max_steps=6)
    earlier = {}
    for one in seen:
        for prompt, reward, advantage in zip(one.prompts, one.reward, one.advantage, strict=True):
            before = earlier.setdefault(prompt, [])
            baseline = (
                np.mean(before) if before else RULES["running_mean"].hyper["initial_baseline"]
            )
            np.testing.assert_allclose(advantage, reward - baseline, atol=1e-6)
            before += reward.tolist()
    assert len(earlier) < 2 * len(seen), "no prompt came twice"


@needs_trl
def test_a_reference_in_the_reward_enters_the_advantage(tmp_path, monkeypatch):
    rule = "leave_one_out_k1"
    price = RULES[rule].reference.coefficient
    settings = {"gradient_accumulation_steps": 4, "num_iterations": 1, "learning_rate": 0.03}
    for one in generations(tmp_path, monkeypatch, rule, **settings)[1:]:
        sums = [value.double().sum(dim=-1) for value in (one.rollout.old_log_prob, one.ref)]
        k1 = (sums[0] - sums[1]).reshape(-1, 4).numpy()
        assert price * np.abs(k1).max() > 1e-3
        expected = MEMORYLESS[rule](one.reward - price * k1)
        np.testing.assert_allclose(one.advantage, expected, atol=1e-5)


@needs_trl
def test_a_multiplier_moves_by_the_variance_after_the_last_step(tmp_path, monkeypatch):
    dual = RULES["variance_penalty_dual"].dual
    multiplier = dual.initial
    settings = {"max_steps": 8, "learning_rate": 0.003}
    for one in generations(tmp_path, monkeypatch, "variance_penalty_dual", **settings):
        rollout = one.rollout
        log_prob = rollout_log_prob(one.model, rollout, temperature=0.9)
        variance = ratio_variance(log_prob, rollout, "sequence")
        multiplier = max(0.0, multiplier + dual.dual_step_size * (variance - dual.bound))
        assert one.multiplier == pytest.approx(multiplier, rel=1e-3)
        assert variance > 1e-3
        multiplier = one.multiplier


@needs_trl
def test_end_to_end_it_trains_saves_and_goes_on(tmp_path):
    settings = {"save_strategy": "steps", "save_steps": 4, "max_steps": 4}
    trainer = make_trainer(tmp_path, "variance_penalty_dual", **settings)
    before = copy_of(trainer.model).state_dict()
    trainer.train()
    lines = [line for line in trainer.state.log_history if "loss" in line]
    assert len(lines) == 4
    assert all(math.isfinite(line["loss"]) and line["grad_norm"] > 0 for line in lines)
    assert 0 <= lines[0]["reward"] <= 1
    assert lines[-1]["rule/ratio_variance"] > 0
    assert lines[-1]["rule/multiplier"] == trainer.memory.multiplier
    after = copy_of(trainer.model).state_dict()
    assert max(float((before[name] - after[name]).abs().max()) for name in before) > 1e-4
    folder = tmp_path / "checkpoint-4"
    assert {"model.safetensors", MEMORY_FILE} <= {path.name for path in folder.iterdir()}
    again = make_trainer(tmp_path, "variance_penalty_dual", **settings)
    assert again.memory.multiplier != trainer.memory.multiplier
    again.train(resume_from_checkpoint=str(folder))
    assert again.memory == trainer.memory


@needs_trl
@pytest.mark.skipif(find_spec("peft") is None, reason="peft is not installed")
def test_with_adapters_it_trains_these_alone_by_our_gradient(tmp_path):
    from peft import LoraConfig

    lora = LoraConfig(r=2, target_modules=["q_proj", "down_proj"], task_type="CAUSAL_LM")
    settings = {"peft_config": lora, "learning_rate": 1.0, "max_steps": 3}
    trainer = make_trainer(tmp_path, "clip", "token", "sequence_mean", **settings)
    before = {name: value.detach().clone() for name, value in trainer.model.named_parameters()}
    comparison = Comparison(trainer, has_own_pass=False)
    trainer.train()
    assert max(comparison.same_pass) < SAME_PASS
    after = dict(trainer.model.named_parameters())
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert all("lora_" in name for name in moved)


@needs_trl
def test_evaluation_reports_rewards_and_moves_nothing_that_is_remembered(tmp_path):
    options = {"eval_strategy": "no", "per_device_eval_batch_size": 4}
    trainer = make_trainer(tmp_path, "running_mean", max_steps=2, **options)
    trainer.train()
    state = trainer.memory.advantage_state.copy()
    found = trainer.evaluate(trainer.train_dataset.select(range(2)))
    assert found["eval_loss"] == 0.0
    assert 0 <= found["eval_reward"] <= 1
    np.testing.assert_array_equal(trainer.memory.advantage_state, state)


@needs_trl
def test_the_correction_for_another_engine_scales_the_weights(tmp_path):
    class Doubled(RuleTrainer):
        def _compute_loss(self, model, inputs):
            factor = torch.full_like(inputs["advantages"], 2.0)[:, None]
            return super()._compute_loss(model, {**inputs, "importance_sampling_ratio": factor})

    comparison = compare(tmp_path, "cispo", kind=Doubled)
    assert comparison.same_pass == pytest.approx([1.0] * 4, rel=1e-5)


@needs_trl
def test_a_reward_of_none_from_all_functions_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "tests.llm_bridge.trl_batches.grade", lambda completions, **_: [None] * len(completions)
    )
    trainer = make_trainer(tmp_path, "grpo")
    with pytest.raises(ValueError, match=r"`reward_funcs` must be functions .* got None from all"):
        trainer.train()


@needs_trl
def test_rows_that_stream_are_refused_where_they_are_remembered(tmp_path):
    trainer = make_trainer(tmp_path, "grpo")
    with pytest.raises(ValueError, match="`train_dataset` must be a Dataset for running_mean"):
        RuleTrainer(
            trainer.model,
            trainer.reward_funcs,
            trainer.args,
            trainer.train_dataset.to_iterable_dataset(),
            rule="running_mean",
        )


@needs_trl
def test_the_example_of_the_documents_runs(tmp_path, monkeypatch):
    text = (ROOT / "docs" / "language_models.md").read_text()
    (code,) = re.findall(r"```python\n([^`]*RuleTrainer[^`]*)```", text)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(code, "language_models.md", "exec"), names)
    assert names["trainer"].state.global_step == names["trainer"].args.max_steps


def test_without_trl_the_extra_is_named(monkeypatch):
    original = builtins.__import__

    def without_trl(name, *arguments, **options):
        if name == "trl":
            raise ModuleNotFoundError("No module named 'trl'", name="trl")
        return original(name, *arguments, **options)

    monkeypatch.delitem(sys.modules, "llm_bridge.trl", raising=False)
    monkeypatch.setattr(builtins, "__import__", without_trl)
    with pytest.raises(ModuleNotFoundError, match=r"RuleTrainer needs .*\[llm,trl\]"):
        importlib.import_module("llm_bridge.trl")
