"""The lazily expanded tree equals autograd on the full tree, for V^T up to 4096."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from banditlab.levels import LEVELS
from banditlab.optimizers import SGD, Adam, Momentum
from banditlab.sequence.prefix_softmax import PrefixSoftmaxes
from banditlab.sequence.prefix_tree import NO_NODE, PrefixTree
from tests.banditlab.sequence.full_tree import largest_difference

RULE_NAMES = ("raw_reward", "clip", "variance_penalty")
SHAPES = ((4, 3), (2, 8), (8, 4), (64, 2), (5, 1))
OPTIMIZERS = {
    "sgd": (SGD(0.3), 1e-12),
    "sgd_decay": (SGD(0.3, decay=0.1), 1e-12),
    "momentum": (Momentum(0.1, momentum=0.7), 1e-12),
    "adam": (Adam(0.05), 1e-8),
    "adam_large_eps": (Adam(0.05, eps=1e-3, decay=0.2), 1e-8),
}
# Where gradients cancel, Adam divides what rounding leaves of them by eps, and the penalty on the
# ratio answers to that noise: with eps = 1e-8 it grows by up to 1e6 an inner epoch.
ANY_RULE_OPTIMIZERS = ("sgd", "sgd_decay", "momentum", "adam_large_eps")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("level", LEVELS)
def test_equals_autograd_on_the_full_tree(level, rule, optimizer):
    optimizer, tolerance = OPTIMIZERS[optimizer]
    difference, _ = largest_difference(optimizer, rule=rule, level=level, seed=1)
    assert difference < tolerance


@settings(max_examples=60, deadline=None)
@given(
    optimizer=st.sampled_from(ANY_RULE_OPTIMIZERS),
    rule=st.sampled_from(RULE_NAMES),
    level=st.sampled_from(LEVELS),
    shape=st.sampled_from(SHAPES),
    inner_epochs=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_setting_equals_autograd(optimizer, rule, level, shape, inner_epochs, seed):
    optimizer, tolerance = OPTIMIZERS[optimizer]
    difference, kink_distance = largest_difference(
        optimizer,
        rule=rule,
        level=level,
        seed=seed,
        vocabulary_size=shape[0],
        length=shape[1],
        num_rounds=4,
        inner_epochs=inner_epochs,
    )
    assume(kink_distance > 1e-9)
    assert difference < tolerance


def expand_without_sharing(self, path, tokens, num_needed):
    """The mutant: a prefix that two rollouts enter gets a row for each, the last one stays."""
    path = ORIGINAL_EXPAND(self, path, tokens, num_needed)
    seen = set()
    for index in np.ndindex(path.shape):
        *rollout, position = index
        if position == 0 or path[index] == NO_NODE:
            continue
        if path[index] in seen:
            before = (*rollout, position - 1)
            self._append(path[before].reshape(1), tokens[before].reshape(1), position)
            path[index] = self.num_nodes - 1
        seen.add(path[index])
    return path


ORIGINAL_EXPAND = PrefixTree.expand


def accumulate_without_softmax(self, node, token, coefficient):
    """The mutant: grad log_prob is e_token alone."""
    self._reserve()
    np.add.at(self._gradient, (node, token), coefficient)
    self._with_gradient = np.union1d(self._with_gradient, node)


@pytest.mark.parametrize(
    ("owner", "name", "mutant"),
    [
        (PrefixTree, "expand", expand_without_sharing),
        (PrefixSoftmaxes, "accumulate", accumulate_without_softmax),
    ],
)
def test_a_broken_policy_is_found(owner, name, mutant, monkeypatch):
    monkeypatch.setattr(owner, name, mutant)
    difference, _ = largest_difference(SGD(0.3), rule="clip", level="token", seed=1)
    assert difference > 1e-3


@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("level", LEVELS)
def test_a_token_ratio_in_place_of_the_units_is_found(level, rule):
    difference, _ = largest_difference(SGD(0.3), rule=rule, level="token", tree_level=level, seed=1)
    assert difference < 1e-12 if level == "token" else difference > 1e-3


def test_rows_that_forget_their_velocity_are_found(monkeypatch):
    """The mutant: under momentum only the rows with a gradient move."""
    original = PrefixSoftmaxes.move

    def move(self):
        resting = np.setdiff1d(np.arange(self.tree.num_nodes), self._with_gradient)
        before = self._displacement[resting].copy()
        original(self)
        self._displacement[resting] = before

    monkeypatch.setattr(PrefixSoftmaxes, "move", move)
    difference, _ = largest_difference(Momentum(0.2), rule="clip", level="token", seed=1)
    assert difference > 1e-3
