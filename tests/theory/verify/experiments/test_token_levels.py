"""Trees of all sequences: order, shifts as coefficients, tables of prefixes."""

import numpy as np

from banditlab.rules import get_rule
from theory.verify.experiments.token_levels import (
    Tree,
    all_sequences,
    measure_updates,
    softmax_tables,
)


def test_sequences_are_in_lexicographic_order():
    assert all_sequences(2, 2).tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]


def test_tables_shift_the_base_law():
    first, second = softmax_tables(
        np.array([[0.5, 0.5], [0.2, 0.8]]), [np.zeros(2), np.log([[1.0, 1.0], [4.0, 1.0]])]
    )
    np.testing.assert_allclose(first, [0.5, 0.5])
    np.testing.assert_allclose(second, [[0.2, 0.8], [0.5, 0.5]])


def test_gradient_of_two_tokens_by_hand():
    uniform = [np.zeros(2), np.zeros((2, 2))]
    tree = Tree(np.full((2, 2), 0.5), np.array([[0, 1]]), uniform, uniform)
    found = measure_updates(tree, get_rule("raw_reward"), ["token", "sequence_geometric"]).value
    expected = np.array([0.125, -0.125, -0.125, 0.125, 0.0, 0.0])
    np.testing.assert_allclose(found, np.concatenate([expected, expected / 2.0]), atol=1e-12)
