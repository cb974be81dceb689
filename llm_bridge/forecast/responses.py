"""The responses of a base model by class: how many there are, and how a step on one moves others.

The kernel between two responses is the inner product of the gradients of their log-probs: what a
unit step of SGD on the one adds to the log-prob of the other. Gradients of log-probs have mean 0
under the policy, so this is the centred kernel.

Shapes: P prompts, N responses of a prompt, D parameters.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from llm_bridge.forecast.measure import Sampler
from llm_bridge.scores import score_gradients
from llm_bridge.tasks import Task

_RESAMPLES = 500
PAIRS = ("right-right", "right-wrong", "wrong-wrong")


def _ratio_interval(sums: np.ndarray, counts: np.ndarray, seed: int) -> dict[str, Any] | None:
    """Mean over all pairs of all prompts, with a 95 % bootstrap interval over prompts."""
    if counts.sum() == 0:
        return None
    rng = np.random.default_rng(seed)
    rows = rng.integers(len(sums), size=(_RESAMPLES, len(sums)))
    drawn = counts[rows].sum(axis=1)
    kept = drawn > 0
    means = sums[rows].sum(axis=1)[kept] / drawn[kept]
    low, high = np.quantile(means, (0.025, 0.975))
    return {
        "mean": float(sums.sum() / counts.sum()),
        "low": float(low),
        "high": float(high),
        "num_pairs": int(counts.sum()),
    }


@dataclass(frozen=True)
class _Responses:
    """What is kept of the responses to one prompt: sums, since every gradient would fill memory.

    Attributes:
        classes: the class structure.
        square: sum of the squared norms of the gradients.
        sums: sum of the gradients of the right and of the wrong responses, shape [2, D].
        counts: right and wrong responses, shape [2].
        own_products: sums of the inner products of two different responses of the prompt, by
            class of the one and of the other, shape [2, 2].
        own_counts: such pairs, shape [2, 2].
    """

    classes: dict[str, float]
    square: float
    sums: np.ndarray
    counts: np.ndarray
    own_products: np.ndarray
    own_counts: np.ndarray


def _summed(
    is_right: np.ndarray, log_prob: np.ndarray, tokens: np.ndarray, scores: np.ndarray
) -> _Responses:
    """Sum up N draws of one prompt; their gradients have shape [N, D]."""
    member = np.stack([is_right, ~is_right]).astype(np.float64)
    gram = scores.astype(np.float64) @ scores.T.astype(np.float64)
    _, place = _distinct(tokens)
    is_pair = place[:, None] != place
    return _Responses(
        classes=_classes(is_right, log_prob, tokens),
        square=float(np.trace(gram)),
        sums=member @ scores,
        counts=member.sum(axis=1),
        own_products=member @ np.where(is_pair, gram, 0.0) @ member.T,
        own_counts=member @ is_pair @ member.T,
    )


def _by_kind(table: np.ndarray) -> np.ndarray:
    """A table by class of the one and of the other response, in the order of `PAIRS`."""
    return np.array([table[0, 0], table[0, 1] + table[1, 0], table[1, 1]])


def _distinct(tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First place of each distinct row, and the distinct row that each row is."""
    _, first, inverse = np.unique(tokens, axis=0, return_index=True, return_inverse=True)
    return first, inverse.reshape(-1)


def _classes(is_right: np.ndarray, log_prob: np.ndarray, tokens: np.ndarray) -> dict[str, float]:
    """Class structure of one prompt, from N draws."""
    first, inverse = _distinct(tokens)
    counts = np.bincount(inverse)
    num = len(tokens)
    found = {
        "pass_rate": float(is_right.mean()),
        "num_distinct": float(len(first)),
        "num_distinct_right": float(is_right[first].sum()),
        # Pairs of draws that agree: unbiased for the sum of squared probabilities.
        "collision": float((counts * (counts - 1)).sum() / (num * (num - 1))),
        "mass_covered": float(np.exp(log_prob[first]).sum()),
        "entropy": float(-log_prob.mean()),
    }
    for name, chosen in (("right", is_right), ("wrong", ~is_right)):
        if chosen.any():
            # Entropy within the class: that of its responses, less the log-mass of the class.
            found[f"entropy_{name}"] = float(-log_prob[chosen].mean() + np.log(chosen.mean()))
    return found


def measure_responses(
    sampler: Sampler,
    train: Task,
    target: Task | None,
    *,
    num_prompts: int = 8,
    num_samples: int = 64,
    seed: int = 0,
) -> dict[str, Any]:
    """Measure class structure and kernel on a few prompts.

    Args:
        sampler: draws the responses of the base model.
        train: prompts trained on.
        target: held-out prompts, or None.
        num_prompts: prompts of each kind, from the first on.
        num_samples: responses to each.
        seed: of the bootstrap.

    Returns:
        `classes`: mean over prompts of the class structure; `kernel`: by kind of pair (self, same
        prompt, across prompts, on held-out prompts), mean with a 95 % interval over prompts. Two
        draws of the same response are the response itself and no pair.
    """
    found: list[list[_Responses]] = [[], []]
    for task, prompts in zip((train, target), found, strict=True):
        for row in range(0 if task is None else min(num_prompts, len(task))):
            rollout, reward = sampler.draw(task, np.array([row]), num_samples)
            prompts.append(
                _summed(
                    reward[0] >= 1.0,
                    rollout.old_log_prob[0].double().sum(dim=-1).cpu().numpy(),
                    rollout.response_tokens[0].cpu().numpy(),
                    score_gradients(sampler.policy.model, rollout).cpu().float().numpy(),
                )
            )
    trained, targets = found
    names = sorted({name for prompt in trained for name in prompt.classes})
    return {
        "num_prompts": len(trained),
        "num_samples": num_samples,
        "classes": {
            name: float(np.mean([p.classes[name] for p in trained if name in p.classes]))
            for name in names
        },
        "kernel": _kernel(trained, targets, seed),
    }


def _kernel(trained: list[_Responses], targets: list[_Responses], seed: int) -> dict[str, Any]:
    squares = np.array([prompt.square for prompt in trained])
    sizes = np.array([prompt.counts.sum() for prompt in trained])
    found: dict[str, Any] = {"self": _ratio_interval(squares, sizes, seed)}
    for where, others_of in (
        ("same prompt", lambda prompt: []),
        ("across prompts", lambda prompt: [other for other in trained if other is not prompt]),
        ("held-out prompts", lambda prompt: targets),
    ):
        sums, counts = np.zeros((len(trained), 3)), np.zeros((len(trained), 3))
        for index, prompt in enumerate(trained):
            if where == "same prompt":
                sums[index] = _by_kind(prompt.own_products)
                counts[index] = _by_kind(prompt.own_counts)
            for other in others_of(prompt):
                sums[index] += _by_kind(prompt.sums @ other.sums.T)
                counts[index] += _by_kind(np.outer(prompt.counts, other.counts))
        for kind, pair in enumerate(PAIRS):
            found[f"{where}, {pair}"] = _ratio_interval(sums[:, kind], counts[:, kind], seed)
    return found
