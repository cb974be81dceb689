import pytest
import torch

from llm_bridge.models import load_policy
from llm_bridge.rollout import sample_rollouts
from llm_bridge.sampling_filters import keep_top_k, keep_top_p, make_filter
from tests.llm_bridge.small_model import save_small_model


def kept(logits):
    return [[index for index, value in enumerate(row) if value > -torch.inf] for row in logits]


PROB = torch.tensor([[0.1, 0.4, 0.2, 0.3], [0.97, 0.01, 0.01, 0.01]])


@pytest.mark.parametrize(
    ("top_p", "tokens"),
    [
        (0.3, [[1], [0]]),
        (0.41, [[1, 3], [0]]),
        (0.75, [[1, 2, 3], [0]]),
        (0.98, [[0, 1, 2, 3], [0, 1]]),
        (1.0, [[0, 1, 2, 3], [0, 1, 2, 3]]),
    ],
)
def test_top_p_keeps_the_fewest_likeliest_tokens_that_come_to_p(top_p, tokens):
    assert kept(keep_top_p(PROB.log(), top_p)) == tokens


def test_leaving_out_the_token_that_crosses_p_would_be_seen():
    def short(logits, top_p):
        ordered, places = logits.sort(dim=-1, descending=True)
        is_kept = ordered.softmax(dim=-1).cumsum(dim=-1) < top_p
        return torch.where(
            torch.zeros_like(is_kept).scatter(-1, places, is_kept), logits, -torch.inf
        )

    assert kept(short(PROB.log(), 0.41)) != kept(keep_top_p(PROB.log(), 0.41))


def test_top_k_keeps_k_tokens_and_all_if_there_are_fewer():
    assert kept(keep_top_k(PROB.log(), 2)) == [[1, 3], [0, 1, 2, 3]], "equal ones stay together"
    assert kept(keep_top_k(PROB.log(), 9)) == [[0, 1, 2, 3]] * 2


def test_top_p_follows_top_k_on_what_is_left():
    # Of the two likeliest, .4 and .3, the first has 4/7 = .571 of what is left.
    assert kept(make_filter(2, 0.57)(PROB[:1].log())) == [[1]]
    assert kept(make_filter(None, 0.57)(PROB[:1].log())) == [[1, 3]]
    assert make_filter(None, None) is None


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ((0, None), "`top_k` must be at least 1, got 0"),
        ((None, 0.0), r"`top_p` must be a finite number in \(0, 1\], got 0"),
        ((None, 1.1), r"`top_p` must be a finite number in \(0, 1\], got 1.1"),
    ],
)
def test_impossible_bounds_are_refused(bounds, message):
    with pytest.raises(ValueError, match=message):
        make_filter(*bounds)


def test_under_a_filter_the_expected_ratio_is_not_one():
    """Why training refuses it: exact expectation over the tokens, as the rules take the ratio."""
    old = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    new = torch.tensor([0.4, 0.3, 0.3], dtype=torch.float64)
    filtered = keep_top_p(old.log()[None], 0.7).softmax(dim=-1)[0]
    assert float(old @ (new / old)) == pytest.approx(1.0, rel=1e-12)
    assert float(filtered @ (new / old)) == pytest.approx(0.7 / 0.8, rel=1e-12)


def test_a_sampler_with_a_filter_draws_what_it_leaves_and_says_its_probability(tmp_path):
    policy = load_policy(str(save_small_model(tmp_path)))
    prompts = [[5, 6, 7]]
    options = {"group_size": 200, "max_new_tokens": 1, "eos_token_id": 1, "pad_token_id": 0}
    rollout = sample_rollouts(
        policy.model,
        prompts,
        generator=torch.Generator().manual_seed(0),
        filter_logits=make_filter(3, None),
        **options,
    )
    with torch.no_grad():
        logits = policy.model(input_ids=torch.tensor(prompts)).logits[0, -1]
    likeliest = logits.topk(3)
    drawn = rollout.response_tokens.flatten()
    assert set(drawn.tolist()) == set(likeliest.indices.tolist())
    log_prob = dict(
        zip(likeliest.indices.tolist(), likeliest.values.log_softmax(0).tolist(), strict=True)
    )
    exact = torch.tensor([log_prob[token] for token in drawn.tolist()])
    torch.testing.assert_close(rollout.old_log_prob.flatten(), exact, rtol=1e-5, atol=1e-6)
