"""Forecasts from a file of pass rates: one plan a strength, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from banditlab.arm_spaces import from_pass_rates
from banditlab.rules import get_rule
from banditlab.simulate import simulate
from llm_bridge.forecast.pass_rates import parse_kernels, plans_from_pass_rates
from llm_bridge.forecast.predict import cell_settings, predict_cell
from llm_bridge.forecast.study import Study
from tests.llm_bridge.forecast.made import ADAMW, ALONE, INNER, SGD

RATES = [0.0, 0.25, 0.5, 1.0]


@pytest.fixture
def path(tmp_path):
    (tmp_path / "rates.csv").write_text("prompt,pass_rate\n" + "".join(f"x,{r}\n" for r in RATES))
    return tmp_path / "rates.csv"


def test_each_strength_has_a_plan(path):
    study = Study(cells=(SGD, INNER))
    plans = plans_from_pass_rates(study, path, "pass_rate", [5.0, 15.0])
    assert [[cell.name for cell in study.cells] for study, _ in plans] == [
        ["mean, kernel 5", "clipped, kernel 5"],
        ["mean, kernel 15", "clipped, kernel 15"],
    ]
    # Strengths are ranked by themselves.
    assert {cell.comparison for study, _ in plans for cell in study.cells} == {
        "4x4 sgd, kernel 5",
        "4x4 sgd, kernel 15",
    }
    assert [found[None].law["kernel"] for _, found in plans] == [5.0, 15.0]


def test_the_forecast_is_the_bandit_of_these_rates(path):
    ((study, found),) = plans_from_pass_rates(Study(cells=(SGD,)), path, "pass_rate", [15.0])
    rates = found[None].train_pass_rates()
    # Rates of 0 and 1 are kept inside.
    np.testing.assert_allclose(rates, [1e-6, 0.25, 0.5, 1.0 - 1e-6], atol=2e-6)
    forecast = predict_cell(found[None], study.cells[0], "drifting", num_runs=2, seed=3)
    settings = replace(cell_settings(SGD, num_runs=2, seed=3), policy="lumped")
    bandit = from_pass_rates(rates, shared_kernel=15.0)
    expected = simulate(bandit, get_rule("group_mean"), settings).curves["pass_rate"]
    np.testing.assert_allclose(forecast.target, expected, rtol=1e-9)


@pytest.mark.parametrize("cell", [ADAMW, ALONE])
def test_what_needs_a_calibration_is_refused(path, cell):
    with pytest.raises(ValueError, match=f"optimizer sgd and all prompts alone, got.*{cell.name}"):
        plans_from_pass_rates(Study(cells=(SGD, cell)), path, "pass_rate", [5.0])


@pytest.mark.parametrize(
    "kernels", [[], [5.0, 0.0], [-1.0], [5.0, float("nan")], [float("inf")], [5.0, 5.0]]
)
def test_strengths_are_different_numbers_above_zero(path, kernels):
    with pytest.raises(ValueError, match="`kernels` must be one or more different numbers above 0"):
        plans_from_pass_rates(Study(cells=(SGD,)), path, "pass_rate", kernels)


@pytest.mark.parametrize("rate", ["1.5", "-0.1", "nan"])
def test_rates_lie_between_zero_and_one(path, rate):
    path.write_text(f"pass_rate\n0.5\n{rate}\n")
    with pytest.raises(ValueError, match=r"`pass_rates` must be a file of rates in \[0, 1\]"):
        plans_from_pass_rates(Study(cells=(SGD,)), path, "pass_rate", [5.0])


def test_words_are_no_strengths():
    assert parse_kernels("5,15.5") == [5.0, 15.5]
    with pytest.raises(ValueError, match="`kernels` must be numbers with commas between, got '5,a"):
        parse_kernels("5,a")
