"""Write a figure to its files, and draw again what a command left in its folder."""

import argparse
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from banditlab.files import write_atomically


def save_picture(figure: Any, stem: Path) -> list[Path]:
    """Write a figure as PNG and SVG, each whole or not at all; the same figure, the same bytes.

    Args:
        figure: the Matplotlib figure.
        stem: path without its ending.

    Returns:
        Paths of the files, the PNG first.

    Raises:
        OSError: the disk refuses.
    """
    paths = []
    for suffix, metadata in ((".png", {"Software": None}), (".svg", {"Date": None})):
        buffer = io.BytesIO()
        figure.savefig(buffer, format=suffix[1:], metadata=metadata)
        paths.append(stem.with_suffix(suffix))
        write_atomically(paths[-1], buffer.getvalue())
    return paths


def redraw(
    command: str, write_picture: Callable[[Path], list[Path]], argv: Sequence[str] | None = None
) -> int:
    """Draw again into the folders of a command, from the command line.

    Args:
        command: the command of banditlab that made the folders.
        write_picture: draws a finished folder and returns the files, the PNG first.
        argv: arguments; those of the process by default.

    Returns:
        Exit code.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m figures.{command}",
        description=f"Draw what banditlab {command} left into its folders again.",
        epilog=f"example: python -m figures.{command} runs/mine",
    )
    parser.add_argument("folder", type=Path, nargs="+", help=f"folder of banditlab {command}")
    for folder in parser.parse_args(argv).folder:
        print(write_picture(folder)[0])
    return 0
