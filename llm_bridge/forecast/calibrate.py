"""Calibration of a base model for a study: everything that its forecast needs, and no training.

Every step is kept in the run folder and reused by the same command.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from banditlab.records import claim_run_folder
from banditlab.rules import get_rule
from banditlab.validation import require, require_finite_number
from llm_bridge.config import TrainConfig
from llm_bridge.forecast.batches import mean_own_kernel, measure_batches
from llm_bridge.forecast.calibration import CALIBRATION_FILE, BatchStatistics, Calibration
from llm_bridge.forecast.calibration_files import calibration_folder, read_calibrations
from llm_bridge.forecast.inner_limits import largest_batch, limit_sizes, measure_inner_limits
from llm_bridge.forecast.law_fit import fit_law
from llm_bridge.forecast.measure import (
    NUM_BLOCKS,
    Sampler,
    require_memory,
)
from llm_bridge.forecast.probe import Place, num_score_responses, probe
from llm_bridge.forecast.responses import measure_responses
from llm_bridge.forecast.study import Study
from llm_bridge.graders import AnyGrader
from llm_bridge.run import torch_threads
from llm_bridge.run_parts import load_eval_task, load_run_policy, make_run_grader, task_options
from llm_bridge.tasks import load_task

_OWN_RESPONSES = 64
_RESPONSE_PROMPTS, _RESPONSE_SAMPLES = 8, 64
_BATCH_ROLLOUTS = 4096
_FEWEST_BATCHES, _MOST_BATCHES = 16, 512
_LIMIT_BATCHES = 16


def num_batches(num_prompts: int, group_size: int, num_rollouts: int = _BATCH_ROLLOUTS) -> int:
    """Updates that a configuration's statistics are taken from: fewer where they are larger.

    Args:
        num_prompts: prompts of an update.
        group_size: rollouts of a prompt.
        num_rollouts: rollouts wanted in all.

    Returns:
        Between 16 and 512.
    """
    return int(np.clip(num_rollouts // (num_prompts * group_size), _FEWEST_BATCHES, _MOST_BATCHES))


def planned_rollouts(study: Study, num_responses: int, num_steps: int) -> int:
    """About how many rollouts a calibration will draw, as far as the study alone tells.

    Args:
        study: the cells.
        num_responses: responses of each measurement of the kernel.
        num_steps: virtual steps.

    Returns:
        The number, prompts of each kind being as many as there are responses at the most.
    """
    total = 0
    for row in study.rows():
        shapes = {(c.rule, c.num_prompts, c.group_size) for c in study.of_row(row)}
        updates = sum(p * g * num_batches(p, g) for _, p, g in shapes)
        limits = sum(p * g * _LIMIT_BATCHES for p, g in limit_sizes(study.of_row(row)))
        num_kinds = 2 if row is None else 1
        at_a_place = num_kinds * num_responses + num_score_responses(num_responses)
        total += (num_steps + 1) * at_a_place + updates + limits
    return total


def calibrate_study(
    study: Study,
    out: Path,
    *,
    num_responses: int = 8192,
    num_steps: int = 4,
    shift: float = 0.25,
    seed: int = 0,
    tell: Callable[[str], Any] = lambda text: None,
    on_rollouts: Callable[[int], Any] = lambda count: None,
) -> dict[int | None, Calibration]:
    """Measure the base model of a study, once for all prompts and once for each lone prompt.

    Args:
        study: its model, data and cells.
        out: run folder; what is there already is read.
        num_responses: responses of each measurement of the kernel, to train and to target prompts.
        num_steps: virtual steps of the probe.
        shift: nats of each.
        seed: of the responses.
        tell: called with what is measured next.
        on_rollouts: called with the number of responses after each batch.

    Returns:
        The calibrations by row; each is written to its folder.

    Raises:
        ValueError: a size is out of range, the folder holds another calibration, there are no
            held-out prompts, or a kernel is lost in noise.
    """
    _require_sizes(num_responses, num_steps, shift)
    sizes = {"responses": num_responses, "probe_steps": num_steps, "probe_shift": shift}
    claim_run_folder(out, {"study": study.as_dict(), **sizes, "seed": seed}, "calibrate")
    config = study.cells[0].train_config(study, study.seed).resolved()
    with torch_threads(study.num_threads), make_run_grader(config) as grader:
        for row in study.rows():
            folder = calibration_folder(out, row)
            if (folder / CALIBRATION_FILE).exists():
                continue
            tell("all prompts" if row is None else f"prompt {row} alone")
            cell = study.of_row(row)[0].train_config(study, study.seed).resolved()
            found = _calibrate(study, cell, row, grader, sizes, seed, on_rollouts)
            folder.mkdir(parents=True, exist_ok=True)
            found.save(folder)
    return read_calibrations(study, out)


def _require_sizes(num_responses: int, num_steps: int, shift: float) -> None:
    """Refuse sizes before the run folder is claimed for them."""
    for name, value, low, remedy in (
        ("responses", num_responses, 2, "8192 find the kernel of the embedded model to 4 %"),
        ("probe_steps", num_steps, 0, "0 takes the kernel as constant"),
    ):
        require(value >= low, "calibrate", name, f"at least {low}", value, f"{remedy}")
    require_finite_number(
        "calibrate",
        "probe_shift",
        shift,
        low=0.0,
        is_low_open=True,
        remedy="A quarter of a nat shows the drift of the kernel without overshooting",
    )


def _calibrate(
    study: Study,
    config: TrainConfig,
    row: int | None,
    grader: AnyGrader,
    sizes: dict[str, Any],
    seed: int,
    on_rollouts: Callable[[int], Any],
) -> Calibration:
    start = time.perf_counter()
    policy = load_run_policy(config)
    # The blocks of every place, and single responses in double precision with their squares.
    num_blocks = 2 * NUM_BLOCKS * (sizes["probe_steps"] + 1)
    num_single = max(5 * _OWN_RESPONSES, 5 * _RESPONSE_SAMPLES, largest_batch(study.of_row(row)))
    require_memory(policy, num_blocks + num_single)
    train = load_task(config.dataset, tokenizer=policy.tokenizer, **task_options(config))
    target = load_eval_task(config, policy.tokenizer) if row is None else None
    require(
        row is not None or target is not None,
        "calibrate",
        "eval_dataset",
        "given where the dataset has no held-out rows",
        study.eval_dataset,
        "Name held-out rows in [study]",
    )
    generator = torch.Generator(config.device).manual_seed(seed)
    sampler = Sampler(policy, grader, config.max_new_tokens, generator, on_rollouts=on_rollouts)
    places = probe(
        sampler,
        train,
        target,
        num_responses=sizes["responses"],
        num_steps=sizes["probe_steps"],
        shift=sizes["probe_shift"],
    )
    fitted = fit_law(
        np.array([place.point.train_pass_rate for place in places]),
        np.array([place.point.kernel for place in places]),
        np.array([place.point.kernel_se for place in places]),
    )
    own_kernel = mean_own_kernel(sampler, train, _OWN_RESPONSES)
    batches = _all_batches(study, row, sampler, train, places, seed)
    responses = measure_responses(
        sampler,
        train,
        target,
        num_prompts=_RESPONSE_PROMPTS,
        num_samples=_RESPONSE_SAMPLES,
        seed=seed,
    )
    inner_limits = measure_inner_limits(
        sampler, train, study.of_row(row), num_batches=_LIMIT_BATCHES, seed=seed
    )
    base = places[0]
    return Calibration(
        settings={**study.model_settings(), "row": row, **sizes, "seed": seed},
        train_correct=base.train.num_correct.tolist(),
        target_correct=base.target.num_correct.tolist(),
        num_samples=base.train.num_samples,
        num_target_samples=base.target.num_samples,
        is_heldout=target is not None,
        points=[place.point for place in places],
        law=fitted.law.as_dict(),
        ceiling_misfit=fitted.ceiling_misfit,
        own_kernel=own_kernel,
        batches=batches,
        responses=responses,
        inner_limits=inner_limits,
        cost={"rollouts": sampler.num_rollouts, "seconds": time.perf_counter() - start},
    )


def _all_batches(
    study: Study, row: int | None, sampler: Sampler, train: Any, places: list[Place], seed: int
) -> list[BatchStatistics]:
    """Statistics of each rule and size once, whatever the learning rates."""
    wanted = {(cell.rule, cell.num_prompts, cell.group_size) for cell in study.of_row(row)}
    return [
        measure_batches(
            sampler,
            train,
            places,
            get_rule(rule),
            num_prompts=num_prompts,
            group_size=group_size,
            num_batches=num_batches(num_prompts, group_size),
            seed=seed,
        )
        for rule, num_prompts, group_size in sorted(wanted)
    ]
