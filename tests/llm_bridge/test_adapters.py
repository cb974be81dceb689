"""LoRA through peft, which is an extra: without it, only its absence can be tested."""

import builtins
from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch

from llm_bridge.adapters import add_lora
from llm_bridge.checkpoint import read_checkpoint
from llm_bridge.models import load_policy, save_policy
from llm_bridge.rollout import sample_rollouts
from llm_bridge.train import run_update, train
from tests.llm_bridge.small_model import save_small_model
from tests.llm_bridge.training import SMALL, assert_same_run

needs_peft = pytest.mark.skipif(
    find_spec("peft") is None, reason="peft is not installed; the extra lora brings it"
)
LORA = replace(SMALL, lora_rank=4, num_updates=2, eval_samples=8, checkpoint_every=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(save_small_model(tmp_path_factory.mktemp("models") / "a"))


def logits(model):
    with torch.no_grad():
        return model(input_ids=torch.arange(2, 30)[None]).logits


def test_without_peft_the_extra_is_named(folder, monkeypatch):
    original = builtins.__import__

    def without_peft(name, *arguments, **options):
        if name == "peft":
            raise ModuleNotFoundError("No module named 'peft'", name="peft")
        return original(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without_peft)
    with pytest.raises(ModuleNotFoundError, match=r"add_lora: `rank` needs .*\[llm,lora\]"):
        add_lora(load_policy(folder), rank=4)


def test_an_impossible_rank_is_refused(folder):
    with pytest.raises(ValueError, match="`rank` must be at least 1, got 0"):
        add_lora(load_policy(folder), rank=0)


@needs_peft
def test_adapters_start_as_the_base_policy_and_alone_are_trained(folder):
    base = load_policy(folder)
    policy = add_lora(load_policy(folder), rank=4)
    assert torch.equal(logits(base.model), logits(policy.model))
    trained = {name for name, value in policy.model.named_parameters() if value.requires_grad}
    assert trained
    assert all("lora_" in name for name in trained)
    assert not any("lm_head" in name for name in trained)
    assert type(policy.model) is type(base.model)
    assert not policy.model.training


@needs_peft
def test_adapters_of_a_bfloat16_model_are_float32(folder):
    policy = add_lora(load_policy(folder, dtype=torch.bfloat16), rank=4)
    kinds = {value.dtype for value in policy.model.parameters() if value.requires_grad}
    assert kinds == {torch.float32}


@needs_peft
def test_the_same_seed_gives_the_same_adapters_and_leaves_torch_alone(folder):
    state = torch.random.get_rng_state()
    first, again, other = (
        add_lora(load_policy(folder), rank=4, seed=seed).model.state_dict() for seed in (1, 1, 2)
    )
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@needs_peft
def test_sampling_sees_the_adapters(folder):
    """A fast path that read the frozen weights alone would draw from the base policy."""
    policy = add_lora(load_policy(folder), rank=4)
    with torch.no_grad():
        for name, value in policy.model.named_parameters():
            if "lora_B" in name:
                value.normal_(generator=torch.Generator().manual_seed(0))
    rollout = sample_rollouts(
        policy.model,
        [[5, 6, 7]],
        group_size=1,
        max_new_tokens=1,
        eos_token_id=1,
        pad_token_id=0,
        generator=torch.Generator().manual_seed(0),
    )
    with torch.no_grad():
        exact = policy.model(input_ids=torch.tensor([[5, 6, 7]])).logits[0, -1].log_softmax(-1)
    token = int(rollout.response_tokens[0, 0, 0])
    assert float(rollout.old_log_prob[0, 0, 0]) == pytest.approx(float(exact[token]), abs=1e-5)


@needs_peft
def test_a_saved_policy_has_its_adapters_merged_and_beside_it(folder, tmp_path):
    policy = add_lora(load_policy(folder), rank=4, targets=["q_proj", "down_proj"])
    with torch.no_grad():
        for name, value in policy.model.named_parameters():
            if "lora_B" in name:
                value.fill_(0.05)
    before = logits(policy.model)
    save_policy(policy, tmp_path / "out")
    copy = load_policy(str(tmp_path / "out"))
    torch.testing.assert_close(logits(copy.model), before, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(logits(load_policy(folder).model), before, atol=1e-3)
    assert torch.equal(logits(policy.model), before), "the policy itself stays as it was"
    assert (tmp_path / "out" / "adapter" / "adapter_model.safetensors").exists()
    assert not (tmp_path / "out" / "adapter" / "README.md").exists(), "no form to be filled in"


@needs_peft
def test_unknown_layers_are_refused(folder):
    with pytest.raises(ValueError, match=r"`targets` must be names of linear layers .*'q_porj'"):
        add_lora(load_policy(folder), rank=4, targets=["q_porj"])


@needs_peft
@pytest.mark.usefixtures("shared_grader")
def test_training_moves_the_adapters_only_and_goes_on_bit_for_bit(tmp_path, monkeypatch):
    whole = train(LORA, tmp_path / "whole", progress=False)
    saved = load_policy(str(whole / "model")).model.state_dict()
    base = load_policy("embedded").model.state_dict()
    moved = {name for name in base if not torch.equal(base[name], saved[name])}
    assert moved
    assert all(name.endswith("_proj.weight") for name in moved)

    names = list(read_checkpoint(whole, LORA.num_updates)["model"])
    assert names
    assert all(".lora_" in name for name in names), "the base comes from its own folder"

    def interrupt(run, update):
        if update == 2:
            raise KeyboardInterrupt
        return run_update(run, update)

    with monkeypatch.context() as patch:
        patch.setattr("llm_bridge.train.run_update", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(LORA, tmp_path / "again", progress=False)
    assert_same_run(train(LORA, tmp_path / "again", progress=False), whole)
