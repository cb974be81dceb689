"""The report of a calibration: text, picture, and the bandit problems that can be simulated.

Torch is not needed here.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from banditlab.files import write_atomically
from banditlab.rules import get_rule
from llm_bridge.forecast.calibration import Calibration
from llm_bridge.forecast.inner_rounds import RUNAWAY_GROWTH
from llm_bridge.forecast.predict import cell_problem, cell_settings
from llm_bridge.forecast.study import Study, StudyCell
from llm_bridge.pass_at_k import estimate_pass_at_k

REPORT_FILE = "report.txt"
_SIMULATED_RUNS = 200
_WANTED_ERROR = 0.05


def report(calibration: Calibration) -> str:
    """Say in words and tables what was measured.

    Args:
        calibration: the measurement.

    Returns:
        Text of several lines.
    """
    base, law = calibration.points[0], calibration.law
    row = calibration.settings.get("row")
    what = "all prompts" if row is None else f"prompt {row}, trained on alone"
    parts = [
        f"{calibration.settings['model']}: {what}",
        f"{calibration.cost['rollouts']:.0f} rollouts, {calibration.cost['seconds']:.0f} s, "
        "no training",
        "",
        _pass_rates(calibration),
        "",
        "Shared kernel, nats of log-odds per unit of learning rate * coefficient, at the base "
        "model and after virtual steps along its own gradient:",
        _points(calibration),
        "",
        _law_in_words(law, calibration.ceiling_misfit),
        f"Its standard error is {base.kernel_se / base.kernel:.1%} of it; for 5 % take "
        f"--responses {_needed(calibration)}.",
        f"A step on a response moves its own log-prob {calibration.own_kernel / base.kernel:.0f} "
        f"times as much ({calibration.own_kernel:.4g}).",
        "",
        "Updates of each configuration on the base model:",
        _batches(calibration),
    ]
    if calibration.inner_limits:
        parts += ["", _inner_limits(calibration)]
    if calibration.responses:
        parts += ["", _responses(calibration.responses)]
    return "\n".join(parts)


def _needed(calibration: Calibration) -> int:
    """Responses of each kind for a standard error of 5 %, since it falls as their root."""
    base = calibration.points[0]
    drawn = len(calibration.train_correct) * calibration.num_samples
    return math.ceil(drawn * (base.kernel_se / base.kernel / _WANTED_ERROR) ** 2)


def _pass_rates(calibration: Calibration) -> str:
    lines = []
    kinds = [("trained on", calibration.train_correct, calibration.num_samples)]
    if calibration.is_heldout:
        kinds.append(("held out", calibration.target_correct, calibration.num_target_samples))
    for kind, correct, num_samples in kinds:
        counts = np.array(correct)
        share = counts / num_samples
        interval = estimate_pass_at_k(counts, np.full(len(counts), num_samples), 1)
        lines.append(
            f"Pass rate of the {len(share)} prompts {kind}, {num_samples} responses each: "
            f"{share.mean():.4f} (95 % interval {interval.low:.4f} to {interval.high:.4f}); "
            "quantiles over prompts 0/10/50/90/100 %: "
            + "/".join(f"{q:.2f}" for q in np.quantile(share, (0, 0.1, 0.5, 0.9, 1)))
        )
    return "\n".join(lines)


def _points(calibration: Calibration) -> str:
    rows = [
        (
            place,
            point.train_pass_rate,
            point.target_pass_rate,
            f"{point.kernel:.2f} +- {point.kernel_se:.2f}",
            "-" if point.cosine is None else f"{point.cosine:.2f}",
            point.entropy,
            point.mean_length,
            point.right_score_square,
            point.wrong_score_square,
        )
        for place, point in enumerate(calibration.points)
    ]
    headers = ("step", "train", "target", "kernel", "cosine", "entropy, nats", "tokens")
    headers += ("|score|^2 right", "wrong")
    return tabulate(rows, headers=headers, floatfmt=".3f", disable_numparse=False)


def _law_in_words(law: dict[str, Any], misfit: float | None) -> str:
    if law["form"] == "ceiling":
        text = (
            f"The kernel falls along a straight line from {law['kernel']:.2f} to 0 at a pass rate "
            f"of {law['ceiling']:.3f}: the ceiling law"
        )
    elif law["form"] == "power":
        text = (
            f"The kernel falls from {law['kernel']:.2f} as pass_rate^-{law['exponent']:.2f}: the "
            "power law"
        )
    else:
        text = f"The kernel is taken as constant, {law['kernel']:.2f}"
    return text + (
        "." if misfit is None else f" (a straight line misses the points by {misfit:.1f} SE)."
    )


def _batches(calibration: Calibration) -> str:
    rows = [
        (
            f"{batch.rule} {batch.num_prompts}x{batch.group_size}",
            batch.signal_to_noise,
            batch.share_without_signal,
            batch.adam_kernels[0],
            batch.adam_kernels[-1] / batch.adam_kernels[0],
            batch.adam_own_kernel,
        )
        for batch in calibration.batches
    ]
    headers = (
        "configuration",
        "signal^2/noise",
        "share of groups\nwithout signal",
        "kernel\nunder AdamW",
        "share left at\nthe probe's end",
        "own kernel\nunder AdamW",
    )
    return tabulate(rows, headers=headers, floatfmt=".4g")


def _inner_limits(calibration: Calibration) -> str:
    rows = [
        (
            f"{limit.rule} {limit.num_prompts}x{limit.group_size}, {limit.inner_epochs} epochs",
            *(limit.rate_of_share(share) for share in (0.0, 0.25, 0.5)),
        )
        for limit in calibration.inner_limits
    ]
    headers = ("configuration", "first update", "over a quarter", "over half")
    text = tabulate(rows, headers=headers, floatfmt=".3g", missingval="never")
    count = len(calibration.inner_limits[0].rates)
    return (
        f"Learning rates from which inner epochs of SGD run away, on {count} updates of the base "
        f"model (a later step more than {RUNAWAY_GROWTH:g} times as long as the first):\n{text}"
    )


def _responses(found: dict[str, Any]) -> str:
    rows = [(name.replace("_", " "), value) for name, value in found["classes"].items()]
    text = (
        f"Responses of {found['num_prompts']} prompts, {found['num_samples']} draws each "
        "(mean over prompts):\n" + tabulate(rows, floatfmt=".4g")
    )
    kernel = [
        (name, one["mean"], f"{one['low']:.4g} to {one['high']:.4g}", one["num_pairs"])
        for name, one in found["kernel"].items()
        if one is not None
    ]
    headers = ("a step on the one moves the other", "nats", "95 % over prompts", "pairs")
    return text + "\n\n" + tabulate(kernel, headers=headers, floatfmt=".4g")


def experiment_toml(calibration: Calibration, cell: StudyCell) -> str:
    """An experiment file of one cell, for `banditlab simulate`.

    Args:
        calibration: numbers of the base model.
        cell: the configuration.

    Returns:
        The file's text.
    """
    problem = cell_problem(calibration, cell)
    settings = cell_settings(cell, num_runs=_SIMULATED_RUNS, seed=0)
    law = problem.law.as_dict()
    rule = get_rule(cell.rule)
    heldout = problem.pass_rate[problem.num_train :]
    lines = [
        f"# {cell.name}: the forecast of the calibrated model",
        "",
        "[problem]",
        'kind = "shared_shift"',
        *(f"{name} = {_toml(value)}" for name, value in law.items()),
        f"own_kernel = {problem.own_kernel!r}",
    ]
    if problem.base_weight_square is not None:
        lines.append(f"base_weight_square = {problem.base_weight_square!r}")
        lines.append(f"right_score_exponent = {problem.right_score_exponent!r}")
        lines.append(f"wrong_score_exponent = {problem.wrong_score_exponent!r}")
    lines.append(f"train_pass_rates = {_toml(problem.pass_rate[: problem.num_train].tolist())}")
    if heldout.size:
        lines.append(f"heldout_pass_rates = {_toml(heldout.tolist())}")
    lines += ["", "[rule]", f'name = "{rule.name}"', "", "[optimizer]"]
    lines += [f'name = "{settings.optimizer}"', f"step_size = {settings.step_size!r}", "", "[run]"]
    names = ("num_runs", "num_steps", "batch_size", "batch_order", "group_size", "inner_epochs")
    lines += [f"{name} = {_toml(getattr(settings, name))}" for name in (*names, "record_every")]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, list):
        # To the last digit: a rounded pass rate would now and then turn a response over.
        return "[" + ", ".join(map(repr, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def write_report(study: Study, calibration: Calibration, folder: Path) -> tuple[str, list[Path]]:
    """Write the report, its picture, and one experiment file a cell.

    Args:
        study: the cells.
        calibration: of all prompts, or of one.
        folder: that of the calibration.

    Returns:
        The report, and the files beside it.
    """
    text = report(calibration)
    write_atomically(folder / REPORT_FILE, text + "\n")
    paths = []
    for cell in study.of_row(calibration.settings.get("row")):
        path = folder / f"{cell.name}.toml"
        write_atomically(path, experiment_toml(calibration, cell))
        paths.append(path)
    try:
        from figures.calibration import draw_calibration
    except ModuleNotFoundError:
        return text, paths
    return text, [*draw_calibration(calibration, folder / "kernel"), *paths]
