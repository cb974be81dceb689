"""One run that many tests compare with, and one grading worker for all of them."""

from contextlib import nullcontext

import pytest

from llm_bridge import train as train_module
from llm_bridge.rewards import Grader
from llm_bridge.train import train
from tests.llm_bridge.training import SMALL


@pytest.fixture(scope="session")
def grading_worker():
    """One worker for all runs: its start takes longer than most of them."""
    with Grader() as grader:
        yield grader


@pytest.fixture(scope="session")
def uninterrupted(tmp_path_factory, grading_worker):
    return train(SMALL, tmp_path_factory.mktemp("runs") / "uninterrupted", grader=grading_worker)


@pytest.fixture(scope="module")
def shared_grader(grading_worker):
    """Runs of a file grade with it, unless they bring their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_module, "make_run_grader", lambda _: nullcontext(grading_worker))
        yield grading_worker
