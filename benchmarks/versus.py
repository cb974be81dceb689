"""The lumped policy with many runs beside a dense NumPy loop and MABWiser's softmax.

Shapes: R runs, K arms, G group.
"""

from collections.abc import Callable

import numpy as np

from banditlab.arm_spaces import rare_correct
from benchmarks.dense import DenseLoop
from benchmarks.lumped import LumpedLoop
from benchmarks.rows import Row, Setting
from benchmarks.timing import Block, episode_block, interleave, steady_block

NUM_STEPS = 100
_STEP_SIZE = 0.1
# Half of the rounds have a signal, so that a loop that skips the others would gain 2x at most.
_SUCCESS_PROB = 0.5
_LEAST_RATIO, _RATIO_SIZE = 5_000.0, 6
_MABWISER_SIZES = (3, 4)
_CASES = (("raw_reward", 1), ("raw_reward", 8), ("group_mean", 8))


def _dense_block(log10_arms: int, rule: str, group_size: int, *, has_series: bool) -> Block:
    loop = DenseLoop(
        rare_correct(log10_arms, _SUCCESS_PROB),
        _STEP_SIZE,
        has_baseline=rule == "group_mean",
        has_series=has_series,
    )
    rng = np.random.default_rng(0)
    # At 1e7 arms one step is a block already.
    return steady_block(lambda: loop.step(rng.random(group_size)), units=1, block_seconds=0.03)


def _exp_block(log10_arms: int) -> Block:
    """Exp of K numbers, a cache-full at a time: what a dense step cannot do without."""
    logit, weight = np.zeros((2, min(10**log10_arms, 8192)))
    num_parts = max(1, 10**log10_arms // logit.size)

    def advance() -> None:
        for _ in range(num_parts):
            np.exp(logit, out=weight)

    return steady_block(advance, units=1, block_seconds=0.01)


def _lumped_block(log10_arms: int, rule: str, group_size: int, num_runs: int) -> Block:
    def build() -> Callable[[], object]:
        return LumpedLoop(
            rare_correct(log10_arms, _SUCCESS_PROB),
            rule,
            num_runs=num_runs,
            group_size=group_size,
            step_size=_STEP_SIZE,
        ).advance

    return episode_block(build, num_steps=NUM_STEPS, units=num_runs)


def mabwiser_step(num_arms: int) -> Callable[[], object] | None:
    """One round trip of MABWiser's softmax: predict an arm, learn its reward.

    It is another algorithm: a softmax over mean rewards, of which a Dirichlet variate is drawn. It
    is what a user of a public bandit library runs, and costs O(K) a step in Python.

    Args:
        num_arms: K.

    Returns:
        The step; None where MABWiser is not installed.
    """
    try:
        from mabwiser.mab import MAB, LearningPolicy
    except ModuleNotFoundError:
        return None
    bandit = MAB(list(range(num_arms)), LearningPolicy.Softmax(tau=1.0), seed=0)
    bandit.fit([0], [1.0])

    def advance() -> None:
        arm = bandit.predict()
        bandit.partial_fit([arm], [float(arm == 0)])

    return advance


def measure(*, num_runs: int, num_rounds: int, log10_sizes: tuple[int, ...]) -> list[Row]:
    """Cost per run and step over the first 100 steps, and its ratio to the lumped policy's.

    Args:
        num_runs: runs of the lumped policy.
        num_rounds: interleaved rounds.
        log10_sizes: log10 K.

    Returns:
        Rows.
    """
    rows: list[Row] = []
    for rule, group_size in _CASES:
        for log10_arms in log10_sizes:
            rows += _compare(rule, group_size, log10_arms, num_runs, num_rounds)
    return rows


def _compare(
    rule: str, group_size: int, log10_arms: int, num_runs: int, num_rounds: int
) -> list[Row]:
    blocks = {
        "lumped": _lumped_block(log10_arms, rule, group_size, num_runs),
        "lumped, 1 run": _lumped_block(log10_arms, rule, group_size, 1),
        "dense": _dense_block(log10_arms, rule, group_size, has_series=False),
        "dense, series": _dense_block(log10_arms, rule, group_size, has_series=True),
        "K exps": _exp_block(log10_arms),
    }
    if group_size == 1 and log10_arms in _MABWISER_SIZES:
        mabwiser = mabwiser_step(10**log10_arms)
        if mabwiser is not None:
            blocks["MABWiser"] = steady_block(mabwiser, units=1, block_seconds=0.03)
    cost = interleave(blocks, num_rounds)
    case = f"{rule.replace('_', ' ')}, G = {group_size}"
    setting = Setting("dense", case, "log10 K", log10_arms)
    lumped = cost["lumped"]
    bound = _LEAST_RATIO if log10_arms == _RATIO_SIZE else None
    rows = [
        setting.row(f"lumped, {num_runs} runs", "us", 1e6 * lumped),
        setting.row("dense", "us", 1e6 * cost["dense"]),
        setting.row("dense over K exps", "ratio", cost["dense"] / cost["K exps"]),
        setting.row("dense over lumped", "ratio", cost["dense"] / lumped, at_least=bound),
        setting.row("dense, series", "us", 1e6 * cost["dense, series"]),
        setting.row("dense, series over lumped", "ratio", cost["dense, series"] / lumped),
        setting.row("dense over one lumped run", "ratio", cost["dense"] / cost["lumped, 1 run"]),
    ]
    if "MABWiser" in cost:
        other = Setting("mabwiser", "one pull and fit", "log10 K", log10_arms)
        rows += [
            other.row("MABWiser", "us", 1e6 * cost["MABWiser"]),
            other.row("MABWiser over dense", "ratio", cost["MABWiser"] / cost["dense"]),
            other.row("MABWiser over lumped", "ratio", cost["MABWiser"] / lumped),
        ]
    return rows
