"""A small model that moved after sampling, and the gradient of a published objective on it."""

import torch

from banditlab.levels import pool
from banditlab.rules import RULES
from banditlab.testing.known import promises_of_rule
from llm_bridge.forward import token_log_prob
from llm_bridge.surrogate import accumulate_gradient
from tests.llm_bridge.test_rollout import PROMPTS, all_rows, sample, tiny_model

KINDS = ["llama", "gpt2"]
RULES_TESTED = ["raw_reward", "clip", "variance_penalty"]
TEMPERATURE = 0.8


def make_setting(kind="llama", dtype=torch.float64, size=0.05):
    """Model, rollout and advantage; the weights moved by `size` after sampling."""
    model = tiny_model(kind).to(dtype)
    rollout = sample(model, PROMPTS, group_size=8, max_new_tokens=6, temperature=TEMPERATURE)
    rng = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=rng, dtype=torch.float64)
            parameter.add_(size * noise.to(dtype))
    advantage = torch.randn(rollout.mask.shape[:2], generator=rng, dtype=torch.float64)
    return model, rollout, advantage


def flat_grad(model):
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


def gradient_of(model, rollout, advantage, rule, **options):
    model.zero_grad()
    stats = accumulate_gradient(model, rollout, advantage, rule, temperature=TEMPERATURE, **options)
    return flat_grad(model), stats


def norm_error(found, expected):
    return float((found - expected).norm() / expected.norm())


def relative_error(found, expected):
    return float((found - expected).abs().max() / expected.abs().max())


def divisor(mask, averaging, max_new_tokens):
    """What each rollout's sum over tokens is divided by, written out, shape [n]."""
    lengths = mask.sum(1).double()
    return {
        "sequence_sum": torch.full_like(lengths, len(mask)),
        "token_mean": lengths.sum().expand(lengths.shape),
        "sequence_mean": len(mask) * lengths,
        "constant_length": torch.full_like(lengths, len(mask) * max_new_tokens),
    }[averaging]


def objective_gradient(
    model, rollout, advantage, objective, level, *, averaging="sequence_sum", rows=None, ref=None
):
    """Autograd of minus the averaged published objective of the rows, in one pass over all."""
    part = all_rows(rollout)
    log_prob = pool(token_log_prob(model, part, temperature=TEMPERATURE), part.mask, level)
    recorded = [rollout.old_log_prob] if ref is None else [rollout.old_log_prob, ref]
    recorded = [pool(value.flatten(0, 1).double(), part.mask, level) for value in recorded]
    per_unit = advantage.flatten()
    if level == "token":
        per_unit = per_unit[:, None].expand(part.mask.shape)
    total = objective(log_prob, recorded[0], per_unit, *recorded[1:])
    if level == "token":
        total = torch.where(part.mask, total, 0.0).sum(1)
    rows = torch.arange(len(total)) if rows is None else rows
    model.zero_grad()
    (-(total[rows] / divisor(part.mask[rows], averaging, 6)).sum()).backward()
    return flat_grad(model)


def published_gradient(model, rollout, advantage, name, level, **options):
    return objective_gradient(
        model, rollout, advantage, promises_of_rule(RULES[name]).objective, level, **options
    )
