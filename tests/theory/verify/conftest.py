"""Evidence for every claim of the catalogue at the quick budget, gathered once per session."""

import pytest

from banditlab.experiments.sweep import default_workers
from theory.verify import run
from theory.verify.catalogue import CLAIMS
from theory.verify.recorded import recorded_seconds


@pytest.fixture(scope="session")
def quick_evidence() -> dict[str, run.Evidence]:
    """Id of a claim -> its evidence with seed 0, as `banditlab verify` gathers it."""
    seconds = recorded_seconds("quick")
    order = sorted(range(len(CLAIMS)), key=lambda index: -seconds.get(CLAIMS[index].id, 1e9))
    gathered = run.gather_all(CLAIMS, order, "quick", seed=0, num_workers=default_workers())
    return {CLAIMS[index].id: evidence for index, evidence in gathered}
