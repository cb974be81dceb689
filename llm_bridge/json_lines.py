"""Files of one JSON object a line that grow with a run and are cut back when it goes on."""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from banditlab.files import writing
from banditlab.validation import requirement_error


class JsonLines:
    """Appends lines to a file; a checkpoint remembers how long the file was.

    Attributes:
        path: the file; it exists from the first line on.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def truncate(self, num_bytes: int) -> None:
        """Cut the file back to what a checkpoint vouches for.

        Args:
            num_bytes: length at the checkpoint; 0 begins anew.

        Raises:
            ValueError: the file is shorter than that.
            WriteRefusedError: the disk refuses.
        """
        length = self.path.stat().st_size if self.path.exists() else 0
        if length < num_bytes:
            raise requirement_error(
                "train",
                "out",
                f"a run folder whose {self.path.name} has at least {num_bytes} bytes",
                f"{self.path} with {length}",
                "The file was changed by hand; remove the folder and start again",
            )
        if length > num_bytes:
            # In place: on a disk that was full there may be no room for a copy.
            with writing(self.path):
                os.truncate(self.path, num_bytes)

    def append(self, line: Mapping[str, Any]) -> None:
        """Append one line.

        Args:
            line: fields; all numbers finite.

        Raises:
            FloatingPointError: a number is not finite.
            WriteRefusedError: the disk refuses.
        """
        broken = [
            name
            for name, value in line.items()
            if isinstance(value, float) and not math.isfinite(value)
        ]
        if broken:
            raise FloatingPointError(f"{', '.join(broken)} is not finite")
        with writing(self.path), self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def sync(self) -> int:
        """Bring the file to the disk.

        Returns:
            Its length in bytes, 0 where nothing was written.

        Raises:
            WriteRefusedError: the disk refuses.
        """
        if not self.path.exists():
            return 0
        with writing(self.path), self.path.open("rb") as file:
            os.fsync(file.fileno())
            return file.seek(0, os.SEEK_END)


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """Lines of a file.

    Args:
        path: the file.

    Returns:
        One dictionary a line, in order; a half-written last line is left out.
    """
    text = path.read_text()
    whole = text[: text.rfind("\n") + 1]
    return [json.loads(line) for line in whole.splitlines()]
