"""A natural step on banditlab's policy moves the drawn logit alone."""

import numpy as np

from theory.verify.experiments.committal import (
    importance_weighted,
    measure_commitments,
    measure_moves,
    softmax_gradient,
    unweighted,
    value_baselined,
)

LOG_ODDS = np.array([-2.0, 0.0, 1.5])
PROB = 1.0 / (1.0 + np.exp(-LOG_ODDS))
REWARD = (1.0, 0.8)


def test_moves_are_step_times_gain():
    for gain, first, second in (
        (importance_weighted, 1.0 / PROB, -0.8 / (1.0 - PROB)),
        (unweighted, np.ones(3), np.full(3, -0.8)),
        (value_baselined, 0.2 * (1.0 - PROB) / PROB, 0.2 * PROB / (1.0 - PROB)),
        (softmax_gradient, 2.0 * (1.0 - PROB), -1.6 * PROB),
    ):
        found = measure_moves(gain, REWARD, LOG_ODDS, 0.5).value
        np.testing.assert_allclose(found, 0.5 * np.concatenate([first, second]), rtol=1e-12)


def test_commitments_share_out_all_runs():
    found = measure_commitments(
        np.random.default_rng(0), unweighted, REWARD, step_size=3.0, num_rounds=10, num_runs=50
    )
    assert found.value.sum() == 1.0
    assert found.num_samples == 50
