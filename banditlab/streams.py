"""One stream of uniform numbers per run: run i is the same however many runs there are.

Run i draws from the i-th child of one SeedSequence, so neither the number of runs nor the size of
the blocks in which the numbers are drawn changes it. The state of all streams is one number, how
many uniforms each run has taken, from which they resume to the same bits.

Shapes: R runs.
"""

import math

import numpy as np

from banditlab.validation import require

_BLOCK_NUMBERS = 2**20


class RunStreams:
    """R independent streams of uniform numbers in [0, 1), drawn in blocks."""

    def __init__(self, seed: int, num_runs: int) -> None:
        """Start the streams.

        Args:
            seed: entropy of the one seed sequence, at least 0.
            num_runs: R.

        Raises:
            ValueError: the seed or the number of runs is out of range.
        """
        require(seed >= 0, "RunStreams", "seed", "at least 0", seed, "Give a whole number")
        require(num_runs >= 1, "RunStreams", "num_runs", "at least 1", num_runs, "Raise it")
        self.num_runs = num_runs
        self._bits = [
            np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(run,)))
            for run in range(num_runs)
        ]
        self._generators = [np.random.Generator(bits) for bits in self._bits]
        self._block = np.empty((num_runs, 0))
        self._offset = 0
        self._num_drawn = 0

    @property
    def num_taken(self) -> int:
        """Uniforms that each run has taken so far: the whole state of the streams."""
        return self._num_drawn - (self._block.shape[1] - self._offset)

    def skip(self, num_taken: int) -> None:
        """Go to where the streams were when each run had taken `num_taken` uniforms.

        Args:
            num_taken: the state to resume from, at least that of now.

        Raises:
            ValueError: the streams are past it.
        """
        require(
            num_taken >= self.num_taken,
            "RunStreams.skip",
            "num_taken",
            f"at least {self.num_taken}, what was taken already",
            num_taken,
            "Start new streams with the same seed",
        )
        ahead = num_taken - self._num_drawn
        if ahead < 0:
            self._offset = self._block.shape[1] + ahead
            return
        for bits in self._bits:
            # PCG64 spends exactly one step on a double.
            bits.advance(ahead)
        self._block, self._offset = np.empty((self.num_runs, 0)), 0
        self._num_drawn = num_taken

    def random(self, shape: tuple[int, ...]) -> np.ndarray:
        """Take the next uniforms of every run.

        Args:
            shape: shape of the result; its first length is R.

        Returns:
            Uniforms in [0, 1); read them, do not write into them.

        Raises:
            ValueError: the first length is not R.
        """
        require(
            shape[0] == self.num_runs,
            "RunStreams.random",
            "shape",
            f"of first length {self.num_runs}, one row per run",
            shape,
            "Start the streams with as many runs as the policy has",
        )
        num = math.prod(shape[1:])
        if num > self._block.shape[1] - self._offset:
            self._refill(num)
        taken = self._block[:, self._offset : self._offset + num]
        self._offset += num
        return taken.reshape(shape)

    def _refill(self, num: int) -> None:
        rest = self._block[:, self._offset :]
        width = max(num, _BLOCK_NUMBERS // self.num_runs)
        block = np.empty((self.num_runs, width))
        block[:, : rest.shape[1]] = rest
        for generator, row in zip(self._generators, block, strict=True):
            generator.random(out=row[rest.shape[1] :])
        self._num_drawn += width - rest.shape[1]
        self._block, self._offset = block, 0
