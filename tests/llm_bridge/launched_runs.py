"""Runs that `test_parallel.py` compares: by two processes, as this program, and by one.

accelerate launch --multi_gpu --num_processes 2 -m tests.llm_bridge.launched_runs FOLDER
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from banditlab.cli import main as banditlab
from banditlab.files import WriteRefusedError
from llm_bridge import rollout, surrogate, update
from llm_bridge import train as train_module
from llm_bridge.config import TrainConfig
from llm_bridge.launch import find_processes
from llm_bridge.memory import RuleMemory
from llm_bridge.parallel import ALONE, Launched
from llm_bridge.train import train
from tests.banditlab.test_files import largest_file
from tests.llm_bridge.by_hand import OddsGrader

# Seven groups of three, so that no share is like another and groups are torn.
_BASE = TrainConfig(
    num_prompts=7,
    group_size=3,
    inner_epochs=2,
    num_updates=2,
    eval_samples=4,
    max_new_tokens=16,
    take=16,
    checkpoint_every=1,
    num_threads=1,
)
CONFIGS = {
    "clip": replace(_BASE, rule="clip", level="token", averaging="token_mean", learning_rate=1.0),
    "batch": replace(
        _BASE,
        rule="batch_standardized",
        averaging="sequence_mean",
        learning_rate=0.5,
        max_gradient_norm=0.2,
    ),
    "dual": replace(
        _BASE,
        rule="variance_penalty_dual",
        level="sequence_geometric",
        averaging="constant_length",
        learning_rate=10.0,
        reference={"estimator": "k3", "coefficient": 0.05, "place": "loss"},
    ),
    "replay": replace(
        _BASE,
        rule="running_mean",
        learning_rate=0.0003,
        num_updates=3,
        replay_groups=5,
        minibatches=10,
        reference={"estimator": "k1", "coefficient": 0.05, "place": "reward"},
    ),
}
COMMAND = "train --grader mark --updates 2 --eval-samples 4 --prompts 2 --group-size 2 --threads 1"
COMMAND += " --checkpoint-every 1 --keep-checkpoints 1 --tensorboard"


class Killed(BaseException):
    """Stands for the end of the process."""


def run(name: str, folder: Path) -> Path:
    """The run of a configuration, whoever runs it; its cache has room for three prompts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rollout, "_CACHE_BYTES", 2**19)
        return train(CONFIGS[name], folder, grader=OddsGrader(), progress=False)


@contextmanager
def own_means(patch: pytest.MonkeyPatch, index: int) -> Iterator[None]:
    """Each process averages over its own rows, and the mean of the means is taken."""
    whole, add = surrogate.accumulate_gradient, Launched.sum_gradients

    def on_own_rows(*arguments, rows, processes, **options):
        own = processes.own_rows(len(arguments[1].mask.flatten(0, 1)), rows)
        return whole(*arguments, rows=own, processes=ALONE, **options)

    def mean(self, parameters):
        parameters = list(parameters)
        add(self, parameters)
        for value in parameters:
            value.grad = value.grad / self.count

    patch.setattr(update, "accumulate_gradient", on_own_rows)
    patch.setattr(Launched, "sum_gradients", mean)
    yield


@contextmanager
def own_baselines(patch: pytest.MonkeyPatch, index: int) -> Iterator[None]:
    """Each process computes the advantages of its own prompts."""
    whole, processes = RuleMemory.advantage, find_processes("cpu")

    def on_own_prompts(self, rule, reward, questions):
        own = slice(processes.share(len(reward)).start, processes.share(len(reward)).stop)
        advantage = np.zeros_like(reward)
        advantage[own] = whole(self, rule, reward[own], questions[own])
        return processes.joined(torch.from_numpy(advantage)).numpy()

    patch.setattr(RuleMemory, "advantage", on_own_prompts)
    yield


@contextmanager
def own_gradients(patch: pytest.MonkeyPatch, index: int) -> Iterator[None]:
    """Gradients are not summed."""
    patch.setattr(Launched, "sum_gradients", lambda *_: None)
    yield


@contextmanager
def own_draws(patch: pytest.MonkeyPatch, index: int) -> Iterator[None]:
    """Each process draws numbers for its own rows alone, one after the other."""
    whole = rollout.draw_uniform

    def later(shape, generator):
        whole((index,), generator)
        return whole(shape, generator)

    patch.setattr(rollout, "draw_uniform", later)
    yield


@contextmanager
def blow_up_on_one(patch: pytest.MonkeyPatch, index: int) -> Iterator[None]:
    """The second process alone meets a log-probability that is not finite."""
    whole = surrogate.token_log_prob
    if index == 1:
        patch.setattr(surrogate, "token_log_prob", lambda *a, **o: whole(*a, **o) * np.inf)
    yield


@contextmanager
def end_in_between(patch: pytest.MonkeyPatch, index: int) -> Iterator[None]:
    """All processes end in the second update, behind a checkpoint."""
    whole = train_module.run_update

    def end(run, number):
        if number == 2:
            raise Killed("in the second update")
        return whole(run, number)

    patch.setattr(train_module, "run_update", end)
    yield


@contextmanager
def full_disk(patch: pytest.MonkeyPatch, index: int) -> Iterator[None]:
    """The kernel refuses the second checkpoint, which the main process writes."""
    whole = train_module.save_checkpoint

    def save(out, number, state, **options):
        with largest_file(10_000 if number == 2 else 2**40):
            whole(out, number, state, **options)

    patch.setattr(train_module, "save_checkpoint", save)
    yield


BROKEN = {
    "own_means": ("clip", own_means),
    "own_baselines": ("batch", own_baselines),
    "own_gradients": ("clip", own_gradients),
    "own_draws": ("batch", own_draws),
    "blow_up_on_one": ("clip", blow_up_on_one),
    "end_in_between": ("dual", end_in_between),
    "full_disk": ("batch", full_disk),
}
# What goes on to its end, once nothing is in its way.
CONTINUED = ("end_in_between", "full_disk")


def compare_trl(folder: Path) -> list[float]:
    """Distances of the gradients of two processes under TRL from ours on the rollouts of both."""
    from accelerate.utils import gather_object

    from tests.llm_bridge.trl_batches import Comparison, make_trainer

    trainer = make_trainer(folder, "clip", "token", "token_mean", learning_rate=1.0)
    comparison = Comparison(trainer, gather=gather_object)
    trainer.train()
    return comparison.own_pass


def main(folder: Path) -> None:
    """Run all configurations, whole and broken; what stops a process is written down."""
    index = find_processes("cpu").index
    for name in CONFIGS:
        run(name, folder / name)
    for name, (config, broken) in BROKEN.items():
        try:
            with pytest.MonkeyPatch.context() as patch, broken(patch, index):
                run(config, folder / name)
        except (RuntimeError, FloatingPointError, WriteRefusedError, Killed) as error:
            (folder / f"{name}-{index}.txt").write_text(f"{type(error).__name__}: {error}")
            if index == 0:
                (folder / f"{name}-files.txt").write_text(
                    "\n".join(path.name for path in (folder / name).iterdir())
                )
    for name in CONTINUED:
        run(BROKEN[name][0], folder / name)
    code = banditlab([*COMMAND.split(), "--out", str(folder / "command")])
    (folder / f"command-{index}.txt").write_text(str(code))
    if find_spec("trl") is not None:
        (folder / f"trl-{index}.txt").write_text(" ".join(map(str, compare_trl(folder / "trl"))))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
