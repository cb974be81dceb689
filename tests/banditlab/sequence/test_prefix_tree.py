"""The table of prefixes: who shares a row, who gets one, and sums over subtrees."""

import numpy as np

from banditlab.sequence.prefix_tree import NO_NODE, PrefixTree

TOKENS = np.array([[1, 2, 0], [1, 2, 2], [1, 0, 0], [0, 0, 0]])


def grown_tree() -> tuple[PrefixTree, np.ndarray]:
    """The first three sequences below root 0, with prefixes up to 3, 3 and 1 tokens long."""
    tree = PrefixTree(num_roots=2, vocabulary_size=3)
    root = np.zeros(4, dtype=int)
    path = tree.walk(root, TOKENS)
    assert (path[:, 0] == 0).all()
    assert (path[:, 1:] == NO_NODE).all()
    return tree, tree.expand(path, TOKENS, np.array([3, 3, 2, 0]))


def test_sequences_that_begin_alike_share_their_rows():
    tree, path = grown_tree()
    # Roots 0 and 1, then the prefixes 1 and 12.
    assert tree.num_nodes == 4
    assert path.tolist() == [[0, 2, 3], [0, 2, 3], [0, 2, -1], [0, -1, -1]]
    np.testing.assert_array_equal(tree.walk(np.zeros(4, dtype=int), TOKENS), path)
    # The same prefix below the other root is another one.
    assert (tree.walk(np.ones(4, dtype=int), TOKENS)[:, 1:] == NO_NODE).all()
    assert tree.has_child(np.array([0, 2])).tolist() == [[False, True, False], [False, False, True]]


def test_columns_say_where_a_row_hangs():
    tree, _ = grown_tree()
    parent, token = tree.entrance
    assert (parent.tolist(), token.tolist()) == ([-1, -1, 0, 2], [0, 0, 1, 2])
    assert (tree.root.tolist(), tree.depth.tolist()) == ([0, 1, 0, 0], [0, 0, 1, 2])


def test_fold_sums_each_subtree():
    tree, _ = grown_tree()
    own, edge = np.array([1.0, 10.0, 100.0, 1000.0]), np.array([9.0, 9.0, 0.5, 0.25])
    assert tree.fold(own, edge).tolist() == [1 + 0.5 * (100 + 250), 10, 100 + 250, 1000]


def test_a_restored_tree_grows_as_the_first():
    first, path = grown_tree()
    second = PrefixTree(num_roots=2, vocabulary_size=3)
    second.restore(first.state())
    grown = [tree.expand(path, TOKENS, np.full(4, 3)) for tree in (first, second)]
    np.testing.assert_array_equal(*grown)
    assert first.num_nodes == second.num_nodes == 7
    for name, column in first.state().items():
        np.testing.assert_array_equal(column, second.state()[name])
