"""A twin is the forecast of its training run, and refuses what it does not follow."""

import numpy as np
import pytest

from banditlab.experiments.experiment import Experiment
from banditlab.experiments.run import run_experiment
from llm_bridge.claims.curve import final
from llm_bridge.claims.effect import Interval
from llm_bridge.claims.sweep import simulate_curves, simulated_effect
from llm_bridge.claims.twins import calibration, embedded_problem, trained, twin
from llm_bridge.forecast.predict import predict_cell
from llm_bridge.forecast.study import StudyCell


@pytest.mark.parametrize(
    "settings",
    [
        {"rule": "clip", "learning_rate": 0.01, "inner_epochs": 4},
        {"rule": "grpo", "learning_rate": 3e-4, "optimizer": "adamw"},
        {"rule": "raw_reward", "learning_rate": 1e-3, "num_prompts": 1, "group_size": 1, "row": 11},
    ],
)
def test_a_twin_gives_the_curves_of_the_forecast(settings):
    cell = trained("cell", "a cell", num_updates=10, eval_every=5, **settings)
    tables = twin(cell, num_runs=3).experiment
    record, _ = run_experiment(Experiment.from_mapping(tables))
    study_cell = StudyCell("cell", num_updates=10, eval_every=5, **settings)
    forecast = predict_cell(
        calibration(cell.settings.get("row")), study_cell, "drifting", num_runs=3, seed=0
    )
    at = np.searchsorted(forecast.update, record.step)
    np.testing.assert_array_equal(record.curves["pass_rate"], forecast.train[:, at])


def test_hyperparameters_reach_the_twin():
    cell = trained(
        "cell", "a cell", rule="clip", hyper={"clip_high": 0.5}, num_updates=10, inner_epochs=4
    )
    assert twin(cell).experiment["rule"] == {"name": "clip", "clip_high": 0.5}


def test_settings_that_a_twin_cannot_follow_are_named():
    cell = trained("cell", "a cell", rule="clip", replay_groups=8)
    with pytest.raises(ValueError, match="replay_groups"):
        twin(cell)
    assert twin(cell, run={"rollout_ages": [0, 1]}).experiment["run"]["rollout_ages"] == [0, 1]


def test_a_stronger_kernel_learns_faster():
    def tables(factor):
        return {
            "problem": embedded_problem(kernel_factor=factor),
            "rule": {"name": "group_mean"},
            "optimizer": {"step_size": 0.01},
            "run": {"num_runs": 3, "num_steps": 5, "batch_size": 32, "record_every": 5},
        }

    effect = simulated_effect(tables(2.0), tables(1.0), final("heldout"))
    assert effect.low > 0.0
    alone = simulated_effect(tables(2.0), None, final("heldout"))
    values = [final("heldout").of_run(curve) for curve in simulate_curves(tables(2.0))]
    assert alone.value == pytest.approx(np.mean(values), rel=1e-12)
    same = simulated_effect(tables(2.0), tables(2.0), final("heldout"), paired=True)
    assert same == Interval(0.0, 0.0, 0.0)


def test_a_prompt_that_was_not_calibrated_has_a_remedy():
    with pytest.raises(ValueError, match="banditlab calibrate"):
        calibration(499)
