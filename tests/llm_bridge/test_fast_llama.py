"""The fast pass against the Transformers model's own forward pass: values and gradients."""

import copy

import pytest
import torch
from torch import nn
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from llm_bridge.fast_llama import (
    FastDecoder,
    attention,
    is_supported,
    joint_pass,
    layers,
    parameters,
)
from llm_bridge.fast_llama import log_prob as log_prob_module
from llm_bridge.forward import HFDecoder, RolloutPart, hf_token_log_prob, token_log_prob

SIZES = {
    "vocab_size": 40,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "initializer_range": 0.3,
    "pad_token_id": 0,
}
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
MODELS = {
    "llama": (LlamaForCausalLM, LlamaConfig, {"tie_word_embeddings": True}),
    "llama_biased": (LlamaForCausalLM, LlamaConfig, {"attention_bias": True, "mlp_bias": True}),
    "llama_grouped": (LlamaForCausalLM, LlamaConfig, {"num_key_value_heads": 2}),
    "llama_rope3": (LlamaForCausalLM, LlamaConfig, {"rope_parameters": LLAMA3_ROPE}),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config, {"num_key_value_heads": 2}),
    "qwen3": (Qwen3ForCausalLM, Qwen3Config, {"num_key_value_heads": 2, "head_dim": 16}),
}


def build(name, dtype=torch.float32):
    torch.manual_seed(1)
    kind, config, changes = MODELS[name]
    model = kind(config(**SIZES, **changes)).eval()
    with torch.no_grad():
        # Fresh norms are all ones and fresh biases all zero, which would hide a wrong order.
        for name_of, parameter in model.named_parameters():
            if "norm" in name_of or "bias" in name_of:
                parameter.add_(0.3 * torch.randn_like(parameter))
    return model.to(dtype)


@pytest.fixture
def wide_norms(monkeypatch):
    """Let the library's norms compute in the model's own type; they round to float32 else."""

    def forward(self, x):
        variance = x.pow(2).mean(-1, keepdim=True)
        return self.weight * (x * torch.rsqrt(variance + self.variance_epsilon))

    for kind in (
        "llama.modeling_llama.Llama",
        "qwen2.modeling_qwen2.Qwen2",
        "qwen3.modeling_qwen3.Qwen3",
    ):
        monkeypatch.setattr(f"transformers.models.{kind}RMSNorm.forward", forward)


def random_part(seed=0, prompt_lengths=(3, 7, 1), group_size=4, width=9):
    rng = torch.Generator().manual_seed(seed)
    widest = max(prompt_lengths)
    num_prompts = len(prompt_lengths)
    prompt_mask = torch.arange(widest) >= widest - torch.tensor(prompt_lengths)[:, None]
    prompt_tokens = torch.randint(2, 40, (num_prompts, widest), generator=rng)
    num_rows = num_prompts * group_size
    lengths = torch.randint(1, width + 1, (num_rows,), generator=rng)
    lengths[0], lengths[-1] = 1, width
    mask = torch.arange(width) < lengths[:, None]
    response_tokens = torch.randint(2, 40, (num_rows, width), generator=rng)
    return RolloutPart(
        prompt_tokens=torch.where(prompt_mask, prompt_tokens, 0),
        prompt_mask=prompt_mask,
        prompt_of_row=torch.arange(num_prompts).repeat_interleave(group_size),
        response_tokens=torch.where(mask, response_tokens, 0),
        mask=mask,
    )


def values_and_gradients(log_prob_of, model, part, temperature=1.0):
    log_prob = log_prob_of(model, part, temperature=temperature)
    weight = torch.randn(log_prob.shape, generator=torch.Generator().manual_seed(3))
    gradients = torch.autograd.grad(log_prob, list(model.parameters()), weight.to(log_prob.dtype))
    return log_prob.detach(), gradients


def assert_equal_passes(model, part, tolerance, temperature=1.0):
    assert is_supported(model)
    fast, fast_gradients = values_and_gradients(token_log_prob, model, part, temperature)
    slow, slow_gradients = values_and_gradients(hf_token_log_prob, model, part, temperature)
    assert fast.dtype == next(model.parameters()).dtype
    torch.testing.assert_close(fast, slow, atol=tolerance, rtol=0)
    for one, other in zip(fast_gradients, slow_gradients, strict=True):
        scale = other.abs().max().clamp(min=1.0)
        torch.testing.assert_close(one / scale, other / scale, atol=tolerance, rtol=0)


@pytest.mark.parametrize("name", MODELS)
def test_fast_pass_equals_the_models_own_in_float32(name):
    assert_equal_passes(build(name), random_part(), tolerance=1e-5)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.usefixtures("wide_norms")
def test_fast_pass_equals_the_models_own_in_float64(name):
    model = build(name, torch.float64)
    assert_equal_passes(model, random_part(), tolerance=1e-10)
    assert_equal_passes(model, random_part(seed=1), tolerance=1e-10, temperature=0.7)


@pytest.mark.usefixtures("wide_norms")
@pytest.mark.parametrize(
    "part",
    [
        random_part(prompt_lengths=(5,), group_size=1),
        random_part(prompt_lengths=(1, 1), group_size=3),
        random_part(prompt_lengths=(4, 2), group_size=2, width=1),
    ],
    ids=["one row", "prompts of one token", "responses of one token"],
)
def test_fast_pass_equals_the_models_own_at_the_edges(part):
    assert_equal_passes(build("llama", torch.float64), part, tolerance=1e-10)


@pytest.mark.usefixtures("wide_norms")
def test_rows_need_not_stand_in_the_order_of_their_prompts():
    part = random_part(prompt_lengths=(3, 7), group_size=3)
    order = torch.tensor([4, 0, 5, 2, 1, 3])
    shuffled = RolloutPart(
        part.prompt_tokens,
        part.prompt_mask,
        part.prompt_of_row[order],
        part.response_tokens[order],
        part.mask[order],
    )
    model = build("qwen3", torch.float64)
    torch.testing.assert_close(
        token_log_prob(model, shuffled), token_log_prob(model, part)[order], atol=1e-10, rtol=0
    )


@pytest.mark.usefixtures("wide_norms")
@pytest.mark.parametrize(
    "mutant", ["pairs", "positions", "last token", "eps", "mask", "key gradient"]
)
def test_the_comparison_rejects_a_broken_pass(mutant, monkeypatch):
    model, part = build("qwen3", torch.float64), random_part()
    if mutant == "pairs":
        monkeypatch.setattr(parameters, "_pair_up", lambda weight, head_dim: weight)
    elif mutant == "positions":
        rotations = log_prob_module.read_rotations
        monkeypatch.setattr(
            log_prob_module, "read_rotations", lambda *a: torch.roll(rotations(*a), 1, dims=0)
        )
        part = random_part(prompt_lengths=(1, 4))
    elif mutant == "last token":
        part = random_part(group_size=2)
        batches = log_prob_module.batch_by_length
        monkeypatch.setattr(log_prob_module, "batch_by_length", lambda x: batches(x - 1))
    elif mutant == "mask":
        bias = attention._bias
        monkeypatch.setattr(attention, "_bias", lambda *a: bias(*a).clamp(min=-2.0))
    elif mutant == "key gradient":
        backward = attention._attend_backward

        def wrong(*arguments):
            query, key, value = backward(*arguments)
            return query, key * (1 + 1e-6), value

        monkeypatch.setattr(attention, "_attend_backward", wrong)
    else:
        length = layers._length
        monkeypatch.setattr(layers, "_length", lambda x, least: length(x, 2 * least))
    with pytest.raises(AssertionError):
        assert_equal_passes(model, part, tolerance=1e-10)


@torch.no_grad()
def decode(decoder, part, group_size, kept):
    logits = [decoder.start(part.prompt_tokens, part.prompt_mask, group_size)]
    rows = torch.arange(len(part.mask))
    for step in range(part.mask.shape[1]):
        if step == 3:
            decoder.keep(kept)
            rows = rows[kept]
        logits.append(decoder.step(part.response_tokens[rows, step]))
    return logits


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.usefixtures("wide_norms")
def test_fast_decoder_equals_the_models_own_cache(name):
    model = build(name, torch.float64)
    part = random_part()
    kept = torch.tensor([0, 3, 4, 5, 11])
    fast = decode(FastDecoder(model, part.mask.shape[1]), part, 4, kept)
    slow = decode(HFDecoder(model), part, 4, kept)
    for one, other in zip(fast, slow, strict=True):
        torch.testing.assert_close(one, other, atol=1e-10, rtol=0)
    wrong = decode(HFDecoder(model), part, 4, kept + 1 - (kept == 11).long())
    assert not torch.allclose(fast[-1], wrong[-1], atol=1e-3)


def test_weights_are_read_and_never_copied():
    model, part = build("llama"), random_part()
    before = token_log_prob(model, part)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.1)
    after = token_log_prob(model, part)
    assert (before - after).abs().max() > 1e-2
    torch.testing.assert_close(after, hf_token_log_prob(model, part), atol=1e-5, rtol=0)


def with_hook(model):
    model.model.layers[0].register_forward_hook(lambda *_: None)


def with_adapter(model):
    attention = model.model.layers[0].self_attn
    attention.q_proj = nn.Sequential(attention.q_proj)


def with_half_precision(model):
    model.to(torch.bfloat16)


def with_mixed_precision(model):
    model.lm_head.to(torch.float64)


def with_dropout(model):
    model.config.attention_dropout = 0.1
    model.train()


def with_dynamic_rope(model):
    model.model.rotary_emb.rope_type = "dynamic"


def with_gelu(model):
    model.model.layers[1].mlp.act_fn = nn.GELU()


def with_window(model):
    model.model.layers[1].self_attn.sliding_window = 4


def with_subclass(model):
    model.__class__ = type("Other", (LlamaForCausalLM,), {})


def with_own_forward(model):
    model.model.norm.forward = lambda x: x


@pytest.mark.parametrize(
    "change",
    [
        with_hook,
        with_adapter,
        with_half_precision,
        with_mixed_precision,
        with_dropout,
        with_dynamic_rope,
        with_gelu,
        with_window,
        with_subclass,
        with_own_forward,
    ],
)
def test_models_with_anything_unusual_take_their_own_pass(change):
    model = copy.deepcopy(build("llama_grouped"))
    assert is_supported(model)
    change(model)
    assert not is_supported(model)


def test_a_window_in_the_configuration_is_seen():
    changes = {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1}
    model = Qwen3ForCausalLM(Qwen3Config(**SIZES, num_key_value_heads=2, head_dim=16, **changes))
    assert not is_supported(model)


def test_batches_hold_each_row_once_and_little_padding():
    lengths = torch.randint(0, 40, (200,), generator=torch.Generator().manual_seed(0))
    batches = joint_pass.batch_by_length(lengths)
    rows = torch.cat([batch.rows for batch in batches])
    assert sorted(rows.tolist()) == (lengths > 0).nonzero()[:, 0].tolist()
    for batch in batches:
        assert int(lengths[batch.rows].max()) == batch.width
        assert int(lengths[batch.rows].min()) >= joint_pass._LEAST_FILL * batch.width


def test_log_prob_of_a_token_too_rare_for_a_float_is_still_exact():
    model, part = build("llama"), random_part()
    found, gradients = values_and_gradients(token_log_prob, model, part, temperature=0.02)
    expected, _ = values_and_gradients(hf_token_log_prob, model, part, temperature=0.02)
    assert expected.min() < -120
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-5)
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_a_gradient_that_was_taken_cannot_be_taken_again():
    """Its exponentials are gone: the second call says so, and does not give another number."""
    log_prob = token_log_prob(build("llama"), random_part())
    log_prob.sum().backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        log_prob.sum().backward()
