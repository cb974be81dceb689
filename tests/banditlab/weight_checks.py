"""Checks that any score weight must pass; each raises AssertionError where it does not."""

import array_api_strict
import numpy as np
import torch

from banditlab.rules import score_weight
from tests.banditlab.published import autograd_weight, reference_of


def weight_of(rule):
    """The rule's weight as the checks call it, with the checks' reference policy."""

    def weight(log_prob, old_log_prob, advantage):
        reference = reference_of(old_log_prob, advantage)
        return score_weight(rule, log_prob, old_log_prob, advantage, ref_log_prob=reference)

    return weight


def samples(seed: int, size: int = 64) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """log_prob, old_log_prob and advantage with ratios on both sides of every clip."""
    rng = np.random.default_rng(seed)
    old_log_prob = -rng.exponential(3.0, size)
    log_prob = old_log_prob + rng.normal(0.0, 0.8, size)
    return log_prob, old_log_prob, rng.normal(0.0, 1.0, size)


def gradient_of_objective(weight, objective):
    arrays = samples(0, 512)
    expected = autograd_weight(objective, *arrays)
    np.testing.assert_allclose(weight(*arrays), expected, rtol=1e-10, atol=1e-13)


def on_policy_weight_is_the_advantage(weight, objective):
    log_prob, _, advantage = samples(1)
    np.testing.assert_array_equal(weight(log_prob, log_prob.copy(), advantage), advantage)


def shift_of_both_log_probs_changes_nothing(weight, objective):
    log_prob, old_log_prob, advantage = samples(2)
    shifted = weight(log_prob - 5.0, old_log_prob - 5.0, advantage)
    np.testing.assert_allclose(
        shifted, weight(log_prob, old_log_prob, advantage), rtol=1e-12, atol=1e-13
    )


def permutation_moves_weights_along(weight, objective):
    arrays = samples(3)
    order = np.random.default_rng(3).permutation(arrays[0].size)
    np.testing.assert_allclose(
        weight(*(array[order] for array in arrays)), weight(*arrays)[order], rtol=1e-13
    )


def independence_of_the_batch(weight, objective):
    arrays = samples(4)
    whole = weight(*(array.copy() for array in arrays))
    one_by_one = [weight(*(array[i : i + 1].copy() for array in arrays))[0] for i in range(64)]
    np.testing.assert_allclose(whole, one_by_one, rtol=1e-13)


def inputs_untouched(weight, objective):
    arrays = samples(5)
    copies = [array.copy() for array in arrays]
    weight(*arrays)
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def dtype_kept(weight, objective):
    for dtype in (np.float64, np.float32):
        arrays = [array.astype(dtype) for array in samples(6)]
        result = weight(*arrays)
        assert result.dtype == dtype
        assert result.shape == arrays[0].shape


def namespace_kept(weight, objective):
    arrays = samples(7)
    expected = np.array(weight(*(array.copy() for array in arrays)))
    for namespace, kind in (
        (torch.asarray, torch.Tensor),
        (array_api_strict.asarray, type(array_api_strict.asarray(0.0))),
    ):
        result = weight(*(namespace(array.copy()) for array in arrays))
        assert isinstance(result, kind)
        np.testing.assert_allclose(np.asarray(result), expected, rtol=1e-14)


CHECKS = {
    check.__name__: check
    for check in (
        gradient_of_objective,
        on_policy_weight_is_the_advantage,
        shift_of_both_log_probs_changes_nothing,
        permutation_moves_weights_along,
        independence_of_the_batch,
        inputs_untouched,
        dtype_kept,
        namespace_kept,
    )
}
