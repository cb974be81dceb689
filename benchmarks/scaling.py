"""How the cost of a step scales with runs, group, classes and prompts.

Shapes: R runs, P prompts (contexts), B prompts of a batch, C arm classes, G group.
"""

import numpy as np

from banditlab.arm_spaces import from_pass_rates, rare_correct, zipf
from banditlab.problems import BanditProblem
from benchmarks.lumped import LumpedLoop
from benchmarks.rows import Row, Setting
from benchmarks.timing import interleave, steady_block

_LOG10_ARMS = 100
_LARGEST_BATCH = 32
_RUNS = (10, 100, 1_000, 10_000)
_GROUPS = (1, 4, 16, 64, 256)
_CLASSES = (2, 8, 16, 32, 64)
_PROMPTS = (1, 4, 32, 256, 1024)


def tabular_prompts(num_prompts: int) -> BanditProblem:
    """Prompts without a kernel, each with one correct arm and a pass rate of its own.

    Args:
        num_prompts: P.

    Returns:
        The problem.
    """
    one = rare_correct(_LOG10_ARMS, 0.5)
    pass_rate = np.linspace(0.1, 0.9, num_prompts)
    return BanditProblem(
        log_count=np.repeat(one.log_count, num_prompts, axis=0),
        log_mass=np.log(np.stack([pass_rate, 1.0 - pass_rate], axis=1)),
        reward=np.repeat(one.reward, num_prompts, axis=0),
    )


def coupled_prompts(num_prompts: int) -> BanditProblem:
    """Prompts of given pass rates that one shared kernel couples.

    Args:
        num_prompts: P.

    Returns:
        The problem.
    """
    return from_pass_rates(np.linspace(0.1, 0.9, num_prompts), shared_kernel=0.01)


def measure(*, num_runs: int, num_rounds: int, block_seconds: float) -> list[Row]:
    """Cost along each axis, all settings of one axis interleaved.

    Args:
        num_runs: R where the runs do not vary; a tenth of it for prompts.
        num_rounds: interleaved rounds.
        block_seconds: time of one block, seconds.

    Returns:
        Rows.
    """
    rule = "raw_reward"
    one = rare_correct(_LOG10_ARMS, 0.5)
    few = max(1, num_runs // 10)
    axes = {
        "runs": [(x, 1, LumpedLoop(one, rule, num_runs=x, group_size=8)) for x in _RUNS],
        "group": [(x, x, LumpedLoop(one, rule, num_runs=num_runs, group_size=x)) for x in _GROUPS],
        "classes": [
            (
                x,
                x,
                LumpedLoop(
                    zipf(100_000, 1.0, correct_share=0.5, num_bins=x // 2),
                    rule,
                    num_runs=num_runs,
                    group_size=8,
                ),
            )
            for x in _CLASSES
        ],
    }
    for name, build in (("tabular prompts", tabular_prompts), ("coupled prompts", coupled_prompts)):
        axes[name] = [
            (
                x,
                min(x, _LARGEST_BATCH) if build is tabular_prompts else x,
                LumpedLoop(
                    build(x),
                    rule,
                    num_runs=few,
                    group_size=8,
                    batch_size=min(x, _LARGEST_BATCH),
                ),
            )
            for x in _PROMPTS
        ]
    per = {
        "runs": "run",
        "group": "rollout",
        "classes": "class",
        "tabular prompts": "prompt of the batch",
        "coupled prompts": "prompt",
    }
    rows = []
    for name, settings in axes.items():
        blocks = {
            str(x): steady_block(loop.advance, units=loop.num_runs, block_seconds=block_seconds)
            for x, _, loop in settings
        }
        cost = interleave(blocks, num_rounds)
        first = cost[str(settings[0][0])]
        for x, num_items, loop in settings:
            setting = Setting("scaling", f"{name}, R = {loop.num_runs}", name, x)
            rows += [
                setting.row("cost per run and step", "us", 1e6 * cost[str(x)]),
                setting.row(f"per {per[name]}", "ns", 1e9 * cost[str(x)] / num_items),
                setting.row("over the first line", "ratio", cost[str(x)] / first),
            ]
    return rows
