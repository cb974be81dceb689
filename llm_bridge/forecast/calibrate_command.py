"""The command `banditlab calibrate`: measure a base model, so that its training can be predicted.

Only the standard library is imported here; everything else loads inside the command.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from banditlab.command import Command
from llm_bridge.forecast.arguments import add_study_arguments, planned_study


def _add_arguments(parser: ArgumentParser) -> None:
    add_study_arguments(parser)
    how = parser.add_argument_group("measurement")
    how.add_argument(
        "--responses",
        type=int,
        metavar="N",
        default=8192,
        help="responses to the prompts of each kind, at each place of the probe",
    )
    how.add_argument(
        "--probe-steps",
        type=int,
        metavar="N",
        default=4,
        help="virtual steps after which the kernel is measured again; 0 takes it as constant",
    )
    how.add_argument(
        "--probe-shift",
        type=float,
        metavar="NATS",
        default=0.25,
        help="by how much each should raise the log-odds; larger ones overshoot",
    )
    how.add_argument("--seed", type=int, metavar="N", default=0, help="seed of the responses")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        default=Path("runs/calibration"),
        help="folder of the calibrations; what is finished in it is reused",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar and no report")


def _run(arguments: Namespace) -> int:
    study = planned_study(arguments, "calibrate")
    from tqdm import tqdm

    from llm_bridge.forecast.calibrate import calibrate_study, planned_rollouts
    from llm_bridge.forecast.calibration_files import calibration_folder
    from llm_bridge.forecast.report import write_report

    sizes = {
        "num_responses": arguments.responses,
        "num_steps": arguments.probe_steps,
        "shift": arguments.probe_shift,
    }
    total = planned_rollouts(study, arguments.responses, arguments.probe_steps)
    with tqdm(
        total=total,
        unit="rollout",
        disable=True if arguments.quiet else None,
        desc="base model",
    ) as bar:
        calibrations = calibrate_study(
            study,
            arguments.out,
            **sizes,
            seed=arguments.seed,
            tell=lambda what: bar.set_description(f"base model, {what}"),
            on_rollouts=bar.update,
        )
    for row, calibration in calibrations.items():
        folder = calibration_folder(arguments.out, row)
        text, paths = write_report(study, calibration, folder)
        if not arguments.quiet:
            print(text)
            print("\n".join(str(path) for path in paths))
    return 0


calibrate_command = Command(
    name="calibrate",
    summary="Measure on a base model what foretells its training: pass rates, kernel, drift.",
    example="banditlab calibrate --rules raw_reward,grpo,clip --learning-rate 0.01 "
    "--inner-epochs 4 --out runs/calibration",
    add_arguments=_add_arguments,
    run=_run,
)
