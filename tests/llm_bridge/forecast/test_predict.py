"""Predicted curves: the two simple predictors exactly, the drifting one in its limits."""

from dataclasses import replace

import numpy as np
import pytest

from banditlab.arm_spaces import from_pass_rates
from banditlab.rules import get_rule
from banditlab.shared_shift.law import KernelLaw
from banditlab.simulate import simulate
from llm_bridge.forecast import predict
from llm_bridge.forecast.predict import (
    PREDICTORS,
    cell_problem,
    cell_settings,
    half_time,
    predict_cell,
    predict_study,
)
from tests.llm_bridge.forecast.made import (
    ADAM,
    ADAMW,
    ALONE,
    CALIBRATION,
    CALIBRATIONS,
    INNER,
    LONE,
    SGD,
    STUDY,
    forecast_of,
)

HOW = {"num_runs": 3, "seed": 7}


def test_no_change_stays_where_the_base_model_is():
    found = predict_cell(CALIBRATION, INNER, "no_change", **HOW)
    assert found.update.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    assert found.target.shape == found.train.shape == (3, 13)
    assert (found.target == CALIBRATION.target_pass_rates().mean()).all()
    assert (found.train == CALIBRATION.train_pass_rates().mean()).all()
    assert found.reason is None
    assert np.isnan(found.half_time())


def test_constant_is_the_bandit_of_the_pass_rates():
    """Without inner epochs the own kernel plays no part, and the lumped policy says the same."""
    found = predict_cell(CALIBRATION, SGD, "constant", **HOW)
    bandit = from_pass_rates(
        CALIBRATION.train_pass_rates(), CALIBRATION.target_pass_rates(), shared_kernel=12.0
    )
    settings = replace(cell_settings(SGD, **HOW), policy="lumped")
    record = simulate(bandit, get_rule("group_mean"), settings)
    np.testing.assert_allclose(found.train, record.curves["pass_rate"], rtol=1e-10)
    np.testing.assert_allclose(found.target, record.curves["heldout_pass_rate"], rtol=1e-10)
    drifting = predict_cell(CALIBRATION, SGD, "drifting", **HOW)
    assert np.abs(drifting.target - found.target)[:, -1].min() > 1e-3


def test_a_ceiling_far_above_is_a_constant_kernel():
    constant = predict_cell(CALIBRATION, SGD, "constant", **HOW).target
    gaps = [
        np.abs(
            predict_cell(
                replace(CALIBRATION, law={**CALIBRATION.law, "ceiling": ceiling}),
                SGD,
                "drifting",
                **HOW,
            ).target
            - constant
        ).max()
        for ceiling in (1e4, 1e6)
    ]
    assert gaps[0] < 1e-4
    # The gap is of first order in 1 / ceiling.
    assert gaps[0] / gaps[1] == pytest.approx(100.0, rel=0.05)


def test_the_drifting_kernel_learns_less_than_the_constant_one():
    finals = {
        name: predict_cell(CALIBRATION, SGD, name, num_runs=8, seed=0).target[:, -1].mean()
        for name in PREDICTORS
    }
    assert finals["no_change"] < finals["drifting"] < finals["constant"]


def test_adamw_s_root_follows_the_measured_scores():
    points = [
        replace(point, right_score_square=90.0 / rate**1.5, wrong_score_square=7.0 * rate)
        for point, rate in zip(CALIBRATION.points, (0.3, 0.4, 0.5), strict=True)
    ]
    calibration = replace(CALIBRATION, points=points)
    problem = cell_problem(calibration, ADAMW)
    assert problem.right_score_exponent == pytest.approx(1.5, rel=1e-10)
    assert problem.wrong_score_exponent == pytest.approx(-1.0, rel=1e-10)
    # SGD has no root, and the simple predictor is one number.
    assert cell_problem(calibration, SGD).right_score_exponent == 0.0
    assert cell_problem(calibration, ADAMW, "constant").right_score_exponent == 0.0


def test_adamw_has_kernels_of_its_own():
    problem = cell_problem(CALIBRATION, ADAMW)
    assert problem.law == KernelLaw(900.0, "power", 0.3, exponent=1.5)
    assert problem.own_kernel == 5000.0
    assert problem.base_weight_square == 0.75
    assert cell_problem(CALIBRATION, ADAMW, "constant").law == KernelLaw(900.0)
    assert cell_settings(ADAMW, **HOW).optimizer == "adam"
    # Without measured scores they are held.
    assert (problem.right_score_exponent, problem.wrong_score_exponent) == (0.0, 0.0)
    plain = cell_problem(CALIBRATION, SGD)
    assert plain.law == CALIBRATION.kernel_law()
    assert (plain.own_kernel, plain.base_weight_square) == (600.0, None)
    assert cell_problem(CALIBRATION, SGD, "constant").law == KernelLaw(12.0)
    with pytest.raises(ValueError, match="must be one of grpo 4x4, got clip 4x4"):
        cell_problem(CALIBRATION, replace(ADAMW, rule="clip"))


def test_adam_s_law_moves_the_curve():
    found = predict_cell(CALIBRATION, ADAMW, "drifting", **HOW)
    other = replace(CALIBRATION, batches=[replace(ADAM, adam_law={"kernel": 900.0})])
    assert (found.target != predict_cell(other, ADAMW, "drifting", **HOW).target).any()
    # The law of SGD is not looked at.
    other = replace(CALIBRATION, law={"kernel": 1.0}, own_kernel=0.0)
    np.testing.assert_array_equal(
        found.target, predict_cell(other, ADAMW, "drifting", **HOW).target
    )


def test_a_prompt_alone_is_its_own_target():
    found = predict_cell(LONE, ALONE, "drifting", **HOW)
    np.testing.assert_array_equal(found.train, found.target)
    assert found.target[:, 0].tolist() == pytest.approx([7.5 / 21] * 3)


def test_settings_are_those_of_the_cell():
    settings = cell_settings(INNER, **HOW)
    assert (settings.num_steps, settings.group_size, settings.batch_size) == (12, 4, 4)
    assert (settings.step_size, settings.inner_epochs, settings.optimizer) == (0.05, 2, "sgd")
    assert (settings.batch_order, settings.policy, settings.seed) == ("epochs", "shared_shift", 7)


@pytest.mark.parametrize(
    ("eval_every", "expected"), [(1, 1), (4, 1), (7, 1), (10, 2), (12, 2), (15, 3), (25, 5)]
)
def test_every_evaluation_meets_a_simulated_point(eval_every, expected):
    assert predict._record_every(eval_every) == expected


def test_half_time_is_found_between_points():
    update = np.array([0, 10, 20])
    assert half_time(update, np.array([0.2, 0.3, 0.6])) == pytest.approx(10.0 + 10.0 / 3.0)
    assert half_time(update, np.array([0.2, 0.4, 0.6])) == pytest.approx(10.0)
    # The first crossing counts, also of a curve that comes back.
    assert half_time(update, np.array([0.2, 0.8, 0.6])) == pytest.approx(10.0 / 3.0)
    assert np.isnan(half_time(update, np.array([0.5, 0.9, 0.5])))
    forecast = forecast_of([[0.2, 0.2, 0.4, 0.4], [0.2, 0.4, 0.4, 0.6]])
    assert forecast.half_time() == pytest.approx(4.0 + 4.0 * 0.05 / 0.1)


def test_a_simulation_that_blows_up_says_why(monkeypatch):
    def blow_up(*words):
        raise FloatingPointError("a ratio of exp(900)")

    monkeypatch.setattr(predict, "simulate", blow_up)
    found = predict_cell(CALIBRATION, SGD, "drifting", **HOW)
    assert found.reason == "a ratio of exp(900)"
    assert (found.target == CALIBRATION.target_pass_rates().mean()).all()


def test_ratios_without_a_clip_do_blow_up():
    wild = replace(INNER, rule="group_mean", learning_rate=1e4, inner_epochs=8)
    found = predict_cell(CALIBRATION, wild, "drifting", **HOW)
    assert found.reason is not None
    assert np.isfinite(found.target).all()


def test_a_study_is_predicted_cell_by_cell():
    told = []
    found = predict_study(STUDY, CALIBRATIONS, num_runs=2, seed=1, on_forecast=told.append)
    assert told == found
    pairs = [(forecast.cell, forecast.predictor) for forecast in found]
    assert pairs == [(cell, name) for cell in STUDY.cells for name in PREDICTORS]
    alone = predict_cell(LONE, ALONE, "drifting", num_runs=2, seed=1)
    np.testing.assert_array_equal(found[9].target, alone.target)


def test_two_processes_give_the_same_forecasts():
    alone, together = (
        predict_study(STUDY, CALIBRATIONS, num_runs=3, predictors=("drifting",), num_workers=count)
        for count in (1, 2)
    )
    assert [forecast.cell.name for forecast in together] == [cell.name for cell in STUDY.cells]
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.target, other.target)
