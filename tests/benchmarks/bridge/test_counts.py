"""The formulas against an exact count of what a Transformers model does."""

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from benchmarks.bridge.counts import Sizes, bytes_per_token, flops_per_token

NUM_ROWS, CONTEXT = 3, 8
SHARED = {
    "vocab_size": 50,
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "attn_implementation": "eager",
}
CONFIGS = {
    "llama": LlamaConfig(**SHARED, head_dim=8, tie_word_embeddings=True),
    "qwen2": Qwen2Config(**SHARED),
}


@torch.no_grad()
def read_one_more(name):
    """Floating-point operations and cache of one decoding step, and the model."""
    kind = {"llama": LlamaForCausalLM, "qwen2": Qwen2ForCausalLM}[name]
    model = kind(CONFIGS[name]).eval()
    tokens = torch.zeros(NUM_ROWS, CONTEXT, dtype=torch.int64)
    cache = model(tokens[:, :-1], use_cache=True).past_key_values
    with FlopCounterMode(display=False) as counter:
        model(tokens[:, -1:], past_key_values=cache, use_cache=True)
    return counter.get_total_flops(), cache, model


@pytest.mark.parametrize("name", CONFIGS)
def test_operations_are_those_of_a_decoding_step(name):
    counted, _, model = read_one_more(name)
    sizes = Sizes.of(model.config)
    assert NUM_ROWS * flops_per_token(sizes, CONTEXT) == counted
    for wrong in (
        flops_per_token(sizes, CONTEXT - 1),
        flops_per_token(replace(sizes, num_key_heads=4), CONTEXT),
        flops_per_token(replace(sizes, inner=2 * sizes.inner), CONTEXT),
    ):
        assert NUM_ROWS * wrong != counted


@pytest.mark.parametrize("name", CONFIGS)
def test_memory_is_that_of_the_matrices_and_the_cache(name):
    _, cache, model = read_one_more(name)
    matrices = [
        module.weight.nbytes for module in model.modules() if isinstance(module, torch.nn.Linear)
    ]
    places = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
    written = places / CONTEXT
    found = NUM_ROWS * bytes_per_token(Sizes.of(model.config), CONTEXT, NUM_ROWS, 4)
    assert found == sum(matrices) + places + written
    halved = NUM_ROWS * bytes_per_token(Sizes.of(model.config), CONTEXT, NUM_ROWS, 2)
    assert halved == found / 2


def test_sizes_of_the_embedded_model_give_its_parameters():
    from llm_bridge.models import load_policy

    model = load_policy("embedded").model
    matrices = sum(rows * columns for rows, columns in Sizes.of(model.config).matrices)
    norms = sum(value.numel() for name, value in model.named_parameters() if "norm" in name)
    assert matrices + norms == sum(value.numel() for value in model.parameters())
