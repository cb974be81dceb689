"""The prefixes that a sequence policy has moved: a growing table, one row per prefix and run.

A row is a node; its children are the prefixes one token longer. The roots (the empty prefix of
each run and prompt) come first, and a child always stands after its parent. A prefix without a
row has never been moved, and neither has anything below it.

Rows are only ever appended, so within a run they stand in the same order however many runs there
are. A row takes 4 bytes for each token of the vocabulary, and 32 more.

Shapes: N nodes, V vocabulary, T tokens of a sequence, L roots, * any leading shape.
"""

import numpy as np

NO_NODE = -1


class PrefixTree:
    """Which prefixes have a row, and how they hang together.

    Attributes:
        num_nodes: rows in use, N.
    """

    def __init__(self, num_roots: int, vocabulary_size: int) -> None:
        """Start with the roots alone.

        Args:
            num_roots: L, rows 0 to L - 1.
            vocabulary_size: V.
        """
        self.num_nodes = num_roots
        self._child = np.full((num_roots, vocabulary_size), NO_NODE, dtype=np.int32)
        self._parent = np.full(num_roots, NO_NODE)
        self._token = np.zeros(num_roots, dtype=np.int64)
        self._root = np.arange(num_roots)
        self._depth = np.zeros(num_roots, dtype=np.int64)

    @property
    def capacity(self) -> int:
        """Rows allocated, at least N."""
        return len(self._child)

    @property
    def root(self) -> np.ndarray:
        """Root above each node, shape [N]."""
        return self._root[: self.num_nodes]

    @property
    def depth(self) -> np.ndarray:
        """Number of tokens of each prefix, shape [N]."""
        return self._depth[: self.num_nodes]

    @property
    def entrance(self) -> tuple[np.ndarray, np.ndarray]:
        """Parent and last token of each prefix, (NO_NODE, 0) for the roots, shape [N] each."""
        return self._parent[: self.num_nodes], self._token[: self.num_nodes]

    def has_child(self, node: np.ndarray) -> np.ndarray:
        """Whether each prefix, continued by each token, has a row.

        Args:
            node: rows, shape [*].

        Returns:
            True where it has, shape [*, V].
        """
        return self._child[node] != NO_NODE

    def child(self, node: np.ndarray, token: np.ndarray) -> np.ndarray:
        """Row of a prefix continued by a token.

        Args:
            node: rows, NO_NODE allowed, shape [*].
            token: the next token, shape [*].

        Returns:
            Rows, NO_NODE where there is none, shape [*].
        """
        return np.where(node == NO_NODE, NO_NODE, self._child[node, token])

    def walk(self, root: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """Row of the prefix before each token.

        Args:
            root: root of each sequence, shape [*].
            tokens: the sequences, shape [*, T].

        Returns:
            Rows, NO_NODE where there is none, shape [*, T].
        """
        path = np.full(tokens.shape, NO_NODE)
        path[..., 0] = root
        for position in range(1, tokens.shape[-1]):
            node = self.child(path[..., position - 1], tokens[..., position - 1])
            if (node == NO_NODE).all():
                break
            path[..., position] = node
        return path

    def expand(self, path: np.ndarray, tokens: np.ndarray, num_needed: np.ndarray) -> np.ndarray:
        """Give rows to the first prefixes of each sequence.

        Args:
            path: what `walk` gave, shape [*, T].
            tokens: the sequences, shape [*, T].
            num_needed: how many prefixes of each sequence must have a row, shape [*].

        Returns:
            The path with its new rows, shape [*, T].
        """
        path = path.copy()
        for position in range(1, int(num_needed.max(initial=0))):
            is_new = (path[..., position] == NO_NODE) & (num_needed > position)
            if is_new.any():
                parent = path[..., position - 1][is_new]
                token = tokens[..., position - 1][is_new]
                self._append(parent, token, position)
            path[..., position] = self.child(path[..., position - 1], tokens[..., position - 1])
        return path

    def fold(self, own: np.ndarray, edge: np.ndarray) -> np.ndarray:
        """Sum over each subtree: value(node) = own(node) + sum over children of edge * value.

        Args:
            own: what each node contributes, shape [N].
            edge: factor of each node's value in that of its parent, shape [N].

        Returns:
            Values of the nodes, shape [N].
        """
        value = own.copy()
        for level in reversed(self._levels()[1:]):
            np.add.at(value, self._parent[level], edge[level] * value[level])
        return value

    def state(self) -> dict[str, np.ndarray]:
        """Everything needed to rebuild the tree.

        Returns:
            `parent`, `token`, `root` and `depth` of each node, shape [N] each.
        """
        columns = {
            "parent": self._parent,
            "token": self._token,
            "root": self._root,
            "depth": self._depth,
        }
        return {name: column[: self.num_nodes].copy() for name, column in columns.items()}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Rebuild the tree that `state` described.

        Args:
            state: what `state` returned, of a tree with the same roots.
        """
        self._parent, self._token = state["parent"].copy(), state["token"].copy()
        self._root, self._depth = state["root"].copy(), state["depth"].copy()
        self.num_nodes = len(self._parent)
        self._child = np.full((self.num_nodes, self._child.shape[1]), NO_NODE, dtype=np.int32)
        inner = np.flatnonzero(self._parent != NO_NODE)
        self._child[self._parent[inner], self._token[inner]] = inner

    def _append(self, parent: np.ndarray, token: np.ndarray, depth: int) -> None:
        """Add the children entered through (parent, token), each once."""
        vocabulary_size = self._child.shape[1]
        entry = np.unique(parent * vocabulary_size + token)
        first, last = self.num_nodes, self.num_nodes + len(entry)
        self._reserve(last)
        self._child.reshape(-1)[entry] = np.arange(first, last)
        self._parent[first:last], self._token[first:last] = np.divmod(entry, vocabulary_size)
        self._root[first:last] = self._root[self._parent[first:last]]
        self._depth[first:last] = depth
        self.num_nodes = last

    def _reserve(self, num_nodes: int) -> None:
        num_more = max(num_nodes, 2 * self.capacity) - self.capacity
        if num_nodes > self.capacity:
            self._child = np.pad(self._child, [(0, num_more), (0, 0)], constant_values=NO_NODE)
            self._parent = np.pad(self._parent, (0, num_more), constant_values=NO_NODE)
            self._token = np.pad(self._token, (0, num_more))
            self._root = np.pad(self._root, (0, num_more))
            self._depth = np.pad(self._depth, (0, num_more))

    def _levels(self) -> list[np.ndarray]:
        """Nodes of each depth, in order."""
        order = np.argsort(self.depth, kind="stable")
        return np.split(order, np.cumsum(np.bincount(self.depth))[:-1])
