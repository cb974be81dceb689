"""Where the time of an update goes, measured inside it, and what it saves to share prompts."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from benchmarks.bridge.machine import make_clock
from benchmarks.bridge.subject import Subject
from benchmarks.rows import Row, Setting
from benchmarks.timing import interleave
from llm_bridge import surrogate, update
from llm_bridge.forward import RolloutPart, token_log_prob
from llm_bridge.run import Run, choose_prompts, prepare_run
from llm_bridge.run_parts import make_run_grader

PHASES = ("generation", "grading", "log-probs", "backward", "step")
_NUM_WARM_UP = 3


@contextmanager
def _stopwatch(run: Run, now: Callable[[], float]) -> Iterator[dict[str, float]]:
    """Add up the time of each phase while the block runs."""
    spent = dict.fromkeys(PHASES, 0.0)
    places = {
        "generation": (update, "_roll_out"),
        "grading": (update, "_grade"),
        "log-probs": (surrogate, "token_log_prob"),
        "backward": (torch.Tensor, "backward"),
        "step": (update, "clip_gradient"),
    }

    def timed(phase: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            start = now()
            try:
                return work(*arguments, **named)
            finally:
                spent[phase] += now() - start

        return call

    def add_step(sign: float) -> Callable[..., None]:
        def hook(*_: Any) -> None:
            spent["step"] += sign * now()

        return hook

    with ExitStack() as stack:
        for phase, (owner, name) in places.items():
            stack.enter_context(patch.object(owner, name, timed(phase, getattr(owner, name))))
        # The schedule has put its own counter around the optimizer's method.
        for hook in (
            run.optimizer.register_step_pre_hook(add_step(-1.0)),
            run.optimizer.register_step_post_hook(add_step(1.0)),
        ):
            stack.callback(hook.remove)
        yield spent


def _unshared(part: RolloutPart) -> RolloutPart:
    """The same rows, each with a prompt of its own."""
    return RolloutPart(
        prompt_tokens=part.prompt_tokens[part.prompt_of_row],
        prompt_mask=part.prompt_mask[part.prompt_of_row],
        prompt_of_row=torch.arange(len(part.mask), device=part.mask.device),
        response_tokens=part.response_tokens,
        mask=part.mask,
    )


def _measure_sharing(run: Run, setting: Setting, num_rounds: int, now: Any) -> list[Row]:
    """Forward and backward pass over 8 groups, their prompts read once a group or once a row."""
    questions = choose_prompts(run.config, len(run.task), 1)[:8]
    rollout = update._roll_out(run, 1, questions)
    part = rollout.part(torch.arange(rollout.mask[..., 0].numel(), device=rollout.mask.device))

    def seconds(part: RolloutPart) -> Callable[[], float]:
        def block() -> float:
            start = now()
            token_log_prob(run.policy.model, part).sum().backward()
            run.optimizer.zero_grad()
            return now() - start

        return block

    blocks = {"shared": seconds(part), "unshared": seconds(_unshared(part))}
    for block in blocks.values():
        block()
    cost = interleave(blocks, num_rounds)
    return [
        setting.row("prompts read once a group", "ms", 1e3 * cost["shared"]),
        setting.row("once a row", "ms", 1e3 * cost["unshared"]),
        setting.row("once a row over once a group", "ratio", cost["unshared"] / cost["shared"]),
    ]


def measure(subject: Subject) -> list[Row]:
    """Measure the phases of an update of the first shape.

    Args:
        subject: the model.

    Returns:
        Rows of the section "phases". On a CPU the times are processor time of this process; what
        the grading worker does for answers that it has not met is part of "updates" alone.
    """
    config = subject.config_of(*subject.updates[0])
    now = make_clock(config.device)
    found: dict[str, list[float]] = {name: [] for name in (*PHASES, "all else", "update")}
    with make_run_grader(config) as grader:
        run = prepare_run(config, grader)
        for number in range(1, subject.num_rounds + _NUM_WARM_UP + 1):
            with _stopwatch(run, now) as spent:
                start = now()
                update.run_update(run, number)
                whole = now() - start
            parts = spent | {"all else": whole - sum(spent.values()), "update": whole}
            for name, value in parts.items():
                found[name].append(value)
        shape = f"{subject.name}, {config.num_prompts} x {config.group_size}"
        setting = Setting("phases", shape, "inner epochs", config.inner_epochs)
        samples = {name: np.array(value[_NUM_WARM_UP:]) for name, value in found.items()}
        rows = [setting.row(name, "ms", 1e3 * value) for name, value in samples.items()]
        shares = Setting("phases", f"{shape}, shares", "inner epochs", config.inner_epochs)
        rows += [
            shares.row(name, "share", samples[name] / samples["update"])
            for name in (*PHASES, "all else")
        ]
        sharing = Setting("phases", f"{subject.name}, 8 groups", "group size", config.group_size)
        rows += _measure_sharing(run, sharing, subject.num_rounds, now)
    return rows
