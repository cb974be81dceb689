"""How long a training run will take and how much memory it needs, from a throw-away update."""

import resource
import sys
import time
from dataclasses import dataclass, replace

from llm_bridge.config import TrainConfig
from llm_bridge.run import prepare_run, torch_threads
from llm_bridge.run_parts import make_run_grader
from llm_bridge.update import run_update

_PROBE_OPERATIONS = 1e12
_OPERATIONS_PER_TOKEN_AND_WEIGHT = 8.0


@dataclass(frozen=True)
class Estimate:
    """What a run costs on this machine.

    Attributes:
        num_parameters: weights of the model.
        seconds_per_update: measured on the probe, scaled to the whole update.
        seconds_total: updates and evaluations.
        memory_bytes: peak of this process during the probe; more if the probe left prompts out.
        probe_share: part of an update that the probe ran.
    """

    num_parameters: int
    seconds_per_update: float
    seconds_total: float
    memory_bytes: int
    probe_share: float


def peak_memory_bytes() -> int:
    """Largest memory this process has held so far.

    Returns:
        Bytes resident, over the life of the process.
    """
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def estimate_run(config: TrainConfig) -> Estimate:
    """Load everything, run two updates that are thrown away, and scale the second.

    A large model gets fewer prompts in the probe, so that it ends soon.

    Args:
        config: the configuration; all that is wrong with model or data is found here.

    Returns:
        The estimate; times are for this machine as busy as it is now.

    Raises:
        ValueError: as in `train`.
    """
    config = config.resolved()
    with torch_threads(config.num_threads), make_run_grader(config) as grader:
        run = prepare_run(config, grader)
        weights = sum(value.numel() for value in run.policy.model.parameters())
        operations = _OPERATIONS_PER_TOKEN_AND_WEIGHT * weights * config.max_new_tokens
        most_rows = _PROBE_OPERATIONS / (operations * config.inner_epochs)
        num_prompts = max(1, min(config.num_prompts, int(most_rows / config.num_drawn)))
        minibatches = min(config.minibatches, num_prompts * config.group_size)
        run.config = replace(config, num_prompts=num_prompts, minibatches=minibatches)
        # The first one also pays for what is set up once.
        run_update(run, 1)
        start = time.perf_counter()
        line = run_update(run, 2)
        elapsed = time.perf_counter() - start
    share = num_prompts / config.num_prompts
    rollout_rows = num_prompts * config.num_drawn
    seconds_per_sample = (line["seconds_rollout"] + line["seconds_grade"]) / rollout_rows
    num_evaluations = 1 + -(-config.num_updates // config.eval_every)
    samples = num_evaluations * config.eval_samples * len(run.eval_tasks)
    if config.eval_greedy:
        samples += num_evaluations * sum(len(task) for task in run.eval_tasks.values())
    per_update = elapsed / share
    return Estimate(
        num_parameters=weights,
        seconds_per_update=per_update,
        seconds_total=config.num_updates * per_update + samples * seconds_per_sample,
        memory_bytes=peak_memory_bytes(),
        probe_share=share,
    )
