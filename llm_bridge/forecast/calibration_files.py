"""Where the calibrations of a study lie, and how they are read back, without torch."""

from pathlib import Path

from banditlab.validation import require
from llm_bridge.forecast.calibration import CALIBRATION_FILE, Calibration
from llm_bridge.forecast.study import Study


def calibration_folder(out: Path, row: int | None) -> Path:
    """Where the calibration of all prompts, or of one trained on alone, lies.

    Args:
        out: folder of the calibrations of a study.
        row: the prompt, or None.

    Returns:
        The folder.
    """
    return out / ("all-prompts" if row is None else f"row-{row}")


def read_calibrations(study: Study, out: Path) -> dict[int | None, Calibration]:
    """Read what `calibrate` wrote for a study.

    Args:
        study: the cells.
        out: the folder.

    Returns:
        The calibrations by row.

    Raises:
        ValueError: one is missing, or belongs to another model or other data.
    """
    found = {}
    for row in study.rows():
        folder = calibration_folder(out, row)
        require(
            (folder / CALIBRATION_FILE).exists(),
            "predict",
            "calibration",
            f"a folder with {folder.name}/{CALIBRATION_FILE}",
            f"{out.name}, which has none",
            "Run banditlab calibrate with the same study first",
        )
        found[row] = Calibration.load(folder)
        wanted = study.model_settings()
        differing = [name for name in wanted if found[row].settings[name] != wanted[name]]
        require(
            not differing,
            "predict",
            "calibration",
            f"of the study's {', '.join(differing)}",
            ", ".join(repr(found[row].settings[name]) for name in differing),
            "Calibrate the model that is planned, or name the one that was calibrated",
        )
    return found
