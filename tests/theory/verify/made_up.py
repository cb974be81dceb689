"""Claims made up for tests of the machinery."""

import numpy as np

from theory.verify.claim import Claim, Mutant
from theory.verify.measurement import Measurement


def made_up_claim(measured: float, mutant: float, **changes) -> Claim:
    """An exact claim that something is 1, to within .1."""
    values = {
        "id": "P0-made-up",
        "what": "a constant",
        "statement": "it is 1",
        "tags": ("P0",),
        "source": "made up",
        "theory": (),
        "predicted": lambda: 1.0,
        "experiment": lambda rng, size: Measurement.exact(measured),
        "mutants": (Mutant("another constant", lambda: mutant),),
        "statistic": "difference",
        "tolerance": 0.1,
        "mutant_tolerance": 1.0,
    }
    return Claim(**{**values, **changes})


def sampled_claim(mean: float = 1.0, num_runs: int = 400, **changes) -> Claim:
    """A claim that the mean of normal numbers around `mean` is 1."""

    def experiment(rng: np.random.Generator, size: int) -> Measurement:
        return Measurement.mean_of_runs(mean + 0.1 * rng.standard_normal(size))

    values = {
        "statistic": "z",
        "tolerance": 0.0,
        "mutant_tolerance": 8.0,
        "size": {"quick": num_runs, "full": 4 * num_runs},
        "experiment": experiment,
    }
    return made_up_claim(1.0, 2.0, **{**values, **changes})
