"""SGD, momentum and Adam on logits against torch.optim, and what lumping asks of all of them."""

import functools
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from banditlab.optimizers import OPTIMIZERS, SGD, Adam, Momentum, ascend, get_optimizer

NUM_STEPS = 50
REWARD = np.linspace(-1.0, 1.0, 12).reshape(3, 4)

AGAINST_TORCH = {
    "sgd": (SGD(0.3), functools.partial(torch.optim.SGD, lr=0.3)),
    "sgd with decay": (
        SGD(0.3, decay=0.2),
        functools.partial(torch.optim.SGD, lr=0.3, weight_decay=0.2),
    ),
    "momentum": (Momentum(0.1, 0.8), functools.partial(torch.optim.SGD, lr=0.1, momentum=0.8)),
    "momentum by default": (
        Momentum(0.1),
        functools.partial(torch.optim.SGD, lr=0.1, momentum=0.9),
    ),
    "adam": (Adam(0.05), functools.partial(torch.optim.Adam, lr=0.05)),
    "adam, other settings": (
        Adam(0.2, beta1=0.5, beta2=0.9, eps=1e-3),
        functools.partial(torch.optim.Adam, lr=0.2, betas=(0.5, 0.9), eps=1e-3),
    ),
    "adam without mean": (
        Adam(0.2, beta1=0.0, beta2=0.0),
        functools.partial(torch.optim.Adam, lr=0.2, betas=(0.0, 0.0)),
    ),
    "adam with decay": (
        Adam(0.05, decay=0.4),
        functools.partial(torch.optim.AdamW, lr=0.05, weight_decay=0.4),
    ),
}


def gradient_at(displacement: np.ndarray, step: int) -> np.ndarray:
    """Policy gradient of softmax bandits, with noise, so that the path feeds back on itself."""
    prob = np.exp(displacement - displacement.max(axis=-1, keepdims=True))
    prob /= prob.sum(axis=-1, keepdims=True)
    noise = np.random.default_rng(step).standard_normal(displacement.shape)
    return prob * (REWARD - (prob * REWARD).sum(axis=-1, keepdims=True)) + 0.1 * noise


def our_path(optimizer) -> np.ndarray:
    displacement, state = np.zeros((3, 4)), optimizer.init((3, 4))
    path = []
    for count in range(1, NUM_STEPS + 1):
        ascend(optimizer, displacement, state, gradient_at(displacement, count), count)
        path.append(displacement.copy())
    return np.stack(path)


def torch_path(build) -> np.ndarray:
    displacement = torch.zeros((3, 4), dtype=torch.float64, requires_grad=True)
    optimizer = build([displacement], maximize=True)
    path = []
    for count in range(1, NUM_STEPS + 1):
        displacement.grad = torch.as_tensor(gradient_at(displacement.detach().numpy(), count))
        optimizer.step()
        path.append(displacement.detach().numpy().copy())
    return np.stack(path)


@pytest.mark.parametrize("name", AGAINST_TORCH)
def test_the_path_is_that_of_torch(name):
    optimizer, build = AGAINST_TORCH[name]
    np.testing.assert_allclose(our_path(optimizer), torch_path(build), rtol=1e-12, atol=1e-12)


def test_decay_of_momentum_stays_out_of_the_velocity():
    """Unlike torch.optim.SGD's weight_decay: against the formula written out."""
    displacement, velocity, path = np.zeros((3, 4)), 0.0, []
    for count in range(1, NUM_STEPS + 1):
        velocity = 0.8 * velocity + gradient_at(displacement, count)
        displacement = displacement + 0.1 * velocity - 0.1 * 0.5 * displacement
        path.append(displacement)
    found = our_path(Momentum(0.1, 0.8, decay=0.5))
    np.testing.assert_allclose(found, np.stack(path), rtol=1e-12, atol=1e-12)
    coupled = torch_path(functools.partial(torch.optim.SGD, lr=0.1, momentum=0.8, weight_decay=0.5))
    assert np.abs(found - coupled).max() > 1e-2


@dataclass(frozen=True)
class AdamWithoutBiasCorrection(Adam):
    def change(self, gradient, state, count):
        return super().change(gradient, state, 10**9)


@dataclass(frozen=True)
class AdamWithEpsInTheRoot(Adam):
    def change(self, gradient, state, count):
        _, state = super().change(gradient, state, count)
        mean = state["mean"] / (1.0 - self.beta1**count)
        mean_square = state["mean_square"] / (1.0 - self.beta2**count)
        return self.step_size * mean / np.sqrt(mean_square + self.eps), state


@dataclass(frozen=True)
class AdamThatCountsFromZero(Adam):
    def change(self, gradient, state, count):
        return super().change(gradient, state, count + 1)


@dataclass(frozen=True)
class SGDThatDescends(SGD):
    def change(self, gradient, state, count):
        return -self.step_size * gradient, state


@dataclass(frozen=True)
class MomentumOfNesterov(Momentum):
    def change(self, gradient, state, count):
        _, state = super().change(gradient, state, count)
        return self.step_size * (gradient + self.momentum * state["velocity"]), state


@pytest.mark.parametrize(
    ("mutant", "name"),
    [
        (AdamWithoutBiasCorrection(0.05), "adam"),
        (AdamWithEpsInTheRoot(0.05), "adam"),
        (AdamThatCountsFromZero(0.05), "adam"),
        (Adam(0.05), "adam with decay"),
        (SGDThatDescends(0.3), "sgd"),
        (SGD(0.3), "sgd with decay"),
        (MomentumOfNesterov(0.1, 0.8), "momentum"),
    ],
)
def test_each_wrong_optimizer_leaves_the_path_of_torch(mutant, name):
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        np.testing.assert_allclose(
            our_path(mutant), torch_path(AGAINST_TORCH[name][1]), rtol=1e-12, atol=1e-12
        )


@given(
    seed=st.integers(0, 2**32 - 1),
    name=st.sampled_from(sorted(OPTIMIZERS)),
    decay=st.sampled_from([0.0, 0.3]),
)
def test_steps_commute_with_permutations_so_that_arms_lump(seed, name, decay):
    rng = np.random.default_rng(seed)
    optimizer = get_optimizer(name, step_size=0.1, decay=decay)
    order = rng.permutation(6)
    # Arms 0 and 5 start equal and get equal gradients.
    displacement = rng.standard_normal(6)
    displacement[5] = displacement[0]
    permuted = displacement[order]
    states = [optimizer.init((6,)), optimizer.init((6,))]
    for count in range(1, 6):
        gradient = rng.standard_normal(6)
        gradient[5] = gradient[0]
        ascend(optimizer, displacement, states[0], gradient, count)
        ascend(optimizer, permuted, states[1], gradient[order], count)
    np.testing.assert_array_equal(permuted, displacement[order])
    assert displacement[5] == displacement[0]
    for key, value in states[0].items():
        np.testing.assert_array_equal(states[1][key], value[order])


@pytest.mark.parametrize("rows", [slice(None), np.array([0, 3]), np.array([], dtype=int)])
@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_ascend_moves_its_rows_in_place_and_no_others(rows, decay):
    before = np.arange(8.0).reshape(4, 2)
    displacement = before.copy()
    gradient = np.ones_like(before[rows])
    assert ascend(SGD(0.5, decay), displacement, {}, gradient, 1, rows) is None
    expected = before.copy()
    expected[rows] = before[rows] * (1.0 - 0.5 * decay) + 0.5
    np.testing.assert_allclose(displacement, expected, rtol=1e-15)


def test_ascend_renews_the_state_it_was_given_and_leaves_the_gradient_alone():
    optimizer, state = Adam(0.1), Adam(0.1).init((2, 3))
    gradient = np.array([[1.0, -2.0, 0.0], [0.5, 0.0, 3.0]])
    kept = gradient.copy()
    displacement = np.zeros((2, 3))
    ascend(optimizer, displacement, state, gradient, 1)
    np.testing.assert_array_equal(gradient, kept)
    np.testing.assert_allclose(state["mean"], 0.1 * gradient, rtol=1e-14)
    np.testing.assert_allclose(state["mean_square"], 0.001 * gradient**2, rtol=1e-13)
    # The first step of Adam is the sign of the gradient, and an arm without gradient stays.
    np.testing.assert_allclose(displacement, 0.1 * np.sign(gradient), rtol=1e-7)
    assert displacement[1, 1] == 0.0


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_without_gradient_from_the_start_moves_nothing(name):
    optimizer = get_optimizer(name, step_size=0.1, decay=0.5)
    displacement = np.zeros(3)
    ascend(optimizer, displacement, optimizer.init((3,)), np.zeros(3), 1)
    np.testing.assert_array_equal(displacement, np.zeros(3))


def test_only_adam_is_not_linear_in_the_gradient():
    rng = np.random.default_rng(0)
    for name in OPTIMIZERS:
        optimizer = get_optimizer(name, step_size=0.1)
        first, second = rng.standard_normal((2, 5))
        state = optimizer.init((5,))
        parts = [optimizer.change(gradient, state, 1)[0] for gradient in (first, second)]
        together = optimizer.change(first + second, state, 1)[0]
        assert np.allclose(sum(parts), together, rtol=1e-12) == optimizer.is_linear, name


def test_get_optimizer_builds_what_its_class_does():
    assert get_optimizer("sgd", step_size=0.1) == SGD(0.1)
    assert get_optimizer("momentum", step_size=0.1, momentum=0.5) == Momentum(0.1, 0.5)
    assert get_optimizer("adam", step_size=0.1, eps=1e-3, decay=0.1) == Adam(
        0.1, eps=1e-3, decay=0.1
    )


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: SGD(-0.1), r"^SGD: `step_size` must be a finite number in \[0, inf\], got -0\.1"),
        (lambda: SGD(float("nan")), r"^SGD: `step_size` must be a finite number"),
        (lambda: SGD(0.1, float("inf")), r"^SGD: `decay` must be a finite number"),
        (lambda: SGD(0.5, 3.0), r"^SGD: `decay` must be at most 1/step_size, got 3\.0\. A larger"),
        (lambda: Momentum(0.1, 1.0), r"^Momentum: `momentum` must be in \[0, 1\), got 1\.0"),
        (lambda: Momentum(0.1, -0.1), r"^Momentum: `momentum` must be in \[0, 1\), got -0\.1"),
        (lambda: Momentum(0.1, float("nan")), r"^Momentum: `momentum` must be in \[0, 1\), got n"),
        (lambda: Momentum(-1.0), r"^Momentum: `step_size` must be a finite number"),
        (lambda: Adam(0.1, beta1=1.0), r"^Adam: `beta1` must be in \[0, 1\), got 1\.0"),
        (lambda: Adam(0.1, beta2=-0.5), r"^Adam: `beta2` must be in \[0, 1\), got -0\.5"),
        (lambda: Adam(0.1, eps=0.0), r"^Adam: `eps` must be above 0, got 0\.0.*1e-8 is usual"),
        (lambda: Adam(0.1, eps=float("inf")), r"^Adam: `eps` must be above 0, got inf"),
        (lambda: Adam(2.0, decay=0.6), r"^Adam: `decay` must be at most 1/step_size, got 0\.6"),
        (lambda: get_optimizer("adma", step_size=0.1), r"^get_optimizer: `name`.*mean 'adam'\?"),
        (
            lambda: get_optimizer("sgd", step_size=0.1, momentum=0.9),
            r"`hyper` must be a known hyperparameter of sgd, got 'momentum'.*There are: step_size",
        ),
        (
            lambda: get_optimizer("sgd", step_size=0.1, is_linear=False),
            r"`hyper` must be a known hyperparameter of sgd, got 'is_linear'",
        ),
        (lambda: get_optimizer("adam", eps=0.1), r"^get_optimizer: `step_size` must be given"),
    ],
)
def test_impossible_optimizers_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_a_step_size_that_is_no_number_is_refused():
    with pytest.raises(TypeError, match=r"^SGD: `step_size` must be a real number, got str"):
        SGD("0.1")
