"""The same updates by TRL's GRPOTrainer, step by step, so that others can be timed in between."""

import tempfile
import warnings
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from benchmarks.bridge.machine import both_clocks, seconds_since
from llm_bridge.config import TrainConfig
from llm_bridge.run import prepare_run
from llm_bridge.run_parts import make_run_grader

MISSING = (
    "bridge: TRL is missing, so that its updates are left out. "
    'Remedy: pip install -c constraints.txt -e ".[bench]".'
)


def trl_version() -> str | None:
    """Version of TRL, None where it is not installed."""
    try:
        return version("trl")
    except PackageNotFoundError:
        return None


def _arguments(config: TrainConfig, folder: str, num_updates: int) -> Any:
    from trl import GRPOConfig

    num_rollouts = config.num_prompts * config.group_size
    return GRPOConfig(
        output_dir=folder,
        per_device_train_batch_size=num_rollouts,
        num_generations=config.group_size,
        steps_per_generation=1,
        num_iterations=config.inner_epochs,
        max_completion_length=config.max_new_tokens,
        temperature=config.temperature,
        beta=0.0,
        # Our rule clip: group mean without its standard deviation, token level, token mean.
        scale_rewards="none",
        loss_type="dapo",
        epsilon=config.update_rule.hyper["clip_low"],
        epsilon_high=config.update_rule.hyper["clip_high"],
        learning_rate=config.learning_rate,
        lr_scheduler_type="constant",
        weight_decay=0.0,
        max_grad_norm=0.0,
        max_steps=num_updates * config.inner_epochs,
        # Whatever would cost it time and is not part of an update.
        gradient_checkpointing=False,
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        bf16=False,
        use_cpu=config.device == "cpu",
        seed=config.seed,
    )


def run_updates(
    config: TrainConfig, num_updates: int, after_update: Callable[[], None]
) -> tuple[list[tuple[float, float]], list[int]]:
    """Train by TRL, with a cached grader of its own.

    Args:
        config: the same updates as ours.
        num_updates: updates, each of all inner epochs.
        after_update: called after each; its time is not counted.

    Returns:
        Seconds of each update but the first, by the clock and of this process, and tokens sampled
        in each.
    """
    from datasets import Dataset
    from transformers import PrinterCallback, TrainerCallback
    from trl import GRPOTrainer

    seconds: list[tuple[float, float]] = []
    tokens: list[int] = []
    with make_run_grader(config) as grader, tempfile.TemporaryDirectory() as folder:
        run = prepare_run(config, grader)
        rows = Dataset.from_dict(
            {"prompt": list(run.task.prompts), "target": list(run.task.answers)}
        )

        def reward(completions: list[str], target: list[str], **more: Any) -> list[float]:
            tokens.append(sum(len(ids) for ids in more["completion_ids"]))
            return grader.grade(completions, target).tolist()

        class Stopwatch(TrainerCallback):
            num_steps = 0
            start: tuple[float, float] | None = None

            def on_step_end(self, *_: Any, **__: Any) -> None:
                self.num_steps += 1
                if self.num_steps % config.inner_epochs:
                    return
                if self.start is not None:
                    seconds.append(seconds_since(self.start))
                after_update()
                self.start = both_clocks()

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trainer = GRPOTrainer(
                model=run.policy.model,
                reward_funcs=reward,
                args=_arguments(config, folder, num_updates),
                train_dataset=rows,
                processing_class=run.policy.tokenizer,
                callbacks=[Stopwatch()],
            )
            trainer.remove_callback(PrinterCallback)
            trainer.train()
    return seconds, tokens
