"""Curves from the base model's numbers alone: the simulated bandit and the ODE of theory."""

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import logit

from banditlab.arm_spaces import from_pass_rates
from banditlab.config import SimulationConfig
from banditlab.records import Record
from banditlab.rules import RULES, get_rule
from banditlab.simulate import simulate
from figures.tables import CurvePoint
from llm_bridge.base_statistics import BaseMeasurement
from llm_bridge.compare.plan import Cell, ComparePlan

BAND = (0.05, 0.95)
"""Quantiles of the simulated runs that the band shows."""

_SPLITS = {"train": "pass_rate", "heldout": "heldout_pass_rate"}


def _record_every(eval_every: int) -> int:
    """A divisor of eval_every, about a fifth of it: each evaluation meets a simulated point."""
    return max(d for d in range(1, max(1, eval_every // 5) + 1) if eval_every % d == 0)


def simulate_cell(
    plan: ComparePlan, cell: Cell, learning_rate: float, base: BaseMeasurement
) -> Record:
    """Simulate one cell on the bandit that is matched to the base model.

    Args:
        plan: sizes.
        cell: rule and inner epochs.
        learning_rate: learning rate of the model, the step size of the simulation.
        base: numbers of the base model.

    Returns:
        The record of `plan.num_simulated_runs` runs.

    Raises:
        FloatingPointError: a run blew up.
    """
    problem = from_pass_rates(
        np.array(base.train_pass_rates),
        np.array(base.heldout_pass_rates),
        shared_kernel=base.shared_kernel,
    )
    config = SimulationConfig(
        num_runs=plan.num_simulated_runs,
        num_steps=plan.num_updates,
        group_size=plan.group_size,
        step_size=learning_rate,
        batch_size=plan.num_prompts,
        inner_epochs=cell.inner_epochs,
        record_every=_record_every(plan.eval_every),
        seed=plan.seed,
    )
    return simulate(problem, get_rule(cell.rule), config)


def simulation_points(
    plan: ComparePlan, cell: Cell, learning_rate: float, record: Record
) -> list[CurvePoint]:
    """Mean and band of simulated runs as rows of the table.

    Args:
        plan: sizes.
        cell: rule and inner epochs.
        learning_rate: learning rate.
        record: what `simulate_cell` returned.

    Returns:
        Points of train and held-out prompts.
    """
    points = []
    for split, metric in _SPLITS.items():
        curve = record.curves[metric]
        low, high = np.quantile(curve, BAND, axis=0)
        for index, update in enumerate(record.step):
            points.append(
                CurvePoint(
                    cell=cell.name,
                    learning_rate=learning_rate,
                    source="simulation",
                    split=split,
                    series="mean",
                    update=int(update),
                    rollouts=int(update) * plan.num_prompts * plan.group_size,
                    pass_rate=float(curve[:, index].mean()),
                    low=float(low[index]),
                    high=float(high[index]),
                )
            )
    return points


def theory_points(
    plan: ComparePlan, cell: Cell, learning_rate: float, base: BaseMeasurement
) -> list[CurvePoint]:
    """Curves of the rule's ODE with the base model's numbers; none where no closed form exists.

    Args:
        plan: sizes.
        cell: rule and inner epochs.
        learning_rate: learning rate.
        base: numbers of the base model.

    Returns:
        Points of train and held-out prompts, empty for clip and penalty with inner epochs.
    """
    from theory.predict.batch_curves import RULES_WITHOUT_CLOSED_FORM, predicted_pass_rates

    if cell.rule in RULES_WITHOUT_CLOSED_FORM and cell.inner_epochs > 1:
        return []
    updates = np.arange(plan.num_updates + 1)
    train = logit(np.array(base.train_pass_rates))
    points = []
    for split in _SPLITS:
        evaluated = train if split == "train" else logit(np.array(base.heldout_pass_rates))
        curve = predicted_pass_rates(
            cell.rule,
            train,
            updates,
            learning_rate=learning_rate,
            shared_kernel=base.shared_kernel,
            group_size=plan.group_size,
            evaluated_log_odds=evaluated,
            inner_epochs=cell.inner_epochs,
        )
        template = CurvePoint(cell.name, learning_rate, "theory", split, "ode", 0, 0, 0.0)
        points += [
            replace(
                template,
                update=int(update),
                rollouts=int(update) * plan.num_prompts * plan.group_size,
                pass_rate=float(rate),
            )
            for update, rate in zip(updates, curve, strict=True)
        ]
    return points


def penalty_stability(plan: ComparePlan, base: BaseMeasurement) -> list[dict[str, Any]]:
    """What theory P40 says, before training, of inner steps on the variance penalty.

    Args:
        plan: learning rates and cells.
        base: numbers of the base model.

    Returns:
        For each learning rate: the isolated-arm and the batch form, and their verdicts.
    """
    from theory.predict.stability import (
        is_batch_penalty_stable,
        is_inner_loop_stable,
        predicted_largest_learning_rate,
    )

    multiplier = RULES["variance_penalty"].hyper["multiplier"]
    num_rollouts = plan.num_prompts * plan.group_size
    found = []
    for rate in plan.learning_rates:
        arm_step = rate * base.score_norm / num_rollouts
        found.append(
            {
                "learning_rate": rate,
                "is_arm_stable": bool(is_inner_loop_stable(arm_step, 1.0, multiplier)),
                "is_batch_stable": is_batch_penalty_stable(rate, multiplier, base.score_gram_top),
                "largest_stable_learning_rate": predicted_largest_learning_rate(
                    base.score_gram_top, multiplier
                ),
            }
        )
    return found
