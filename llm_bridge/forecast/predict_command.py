"""The command `banditlab predict`: learning curves of rules before any of them is run.

Only the standard library is imported here; everything else loads inside the command.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from banditlab.command import Command
from llm_bridge.forecast.arguments import add_study_arguments, planned_study


def _add_arguments(parser: ArgumentParser) -> None:
    add_study_arguments(parser)
    known = parser.add_argument_group("what is known of the base model")
    known.add_argument(
        "--calibration",
        type=Path,
        metavar="DIR",
        default=Path("runs/calibration"),
        help="folder that banditlab calibrate wrote for the same study",
    )
    known.add_argument(
        "--pass-rates",
        type=Path,
        metavar="FILE",
        help="instead: a CSV of pass rates alone; the strength of the kernel is then unknown, and "
        "curves are drawn for each of --kernels",
    )
    known.add_argument(
        "--column", metavar="NAME", default="pass_rate", help="column of --pass-rates"
    )
    known.add_argument(
        "--kernels",
        metavar="A,B",
        default="5,15,45",
        help="strengths of the kernel, nats per unit of learning rate * coefficient",
    )
    how = parser.add_argument_group("simulation")
    how.add_argument(
        "--simulated-runs", type=int, metavar="R", default=200, help="seeds of each cell"
    )
    how.add_argument("--seed", type=int, metavar="N", default=0, help="seed of the simulation")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        default=Path("runs/forecast"),
        help="folder of table and picture",
    )


def _run(arguments: Namespace) -> int:
    study = planned_study(arguments, "predict")
    from banditlab.validation import require
    from llm_bridge.forecast.forecast import write_forecasts
    from llm_bridge.forecast.forecast_tables import forecast_table, ranking_table

    require(
        arguments.simulated_runs >= 2,
        "predict",
        "simulated_runs",
        "at least 2",
        arguments.simulated_runs,
        "A band needs a spread",
    )
    if arguments.pass_rates is not None:
        from llm_bridge.forecast.pass_rates import parse_kernels, plans_from_pass_rates

        kernels = parse_kernels(arguments.kernels)
        plans = plans_from_pass_rates(study, arguments.pass_rates, arguments.column, kernels)
        print(
            f"The kernel is unknown: each cell stands at the strengths {arguments.kernels}. "
            "Calibrate the model to know it."
        )
    else:
        from llm_bridge.forecast.calibration_files import read_calibrations

        plans = [(study, read_calibrations(study, arguments.calibration))]
    forecasts, paths = write_forecasts(
        plans, arguments.out, num_runs=arguments.simulated_runs, seed=arguments.seed
    )
    print(forecast_table(forecasts, plans))
    print()
    print(ranking_table(forecasts))
    print("\n".join(str(path) for path in paths))
    return 0


predict_command = Command(
    name="predict",
    summary="Predict learning curves of rules from a calibrated base model, and rank the rules.",
    example="banditlab predict --study examples/studies/embedded.toml "
    "--calibration runs/calibration --out runs/forecast",
    add_arguments=_add_arguments,
    run=_run,
)
