"""Copy the results of a finished comparison to `figures/`, where the README shows them.

`python -m figures.ship runs/compare` takes table, scoreboard and manifest of a run folder, of the
grid or of a study, and draws the pictures again from them.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from banditlab.files import write_atomically
from banditlab.validation import require
from figures.compare import write_pictures
from figures.study import draw_study, read_forecast
from figures.tables import read_table

_FILES = {
    "compare.csv": "compare.csv",
    "scoreboard.csv": "scoreboard.csv",
    "manifest.json": "compare.manifest.json",
}
_STUDY_FILES = {
    "forecast.csv": "study_forecast.csv",
    "study.csv": "study.csv",
    "scores.csv": "study_scores.csv",
    "pairs.csv": "study_pairs.csv",
    "summary.json": "study_summary.json",
    "manifest.json": "study.manifest.json",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Ship the results of a run folder.

    Args:
        argv: arguments; those of the process by default.

    Returns:
        Exit code.

    Raises:
        ValueError: the folder holds no finished comparison.
    """
    parser = argparse.ArgumentParser(
        prog="python -m figures.ship",
        description="Copy table, scoreboard and manifest of a finished comparison and draw it.",
        epilog="example: python -m figures.ship runs/compare",
    )
    parser.add_argument("run", type=Path, help="run folder of `banditlab compare`")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="where to")
    arguments = parser.parse_args(argv)
    is_study = (arguments.run / "forecast.csv").exists()
    files = _STUDY_FILES if is_study else _FILES
    missing = [name for name in files if not (arguments.run / name).exists()]
    require(
        not missing,
        "figures.ship",
        "run",
        "the folder of a finished comparison",
        f"{arguments.run} without {', '.join(missing)}",
        "Run banditlab compare to its end first",
    )
    data = arguments.out / "data"
    data.mkdir(parents=True, exist_ok=True)
    for source, target in files.items():
        write_atomically(data / target, (arguments.run / source).read_bytes())
    if is_study:
        from llm_bridge.forecast.observed import curves_by_cell, read_points

        curves = curves_by_cell(read_points(data / "study.csv"))
        paths = draw_study(
            read_forecast(data / "study_forecast.csv"), curves, arguments.out / "study"
        )
    else:
        paths = write_pictures(read_table(data / "compare.csv"), arguments.out)
    for path in paths:
        print(path)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
