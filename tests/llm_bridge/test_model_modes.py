"""Gradient checkpointing and autocast: less memory or time, the same policy."""

import copy

import pytest
import torch
from torch import nn

from llm_bridge.forward import token_log_prob
from llm_bridge.model_modes import enable_autocast, enable_gradient_checkpointing, weight_dtype
from llm_bridge.models import load_policy
from llm_bridge.rollout import sample_rollouts
from tests.llm_bridge.small_model import save_small_model

SAMPLING = {"group_size": 3, "max_new_tokens": 6, "eos_token_id": 1, "pad_token_id": 0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(save_small_model(tmp_path_factory.mktemp("models") / "a", attention_dropout=0.5))


def sampled(policy):
    generator = torch.Generator().manual_seed(0)
    return sample_rollouts(policy.model, [[5, 6, 7], [8, 9]], generator=generator, **SAMPLING)


def log_prob_and_gradient(policy, rollout):
    policy.model.zero_grad()
    log_prob = token_log_prob(policy.model, rollout.part(torch.arange(6)))
    log_prob.sum().backward()
    gradients = [value.grad.clone() for value in policy.model.parameters()]
    return log_prob.detach(), gradients


def count_calls(policy, calls):
    """Times that the first feed-forward block computes."""
    mlp = policy.model.model.layers[0].mlp
    original = mlp.forward

    def forward(*arguments):
        calls.append(torch.is_grad_enabled())
        return original(*arguments)

    mlp.forward = forward


def test_checkpointing_computes_layers_twice_and_changes_no_gradient(folder):
    plain, checkpointed = load_policy(folder), load_policy(folder)
    enable_gradient_checkpointing(checkpointed)
    rollout = sampled(plain)
    calls = {"plain": [], "checkpointed": []}
    count_calls(plain, calls["plain"])
    count_calls(checkpointed, calls["checkpointed"])
    first, gradient = log_prob_and_gradient(plain, rollout)
    second, other = log_prob_and_gradient(checkpointed, rollout)
    torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-6)
    for one, two in zip(gradient, other, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)
    assert (len(calls["plain"]), len(calls["checkpointed"])) == (1, 2)


def test_checkpointing_leaves_sampling_its_cache_and_its_bits(folder, capfd):
    plain, checkpointed = load_policy(folder), load_policy(folder)
    enable_gradient_checkpointing(checkpointed)
    first, second = sampled(plain), sampled(checkpointed)
    assert torch.equal(first.response_tokens, second.response_tokens)
    torch.testing.assert_close(first.old_log_prob, second.old_log_prob, rtol=1e-5, atol=1e-5)
    log_prob_and_gradient(checkpointed, first)
    again = sampled(checkpointed)
    torch.testing.assert_close(second.old_log_prob, again.old_log_prob)
    assert "incompatible" not in capfd.readouterr().err


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_training_mode_would_drop_out(folder):
    """The mutant: what Transformers asks for makes log-probs random here."""
    policy = load_policy(folder)
    rollout = sampled(policy)
    policy.model.gradient_checkpointing_enable()
    policy.model.train()
    first, _ = log_prob_and_gradient(policy, rollout)
    second, _ = log_prob_and_gradient(policy, rollout)
    assert not torch.allclose(first, second, atol=1e-3)


def test_a_model_that_cannot_is_refused(folder):
    policy = load_policy(folder)
    policy.model.supports_gradient_checkpointing = False
    with pytest.raises(ValueError, match=r"that supports gradient checkpointing, got Qwen3"):
        enable_gradient_checkpointing(policy)


def test_autocast_multiplies_in_bfloat16_and_keeps_weights_and_log_probs(folder):
    plain, autocast = load_policy(folder), load_policy(folder)
    enable_autocast(autocast)
    seen = []
    hook = autocast.model.model.layers[0].mlp.up_proj.register_forward_hook(
        lambda module, inputs, output: seen.append(output.dtype)
    )
    rollout = sampled(autocast)
    first, _ = log_prob_and_gradient(plain, rollout)
    second, gradient = log_prob_and_gradient(autocast, rollout)
    hook.remove()
    assert set(seen) == {torch.bfloat16}
    assert rollout.old_log_prob.dtype == second.dtype == torch.float32
    assert {value.dtype for value in [*autocast.model.parameters(), *gradient]} == {torch.float32}
    assert 0.0 < float((first - second).abs().max()) < 0.05


@pytest.mark.parametrize("enable", [enable_autocast, enable_gradient_checkpointing])
def test_a_copy_computes_with_its_own_weights(folder, enable):
    """A reference policy is such a copy."""
    policy = load_policy(folder)
    enable(policy)
    frozen = copy.deepcopy(policy.model)
    tokens = torch.arange(2, 12)[None]
    before = frozen(input_ids=tokens).logits
    with torch.no_grad():
        policy.model.model.norm.weight.mul_(2.0)
    assert torch.equal(frozen(input_ids=tokens).logits, before)
    assert not torch.allclose(policy.model(input_ids=tokens).logits, before)


def test_small_steps_are_kept_on_float32_weights_and_lost_on_bfloat16_ones():
    for dtype, is_lost in ((torch.float32, False), (torch.bfloat16, True)):
        weight = nn.Parameter(torch.full((4,), 0.02, dtype=dtype))
        before = weight.detach().clone()
        weight.grad = torch.ones_like(weight)
        torch.optim.AdamW([weight], lr=1e-6, weight_decay=0.0).step()
        assert torch.equal(weight.detach(), before) == is_lost


def test_types_are_chosen_by_name():
    assert weight_dtype("bfloat16") == torch.bfloat16
    assert weight_dtype("autocast") == torch.float32
    with pytest.raises(ValueError, match=r"`dtype` must be a known choice of type, got 'fp16'"):
        weight_dtype("fp16")
