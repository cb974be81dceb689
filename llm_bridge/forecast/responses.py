"""The responses of a base model by class: how many there are, and how a step on one moves others.

The kernel between two responses is the inner product of the gradients of their log-probs: what a
unit step of SGD on the one adds to the log-prob of the other. Gradients of log-probs have mean 0
under the policy, so this is the centred kernel.

Shapes: P prompts, N responses of a prompt, D parameters.
"""

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


def _class_pairs(is_right: np.ndarray, others: np.ndarray) -> dict[str, np.ndarray]:
    """Which pairs of responses belong to which kind, each of shape [N, M]."""
    both = np.logical_and.outer(is_right, others)
    neither = np.logical_and.outer(~is_right, ~others)
    return {"right-right": both, "right-wrong": ~both & ~neither, "wrong-wrong": neither}


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
    prompts = []
    for task, is_target in ((train, False), (target, True)):
        if task is None:
            continue
        for row in range(min(num_prompts, len(task))):
            rollout, reward = sampler.draw(task, np.array([row]), num_samples)
            scores = score_gradients(sampler.policy.model, rollout).cpu().float().numpy()
            prompts.append(
                {
                    "is_target": is_target,
                    "is_right": (reward[0] >= 1.0),
                    "tokens": rollout.response_tokens[0].cpu().numpy(),
                    "log_prob": rollout.old_log_prob[0].double().sum(dim=-1).cpu().numpy(),
                    "scores": scores,
                }
            )
    trained = [prompt for prompt in prompts if not prompt["is_target"]]
    classes = [_classes(p["is_right"], p["log_prob"], p["tokens"]) for p in trained]
    names = sorted({name for one in classes for name in one})
    return {
        "num_prompts": len(trained),
        "num_samples": num_samples,
        "classes": {
            name: float(np.mean([one[name] for one in classes if name in one])) for name in names
        },
        "kernel": _kernel(trained, [p for p in prompts if p["is_target"]], seed),
    }


def _kernel(
    trained: list[dict[str, Any]], targets: list[dict[str, Any]], seed: int
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    squares = [np.einsum("nd,nd->n", p["scores"], p["scores"]) for p in trained]
    found["self"] = _ratio_interval(
        np.array([s.sum() for s in squares]), np.array([len(s) for s in squares]), seed
    )
    for where, pairs_of in (
        ("same prompt", [(p, [p]) for p in trained]),
        ("across prompts", [(p, [q for q in trained if q is not p]) for p in trained]),
        ("held-out prompts", [(p, targets) for p in trained]),
    ):
        sums = {pair: np.zeros(len(trained)) for pair in PAIRS}
        counts = {pair: np.zeros(len(trained)) for pair in PAIRS}
        for index, (source, others) in enumerate(pairs_of):
            for other in others:
                gram = source["scores"] @ other["scores"].T
                is_pair = np.ones(gram.shape, dtype=bool)
                if other is source:
                    _, place = _distinct(source["tokens"])
                    is_pair = place[:, None] != place
                for pair, chosen in _class_pairs(source["is_right"], other["is_right"]).items():
                    sums[pair][index] += gram[chosen & is_pair].sum()
                    counts[pair][index] += (chosen & is_pair).sum()
        for pair in PAIRS:
            found[f"{where}, {pair}"] = _ratio_interval(sums[pair], counts[pair], seed)
    return found
