"""Weights that depend on the batch, on its order or shape, or on what was computed before."""

import numpy as np
from array_api_compat import array_namespace

from banditlab.weights import probability_ratio
from tests.banditlab.testing.teeth import correct
from tests.banditlab.testing.teeth.record import broken

_CALLS = {"count": 0, "scale": 1.0}
_NOISE = np.random.default_rng(0)


@broken(correct.undeclared, "sample_permutation", "batch_independence")
def advantage_of_the_response_before(log_prob, old_log_prob, advantage):
    """Advantages are rolled by one response."""
    xp = array_namespace(log_prob)
    return probability_ratio(log_prob, old_log_prob) * xp.roll(advantage, 1, axis=0)


@broken(correct.undeclared, "sample_permutation")
def sorted_and_not_put_back(log_prob, old_log_prob, advantage):
    """Ratios are sorted along the batch, e.g. for buckets of equal length, and stay so."""
    xp = array_namespace(log_prob)
    return xp.sort(probability_ratio(log_prob, old_log_prob), axis=0) * advantage


@broken(correct.normalised_by_the_batch, "sample_permutation")
def weight_by_place_in_the_batch(log_prob, old_log_prob, advantage):
    """Later responses of a batch count more; that samples are coupled does not excuse it."""
    xp = array_namespace(log_prob)
    ratio = probability_ratio(log_prob, old_log_prob)
    place = xp.cumulative_sum(xp.ones_like(ratio), axis=0)
    return ratio * place / xp.mean(ratio * place) * advantage


@broken(correct.undeclared, "batch_independence")
def ratio_centred_by_the_batch(log_prob, old_log_prob, advantage):
    """The mean log-ratio of the batch is taken out of every ratio."""
    xp = array_namespace(log_prob)
    log_ratio = log_prob - old_log_prob
    return xp.exp(log_ratio - xp.mean(log_ratio)) * advantage


@broken(correct.undeclared, "batch_independence", "on_policy_weight_is_advantage")
def advantage_whitened_by_the_batch(log_prob, old_log_prob, advantage):
    """Advantages are centred once more, by the mean of the (micro)batch."""
    xp = array_namespace(log_prob)
    return probability_ratio(log_prob, old_log_prob) * (advantage - xp.mean(advantage))


@broken(correct.undeclared, "batch_independence")
def largest_ratio_taken_out(log_prob, old_log_prob, advantage):
    """The batch's largest log-ratio is taken out before the exp, as for a softmax."""
    xp = array_namespace(log_prob)
    log_ratio = log_prob - old_log_prob
    return xp.exp(log_ratio - xp.max(log_ratio)) * advantage


@broken(correct.undeclared, "microbatch_split", "vectorised_equals_per_sample")
def count_of_the_batch_left_in(log_prob, old_log_prob, advantage):
    """Divided by the size of the batch, which the caller divides by as well."""
    return probability_ratio(log_prob, old_log_prob) * advantage / log_prob.shape[0]


@broken(correct.undeclared, "vectorised_equals_per_sample", "microbatch_split")
def early_return_for_one_response(log_prob, old_log_prob, advantage):
    """A batch of one response takes a short way without the ratio."""
    if log_prob.shape[0] == 1:
        return advantage + 0.0 * log_prob
    return probability_ratio(log_prob, old_log_prob) * advantage


@broken(correct.undeclared, "shape_kept")
def axes_counted_from_the_front(log_prob, old_log_prob, advantage):
    """Three axes are taken for [prompts, group, tokens], and log-ratios averaged over tokens."""
    xp = array_namespace(log_prob)
    log_ratio = log_prob - old_log_prob
    if log_prob.ndim == 3:
        log_ratio = log_ratio * 0.0 + xp.mean(log_ratio, axis=1, keepdims=True)
    return xp.exp(log_ratio) * advantage


@broken(correct.undeclared, shape_kept=r"^inputs of shape \(1, \d+, 1\) give a weight of shape")
def columns_squeezed(log_prob, old_log_prob, advantage):
    """An axis of length 1 at the end is dropped."""
    weight = probability_ratio(log_prob, old_log_prob) * advantage
    return weight[..., 0] if weight.ndim == 3 and weight.shape[-1] == 1 else weight


@broken(correct.undeclared, "determinism")
def counter_inside(log_prob, old_log_prob, advantage):
    """A warm-up counts the calls of the rule itself."""
    _CALLS["count"] += 1
    warm_up = 1.0 - 0.5 / _CALLS["count"]
    return warm_up * probability_ratio(log_prob, old_log_prob) * advantage


@broken(correct.undeclared, "determinism")
def running_scale_of_advantages(log_prob, old_log_prob, advantage):
    """Divided by a running mean of |advantage|, kept between the calls."""
    size = float(abs(advantage).max()) if log_prob.shape else 0.0
    _CALLS["scale"] = 0.9 * _CALLS["scale"] + 0.1 * size
    return probability_ratio(log_prob, old_log_prob) * advantage / (_CALLS["scale"] + 1.0)


@broken(correct.undeclared, "determinism")
def noise_inside(log_prob, old_log_prob, advantage):
    """Exploration noise is drawn inside the rule, from a generator of the module."""
    noise = float(_NOISE.normal())
    return probability_ratio(log_prob, old_log_prob) * advantage * (1.0 + 1e-3 * noise)
