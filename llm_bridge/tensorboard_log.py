"""The lines of metrics.jsonl as scalars for TensorBoard."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from banditlab.files import writing
from llm_bridge.json_lines import read_json_lines

TENSORBOARD_FOLDER = "tensorboard"


def require_tensorboard() -> None:
    """Demand that TensorBoard is installed, before anything heavy loads.

    Raises:
        ModuleNotFoundError: it is not.
    """
    try:
        import tensorboard  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "train: `tensorboard` needs the library tensorboard, which is not installed. Install "
            "it with pip install -c constraints.txt '.[llm,tensorboard]'.",
            name=error.name,
        ) from error


class TensorBoardLog:
    """Writes each line's numbers under KIND/FIELD, at the line's update.

    Args:
        out: the run folder.
        num_done: updates done; what an interrupted run told of later ones is dropped by whoever
            reads the files.
        metrics: metrics.jsonl up to there; its lines are written first where the folder is new.

    Raises:
        WriteRefusedError: the disk refuses.
    """

    def __init__(self, out: Path, num_done: int, metrics: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._folder = out / TENSORBOARD_FOLDER
        is_new = not self._folder.exists()
        with writing(self._folder):
            # An evaluation before the first update has step 0.
            purge_step = num_done + 1 if num_done > 0 else 0
            self._writer = SummaryWriter(str(self._folder), purge_step=purge_step)
        if is_new and num_done > 0:
            for line in read_json_lines(metrics):
                self.append(line)

    def append(self, line: Mapping[str, Any]) -> None:
        """Write one line.

        Args:
            line: fields of a metrics line.

        Raises:
            WriteRefusedError: the disk refuses.
        """
        with writing(self._folder):
            for name, value in line.items():
                if name not in ("kind", "update"):
                    self._writer.add_scalar(f"{line['kind']}/{name}", value, line["update"])

    def sync(self) -> None:
        """Bring what was written to the disk.

        Raises:
            WriteRefusedError: the disk refuses.
        """
        with writing(self._folder):
            self._writer.flush()

    def close(self) -> None:
        """Write the rest and close the file."""
        with writing(self._folder):
            self._writer.close()
