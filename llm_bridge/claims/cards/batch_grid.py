"""Updates of B prompts with n rollouts each, as paper B varies them, and how they are compared.

All are of the embedded model. Rates are those of docs/forecast.md: one for each optimizer,
whatever the rule and the size. Margins were chosen before any run of these cards.
"""

from typing import Any

import numpy as np

from llm_bridge.claims.card import TrainedCell
from llm_bridge.claims.curve import SPLITS, Curve, Statistic
from llm_bridge.claims.twins import trained

SOURCE = "arXiv 2601.22532"
LITTLE = 0.04
"""Pass rate below which a design choice adds little: a tenth of the 0.4 that the baseline gains."""
CLEAR_GAIN = 0.05
"""Gain that an evaluation of 2,048 responses cannot miss: five of its standard errors."""
SGD_RATE, ADAMW_RATE = 0.01, 3e-4
# Of one length in rollouts: 480 x 32 x 1 = 60 x 32 x 8 = 60 x 256, half of it under AdamW.
ROLLOUTS, ADAMW_ROLLOUTS = 15_360, 7_680


def update_cell(
    name: str, label: str, rule: str, num_prompts: int, group_size: int, **settings: Any
) -> TrainedCell:
    """A cell of so many prompts and rollouts an update.

    Args:
        name: of the cell.
        label: how it is called in pictures.
        rule: name of the rule.
        num_prompts: prompts of an update, B.
        group_size: rollouts trained on of each, n.
        **settings: further fields of `TrainConfig`; "adamw" brings its learning rate.

    Returns:
        The cell: 60 updates under SGD, 30 under AdamW, unless said otherwise.
    """
    is_adamw = settings.get("optimizer") == "adamw"
    usual = {
        "learning_rate": ADAMW_RATE if is_adamw else SGD_RATE,
        "num_updates": 30 if is_adamw else 60,
        "eval_every": 15,
    }
    size = {"num_prompts": num_prompts, "group_size": group_size}
    return trained(name, label, rule=rule, **size, **{**usual, **settings})


def raw_cell(**settings: Any) -> TrainedCell:
    """The baseline: 32 prompts, one rollout each, the reward itself; as many rollouts as 32 x 8.

    Args:
        **settings: fields of `TrainConfig` that differ.

    Returns:
        The cell.
    """
    usual = {"num_updates": 480, "eval_every": 60}
    return update_cell("raw-32x1", "raw 32x1", "raw_reward", 32, 1, **{**usual, **settings})


def adamw_raw_cell() -> TrainedCell:
    """The baseline under AdamW.

    Returns:
        The cell.
    """
    how = {"optimizer": "adamw", "num_updates": 240, "eval_every": 30}
    return update_cell("adamw-raw-32x1", "raw 32x1, AdamW", "raw_reward", 32, 1, **how)


def grpo_cell(num_prompts: int = 32, group_size: int = 8) -> TrainedCell:
    """GRPO on groups, under SGD.

    Args:
        num_prompts: prompts of an update.
        group_size: rollouts of each; one alone keeps its raw reward, as in the released code.

    Returns:
        The cell.
    """
    rule, size = ("grpo" if group_size > 1 else "grpo_or_raw"), f"{num_prompts}x{group_size}"
    word = "GRPO" if group_size > 1 else "raw"
    return update_cell(f"grpo-{size}", f"{word} {size}", rule, num_prompts, group_size)


def adamw_grpo_cell(num_prompts: int = 32, group_size: int = 8) -> TrainedCell:
    """GRPO on groups, under AdamW.

    Args:
        num_prompts: prompts of an update.
        group_size: rollouts of each; one alone keeps its raw reward.

    Returns:
        The cell.
    """
    rule, size = ("grpo" if group_size > 1 else "grpo_or_raw"), f"{num_prompts}x{group_size}"
    word = "GRPO" if group_size > 1 else "raw"
    name, label = f"adamw-grpo-{size}", f"{word} {size}, AdamW"
    return update_cell(name, label, rule, num_prompts, group_size, optimizer="adamw")


def gain_at(split: str, update: float) -> Statistic:
    """Pass rate after so many updates less the first.

    Args:
        split: "train" or "heldout".
        update: updates done.

    Returns:
        The statistic.
    """

    def of_run(curve: Curve) -> float:
        values = curve.split(split)
        return float(np.interp(update, curve.update, values) - values[0])

    return Statistic(f"gain in {SPLITS[split]}, at update {update:g}", of_run)
