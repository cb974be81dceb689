"""Measure a torch loss as a black box: its weight, average, level, and what padding does.

Shapes: [N, T], N responses of T tokens.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from banditlab.testing.peers.curve import OLD_LOG_PROB, WeightAt, measure_curve

Loss = Callable[..., Any]
_AVERAGES = {
    (4, 1): "token_mean",
    (2, 3): "sequence_mean",
    (2, 1): "sequence_sum",
    (1, 1): "sum",
    (6, 1): "responses x padded length",
}
"""(weight of a lone token / of the one token of a response of 1 beside one of 3 tokens,
the latter / weight of a token of the other response) -> the average."""


class LossProbe:
    """Calls a loss on small float64 batches and differentiates it."""

    def __init__(self, loss: Loss) -> None:
        import torch

        self._torch, self._loss = torch, loss

    def value_and_gradient(
        self,
        log_ratio: Any,
        advantage: Sequence[float] | np.ndarray,
        mask: Any = None,
        old_log_prob: Any = OLD_LOG_PROB,
        log_prob: np.ndarray | None = None,
    ) -> tuple[float, np.ndarray]:
        """Loss and minus its derivative with respect to log_prob.

        Args:
            log_ratio: log_prob - old_log_prob, shape [N, T].
            advantage: shape [N], or [N, T] as it is passed on.
            mask: True where a token counts, shape [N, T]; all by default.
            old_log_prob: nats, shape [N, T] or one number.
            log_prob: nats, shape [N, T], instead of old_log_prob + log_ratio.

        Returns:
            The loss, and an array of shape [N, T].
        """
        log_ratio = np.asarray(log_ratio, dtype=np.float64)
        old = np.broadcast_to(np.asarray(old_log_prob, dtype=np.float64), log_ratio.shape)
        scaled = np.asarray(advantage, dtype=np.float64)
        if scaled.ndim == 1:
            scaled = np.repeat(scaled[:, None], log_ratio.shape[1], axis=1)
        counted = np.ones(log_ratio.shape, bool) if mask is None else np.asarray(mask, bool)
        current = old + log_ratio if log_prob is None else log_prob
        leaf, old, scaled, counted = (
            self._torch.from_numpy(np.array(array)) for array in (current, old, scaled, counted)
        )
        leaf.requires_grad_(True)
        loss = self._loss(leaf, old, scaled, counted)
        (gradient,) = self._torch.autograd.grad(loss, leaf)
        return float(loss.detach()), -gradient.numpy()

    def gradient(self, *arguments: Any, **named: Any) -> np.ndarray:
        """Minus the derivative alone; see `value_and_gradient`."""
        return self.value_and_gradient(*arguments, **named)[1]


def loss_weight(probe: LossProbe, unit: float = 1.0) -> WeightAt:
    """The weight of a lone token: one response of one token, nothing to average over.

    Args:
        probe: the loss.
        unit: constant length that the loss divides by, undone here.

    Returns:
        The weight as a function of ratio, sign and old_log_prob.
    """

    def weight_at(ratio: float, sign: float, old_log_prob: float) -> float:
        log_ratio = [[math.log(ratio)]]
        return unit * float(probe.gradient(log_ratio, [sign], None, old_log_prob)[0, 0])

    return weight_at


def _average(probe: LossProbe) -> str:
    alone = probe.gradient([[0.0]], [1.0])[0, 0]
    both = probe.gradient(np.zeros((2, 3)), [1.0, 1.0], [[1, 0, 0], [1, 1, 1]])
    ratios = alone / both[0, 0], both[0, 0] / both[1, 0]
    for pattern, name in _AVERAGES.items():
        if np.allclose(ratios, pattern, rtol=1e-6):
            return name
    return f"other: {ratios[0]:.4g}, {ratios[1]:.4g}"


def _level(probe: LossProbe) -> str:
    """Which ratio a token's weight looks at, by the weight of one token beside another."""
    first, second = 0.06, 0.02
    weight_at = loss_weight(probe)
    fresh = weight_at(1.0, 1.0, OLD_LOG_PROB)
    if fresh == 0.0:
        return "no weight"
    by_level = {
        "token": first,
        "sequence": first + second,
        "sequence_geometric": (first + second) / 2,
    }
    expected = {
        level: weight_at(math.exp(log_ratio), 1.0, OLD_LOG_PROB) / fresh
        for level, log_ratio in by_level.items()
    }
    if np.ptp(list(expected.values())) < 1e-12:
        return "no ratio"
    found = (
        probe.gradient([[first, second]], [1.0])[0, 0] / probe.gradient([[0.0, 0.0]], [1.0])[0, 0]
    )
    for level, value in expected.items():
        if math.isclose(found, value, rel_tol=1e-9):
            return level
    return "other"


def _is_gradient_of_value(probe: LossProbe) -> bool:
    """Whether autograd's derivative is that of the number returned; a stop-gradient's is not."""
    step = 1e-6
    for log_ratio in (0.03, 0.11):
        values = [
            probe.value_and_gradient([[log_ratio + shift]], [1.0])[0] for shift in (step, -step)
        ]
        slope = (values[1] - values[0]) / (2 * step)
        if not math.isclose(slope, probe.gradient([[log_ratio]], [1.0])[0, 0], rel_tol=1e-4):
            return False
    return True


_MASK = np.array([[True, False, False], [True, True, True]])
_LOG_RATIO = np.array([[0.05, 0.4, -0.3], [0.02, -0.04, 0.08]])


def _padding(probe: LossProbe) -> dict[str, Any]:
    clean = probe.gradient(_LOG_RATIO, [1.0, -0.5], _MASK)
    longer = [np.pad(array, ((0, 0), (0, 2))) for array in (_LOG_RATIO, _MASK)]
    padded = probe.gradient(longer[0], [1.0, -0.5], longer[1])[:, :3]
    hole = np.where(_MASK, 0.0, np.nan)
    old = np.full(_MASK.shape, OLD_LOG_PROB)
    advantage = np.repeat([[1.0], [-0.5]], 3, axis=1)
    arrays = {"log_prob": old + _LOG_RATIO, "old_log_prob": old, "advantage": advantage}
    harmful = []
    for name in arrays:
        given = {**arrays, name: arrays[name] + hole}
        loss, gradient = probe.value_and_gradient(
            _LOG_RATIO, given["advantage"], _MASK, given["old_log_prob"], given["log_prob"]
        )
        if not (np.isfinite(loss) and np.allclose(gradient, clean, rtol=1e-9, atol=1e-15)):
            harmful.append(name)
    return {
        "is_padding_length_harmless": bool(np.allclose(clean, padded, rtol=1e-9, atol=1e-15)),
        "nan_in_padding_harms": harmful,
    }


def _coupling(probe: LossProbe) -> dict[str, bool]:
    generator = np.random.default_rng(0)
    is_coupled, is_deterministic = False, True
    for _ in range(20):
        log_ratio = generator.uniform(-0.1, 0.1, (4, 2))
        old = generator.uniform(-6.0, -0.2, (4, 2))
        advantage = generator.normal(size=4)
        gradients = [probe.gradient(log_ratio, advantage, None, old) for _ in range(3)]
        is_deterministic &= all(np.array_equal(gradients[0], other) for other in gradients)
        log_ratio[3], old[3], advantage[3] = 0.07, -0.3, 2.0
        other = probe.gradient(log_ratio, advantage, None, old)
        is_coupled |= not np.allclose(gradients[0][:3], other[:3], rtol=1e-9, atol=1e-15)
    return {"is_coupled": bool(is_coupled), "is_deterministic": bool(is_deterministic)}


def _empty(probe: LossProbe) -> dict[str, str]:
    """What a batch without a token in the mask gives, and whether an empty response counts."""
    try:
        loss, gradient = probe.value_and_gradient(np.zeros((2, 2)), [1.0, -1.0], np.zeros((2, 2)))
    except Exception as error:
        batch = type(error).__name__
    else:
        batch = f"loss {loss:g}" + ("" if np.isfinite(gradient).all() else ", gradient NaN")
    alone = probe.gradient([[0.05, 0.02]], [1.0])
    beside = probe.gradient([[0.05, 0.02], [0.0, 0.0]], [1.0, 1.0], [[1, 1], [0, 0]])
    share = beside[0, 0] / alone[0, 0]
    told = {1.0: "not counted", 0.5: "counted"}.get(round(float(share), 9), f"x {share:.4g}")
    return {"empty_batch": batch, "empty_response": told}


def measure_loss(loss: Loss, max_tokens: int | None = None) -> dict[str, Any]:
    """Measure a loss.

    Args:
        loss: function of torch (log_prob, old_log_prob, advantage, mask) -> scalar.
        max_tokens: constant length that the loss was told to divide by.

    Returns:
        What `measure_curve` gives for a lone token, and `averaging`, `level`,
        `is_gradient_of_value`, `is_padding_length_harmless`, `nan_in_padding_harms`,
        `is_coupled`, `is_deterministic`, `empty_batch`, `empty_response`.
    """
    probe = LossProbe(loss)
    average = _average(probe)
    if max_tokens is not None and average == "sequence_sum":
        average = f"constant_length({max_tokens})"
    return {
        **measure_curve(loss_weight(probe, float(max_tokens or 1))),
        "averaging": average,
        "level": _level(probe),
        "is_gradient_of_value": _is_gradient_of_value(probe),
        **_padding(probe),
        **_coupling(probe),
        **_empty(probe),
    }
