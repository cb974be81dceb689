"""Evaluations of a training run, with samples of their own."""

import time
from typing import Any

import numpy as np

from llm_bridge.evaluate import Recorder, evaluate
from llm_bridge.metrics import describe_evaluation
from llm_bridge.rollout import Rollout
from llm_bridge.run import EVALUATION, Run, make_generator, samples_per_prompt


def _recorder(run: Run, update: int, split: str) -> Recorder:
    """Keeps a few responses of an evaluation for samples.jsonl."""

    def record(first: int, rollout: Rollout, _: list[str], reward: np.ndarray) -> None:
        questions = range(first, first + len(reward))
        what = {"kind": "evaluation", "update": update, "split": split}
        run.samples.add(run.eval_tasks[split], questions, rollout, reward, **what)

    return record


def run_evaluation(run: Run, update: int) -> dict[str, Any]:
    """Evaluate the policy as it is, on training and held-out prompts, with samples of its own.

    Args:
        run: not changed.
        update: updates done.

    Returns:
        The evaluation's metrics line.
    """
    start = time.perf_counter()
    line: dict[str, Any] = {"kind": "evaluation", "update": update}
    config = run.config
    generator = make_generator(config, EVALUATION, update)
    options = {
        "max_new_tokens": config.max_new_tokens,
        "generator": generator,
        "grader": run.grader,
        "processes": run.processes,
    }
    for prefix, task in run.eval_tasks.items():
        evaluation = evaluate(
            run.policy,
            task,
            num_samples_per_prompt=samples_per_prompt(config, task),
            temperature=config.temperature,
            top_k=config.eval_top_k,
            top_p=config.eval_top_p,
            record=_recorder(run, update, prefix),
            **options,
        )
        line |= describe_evaluation(evaluation, prefix, config.pass_at)
        if config.eval_greedy:
            # Nothing is drawn, so the samples are the same with it and without.
            greedy = evaluate(
                run.policy, task, num_samples_per_prompt=1, temperature=0.0, **options
            )
            line |= describe_evaluation(greedy, f"{prefix}_greedy", (1,))
    return {**line, "seconds_evaluation": time.perf_counter() - start}
