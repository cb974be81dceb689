"""Which prompts a round trains on.

Shapes: R runs, P_train prompts trained on, B prompts of a batch.
"""

import numpy as np

from banditlab.policy import Uniforms
from banditlab.validation import require, require_known

BATCH_ORDERS = {
    "subset": "B different prompts, drawn anew each round",
    "replacement": "B prompts drawn one by one, so that one may come twice",
    "epochs": "a random order of all prompts, B at a time; a rest smaller than B is dropped",
}


class Batches:
    """Batches of prompts for R runs."""

    def __init__(self, num_train: int, num_runs: int, batch_size: int, order: str) -> None:
        """Start before the first round.

        Args:
            num_train: prompts trained on.
            num_runs: R.
            batch_size: prompts per round, B.
            order: a key of `BATCH_ORDERS`.

        Raises:
            ValueError: the order is unknown, or the batch is larger than it allows.
        """
        require_known("Batches", "order", order, BATCH_ORDERS, "order")
        require(
            batch_size >= 1 and (order == "replacement" or batch_size <= num_train),
            "Batches",
            "batch_size",
            f"between 1 and the {num_train} prompts trained on",
            batch_size,
            'Only the order "replacement" takes a prompt twice',
        )
        self._num_train, self._batch_size, self._order = num_train, batch_size, order
        self._shape = (num_runs, num_train)
        self._permutation = np.zeros((num_runs, 0), dtype=np.int64)
        self._num_given = 0

    def draw(self, rng: Uniforms) -> np.ndarray:
        """Prompts of the next round.

        Args:
            rng: source of uniforms.

        Returns:
            Index of each prompt, shape [R, B].
        """
        num_runs, num_train = self._shape
        if self._order == "replacement":
            uniform = rng.random((num_runs, self._batch_size))
            return np.minimum((uniform * num_train).astype(np.int64), num_train - 1)
        if self._batch_size == num_train:
            return np.broadcast_to(np.arange(num_train), self._shape)
        if self._order == "subset":
            order = rng.random(self._shape)
            return np.argpartition(order, self._batch_size - 1, axis=1)[:, : self._batch_size]
        if self._num_given + self._batch_size > self._permutation.shape[1]:
            self._permutation = np.argsort(rng.random(self._shape), axis=1)
            self._num_given = 0
        batch = self._permutation[:, self._num_given : self._num_given + self._batch_size]
        self._num_given += self._batch_size
        return batch

    def state(self) -> dict[str, np.ndarray]:
        """What is left of the present order.

        Returns:
            Arrays by name.
        """
        return {"permutation": self._permutation, "num_given": np.array(self._num_given)}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Go back to a state.

        Args:
            state: what `state` returned.
        """
        self._permutation = state["permutation"].copy()
        self._num_given = int(state["num_given"])
