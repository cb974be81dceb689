"""The small card, run once."""

import pytest

from llm_bridge.claims.run import run_card
from tests.llm_bridge.claims.made import MADE_CARD


@pytest.fixture(scope="package")
def made_runs(tmp_path_factory):
    """Folder of the runs of the small card."""
    out = tmp_path_factory.mktemp("claims")
    run_card(MADE_CARD, out, num_workers=1)
    return out
