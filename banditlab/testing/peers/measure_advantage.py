"""Measure an advantage estimator as a black box.

Shapes: [P, G], P prompts of a group of G rollouts.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

Advantage = Callable[[np.ndarray], np.ndarray]
_ONE_RIGHT = np.array([[1.0, 0.0, 0.0, 0.0]])
_DEVIATION = {1: 0.5, 0: math.sqrt(3.0) / 4.0}
"""ddof -> standard deviation of one right among four."""
PROBABILITIES = (0.3, 0.6)
"""Chance of a right answer at which the expected scale is told."""


def _deviation(advantage: Advantage) -> dict[str, Any]:
    """Ddof and eps of a divisor, solved from advantages of one right among four of reward s."""
    large, larger = (float(advantage(_ONE_RIGHT * scale)[0, 0]) for scale in (1e5, 1e6))
    found: dict[str, Any] = {"ddof": None, "eps": None}
    if not math.isclose(large, larger, rel_tol=1e-3) or larger == 0.0:
        return found
    # Centred it is 3/4 of s over the deviation; over the second best it is s.
    for ddof, deviation in _DEVIATION.items():
        if any(math.isclose(larger, top / deviation, rel_tol=1e-5) for top in (0.75, 1.0)):
            found["ddof"] = ddof
    if found["ddof"] is None:
        return found
    deviation = _DEVIATION[found["ddof"]]
    solved: dict[str, list[float]] = {"std + {}": [], "sqrt(var + {})": [], "max(std, {})": []}
    for exponent in range(12):
        scale = 10.0**-exponent
        value = float(advantage(_ONE_RIGHT * scale)[0, 0])
        if not value > 0.0 or abs(larger / value - 1.0) < 1e-3:
            continue
        excess = larger / value
        solved["std + {}"].append(deviation * scale * (excess - 1.0))
        solved["sqrt(var + {})"].append((deviation * scale) ** 2 * (excess**2 - 1.0))
        solved["max(std, {})"].append(deviation * scale * excess)
    if not solved["std + {}"]:
        found["eps"] = "none seen"
        return found
    # Where its divisor stops at sqrt(eps), a floor on the variance, it is told as that.
    spreads = {
        form: max(values[:3]) / min(values[:3]) if min(values[:3]) > 0 else math.inf
        for form, values in solved.items()
    }
    form = min(spreads, key=spreads.__getitem__)
    found["eps"] = (
        form.format(f"{np.median(solved[form][:3]):.3g}") if spreads[form] < 1.05 else "other"
    )
    return found


def _singleton(advantage: Advantage) -> str:
    reward = np.array([[1.0], [0.0], [0.5]])
    try:
        found = advantage(reward)
    except Exception as error:
        return f"refused ({type(error).__name__})"
    if not np.isfinite(found).all():
        return "not finite"
    for name, expected in (("zero", np.zeros_like(reward)), ("raw", reward)):
        if np.allclose(found, expected, rtol=1e-12, atol=1e-15):
            return name
    if np.allclose(found, reward, rtol=1e-5):
        return f"raw x {found[0, 0]:.9g}"
    return ", ".join(f"{value:.4g}" for value in found[:, 0])


def _unanimous(advantage: Advantage) -> str:
    """What groups of equal rewards get, beside one that is not; the largest where not all 0."""
    reward = np.array([[1.0, 1.0, 1.0], [0.1, 0.1, 0.1], [1.0, 0.0, 0.0]])
    found = advantage(reward)[:2]
    if not np.isfinite(found).all():
        return "not finite"
    if np.allclose(found, reward[:2]):
        return "raw"
    return "zero" if not found.any() else f"{np.abs(found).max():.2g}"


def _unanimous_residue(advantage: Advantage) -> float:
    """Largest advantage in a batch of equal groups, over rewards and group sizes."""
    return max(
        float(np.abs(advantage(np.full((2, group_size), reward))).max())
        for group_size in (3, 4, 5, 6, 7, 8)
        for reward in (0.1, 0.3, 0.7, 1.1)
    )


def _units(advantage: Advantage) -> dict[str, str]:
    reward = np.array([[1.0, 0.0, 0.25, 0.5], [0.5, 2.0, 1.0, 0.0]])
    plain, moved, scaled = (advantage(array) for array in (reward, reward + 3.0, reward * 2.0))

    def is_near(found: np.ndarray, expected: np.ndarray) -> bool:
        return np.allclose(found, expected, rtol=1e-3, atol=1e-6)

    return {
        "reward_shift": "ignored"
        if is_near(moved, plain)
        else "followed"
        if is_near(moved, plain + 3.0)
        else "other",
        "reward_scale": "followed"
        if is_near(scaled, 2.0 * plain)
        else "ignored"
        if is_near(scaled, plain)
        else "other",
    }


def expected_scale(advantage: Advantage, chance: float) -> float:
    """Expected on-policy gradient over that of the expected reward, by exact enumeration.

    Two prompts of three rollouts, each right with the same chance, as a softmax of two answers
    has it: score of the right answer 1 - chance, of the wrong one -chance.

    Args:
        advantage: the estimator.
        chance: of a right answer.

    Returns:
        The scale, 1 for the REINFORCE gradient.
    """
    total = 0.0
    for answers in itertools.product((0.0, 1.0), repeat=6):
        reward = np.array(answers).reshape(2, 3)
        probability = np.prod(np.where(reward == 1.0, chance, 1.0 - chance))
        total += probability * np.mean(advantage(reward) * (reward - chance))
    return float(total / (chance * (1.0 - chance)))


def measure_advantage(advantage: Advantage, in_float32: Advantage) -> dict[str, Any]:
    """Measure an advantage estimator.

    Args:
        advantage: function of reward, NumPy [P, G] -> advantage [P, G], in float64.
        in_float32: the same estimator, given its rewards in float32.

    Returns:
        `binary_group` (advantages of one right and one wrong among [1, 0, 0, 0]), `ddof`, `eps`,
        `singleton`, `unanimous`, `unanimous_float32` (largest advantage of unanimous batches),
        `reward_shift`, `reward_scale`, `couples_groups`, and `expected_scale` at `PROBABILITIES`.
    """
    binary = advantage(_ONE_RIGHT)[0]
    group = np.array([[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0]])
    other = np.array([[1.0, 0.0, 0.0, 0.0], [5.0, 2.0, 3.0, 0.0]])
    is_coupled = not np.allclose(advantage(group)[0], advantage(other)[0], rtol=1e-9, atol=1e-12)
    return {
        "binary_group": [float(binary[0]), float(binary[1])],
        **_deviation(advantage),
        "singleton": _singleton(advantage),
        "unanimous": _unanimous(advantage),
        "unanimous_float32": _unanimous_residue(in_float32),
        **_units(advantage),
        "couples_groups": bool(is_coupled),
        "expected_scale": [expected_scale(advantage, chance) for chance in PROBABILITIES],
    }
