"""The path of a lone success is that of one round with as many inner epochs."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from banditlab.advantages import raw
from banditlab.arm_spaces import rare_correct
from banditlab.lumped.policy import LumpedSoftmax
from banditlab.optimizers import SGD
from banditlab.rounds import step
from banditlab.rules import get_rule
from theory.verify.experiments.penalty_overshoot import log_ratios


@pytest.mark.parametrize("name", ["variance_penalty", "clip"])
def test_path_is_that_of_inner_epochs(name):
    rule = replace(get_rule(name), advantage=raw)
    path = list(islice(log_ratios(rule, 0.3), 5))
    for num_epochs in (1, 5):
        policy = LumpedSoftmax(rare_correct(100_000.0, 1e-15), 1, SGD(0.3), takes_arms=True)
        outcome = step(
            policy,
            rule,
            np.zeros((1, 1), dtype=np.int64),
            group_size=1,
            inner_epochs=num_epochs,
            arms=np.zeros((1, 1, 1), dtype=np.int64),
        )
        assert path[num_epochs - 1] == pytest.approx(outcome.log_ratio.item(), abs=1e-14)
