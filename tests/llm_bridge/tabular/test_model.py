"""The table behind the face of a language model: which logits a prefix has, and how it decays."""

import itertools

import pytest
import torch

from llm_bridge.forward import HFDecoder, RolloutPart, make_decoder, token_log_prob
from llm_bridge.tabular import model as model_module
from llm_bridge.tabular.model import TabularModel

NUM_CONTEXTS, LENGTH, VOCABULARY = 2, 3, 3


@pytest.fixture
def model():
    generator = torch.Generator().manual_seed(0)
    shape = (NUM_CONTEXTS, LENGTH, VOCABULARY)
    model = TabularModel(torch.randn(shape, generator=generator, dtype=torch.float64))
    with torch.no_grad():
        model.displacement.normal_(generator=generator)
    return model


def prefixes():
    """All prefixes, shortest first and then in the order of their tokens."""
    for length in range(LENGTH):
        yield from itertools.product(range(VOCABULARY), repeat=length)


def test_every_prefix_has_logits_of_its_own(model):
    assert model.displacement.shape == (NUM_CONTEXTS, len(list(prefixes())), VOCABULARY)
    for context, (row, prefix) in itertools.product((0, 1), enumerate(prefixes())):
        read = model(torch.tensor([[context, *prefix]])).logits
        assert torch.equal(read[0, -1], model.logits()[context, row])


def test_base_logits_depend_on_the_place_alone(model):
    with torch.no_grad():
        model.displacement.zero_()
    one, other = (model(torch.tensor([tokens])).logits[0] for tokens in ([1, 0, 2], [1, 2, 0]))
    assert torch.equal(one, other)
    assert not torch.equal(one[0], one[1])


def test_decoding_reads_what_the_pass_over_whole_responses_reads(model):
    decoder = make_decoder(model, LENGTH)
    assert isinstance(decoder, HFDecoder)
    logits = [decoder.start(torch.tensor([[1], [0]]), torch.ones(2, 1, dtype=torch.bool), 2)]
    decoder.keep(torch.tensor([0, 3]))
    logits += [decoder.step(torch.tensor([2, 0])), decoder.step(torch.tensor([1, 1]))]
    whole = model(torch.tensor([[1, 2, 1], [0, 0, 1]])).logits
    assert torch.equal(logits[0][[0, 3]], whole[:, 0])
    assert torch.equal(torch.stack(logits[1:], dim=1), whole[:, 1:])


def test_the_gradient_of_a_response_is_that_of_its_prefixes(model):
    part = RolloutPart(
        prompt_tokens=torch.tensor([[1]]),
        prompt_mask=torch.ones(1, 1, dtype=torch.bool),
        prompt_of_row=torch.tensor([0]),
        response_tokens=torch.tensor([[2, 0, 1]]),
        mask=torch.ones(1, 3, dtype=torch.bool),
    )
    token_log_prob(model, part).sum().backward()
    expected = torch.zeros_like(model.displacement)
    # The root, the prefix (2) and the prefix (2, 0): rows 0, 1 + 2 and 1 + 3 + 2 * 3 + 0.
    for row, token in ((0, 2), (3, 0), (10, 1)):
        expected[1, row] = -torch.softmax(model.logits()[1, row], dim=-1).detach()
        expected[1, row, token] += 1.0
    torch.testing.assert_close(model.displacement.grad, expected, atol=1e-14, rtol=0)


def test_weight_decay_pulls_to_the_base_policy(model):
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.5, weight_decay=2.0)
    model.logits().sum().mul(0.0).backward()
    optimizer.step()
    assert torch.equal(model.logits(), model.base_logits)
    assert [name for name, _ in model.named_parameters()] == ["displacement"]


def test_a_table_that_no_memory_holds_is_refused(monkeypatch):
    monkeypatch.setattr(model_module, "MAX_LOGITS", 2 * (1 + 3) * 3)
    TabularModel(torch.zeros(2, 2, 3))
    with pytest.raises(ValueError, match=r"at most 24 logits, got shape \(3, 2, 3\), with 36"):
        TabularModel(torch.zeros(3, 2, 3))
