"""Stale groups: what is kept, what comes back, and what joining them leaves alone."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from banditlab.rules import get_rule
from llm_bridge.checkpoint import read_checkpoint, save_checkpoint
from llm_bridge.experience import Experience, first_rollouts, join_experience
from llm_bridge.replay import ReplayBuffer
from llm_bridge.rollout import Rollout
from llm_bridge.surrogate import accumulate_gradient
from tests.llm_bridge.gradients import flat_grad, norm_error
from tests.llm_bridge.test_rollout import PAD, PROMPTS, sample, tiny_model


def experience(update, prompts=PROMPTS, model=None):
    rollout = sample(model or tiny_model(), prompts, seed=update, group_size=3, max_new_tokens=9)
    generator = torch.Generator().manual_seed(update)
    return Experience(
        rollout=rollout,
        advantage=torch.randn(rollout.mask.shape[:2], generator=generator),
        born=torch.full((len(prompts),), update),
        ref_log_prob=torch.where(rollout.mask, rollout.old_log_prob - 0.1, 0.0),
    )


def ages(buffer, update):
    return [update - int(g.born) for g in buffer.draw(99, np.random.default_rng(0))]


def test_groups_joined_again_train_like_the_whole():
    model = tiny_model().double()
    parts = [experience(1), experience(2, [[4, 4], [2, 3, 5, 5, 6, 2]])]
    together = join_experience([*parts[0].groups(), *parts[1].groups()], PAD)
    assert together.rollout.prompt_tokens.shape[1] == 6
    assert together.born.tolist() == [1, 1, 1, 2, 2]
    gradients = []
    for piece in (*parts, together):
        model.zero_grad()
        accumulate_gradient(
            model,
            piece.rollout,
            piece.advantage,
            get_rule("grpo_k3"),
            ref_log_prob=piece.ref_log_prob,
            num_fresh=0,
        )
        gradients.append(flat_grad(model).clone())
    expected = (9 * gradients[0] + 6 * gradients[1]) / 15
    assert norm_error(gradients[2], expected) < 1e-12
    assert join_experience(parts[:1], PAD) is parts[0]


def test_a_group_holds_no_padding_that_it_does_not_need():
    for group, prompt in zip(experience(1).groups(), PROMPTS, strict=True):
        assert group.rollout.prompt_tokens[0].tolist() == prompt
        assert bool(group.rollout.prompt_mask.all())
        assert group.rollout.mask.shape[2] == int(group.rollout.mask.sum(-1).max())


def test_the_first_rollouts_are_those_of_each_group():
    whole = experience(1).rollout
    part = first_rollouts(whole, 2)
    assert part.mask.shape[:2] == (3, 2)
    assert torch.equal(part.response_tokens, whole.response_tokens[:, :2])
    assert torch.equal(part.prompt_tokens, whole.prompt_tokens)


def test_the_buffer_forgets_by_age_and_by_number():
    buffer = ReplayBuffer(capacity=99, max_age=2)
    assert buffer.draw(5, np.random.default_rng(0)) == []
    for update in (1, 2, 3, 4):
        buffer.push(experience(update))
    assert ages(buffer, 5) == [2] * 3 + [1] * 3
    small = ReplayBuffer(capacity=4, max_age=9)
    for update in (1, 2, 3):
        small.push(experience(update))
    assert ages(small, 4) == [2] + [1] * 3


def test_groups_are_drawn_without_replacement_each_equally_often():
    buffer = ReplayBuffer(capacity=99, max_age=9)
    buffer.push(experience(1, PROMPTS * 2))
    count = np.zeros(6)
    rng = np.random.default_rng(3)
    groups = buffer.draw(6, rng)
    for _ in range(600):
        drawn = buffer.draw(2, rng)
        assert len({id(group) for group in drawn}) == 2
        for group in drawn:
            count[[group is other for other in groups]] += 1
    # 600 draws of 2 of 6: mean 200, standard deviation 11.5; five of them on each side.
    assert np.abs(count - 200).max() < 58


def test_the_buffer_comes_back_from_a_checkpoint_bit_for_bit(tmp_path):
    buffer = ReplayBuffer(capacity=99, max_age=3)
    for update in (1, 2):
        buffer.push(experience(update))
    buffer.push(replace(experience(3), ref_log_prob=None))
    save_checkpoint(tmp_path, 3, {"replay": buffer.state_dict()})
    again = ReplayBuffer(capacity=99, max_age=3)
    again.load_state_dict(read_checkpoint(tmp_path, 3)["replay"])
    assert len(again) == len(buffer) == 9
    drawn = [each.draw(99, np.random.default_rng(0)) for each in (buffer, again)]
    for ours, theirs in zip(*drawn, strict=True):
        assert torch.equal(ours.advantage, theirs.advantage)
        assert torch.equal(ours.born, theirs.born)
        assert (ours.ref_log_prob is None) == (theirs.ref_log_prob is None)
        for entry in fields(Rollout):
            assert torch.equal(
                getattr(ours.rollout, entry.name), getattr(theirs.rollout, entry.name)
            )


def test_what_is_kept_does_not_hold_the_whole_batch_in_memory():
    whole = experience(1)
    for group in whole.groups():
        assert group.rollout.mask.untyped_storage().nbytes() == group.rollout.mask.numel()
    with pytest.raises(AssertionError):
        assert whole.rollout.mask[:1].untyped_storage().nbytes() == whole.rollout.mask[:1].numel()
