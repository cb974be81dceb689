"""Cost of a step against the number of arms K, at a fixed number of touched arms, and as it grows.

Shapes: R runs, K arms, G group, N touched arms, C = 2 arm classes.
"""

from collections.abc import Callable

import numpy as np

from banditlab.arm_spaces import rare_correct
from banditlab.streams import RunStreams
from benchmarks.lumped import LumpedLoop
from benchmarks.rows import Row, Setting
from benchmarks.timing import interleave, largest_over_smallest, seconds, steady_block

LOG10_ARMS = (3, 6, 12, 100, 100_000)
_MOST_OVER_SIZES = 1.25
_NUM_TOUCHED = 64


def _floor(group_size: int, num_runs: int, num_touched: int) -> Callable[[], None]:
    """Uniforms and exps that one step cannot do without, per run."""
    streams = RunStreams(0, num_runs)
    logit = np.zeros((num_runs, 2 + num_touched))
    weight = np.empty_like(logit)

    def advance() -> None:
        streams.random((num_runs, 1, group_size, 2))
        np.exp(logit, out=weight)

    return advance


def measure_fixed(*, num_runs: int, num_rounds: int, block_seconds: float) -> list[Row]:
    """Cost at log10 K = 3 to 100,000 where the number of touched arms stays what it is.

    Under a raw reward of 0 or 1 a wrong arm is never moved, so only correct ones are touched.

    Args:
        num_runs: R.
        num_rounds: interleaved rounds.
        block_seconds: time of one block, seconds.

    Returns:
        Rows.
    """
    rows = []
    for group_size, num_correct in ((1, 1), (8, 1), (1, _NUM_TOUCHED), (8, _NUM_TOUCHED)):
        blocks = {}
        for log10_arms in LOG10_ARMS:
            problem = rare_correct(log10_arms, 0.5, num_correct)
            loop = LumpedLoop(problem, "raw_reward", num_runs=num_runs, group_size=group_size)
            if num_correct > 1:
                loop.touch_correct(num_correct)
            blocks[str(log10_arms)] = steady_block(
                loop.advance, units=num_runs, block_seconds=block_seconds
            )
        blocks["floor"] = steady_block(
            _floor(group_size, num_runs, num_correct if num_correct > 1 else 0),
            units=num_runs,
            block_seconds=block_seconds / 4,
        )
        cost = interleave(blocks, num_rounds)
        case = f"raw reward, G = {group_size}, {num_correct} touched"
        for log10_arms in LOG10_ARMS:
            here, setting = cost[str(log10_arms)], Setting("arms", case, "log10 K", log10_arms)
            rows += [
                setting.row("cost per run and step", "us", 1e6 * here),
                setting.row("over log10 K = 3", "ratio", here / cost["3"]),
                setting.row("over its uniforms and exps", "ratio", here / cost["floor"]),
            ]
        flatness = largest_over_smallest(np.stack([cost[str(x)] for x in LOG10_ARMS], axis=1))
        rows.append(
            Setting("arms", case, "largest log10 K", LOG10_ARMS[-1]).row(
                "largest over smallest", "ratio", flatness, at_most=_MOST_OVER_SIZES
            )
        )
    return rows


def measure_growth(*, num_runs: int, num_rounds: int, num_steps: int) -> list[Row]:
    """Cost against touched arms under rules that move wrong arms too.

    A wrong arm of a class of up to e^100 arms keeps its slot once it was moved, so that the cost
    grows with the steps; above, no arm is ever drawn twice and none keeps a slot.

    Args:
        num_runs: R.
        num_rounds: repetitions of the first steps, each with other seeds.
        num_steps: steps from the base policy, in four equal parts.

    Returns:
        Rows.
    """
    rows, part = [], max(1, num_steps // 4)
    cases = [(rule, x) for rule in ("group_mean", "grpo") for x in LOG10_ARMS]
    cost = {case: np.empty((num_rounds, 4)) for case in cases}
    touched = {case: np.empty((num_rounds, 4)) for case in cases}
    for repetition in range(num_rounds):
        for rule, log10_arms in cases:
            loop = LumpedLoop(
                rare_correct(log10_arms, 0.5),
                rule,
                num_runs=num_runs,
                group_size=8,
                seed=repetition,
            )
            for index in range(4):
                before = loop.touched()
                spent = seconds(lambda loop=loop: [loop.advance() for _ in range(part)])
                cost[rule, log10_arms][repetition, index] = spent / (part * num_runs)
                touched[rule, log10_arms][repetition, index] = 0.5 * (before + loop.touched())
    for rule, log10_arms in cases:
        for index in range(4):
            case = f"{rule}, G = 8, log10 K = {log10_arms}"
            setting = Setting("growth", case, "up to step", (index + 1) * part)
            rows += [
                setting.row("touched arms", "per run", touched[rule, log10_arms][:, index]),
                setting.row("cost per run and step", "us", 1e6 * cost[rule, log10_arms][:, index]),
            ]
    return rows
