"""A claim of one's own: `banditlab verify --from examples/claim.py`.

The statement: from a policy with pass rate .3, a round of one rollout raises the log-odds of the
correct arm of two by step_size * (1 - p) * kernel with probability p, kernel = 2, and otherwise
leaves them. So the mean rise is step_size * p * (1 - p) * 2.
"""

import numpy as np
from scipy.special import logit

from banditlab.arm_spaces import rare_correct
from banditlab.config import SimulationConfig
from banditlab.rules import get_rule
from banditlab.simulate import simulate
from theory.verify.claim import Claim, Mutant
from theory.verify.measurement import Measurement

PASS_RATE, STEP_SIZE = 0.3, 0.5


def predicted_rise(kernel: float = 2.0) -> float:
    """Mean rise of the log-odds in one round: step_size * p * (1 - p) * kernel.

    Assumes:
        Reward 1 for the correct arm and 0 for the others, one rollout.

    Derivation:
        With probability p the correct arm is drawn, and a score of 1 - p moves the log-odds by
        step_size * (1 - p) * kernel.
    """
    return STEP_SIZE * PASS_RATE * (1.0 - PASS_RATE) * kernel


def measure_rise(rng: np.random.Generator, num_runs: int) -> Measurement:
    """Rise of the log-odds in one round, over independent runs."""
    config = SimulationConfig(
        num_runs=num_runs,
        num_steps=1,
        group_size=1,
        step_size=STEP_SIZE,
        seed=int(rng.integers(2**31)),
    )
    record = simulate(rare_correct(0, PASS_RATE), get_rule("raw_reward"), config)
    return Measurement.mean_of_runs(np.diff(logit(record.curves["pass_rate"])))


CLAIMS = (
    Claim(
        id="X1-rise",
        what="mean rise of the log-odds in one round",
        statement="E[z' - z] = step_size * p * (1 - p) * kernel, kernel = 2 for two arms",
        tags=("X1", "example", "sampled", "raw_reward"),
        source="the example of docs/verify.md",
        theory=(predicted_rise,),
        predicted=predicted_rise,
        experiment=measure_rise,
        mutants=(Mutant("kernel 1, as among many wrong arms", lambda: predicted_rise(1.0)),),
        statistic="z",
        size={"quick": 4_000, "full": 100_000},
    ),
)
