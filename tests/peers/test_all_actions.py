"""Losses over all actions, with known values: beside the exact gradient of the expected value.

Shapes: [A] logits and values of one state.
"""

import numpy as np
import pytest

NUM_ACTIONS = 4


def _cases():
    generator = np.random.default_rng(3)
    return [
        (generator.normal(size=NUM_ACTIONS), generator.normal(size=NUM_ACTIONS)) for _ in range(20)
    ]


def _policy(logits):
    weight = np.exp(logits - logits.max())
    return weight / weight.sum()


def _exact(logits, value):
    """Gradient of sum(policy * value): policy * (value - its mean)."""
    policy = _policy(logits)
    return policy * (value - policy @ value)


def _rlax_gradient(name, logits, value):
    jax = pytest.importorskip("jax")
    rlax = pytest.importorskip("rlax")
    with jax.enable_x64(True):
        arrays = [jax.numpy.asarray(array[None]) for array in (logits, value)]
        return -np.array(jax.grad(getattr(rlax, name))(*arrays))[0]


def _open_spiel_gradient(name, logits, value):
    torch = pytest.importorskip("torch")
    losses = pytest.importorskip("open_spiel.python.pytorch.losses.rl_losses")
    leaf = torch.from_numpy(logits[None].copy()).requires_grad_(True)
    loss = getattr(losses, name)().loss(leaf, torch.from_numpy(value[None].copy()))
    (gradient,) = torch.autograd.grad(loss, leaf)
    return -gradient.numpy()[0]


QPG = [(_rlax_gradient, "qpg_loss"), (_open_spiel_gradient, "BatchQPGLoss")]
RM = [(_rlax_gradient, "rm_loss"), (_open_spiel_gradient, "BatchRMLoss")]
RPG = [(_rlax_gradient, "rpg_loss"), (_open_spiel_gradient, "BatchRPGLoss")]


@pytest.mark.parametrize(("gradient", "name"), QPG)
def test_qpg_is_the_exact_policy_gradient(gradient, name):
    for logits, value in _cases():
        np.testing.assert_allclose(gradient(name, logits, value), _exact(logits, value), atol=1e-12)


@pytest.mark.parametrize(("gradient", "name"), RM)
def test_rm_is_the_policy_gradient_of_the_positive_part_of_the_advantage(gradient, name):
    for logits, value in _cases():
        regret = np.maximum(value - _policy(logits) @ value, 0.0)
        np.testing.assert_allclose(
            gradient(name, logits, value), _exact(logits, regret), atol=1e-12
        )


@pytest.mark.parametrize(("gradient", "name"), RPG)
def test_rpg_is_the_policy_gradient_times_the_number_of_better_actions(gradient, name):
    for logits, value in _cases():
        better = (value > _policy(logits) @ value).sum()
        expected = better * _exact(logits, value)
        np.testing.assert_allclose(gradient(name, logits, value), expected, atol=1e-12)


@pytest.mark.parametrize(("gradient", "name"), RPG)
def test_a_policy_gradient_without_that_number_is_another_rule(gradient, name):
    errors = [
        np.abs(gradient(name, logits, value) - _exact(logits, value)).max()
        for logits, value in _cases()
    ]
    assert max(errors) > 1e-3


def test_neurd_is_no_policy_gradient_but_the_advantage_on_centred_logits():
    for logits, value in _cases():
        centred = logits - logits.mean()
        if np.abs(centred).max() >= 2.0:  # its threshold
            continue
        advantage = value - _policy(logits) @ value
        found = _open_spiel_gradient("BatchNeuRDLoss", logits, value)
        np.testing.assert_allclose(found, advantage - advantage.mean(), atol=1e-12)
