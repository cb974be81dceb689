"""Curves of a study's cells from the calibration of its base model, and of two simple predictors.

Shapes: R simulated runs, S points of a curve.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from banditlab.config import SimulationConfig
from banditlab.metrics import record_steps
from banditlab.rules import UpdateRule, get_rule
from banditlab.shared_shift.law import KernelLaw
from banditlab.shared_shift.problem import SharedShiftProblem
from banditlab.simulate import simulate
from llm_bridge.forecast.calibration import Calibration
from llm_bridge.forecast.study import Study, StudyCell

PREDICTORS = {
    "drifting": "the kernel's law: it falls as the pass rate rises, as the probe found",
    "constant": "one measured number: the kernel of the base model, held",
    "no_change": "no kernel: endless arms, none of which moves another",
}
"""Predictors by name; the last two are what the first is measured against."""

BAND = (0.05, 0.95)
"""Quantiles that a band shows."""


@dataclass(frozen=True)
class Forecast:
    """Predicted curves of one cell.

    Attributes:
        cell: the configuration.
        predictor: a key of `PREDICTORS`.
        update: updates done, shape [S].
        train: pass rate over the prompts trained on, shape [R, S].
        target: pass rate over the target prompts, shape [R, S].
        ratio_variance: mean of (ratio - 1)^2 at the end of an update, shape [R, S].
        reason: why there is no curve: the simulation blew up; None otherwise.
    """

    cell: StudyCell
    predictor: str
    update: np.ndarray
    train: np.ndarray
    target: np.ndarray
    ratio_variance: np.ndarray
    reason: str | None = None

    def half_time(self) -> float:
        """Updates until the mean target curve has half of its gain; NaN where it gains nothing."""
        return half_time(self.update, self.target.mean(axis=0))


def half_time(update: np.ndarray, pass_rate: np.ndarray) -> float:
    """Updates until a curve first has half of its total gain, by linear interpolation.

    Args:
        update: ascending, shape [S].
        pass_rate: shape [S].

    Returns:
        Updates; NaN where the last value is not above the first.

    Examples:
        >>> half_time(np.array([0, 10, 20]), np.array([0.25, 0.5, 0.5]))
        5.0
    """
    half = (pass_rate[0] + pass_rate[-1]) / 2.0
    if not pass_rate[-1] > pass_rate[0]:
        return float("nan")
    after = int(np.argmax(pass_rate >= half))
    low, high = pass_rate[after - 1], pass_rate[after]
    share = (half - low) / (high - low)
    return float(update[after - 1] + share * (update[after] - update[after - 1]))


def cell_problem(
    calibration: Calibration, cell: StudyCell, predictor: str = "drifting"
) -> SharedShiftProblem:
    """The bandit problem of a cell.

    Args:
        calibration: numbers of the base model.
        cell: the configuration.
        predictor: "drifting" or "constant".

    Returns:
        The problem; its kernels are those of the cell's optimizer.

    Raises:
        ValueError: the cell's updates were not measured, though its optimizer asks for it.
    """
    law = calibration.kernel_law()
    base_kernel = calibration.points[0].kernel
    own_kernel, weight_square, exponents = calibration.own_kernel, None, (0.0, 0.0)
    if cell.optimizer == "adamw":
        batch = calibration.batch(cell.rule, cell.num_prompts, cell.group_size)
        law, base_kernel = KernelLaw(**batch.adam_law), batch.adam_kernels[0]
        own_kernel, weight_square = batch.adam_own_kernel, batch.weight_square
        exponents = calibration.score_exponents()
    if predictor == "constant":
        law, exponents = KernelLaw(base_kernel), (0.0, 0.0)
    train = calibration.train_pass_rates()
    rates = [train, calibration.target_pass_rates()] if calibration.is_heldout else [train]
    return SharedShiftProblem(
        pass_rate=np.concatenate(rates),
        law=law,
        num_train=len(train),
        own_kernel=own_kernel,
        base_weight_square=weight_square,
        right_score_exponent=exponents[0],
        wrong_score_exponent=exponents[1],
    )


def cell_settings(cell: StudyCell, *, num_runs: int, seed: int) -> SimulationConfig:
    """Settings of the simulation of a cell.

    Args:
        cell: the configuration.
        num_runs: R.
        seed: of the simulation.

    Returns:
        The settings: one round an update, one optimizer step an inner epoch.
    """
    return SimulationConfig(
        num_runs=num_runs,
        num_steps=cell.num_updates,
        group_size=cell.group_size,
        step_size=cell.learning_rate,
        batch_size=cell.num_prompts,
        batch_order="epochs",
        inner_epochs=cell.inner_epochs,
        optimizer="adam" if cell.optimizer == "adamw" else "sgd",
        record_every=_record_every(cell.eval_every),
        seed=seed,
        policy="shared_shift",
    )


def _record_every(eval_every: int) -> int:
    """A divisor of eval_every, about a fifth of it: each evaluation meets a simulated point."""
    return max(d for d in range(1, max(1, eval_every // 5) + 1) if eval_every % d == 0)


def predict_cell(
    calibration: Calibration,
    cell: StudyCell,
    predictor: str,
    *,
    num_runs: int,
    seed: int,
    rule: UpdateRule | None = None,
) -> Forecast:
    """Predict one cell.

    Args:
        calibration: numbers of the base model.
        cell: the configuration.
        predictor: a key of `PREDICTORS`.
        num_runs: simulated runs, R.
        seed: of the simulation.
        rule: the cell's rule; by default as it is registered.

    Returns:
        The curves; one that blew up says why and stays at its base values.
    """
    settings = cell_settings(cell, num_runs=num_runs, seed=seed)
    problem = cell_problem(calibration, cell, "constant" if predictor == "no_change" else predictor)
    num_train, reason = problem.num_train, None
    if predictor != "no_change":
        try:
            record = simulate(problem, rule or get_rule(cell.rule), settings)
        except FloatingPointError as error:
            reason = str(error)
        else:
            curves = record.curves
            return Forecast(
                cell,
                predictor,
                record.step,
                curves["pass_rate"],
                curves.get("heldout_pass_rate", curves["pass_rate"]),
                curves["ratio_variance"],
            )
    update = record_steps(settings.num_steps, settings.record_every, 0)
    shape = (num_runs, len(update))
    base = problem.pass_rate
    target = base[num_train:] if calibration.is_heldout else base
    return Forecast(
        cell,
        predictor,
        update,
        np.full(shape, base[:num_train].mean()),
        np.full(shape, target.mean()),
        np.zeros(shape),
        reason,
    )


def predict_study(
    study: Study,
    calibrations: Mapping[int | None, Calibration],
    *,
    num_runs: int = 200,
    seed: int = 0,
    predictors: tuple[str, ...] = tuple(PREDICTORS),
    num_workers: int = 1,
    on_forecast: Callable[[Forecast], Any] = lambda forecast: None,
) -> list[Forecast]:
    """Predict all cells of a study.

    Args:
        study: the cells.
        calibrations: of all prompts (None), and of each prompt that is trained on alone.
        num_runs: simulated runs of each cell.
        seed: of the simulations.
        predictors: keys of `PREDICTORS`.
        num_workers: processes at work side by side; the forecasts are the same.
        on_forecast: called after each.

    Returns:
        The forecasts, cell by cell.
    """
    jobs = (
        delayed(predict_cell)(calibrations[cell.row], cell, predictor, num_runs=num_runs, seed=seed)
        for cell in study.cells
        for predictor in predictors
    )
    forecasts = []
    for forecast in Parallel(n_jobs=num_workers, return_as="generator")(jobs):
        forecasts.append(forecast)
        on_forecast(forecast)
    return forecasts
