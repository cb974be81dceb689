"""The pass through a model's own forward: against one row at a time, and its independences."""

from dataclasses import replace

import pytest
import torch
from transformers import BloomConfig, BloomForCausalLM

from llm_bridge.forward import hf_token_log_prob, make_decoder, token_log_prob
from llm_bridge.rollout import sample_rollouts
from tests.llm_bridge.test_rollout import PROMPTS, all_rows, sample, tiny_model

KINDS = ["llama", "gpt2"]


def one_by_one(model, part, temperature=1.0):
    """Log-probabilities row by row, without padding, mask or cache."""
    result = torch.zeros(part.mask.shape)
    for row, prompt in enumerate(part.prompt_of_row.tolist()):
        tokens = part.prompt_tokens[prompt][part.prompt_mask[prompt]]
        response = part.response_tokens[row][part.mask[row]]
        logits = model(torch.cat([tokens, response])[None]).logits[0, len(tokens) - 1 : -1]
        log_prob = torch.log_softmax(logits / temperature, dim=-1)
        result[row, : len(response)] = log_prob.gather(1, response[:, None])[:, 0]
    return result


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("log_prob_of", [token_log_prob, hf_token_log_prob])
@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_log_prob_equals_that_of_single_rows_without_padding(kind, log_prob_of, temperature):
    model = tiny_model(kind)
    part = all_rows(sample(model, PROMPTS))
    expected = one_by_one(model, part, temperature)
    found = log_prob_of(model, part, temperature=temperature)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert found.requires_grad
    assert found.dtype == torch.float32
    # The mutant forgets which prompt a row belongs to.
    wrong = replace(part, prompt_of_row=part.prompt_of_row.flip(0))
    assert (log_prob_of(model, wrong) - expected).abs().max() > 1e-2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("log_prob_of", [token_log_prob, hf_token_log_prob])
def test_more_padding_changes_nothing(kind, log_prob_of):
    model = tiny_model(kind)
    part = all_rows(sample(model, PROMPTS))
    columns = (3, 2)
    padded = replace(
        part,
        prompt_tokens=torch.nn.functional.pad(part.prompt_tokens, (columns[0], 0), value=4),
        prompt_mask=torch.nn.functional.pad(part.prompt_mask, (columns[0], 0)),
        response_tokens=torch.nn.functional.pad(part.response_tokens, (0, columns[1]), value=5),
        mask=torch.nn.functional.pad(part.mask, (0, columns[1])),
    )
    plain, wide = (log_prob_of(model, p) for p in (part, padded))
    torch.testing.assert_close(wide[:, : -columns[1]], plain, atol=1e-5, rtol=0)
    assert (wide[:, -columns[1] :] == 0).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("log_prob_of", [token_log_prob, hf_token_log_prob])
def test_tokens_in_padding_change_neither_values_nor_gradients(kind, log_prob_of):
    model = tiny_model(kind)
    part = all_rows(sample(model, PROMPTS))
    other = replace(
        part,
        prompt_tokens=torch.where(part.prompt_mask, part.prompt_tokens, 6),
        response_tokens=torch.where(part.mask, part.response_tokens, 3),
    )
    results = []
    for p in (part, other):
        log_prob = log_prob_of(model, p)
        gradients = torch.autograd.grad(log_prob.sum(), list(model.parameters()))
        results.append((log_prob.detach(), *gradients))
    for one, same in zip(*results, strict=True):
        torch.testing.assert_close(one, same, atol=1e-5, rtol=1e-5)


def test_models_that_know_no_position_ids_work():
    torch.manual_seed(0)
    config = BloomConfig(
        vocab_size=7, hidden_size=16, n_layer=2, n_head=2, initializer_range=0.4, pad_token_id=0
    )
    model = BloomForCausalLM(config).eval()
    rollout = sample_rollouts(
        model,
        PROMPTS,
        group_size=4,
        max_new_tokens=8,
        eos_token_id=1,
        pad_token_id=0,
        generator=torch.Generator().manual_seed(0),
    )
    part = all_rows(rollout)
    found = token_log_prob(model, part).detach()
    torch.testing.assert_close(found, one_by_one(model, part).detach(), atol=1e-5, rtol=0)
    recorded = rollout.old_log_prob.flatten(0, 1)
    torch.testing.assert_close(found, recorded, atol=2e-5, rtol=0)


@pytest.mark.parametrize(("kind", "name"), [("llama", "FastDecoder"), ("gpt2", "HFDecoder")])
def test_each_model_gets_the_fastest_decoder_it_allows(kind, name):
    assert type(make_decoder(tiny_model(kind), 4)).__name__ == name
