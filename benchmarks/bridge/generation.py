"""Sampling: tokens a second beside `generate`, and beside what the machine could do.

Shapes: n rows.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from benchmarks.bridge.counts import Sizes, bytes_per_token, flops_per_token
from benchmarks.bridge.machine import cache_bytes, make_clock, measure_copy, measure_flops
from benchmarks.bridge.subject import Subject
from benchmarks.rows import Row, Setting
from benchmarks.timing import interleave
from llm_bridge import rollout as rollout_module
from llm_bridge.forward import HFDecoder
from llm_bridge.run_parts import load_run_policy, task_options
from llm_bridge.tasks import encode_prompts, load_task

GROUP_SIZE = 8
BOUND_ROWS = 256
LEAST_RATIO = 4.0


@dataclass
class Batch:
    """Prompts to sample from, each `GROUP_SIZE` times, and the draws of the last call.

    Attributes:
        policy: the model.
        prompts: token ids of each prompt.
        max_new_tokens: limit of a response.
        seed: of the next call; goes up with each.
        last: what our sampler drew last.
        tokens_last: tokens that were sampled in the last call, the end tokens included.
    """

    policy: Any
    prompts: list[list[int]]
    max_new_tokens: int
    seed: int = 0
    last: rollout_module.Rollout | None = None
    tokens_last: int = 0

    def sample(self) -> None:
        """Sample with our sampler, which also records log-probabilities."""
        policy = self.policy
        self.seed += 1
        device = next(policy.model.parameters()).device
        self.last = rollout_module.sample_rollouts(
            policy.model,
            self.prompts,
            group_size=GROUP_SIZE,
            max_new_tokens=self.max_new_tokens,
            eos_token_id=policy.eos_token_id,
            pad_token_id=policy.pad_token_id,
            generator=torch.Generator(device).manual_seed(self.seed),
        )
        self.tokens_last = int(self.last.mask.sum())

    def sample_generic(self) -> None:
        """Sample with our sampler around the model's own forward pass."""
        with patch.object(rollout_module, "make_decoder", lambda model, _: HFDecoder(model)):
            self.sample()

    @torch.no_grad()
    def generate(self) -> None:
        """Sample with the library's `generate`, which records nothing."""
        policy = self.policy
        self.seed += 1
        device = next(policy.model.parameters()).device
        tokens, mask = rollout_module.pad_prompts(self.prompts, policy.pad_token_id, device)
        torch.manual_seed(self.seed)
        out = policy.model.generate(
            input_ids=tokens.repeat_interleave(GROUP_SIZE, dim=0),
            attention_mask=mask.repeat_interleave(GROUP_SIZE, dim=0).long(),
            max_new_tokens=self.max_new_tokens,
            do_sample=True,
            top_k=0,
            top_p=1.0,
            temperature=1.0,
            eos_token_id=policy.eos_token_id,
            pad_token_id=policy.pad_token_id,
        )
        is_end = out[:, tokens.shape[1] :] == policy.eos_token_id
        self.tokens_last = int((is_end.long().cumsum(dim=1) - is_end.long() == 0).sum())

    def mean_context(self) -> float:
        """Mean number of tokens that a sampled token's attention looks at, by the last draws."""
        mask = self.last.mask
        before = self.last.prompt_mask.sum(dim=1)[:, None, None]
        context = before + mask.long().cumsum(dim=2)
        return float(context[mask].double().mean())


@contextmanager
def _forward_seconds(model: Any, now: Callable[[], float]) -> Iterator[list[float]]:
    """Time and rows of each forward pass while the block runs, as [seconds, rows, passes]."""
    found, starts = [0.0, 0.0, 0.0], []

    def before(*_: Any) -> None:
        starts.append(now())

    def after(_: Any, arguments: Any, named: dict[str, Any], output: Any) -> None:
        found[0] += now() - starts.pop()
        found[1] += len(output.logits)
        found[2] += 1

    hooks = [
        model.register_forward_pre_hook(before),
        model.register_forward_hook(after, with_kwargs=True),
    ]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def _explain_generate(
    batch: Batch, num_rows: int, name: str, now: Callable[[], float]
) -> list[Row]:
    """Where `generate` spends its time: in the forward pass, on rows that ended, and around it."""
    with _forward_seconds(batch.policy.model, now) as found:
        start = now()
        batch.generate()
        seconds = now() - start
    in_forward, rows, passes = found
    why = Setting("generation", f"{name}, generate alone", "rows", num_rows)
    return [
        why.row("in the forward pass", "share", in_forward / seconds),
        why.row("rows passed a token kept", "rows", rows / batch.tokens_last),
        why.row("a forward pass", "ms", 1e3 * in_forward / passes),
        why.row("around a forward pass", "ms", 1e3 * (seconds - in_forward) / passes),
    ]


def _time_draws(batch: Batch, num_rounds: int, now: Callable[[], float]) -> dict[str, np.ndarray]:
    """Seconds per token, name -> [num_rounds]."""

    def per_token(draw: Callable[[], None]) -> Callable[[], float]:
        def block() -> float:
            start = now()
            draw()
            return (now() - start) / batch.tokens_last

        # The first call of any shape is slow.
        block()
        return block

    draws = {"ours": batch.sample, "generic": batch.sample_generic, "generate": batch.generate}
    return interleave({name: per_token(draw) for name, draw in draws.items()}, num_rounds)


def measure(subject: Subject) -> list[Row]:
    """Measure sampling at each number of rows.

    Args:
        subject: the model.

    Returns:
        Rows of the section "generation".
    """
    config, name = subject.config, subject.name
    policy = load_run_policy(config)
    task = load_task(config.dataset, tokenizer=policy.tokenizer, **task_options(config))
    prompts = encode_prompts(task, policy.tokenizer)
    sizes, parameter = Sizes.of(policy.model.config), next(policy.model.parameters())
    dtype, itemsize = parameter.dtype, parameter.element_size()
    device, now, least = config.device, make_clock(config.device), subject.block_seconds
    machine = Setting("generation", f"{name}, the machine", "rows", BOUND_ROWS)
    peak = measure_flops(device, dtype, least)
    own = measure_flops(device, dtype, least, sizes.matrices)
    found = [
        machine.row("large matrix product", "GFLOP/s", peak / 1e9),
        machine.row("the model's matrices", "GFLOP/s", own / 1e9),
        machine.row("copy of 256 MiB", "GB/s", measure_copy(device, least) / 1e9),
    ]
    for num_rows in subject.generation_rows:
        batch = Batch(policy, prompts[: num_rows // GROUP_SIZE], config.max_new_tokens)
        cost = _time_draws(batch, subject.num_rounds, now)
        setting = Setting("generation", name, "rows", num_rows)
        ratio = cost["generate"] / cost["ours"]
        bound = LEAST_RATIO if subject.has_bounds and num_rows == BOUND_ROWS else None
        found += [
            setting.row("ours", "tokens/s", 1.0 / cost["ours"]),
            setting.row("ours, generic path", "tokens/s", 1.0 / cost["generic"]),
            setting.row("generate", "tokens/s", 1.0 / cost["generate"]),
            setting.row("ours over generate", "ratio", ratio, at_least=bound),
        ]
        batch.sample()
        context = batch.mean_context()
        flops = flops_per_token(sizes, context)
        traffic = bytes_per_token(sizes, context, num_rows, itemsize)
        # A cache that the processor's own memory holds is read faster than one that it does not.
        copied = measure_copy(device, least, cache_bytes(sizes, context, num_rows, itemsize))
        floor = Setting("generation", f"{name}, floor", "rows", num_rows)
        found += [
            floor.row("arithmetic a token", "MFLOP", flops / 1e6),
            floor.row("memory a token", "kB", traffic / 1e3),
            floor.row("copy as large as the cache", "GB/s", copied / 1e9),
            floor.row("arithmetic floor", "tokens/s", peak / flops),
            floor.row("memory floor", "tokens/s", copied / traffic),
            floor.row("ours over arithmetic floor", "share", flops / peak / cost["ours"]),
            floor.row("ours over memory floor", "share", traffic / copied / cost["ours"]),
        ]
        found += _explain_generate(batch, num_rows, name, now)
    return found
