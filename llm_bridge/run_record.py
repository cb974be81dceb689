"""What a run tells while it goes on: metrics.jsonl, samples.jsonl and TensorBoard's files.

All three are cut back to the checkpoint that a run goes on from, so that no line comes twice. Of
several processes the main one writes, and an error of it reaches all.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from llm_bridge.json_lines import JsonLines
from llm_bridge.metrics import METRICS_FILE
from llm_bridge.parallel import ALONE, Alone
from llm_bridge.tensorboard_log import TensorBoardLog

SAMPLES_FILE = "samples.jsonl"


class RunRecord:
    """The growing files of a run folder, open during a `with` block.

    Args:
        out: the run folder.
        state: of the checkpoint that the run goes on from, None where it begins.
        tensorboard: whether TensorBoard's files are written too.
        processes: those that run it together; each makes the same calls.

    Raises:
        ValueError: a file is shorter than the checkpoint says.
        WriteRefusedError: the disk refuses.
    """

    def __init__(
        self,
        out: Path,
        state: Mapping[str, Any] | None,
        *,
        tensorboard: bool = False,
        processes: Alone = ALONE,
    ) -> None:
        self._processes = processes
        self._metrics, self._samples = JsonLines(out / METRICS_FILE), JsonLines(out / SAMPLES_FILE)
        self._tensorboard: TensorBoardLog | None = None
        state = {"update": 0, "metrics_bytes": 0, "samples_bytes": 0} if state is None else state
        processes.on_main(self._begin, out, state, tensorboard)

    def _begin(self, out: Path, state: Mapping[str, Any], tensorboard: bool) -> None:
        self._metrics.truncate(state["metrics_bytes"])
        self._samples.truncate(state["samples_bytes"])
        if tensorboard:
            self._tensorboard = TensorBoardLog(out, state["update"], self._metrics.path)

    def append(self, line: Mapping[str, Any], samples: Sequence[Mapping[str, Any]] = ()) -> None:
        """Record an update or an evaluation.

        Args:
            line: its metrics line.
            samples: some of its responses.

        Raises:
            FloatingPointError: a number is not finite.
            WriteRefusedError: the disk refuses.
        """
        self._processes.on_main(self._append, line, samples)

    def _append(self, line: Mapping[str, Any], samples: Sequence[Mapping[str, Any]]) -> None:
        self._metrics.append(line)
        for sample in samples:
            self._samples.append(sample)
        if self._tensorboard is not None:
            self._tensorboard.append(line)

    def sync(self) -> dict[str, int]:
        """Bring everything to the disk.

        Returns:
            What a checkpoint must remember, on all processes.

        Raises:
            WriteRefusedError: the disk refuses.
        """
        return self._processes.on_main(self._sync)

    def _sync(self) -> dict[str, int]:
        if self._tensorboard is not None:
            self._tensorboard.sync()
        return {"metrics_bytes": self._metrics.sync(), "samples_bytes": self._samples.sync()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._processes.on_main(self._close)
        else:
            # Whatever ended the block may have ended this process alone: nobody would answer.
            self._close()

    def _close(self) -> None:
        if self._tensorboard is not None:
            self._tensorboard.close()
