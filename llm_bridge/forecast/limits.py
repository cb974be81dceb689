"""Up to which learning rate the inner epochs of a cell hold, as the base model says."""

import numpy as np

from banditlab.rules import advantage_and_state, get_rule, initial_state, score_weight
from llm_bridge.forecast.calibration import Calibration
from llm_bridge.forecast.study import StudyCell

_RATIO = 2.0


def _largest_advantage(cell: StudyCell) -> float:
    """Advantage of a lone right response of its group."""
    rule = get_rule(cell.rule)
    reward = np.zeros((1, cell.group_size + rule.extra_rollouts))
    reward[0, 0] = 1.0
    return float(advantage_and_state(rule, reward, initial_state(rule, (1,)))[0][0, 0])


def is_unclipped(rule_name: str) -> bool:
    """Whether a right response's weight goes on growing as its ratio.

    Args:
        rule_name: name of the rule.

    Returns:
        True where nothing holds it: no clip and no price of ratio variance.
    """
    rule = get_rule(rule_name)
    multiplier = None if rule.dual is None else np.full(2, rule.dual.initial)
    log_ratio = np.log(np.array([1.0, _RATIO]))
    zero, one = np.zeros(2), np.ones(2)
    weight = score_weight(
        rule, log_ratio, zero, one, multiplier=multiplier, ref_log_prob=np.zeros(2)
    )
    return bool(np.isclose(weight[1], _RATIO * weight[0], rtol=1e-9))


def runaway_learning_rate(calibration: Calibration, cell: StudyCell) -> float | None:
    """Learning rate from which a right response's ratio runs away within one update.

    Args:
        calibration: numbers of the base model.
        cell: the configuration.

    Returns:
        The rate of `theory.predict.runaway`; None where the rule holds ratios, where there is one
        epoch, or under AdamW, whose steps the formula does not know.
    """
    from theory.predict.runaway import predicted_runaway_learning_rate

    if cell.inner_epochs == 1 or cell.optimizer != "sgd" or not is_unclipped(cell.rule):
        return None
    advantage = _largest_advantage(cell)
    if advantage <= 0.0:
        return None
    return predicted_runaway_learning_rate(
        calibration.own_kernel,
        num_rollouts=cell.num_prompts * cell.group_size,
        inner_epochs=cell.inner_epochs,
        largest_advantage=advantage,
    )


def runaway_warning(calibration: Calibration, cell: StudyCell) -> str:
    """What to fear of a cell's inner epochs at its learning rate.

    Args:
        calibration: numbers of the base model.
        cell: the configuration.

    Returns:
        The share of measured updates that run away there, and from which rate on the first does;
        where none was measured, the rate of a lone response if the cell's is above it; else "".
    """
    limit = calibration.inner_limit(cell.rule, cell.num_prompts, cell.group_size, cell.inner_epochs)
    if limit is not None and cell.optimizer == "sgd":
        share = limit.share(cell.learning_rate)
        if share == 0.0:
            return ""
        first = limit.rate_of_share(0.0)
        return f"ratios run away in {share:.0%} of updates, from {first:.3g} on"
    alone = runaway_learning_rate(calibration, cell)
    if alone is None or cell.learning_rate < alone:
        return ""
    return f"ratios run away from {alone:.3g} on"
