"""Sampling: the exact distribution, the record of log-probabilities, padding and endings."""

import numpy as np
import pytest
import torch
from scipy import stats
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from llm_bridge import rollout as rollout_module
from llm_bridge.fast_llama import is_supported
from llm_bridge.forward import HFDecoder, hf_token_log_prob, token_log_prob
from llm_bridge.rollout import draw_tokens, draw_uniform, pad_prompts, sample_rollouts

EOS, PAD = 1, 0


def tiny_model(kind="llama", vocabulary=7, seed=0):
    torch.manual_seed(seed)
    if kind == "llama":
        config = LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            initializer_range=0.4,
            pad_token_id=PAD,
            eos_token_id=EOS,
        )
        return LlamaForCausalLM(config).eval()
    config = GPT2Config(
        vocab_size=vocabulary,
        n_embd=16,
        n_layer=2,
        n_head=2,
        n_positions=64,
        initializer_range=0.4,
        bos_token_id=EOS,
        eos_token_id=EOS,
    )
    return GPT2LMHeadModel(config).eval()


def sample(model, prompts, seed=0, **changes):
    arguments = {
        "group_size": 4,
        "max_new_tokens": 8,
        "eos_token_id": EOS,
        "pad_token_id": PAD,
        "generator": torch.Generator().manual_seed(seed),
    }
    return sample_rollouts(model, prompts, **(arguments | changes))


def all_rows(rollout):
    return rollout.part(torch.arange(rollout.mask.shape[0] * rollout.mask.shape[1]))


PROMPTS = [[2, 3, 4], [5], [6, 2, 2, 3, 5]]
KINDS = ["llama", "gpt2"]


def test_one_model_of_the_tests_takes_the_fast_path_and_the_other_does_not():
    assert is_supported(tiny_model("llama"))
    assert not is_supported(tiny_model("gpt2"))


@torch.no_grad()
def response_probabilities(model, prompt, length, temperature):
    """Probability of every response of at most `length` tokens, by the model's own forward."""
    probabilities = {}
    open_prefixes = {(): 1.0}
    for step in range(length):
        extended = {}
        for prefix, mass in open_prefixes.items():
            logits = model(torch.tensor([prompt + list(prefix)])).logits[0, -1].double()
            for token, prob in enumerate(torch.softmax(logits / temperature, -1).tolist()):
                is_closed = token == EOS or step + 1 == length
                target = probabilities if is_closed else extended
                target[(*prefix, token)] = mass * prob
        open_prefixes = extended
    return probabilities


def responses_of(rollout):
    lengths = rollout.mask.sum(-1)[0].tolist()
    rows = rollout.response_tokens[0].tolist()
    return [tuple(row[:length]) for row, length in zip(rows, lengths, strict=True)]


def chi_square_z(counts, expected):
    """Chi-square statistic, as a standard normal z of the same tail probability.

    Rare responses are counted together, since the statistic needs about 5 expected in a cell.
    """
    is_rare = expected < 10
    counts = np.append(counts[~is_rare], counts[is_rare].sum())
    expected = np.append(expected[~is_rare], expected[is_rare].sum())
    statistic = (((counts - expected) ** 2) / expected).sum()
    return stats.norm.isf(stats.chi2.sf(statistic, len(expected) - 1))


@pytest.mark.parametrize("kind", KINDS)
def test_responses_come_from_the_enumerated_distribution(kind):
    # |z| < 4 on one chi-square statistic: a false alarm in 16,000 runs of fresh seeds.
    model, prompt, num_rows = tiny_model(kind, vocabulary=5), [2, 4, 3], 6000
    rollout = sample(
        model, [prompt], group_size=num_rows, max_new_tokens=2, temperature=0.8, seed=3
    )
    exact = response_probabilities(model, prompt, 2, 0.8)
    assert sum(exact.values()) == pytest.approx(1.0)
    drawn = responses_of(rollout)
    counts = np.array([drawn.count(response) for response in exact])
    assert counts.sum() == num_rows
    for temperature, is_right in ((0.8, True), (1.0, False), (0.9, False)):
        expected = num_rows * np.array(
            list(response_probabilities(model, prompt, 2, temperature).values())
        )
        assert (chi_square_z(counts, expected) < 4) == is_right


@pytest.mark.parametrize("kind", KINDS)
def test_recorded_log_prob_is_that_of_the_enumeration(kind):
    model, prompt = tiny_model(kind, vocabulary=5), [2, 4, 3]
    rollout = sample(model, [prompt], group_size=50, max_new_tokens=3, temperature=0.7)
    exact = response_probabilities(model, prompt, 3, 0.7)
    expected = [np.log(exact[response]) for response in responses_of(rollout)]
    recorded = rollout.old_log_prob[0].sum(-1)
    torch.testing.assert_close(recorded.double(), torch.tensor(expected), atol=1e-5, rtol=0)
    at_one = response_probabilities(model, prompt, 3, 1.0)
    wrong = [np.log(at_one[response]) for response in responses_of(rollout)]
    assert not np.allclose(recorded, wrong, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("temperature", [1.0, 1.7])
def test_recorded_log_prob_equals_the_training_pass(kind, temperature):
    model = tiny_model(kind)
    rollout = sample(model, PROMPTS, temperature=temperature)
    again = token_log_prob(model, all_rows(rollout), temperature=temperature)
    recorded = rollout.old_log_prob.flatten(0, 1)
    torch.testing.assert_close(again.detach(), recorded, atol=2e-5, rtol=0)
    untempered = token_log_prob(model, all_rows(rollout), temperature=temperature + 0.2)
    assert (untempered - recorded).abs().max() > 1e-2


def test_a_float64_model_has_a_float64_record():
    # The fast path: Transformers' own Llama pass computes norms in float32.
    model = tiny_model("llama").double()
    rollout = sample(model, PROMPTS)
    again = token_log_prob(model, all_rows(rollout)).detach()
    recorded = rollout.old_log_prob.flatten(0, 1)
    torch.testing.assert_close(again, recorded, atol=1e-13, rtol=0)
    assert (again - recorded.float()).abs().max() > 1e-9


def test_a_bfloat16_model_has_a_float32_record():
    assert sample(tiny_model("gpt2").bfloat16(), PROMPTS).old_log_prob.dtype == torch.float32


@pytest.mark.parametrize("kind", KINDS)
def test_rows_end_with_the_end_token_or_at_the_limit(kind):
    rollout = sample(tiny_model(kind), PROMPTS, group_size=40, max_new_tokens=5)
    lengths = rollout.mask.sum(-1)
    assert torch.equal(rollout.mask, torch.arange(5) < lengths[..., None])
    is_end = rollout.response_tokens == EOS
    assert torch.equal(is_end.any(-1), ~rollout.is_truncated)
    last = rollout.response_tokens.gather(-1, lengths[..., None] - 1)[..., 0]
    assert (last[~rollout.is_truncated] == EOS).all()
    assert (is_end.sum(-1) <= 1).all()
    assert (lengths[rollout.is_truncated] == 5).all()
    assert 0 < rollout.is_truncated.sum() < rollout.is_truncated.numel()
    assert (rollout.response_tokens[~rollout.mask] == PAD).all()
    assert (rollout.old_log_prob[~rollout.mask] == 0).all()
    assert (rollout.old_log_prob[rollout.mask] < 0).all()


def test_end_token_that_is_also_the_padding_token_ends_rows_the_same_way():
    model = tiny_model()
    rollout = sample(model, PROMPTS[:1], max_new_tokens=5, group_size=40)
    same = sample(model, PROMPTS[:1], max_new_tokens=5, group_size=40, pad_token_id=EOS)
    assert torch.equal(rollout.mask, same.mask)
    assert torch.equal(rollout.is_truncated, same.is_truncated)


@pytest.mark.parametrize("kind", KINDS)
def test_dropping_finished_rows_changes_no_other_row(kind, monkeypatch):
    model = tiny_model(kind)
    rollouts = []
    for kept_share in (0.0, 0.75, 1.0):
        monkeypatch.setattr(rollout_module, "_KEPT_SHARE", kept_share)
        rollouts.append(sample(model, PROMPTS, group_size=16, max_new_tokens=12))
    assert rollouts[0].mask.sum(-1).unique().numel() > 4
    for other in rollouts[1:]:
        assert torch.equal(rollouts[0].response_tokens, other.response_tokens)
        torch.testing.assert_close(rollouts[0].old_log_prob, other.old_log_prob, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_gives_same_bits_and_another_seed_does_not(kind):
    model = tiny_model(kind)
    one, same, other = (sample(model, PROMPTS, seed=seed) for seed in (5, 5, 6))
    assert torch.equal(one.response_tokens, same.response_tokens)
    assert torch.equal(one.old_log_prob, same.old_log_prob)
    assert not torch.equal(one.response_tokens[..., 0], other.response_tokens[..., 0])


@pytest.mark.parametrize("kind", KINDS)
def test_prompts_beside_a_longer_one_are_sampled_as_if_alone(kind):
    model = tiny_model(kind)
    together = sample(model, [[2, 3], [2, 3, 4, 5, 6, 2, 3]], temperature=0, group_size=1)
    alone = sample(model, [[2, 3]], temperature=0, group_size=1)
    length = int(alone.mask.sum())
    assert int(together.mask[0].sum()) == length
    assert torch.equal(together.response_tokens[0, :, :length], alone.response_tokens[0])


@pytest.mark.parametrize("kind", KINDS)
def test_batches_of_few_rows_draw_from_the_same_model(kind, monkeypatch):
    monkeypatch.setattr(rollout_module, "_CACHE_BYTES", 1)
    model = tiny_model(kind)
    rollout = sample(model, PROMPTS)
    again = token_log_prob(model, all_rows(rollout)).detach()
    recorded = rollout.old_log_prob.flatten(0, 1)
    torch.testing.assert_close(again, recorded, atol=2e-5, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_temperature_zero_takes_the_most_likely_token(kind):
    model = tiny_model(kind)
    rollout = sample(model, [PROMPTS[0]], temperature=0, group_size=2)
    tokens = list(PROMPTS[0])
    for token in rollout.response_tokens[0, 0][rollout.mask[0, 0]].tolist():
        assert token == int(model(torch.tensor([tokens])).logits[0, -1].argmax())
        tokens.append(token)
    assert torch.equal(rollout.response_tokens[0, 0], rollout.response_tokens[0, 1])
    assert (rollout.old_log_prob == 0).all()


def test_fast_decoder_draws_the_same_tokens_as_the_model_itself(monkeypatch):
    model = tiny_model()
    fast = sample(model, PROMPTS, group_size=30)
    monkeypatch.setattr(rollout_module, "make_decoder", lambda model, _: HFDecoder(model))
    slow = sample(model, PROMPTS, group_size=30)
    # A draw within rounding of a boundary may fall on either side, which is not seen in 90 rows.
    assert torch.equal(fast.response_tokens, slow.response_tokens)
    torch.testing.assert_close(fast.old_log_prob, slow.old_log_prob, atol=2e-5, rtol=0)


def test_tokens_of_probability_zero_are_never_drawn():
    logits = torch.tensor([[-torch.inf, 0.0, -torch.inf, 0.0, -torch.inf]]).expand(5, -1)
    uniform = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0 - 2.0**-52], dtype=torch.float64)
    tokens, prob = draw_tokens(logits, uniform)
    assert tokens.tolist() == [1, 1, 3, 3, 3]
    torch.testing.assert_close(prob, torch.full((5,), 0.5))


def test_the_largest_draw_stays_in_the_vocabulary():
    logits = torch.randn(2000, 30, generator=torch.Generator().manual_seed(0)) * 5
    top = torch.full((2000,), 1.0 - 2.0**-52, dtype=torch.float64)
    tokens, prob = draw_tokens(logits, top)
    cumulated = torch.softmax(logits, -1).cumsum(-1, dtype=torch.float64)
    assert (prob > 0).all()
    assert (cumulated.gather(1, tokens[:, None]) == cumulated[:, -1:]).all()


def test_uniform_draws_are_uniform():
    # One Kolmogorov-Smirnov test at 6e-5: a false alarm in 16,000 runs of fresh seeds.
    draws = draw_uniform((4000,), torch.Generator().manual_seed(1))
    assert stats.kstest(draws.numpy(), "uniform").pvalue > 6e-5
    assert stats.kstest((draws.numpy()) ** 1.2, "uniform").pvalue < 6e-5


def test_pad_prompts_pads_on_the_left():
    tokens, mask = pad_prompts([[4, 5], [6, 7, 8]], 0)
    assert tokens.tolist() == [[0, 4, 5], [6, 7, 8]]
    assert mask.tolist() == [[False, True, True], [True, True, True]]


def test_part_cuts_rows_and_the_padding_they_do_not_need():
    rollout = sample(tiny_model(), PROMPTS, group_size=4, max_new_tokens=12, seed=2)
    rows = torch.tensor([5, 0, 6])
    part = rollout.part(rows)
    assert part.prompt_of_row.tolist() == [1, 0, 1]
    assert part.prompt_tokens.tolist() == [PROMPTS[0], [PAD, PAD, PROMPTS[1][0]]]
    width = int(rollout.mask.flatten(0, 1)[rows].sum(-1).max())
    assert torch.equal(part.response_tokens, rollout.response_tokens.flatten(0, 1)[rows, :width])
    whole = hf_token_log_prob(tiny_model(), all_rows(rollout))
    torch.testing.assert_close(
        hf_token_log_prob(tiny_model(), part), whole[rows, :width], atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_broken_model_is_reported(kind, temperature):
    model = tiny_model(kind)
    with torch.no_grad():
        next(model.parameters()).fill_(torch.nan)
    with pytest.raises(FloatingPointError, match=r"logits must be finite.*lower the learning"):
        sample(model, PROMPTS, temperature=temperature)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompts": []}, "`prompts` must be one or more lists of token ids"),
        ({"prompts": [[2], []]}, "`prompts` must be one or more lists of token ids"),
        ({"group_size": 0}, "`group_size` must be at least 1, got 0"),
        ({"max_new_tokens": 0}, "`max_new_tokens` must be at least 1, got 0"),
        ({"temperature": -1.0}, "`temperature` must be a finite number in"),
    ],
)
def test_impossible_requests_are_refused(changes, message):
    arguments = {"prompts": PROMPTS} | changes
    with pytest.raises(ValueError, match=message):
        sample(tiny_model(), **arguments)
