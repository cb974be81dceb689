"""Cost of very many touched arms, beside the time to copy their logits once.

Shapes: R runs, N touched arms of a run.
"""

import numpy as np

from banditlab.arm_spaces import rare_correct
from banditlab.lumped.slots import SlotTable
from banditlab.optimizers import SGD
from benchmarks.lumped import LumpedLoop
from benchmarks.rows import Row, Setting
from benchmarks.timing import Block, interleave, steady_block

NUM_TOUCHED = (16, 64, 256, 1_024, 4_096, 10_000)
_MOST_OVER_COPY = 4.0
_STEP_SIZE = 0.1
_OTHER_STEP_SIZES = (0.01, 1.0)


def copy_block(num_runs: int, num_touched: int, block_seconds: float) -> Block:
    """Read and write every logit once.

    Args:
        num_runs: R.
        num_touched: logits of a run, N.
        block_seconds: time of one block, seconds.

    Returns:
        Block, in seconds per logit.
    """
    source, target = np.ones((2, num_runs, num_touched))
    return steady_block(
        lambda: np.copyto(target, source),
        units=num_runs * num_touched,
        block_seconds=block_seconds,
    )


def measure(*, num_runs: int, num_rounds: int, block_seconds: float) -> list[Row]:
    """Time per touched arm and step with up to 1e4 touched arms in each run.

    Args:
        num_runs: R; 1e4 logits of each must not fit into the last cache together.
        num_rounds: interleaved rounds.
        block_seconds: time of one block, seconds.

    Returns:
        Rows.
    """
    settings = [(num_touched, _STEP_SIZE) for num_touched in NUM_TOUCHED]
    settings += [(NUM_TOUCHED[-1], step_size) for step_size in _OTHER_STEP_SIZES]
    rows = []
    for num_touched, step_size in settings:
        rows += _measure(num_touched, step_size, num_runs, num_rounds, block_seconds)
    return rows


def _measure(
    num_touched: int, step_size: float, num_runs: int, num_rounds: int, block_seconds: float
) -> list[Row]:
    loop = LumpedLoop(
        rare_correct(100, 0.99, num_touched),
        "raw_reward",
        num_runs=num_runs,
        group_size=8,
        step_size=step_size,
    )
    loop.touch_correct(num_touched)
    cost = interleave(
        {
            "step": steady_block(
                loop.advance, units=num_runs * num_touched, block_seconds=block_seconds
            ),
            "copy": copy_block(num_runs, num_touched, block_seconds / 4),
        },
        num_rounds,
    )
    case = f"raw reward, G = 8, step size {step_size:g}"
    setting = Setting("touched", case, "touched arms", num_touched)
    table = SlotTable(1, SGD(step_size), has_rewards=False, has_numbers=False)
    bound = _MOST_OVER_COPY if num_touched == NUM_TOUCHED[-1] else None
    return [
        setting.row("cost per run and step", "us", 1e6 * num_touched * cost["step"]),
        setting.row("per touched arm", "ns", 1e9 * cost["step"]),
        setting.row("copy of one logit", "ns", 1e9 * cost["copy"]),
        setting.row("over the copy", "ratio", cost["step"] / cost["copy"], at_most=bound),
        setting.row("copy bandwidth", "GB/s", 16e-9 / cost["copy"]),
        setting.row("memory per touched arm", "bytes", table.bytes_per_slot()),
    ]
