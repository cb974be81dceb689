"""Forecasts written as one table and one picture."""

import numpy as np

from figures.study import read_forecast
from llm_bridge.forecast.forecast import write_forecasts
from llm_bridge.forecast.predict import predict_cell
from tests.llm_bridge.forecast.made import CALIBRATION, CALIBRATIONS, SGD, STUDY


def test_table_and_picture_are_written(tmp_path):
    forecasts, paths = write_forecasts(
        [(STUDY, CALIBRATIONS)], tmp_path / "out", num_runs=2, seed=5
    )
    assert [path.name for path in paths] == ["forecast.png", "forecast.svg", "forecast.csv"]
    assert all(path.stat().st_size > 0 for path in paths)
    assert len(forecasts) == 3 * len(STUDY.cells)
    rows = read_forecast(paths[-1])
    expected = predict_cell(CALIBRATION, SGD, "drifting", num_runs=2, seed=5)
    mine = [row for row in rows if (row.cell, row.predictor) == ("mean", "drifting")]
    assert [row.update for row in mine] == expected.update.tolist()
    found = [row.pass_rate for row in mine]
    np.testing.assert_allclose(found, expected.target.mean(axis=0), rtol=1e-5)
    assert all(row.low <= row.high for row in mine)
    # SGD has a closed form without inner epochs; clip with them, AdamW has none.
    theory = {row.cell for row in rows if row.predictor == "theory"}
    assert theory == {"mean", "alone"}
