import sys
from dataclasses import replace

import pytest

from banditlab.cli import main
from llm_bridge import train as train_module
from llm_bridge.metrics import read_metrics
from llm_bridge.tensorboard_log import TENSORBOARD_FOLDER, require_tensorboard
from llm_bridge.train import train
from tests.llm_bridge.test_resume import Killed
from tests.llm_bridge.training import SMALL

pytestmark = pytest.mark.usefixtures("shared_grader")

SHORT = replace(SMALL, num_updates=4, eval_every=2, eval_samples=4, eval_take=2)


def scalars(out):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(out / TENSORBOARD_FOLDER)).Reload()
    return {
        name: [(event.step, event.value) for event in found.Scalars(name)]
        for name in found.Tags()["scalars"]
    }


def expected(out):
    """All numbers of metrics.jsonl; TensorBoard keeps them in float32."""
    found = {}
    for line in read_metrics(out):
        for name, value in line.items():
            if name not in ("kind", "update"):
                points = found.setdefault(f"{line['kind']}/{name}", [])
                points.append((line["update"], pytest.approx(value, rel=1e-6)))
    return found


def interrupted(out, monkeypatch, at_update, **options):
    original = train_module.run_update

    def end(run, update):
        if update == at_update:
            raise Killed
        return original(run, update)

    with monkeypatch.context() as patch:
        patch.setattr(train_module, "run_update", end)
        with pytest.raises(Killed):
            train(SHORT, out, **options)


def test_a_resumed_run_tells_every_update_once(tmp_path, monkeypatch):
    interrupted(tmp_path, monkeypatch, 4, tensorboard=True)
    told = scalars(tmp_path)["update/reward_mean"]
    assert [step for step, _ in told] == [1, 2, 3], "update 3 comes after the checkpoint"
    train(SHORT, tmp_path, tensorboard=True)
    assert scalars(tmp_path) == expected(tmp_path)


def test_without_purging_updates_would_be_told_twice(tmp_path, monkeypatch):
    from torch.utils import tensorboard

    original = tensorboard.SummaryWriter
    monkeypatch.setattr(tensorboard, "SummaryWriter", lambda folder, purge_step: original(folder))
    interrupted(tmp_path, monkeypatch, 4, tensorboard=True)
    train(SHORT, tmp_path, tensorboard=True)
    told = scalars(tmp_path)["update/reward_mean"]
    assert [step for step, _ in told] == [1, 2, 3, 3, 4]


def test_a_run_that_takes_it_up_later_tells_what_was_before(tmp_path, monkeypatch):
    interrupted(tmp_path, monkeypatch, 4)
    assert not (tmp_path / TENSORBOARD_FOLDER).exists()
    train(SHORT, tmp_path, tensorboard=True)
    assert scalars(tmp_path) == expected(tmp_path)


def test_without_the_library_the_extra_is_named_before_anything_loads(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ModuleNotFoundError, match=r"^train: `tensorboard` needs .*llm,tensorboard"):
        require_tensorboard()
    monkeypatch.setattr(train_module, "prepare_run", None)
    assert main(["train", "--tensorboard", "--out", str(tmp_path / "run")]) == 2
    assert capsys.readouterr().err == (
        'banditlab: tensorboard is not installed. Remedy: pip install "banditlab[tensorboard]".\n'
    )
    assert not (tmp_path / "run").exists()
