"""One run that many tests compare with, and one grading worker for the runs of a file."""

from contextlib import nullcontext

import pytest

from llm_bridge import train as train_module
from llm_bridge.rewards import Grader
from llm_bridge.train import train
from tests.llm_bridge.training import SMALL


@pytest.fixture(scope="session")
def uninterrupted(tmp_path_factory):
    return train(SMALL, tmp_path_factory.mktemp("runs") / "uninterrupted")


@pytest.fixture(scope="module")
def shared_grader():
    """One worker for all runs of a file: its start takes longer than most runs there."""
    with pytest.MonkeyPatch.context() as patch, Grader() as grader:
        patch.setattr(train_module, "make_run_grader", lambda _: nullcontext(grader))
        yield grader
