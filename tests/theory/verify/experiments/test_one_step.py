"""One step: the sum over groups and drawn groups agree."""

import numpy as np

from banditlab.rules import get_rule
from theory.verify.experiments.one_step import mean_pass_rate_after, measure_drawn_pass_rates


def test_enumerated_and_drawn_groups_agree():
    # |z| < 4: false alarm rate 6e-5.
    rule = get_rule("grpo")
    exact = mean_pass_rate_after(rule, -1.0, step_size=3.0, group_size=4)
    drawn = measure_drawn_pass_rates(np.random.default_rng(7), [(rule, -1.0, 3.0, 4)], 4000)
    assert abs(drawn.value[0] - exact) < 4.0 * drawn.standard_error[0]
    # Twice the step is far away on the same draws.
    wrong = mean_pass_rate_after(rule, -1.0, step_size=6.0, group_size=4)
    assert abs(drawn.value[0] - wrong) > 8.0 * drawn.standard_error[0]
