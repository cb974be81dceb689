"""One prompt of the embedded task trained on alone, and what the others gain from it."""

from functools import cache
from typing import Any

import numpy as np
from scipy.special import expit, logit

from llm_bridge.claims.card import TrainedCell
from llm_bridge.claims.twins import calibration, trained

HARD_ROW, MIDDLE_ROW, EASY_ROW = 447, 11, 258
"""Rows of the train set whose base pass rates are .017 (the lowest of all), .31 and .70."""

LEARNING_RATE = 1e-3
EVAL_SAMPLES = 1024
SAMPLING_ERROR = 0.016
"""Largest standard error of a pass rate from `EVAL_SAMPLES` responses."""


def lone(
    name: str, label: str, row: int | None, rule: str = "raw_reward", **settings: Any
) -> TrainedCell:
    """A run on one prompt alone: SGD, one rollout an update unless said otherwise.

    Args:
        name: of the cell.
        label: how it is called in pictures.
        row: row of the train set.
        rule: update rule.
        **settings: of `llm_bridge.claims.twins.trained`.

    Returns:
        The cell.
    """
    usual = {"group_size": 1, "learning_rate": LEARNING_RATE, "eval_samples": EVAL_SAMPLES}
    return trained(name, label, rule=rule, num_prompts=1, row=row, **(usual | settings))


@cache
def _heldout_log_odds() -> np.ndarray:
    return logit(calibration().target_pass_rates())


def heldout_gain(share: float, pass_rate: float, final: float = 0.99) -> float:
    """Gain in held-out pass rate when one prompt has been learnt.

    All held-out prompts of the embedded model move by the same share of the prompt's own way
    (P45-paths).

    Args:
        share: kernel between the prompt and the others over its own kernel.
        pass_rate: of the prompt under the base policy.
        final: pass rate at which it counts as learnt.

    Returns:
        The gain.
    """
    moved = share * (logit(final) - logit(pass_rate))
    start = _heldout_log_odds()
    return float(np.mean(expit(start + moved) - expit(start)))
