"""A small training run, and what two runs must agree in."""

from dataclasses import replace

import torch
from safetensors.torch import load_file

from llm_bridge.config import TrainConfig
from llm_bridge.metrics import is_timing, read_metrics

# Small enough for seconds, and with inner epochs and moments so that all state matters.
SMALL = TrainConfig(
    rule="clip",
    num_prompts=6,
    group_size=4,
    inner_epochs=2,
    optimizer="adamw",
    learning_rate=1e-3,
    num_updates=5,
    eval_every=3,
    eval_samples=16,
    take=16,
    eval_take=16,
    checkpoint_every=2,
    num_threads=1,
)

# All that an update may carry on: a multiplier, stale groups, a reference, a schedule.
CARRYING = replace(
    SMALL,
    rule="variance_penalty_dual",
    replay_groups=3,
    replay_max_age=3,
    minibatches=2,
    averaging="token_mean",
    level="token",
    reference={"estimator": "k3", "coefficient": 0.01, "place": "loss"},
    schedule="cosine",
    warmup_updates=1,
    weight_decay=0.01,
    max_gradient_norm=0.5,
)
REMEMBERING = replace(SMALL, rule="reward_history", num_prompts=8, hyper={"history": 6})


def lasting(folder):
    return [
        {name: value for name, value in line.items() if not is_timing(name)}
        for line in read_metrics(folder)
    ]


def weights(folder):
    return load_file(folder / "model" / "model.safetensors")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def assert_same_run(folder, other):
    assert lasting(folder) == lasting(other)
    samples = [(path / "samples.jsonl").read_bytes() for path in (folder, other)]
    assert samples[0] == samples[1]
    ours, theirs = weights(folder), weights(other)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
