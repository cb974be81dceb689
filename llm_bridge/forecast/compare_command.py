"""What `banditlab compare --study` does: forecast, runs or logs, scoreboard."""

from argparse import Namespace

from banditlab.validation import require
from llm_bridge.forecast.calibration_files import read_calibrations
from llm_bridge.forecast.compare import compare_study
from llm_bridge.forecast.forecast import make_forecasts
from llm_bridge.forecast.forecast_tables import scores_table, summary_text
from llm_bridge.forecast.log import read_log
from llm_bridge.forecast.observed import ObservedPoint
from llm_bridge.forecast.study import Study, read_study

_SIMULATED_RUNS = 200


def points_of_logs(study: Study, arguments: Namespace) -> list[ObservedPoint]:
    """Training logs as runs of the study's only cell.

    Args:
        study: of one cell.
        arguments: of the command.

    Returns:
        The points; each log is cut at the end of the cell.

    Raises:
        ValueError: the study has several cells, or a log cannot be read.
    """
    require(
        len(study.cells) == 1,
        "compare",
        "log",
        "given with a study of one cell",
        f"{len(study.cells)} cells",
        "Keep the cell that describes the run",
    )
    cell = study.cells[0]
    split = "heldout" if cell.row is None else "train"
    points = []
    for seed, path in enumerate(arguments.log):
        updates, rates = read_log(
            path,
            update_column=arguments.log_update,
            pass_rate_column=arguments.log_pass_rate,
        )
        require(
            int(updates[-1]) >= cell.num_updates,
            "compare",
            "log",
            f"at least as long as the cell, {cell.num_updates} updates",
            f"{path.name}, which ends at {int(updates[-1])}",
            "Lower num_updates in the study",
        )
        points += [
            ObservedPoint(
                cell.name,
                cell.learning_rate,
                seed,
                split,
                int(update),
                float(rate),
                study.eval_samples,
            )
            for update, rate in zip(updates, rates, strict=True)
            if update <= cell.num_updates
        ]
    return points


def run_study_comparison(arguments: Namespace) -> int:
    """Predict a study, lay runs over it, and print the scoreboard.

    Args:
        arguments: of the command `compare`.

    Returns:
        Exit code.

    Raises:
        ValueError: arguments exclude each other, or do not fit the study.
    """
    require(
        arguments.runs is None or arguments.log is None,
        "compare",
        "runs",
        "left out where --log gives the runs",
        arguments.runs,
        "Read the one or the other",
    )
    study = read_study(arguments.study)
    if arguments.dry_run:
        num_runs = len(study.cells) * study.num_seeds
        num_updates = study.num_seeds * sum(cell.num_updates for cell in study.cells)
        print(f"{num_runs} runs of {num_updates} updates in all; nothing written")
        return 0
    calibrations = read_calibrations(study, arguments.calibration)
    forecasts = make_forecasts(study, calibrations, num_runs=_SIMULATED_RUNS, seed=0)
    logs = None if arguments.log is None else points_of_logs(study, arguments)
    board = compare_study(
        study,
        calibrations,
        forecasts,
        arguments.out,
        runs=arguments.runs,
        logs=logs,
        num_workers=arguments.workers,
    )
    print(scores_table(board.scores))
    print(summary_text(board.summary, board.pairs))
    print("\n".join(str(path) for path in board.paths))
    return 0
