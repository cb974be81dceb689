"""Arms and z-scores that the tests of tails share."""

import math

import numpy as np

from banditlab.reward_laws import Bernoulli
from banditlab.tails.runs import Arm


def coin(mean: float) -> Arm:
    return Arm(mean, Bernoulli())


def z_of(estimate: tuple[float, float], expected: float) -> float:
    return (estimate[0] - expected) / estimate[1]


def mean_and_error(sample: np.ndarray) -> tuple[float, float]:
    return sample.mean(), sample.std() / math.sqrt(sample.size)
