"""Weights that are no good array functions, or lose digits."""

import numpy as np
import torch
from array_api_compat import array_namespace

from banditlab.weights import probability_ratio
from tests.banditlab.testing.teeth import correct
from tests.banditlab.testing.teeth.record import broken


def _is_torch(array):
    return isinstance(array, torch.Tensor)


@broken(correct.undeclared, "inputs_untouched")
def input_changed_in_place(log_prob, old_log_prob, advantage):
    """The log-ratio is written into log_prob."""
    log_prob -= old_log_prob
    return array_namespace(log_prob).exp(log_prob) * advantage


@broken(correct.undeclared, inputs_untouched=r"^`advantage` after the call\[")
def advantage_clipped_in_place(log_prob, old_log_prob, advantage):
    """Large advantages are clipped in the caller's own array."""
    if _is_torch(advantage):
        advantage.clamp_(-2.0, 2.0)
    return probability_ratio(log_prob, old_log_prob) * advantage


@broken(correct.undeclared, "dtype_kept")
def downcast_to_float32(log_prob, old_log_prob, advantage):
    """The weight is returned in float32."""
    xp = array_namespace(log_prob)
    return xp.astype(probability_ratio(log_prob, old_log_prob) * advantage, xp.float32)


@broken(correct.undeclared, dtype_kept=r"^\w+ float32 inputs give a weight of float64$")
def promoted_by_a_constant(log_prob, old_log_prob, advantage):
    """A float64 array of ones promotes float32 inputs."""
    xp = array_namespace(log_prob)
    ones = xp.ones_like(log_prob, dtype=xp.float64)
    return ones * probability_ratio(log_prob, old_log_prob) * advantage


@broken(
    correct.undeclared,
    namespace_kept=r"^inputs of torch give a weight of numpy$",
    device_kept=r"^on \w+ it raises TypeError: .*numpy",
)
def numpy_calls_inside(log_prob, old_log_prob, advantage):
    """NumPy computes the weight of tensors too, and gives an array back."""
    log_prob, old_log_prob, advantage = map(np.asarray, (log_prob, old_log_prob, advantage))
    return np.exp(log_prob - old_log_prob) * advantage


@broken(correct.undeclared, namespace_kept=r"^the weight in torch\[")
def another_formula_in_torch(log_prob, old_log_prob, advantage):
    """The branch for torch forgets the ratio."""
    if _is_torch(log_prob):
        return advantage + 0.0 * log_prob
    return probability_ratio(log_prob, old_log_prob) * advantage


@broken(correct.undeclared, device_kept=r"^on \w+ it raises RuntimeError: .*device")
def constant_on_the_cpu(log_prob, old_log_prob, advantage):
    """A new tensor is made without device=."""
    weight = probability_ratio(log_prob, old_log_prob) * advantage
    if _is_torch(weight):
        weight = weight * torch.ones(weight.shape, dtype=weight.dtype)
    return weight


@broken(correct.undeclared, device_kept=r"^on \w+ it raises \w+: Cannot copy|on \w+ give a weight")
def computed_on_the_cpu(log_prob, old_log_prob, advantage):
    """Tensors are brought to the CPU first."""
    if _is_torch(log_prob):
        log_prob, old_log_prob, advantage = log_prob.cpu(), old_log_prob.cpu(), advantage.cpu()
    return probability_ratio(log_prob, old_log_prob) * advantage


@broken(correct.undeclared, device_kept=r"^inputs on \w+ give a weight on cpu$")
def zeros_made_on_the_cpu(log_prob, old_log_prob, advantage):
    """Off the CPU a new tensor of zeros is given back, which lies on the CPU."""
    if _is_torch(log_prob) and log_prob.device.type != "cpu":
        return torch.zeros(log_prob.shape, dtype=log_prob.dtype)
    return probability_ratio(log_prob, old_log_prob) * advantage


@broken(correct.undeclared, "extreme_ratios_finite")
def tenth_power_and_root(log_prob, old_log_prob, advantage):
    """Exp of ten times the log-ratio, then the tenth root: infinite in float32 from 9 nats on."""
    xp = array_namespace(log_prob)
    return xp.exp(10.0 * (log_prob - old_log_prob)) ** 0.1 * advantage


@broken(correct.undeclared, extreme_ratios_finite=r"^in \w+ float32 a weight is not finite")
def gate_of_a_square(log_prob, old_log_prob, advantage):
    """A fading gate is written as inf/inf: sinh / cosh of 10 (ratio - 1)."""
    xp = array_namespace(log_prob)
    ratio = probability_ratio(log_prob, old_log_prob)
    distance = 10.0 * (ratio - 1.0)
    gate = 1.0 - (xp.sinh(distance) / xp.cosh(distance)) ** 2
    return ratio * gate * advantage


@broken(correct.policy_gradient, "float32_accuracy", "bfloat16_accuracy")
def large_number_added_and_taken_away(log_prob, old_log_prob, advantage):
    """Log-probabilities are kept about 1000 nats below 0, where float32 has few digits left."""
    return probability_ratio(log_prob - 1000.0, old_log_prob - 1000.0) * advantage


@broken(correct.policy_gradient, "gradient_of_objective")
def single_precision_in_between(log_prob, old_log_prob, advantage):
    """The ratio is computed in float32 and cast back."""
    xp = array_namespace(log_prob)
    log_ratio = xp.astype(log_prob - old_log_prob, xp.float32)
    return xp.astype(xp.exp(log_ratio), log_prob.dtype) * advantage


@broken(correct.policy_gradient, "bfloat16_accuracy")
def fast_path_for_bfloat16(log_prob, old_log_prob, advantage):
    """In bfloat16, 1 + x stands for exp(x)."""
    if _is_torch(log_prob) and log_prob.dtype == torch.bfloat16:
        return (1.0 + log_prob - old_log_prob) * advantage
    return probability_ratio(log_prob, old_log_prob) * advantage
