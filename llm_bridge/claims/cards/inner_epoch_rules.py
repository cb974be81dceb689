"""Six rules for several inner epochs on the same rollouts, at the learning rates of one grid.

They share everything but the rule and the rate: 32 prompts x 8 rollouts, 4 inner epochs, SGD. Each
rule's own best rate was chosen by runs of a seed that no result contains: the one with the highest
mean held-out pass rate over the second half of the run.
"""

from collections.abc import Callable, Iterator
from typing import Any

from llm_bridge.claims.card import TrainedCell
from llm_bridge.claims.curve import Statistic
from llm_bridge.claims.effect import Effect
from llm_bridge.claims.twins import trained

SOURCE = "arXiv 2601.03320, 2605.26784"

LABELS = {
    "clip": "clip",
    "clip_higher": "clip-higher",
    "group_mean": "no clip",
    "variance_penalty": "penalty",
    "variance_penalty_dual": "penalty, dual",
    "topr": "TOPR",
}
"""The rules, with their labels."""

RATES = (0.003, 0.01, 0.03, 0.1)
EQUAL_RATE = 0.01
BEST_RATES = {
    "clip": 0.1,
    "clip_higher": 0.1,
    "group_mean": 0.03,
    "variance_penalty": 0.03,
    "variance_penalty_dual": 0.01,
    "topr": 0.03,
}
"""What `choice_cells` chose."""
NUM_UPDATES, EVAL_EVERY = 24, 4
_CHOICE_SEED = 100


def rule_cell(rule: str, rate: float) -> TrainedCell:
    """A rule at a learning rate.

    Args:
        rule: key of `LABELS`.
        rate: learning rate of SGD.

    Returns:
        The cell, named after both.
    """
    return trained(
        f"{rule}-{rate:g}",
        f"{LABELS[rule]}, {rate:g}",
        rule=rule,
        inner_epochs=4,
        learning_rate=rate,
        num_updates=NUM_UPDATES,
        eval_every=EVAL_EVERY,
        eval_samples=1024,
    )


def choice_cells() -> Iterator[TrainedCell]:
    """Runs that choose each rule's rate, one for each rule and rate.

    Yields:
        Cells of one run each.
    """
    for rule, label in LABELS.items():
        for rate in RATES:
            cell = rule_cell(rule, rate)
            yield trained(
                f"{cell.name}-choice",
                f"choice of {label}, {rate:g}",
                num_seeds=1,
                first_seed=_CHOICE_SEED,
                **cell.settings,
            )


def compared_cells() -> tuple[TrainedCell, ...]:
    """Every rule at the equal rate and at its best one, five seeds each.

    Returns:
        The cells, none of them twice.
    """
    pairs = {(rule, rate) for rule in LABELS for rate in (EQUAL_RATE, BEST_RATES[rule])}
    order = list(LABELS)
    return tuple(
        rule_cell(*pair) for pair in sorted(pairs, key=lambda one: (order.index(one[0]), one[1]))
    )


def lead(
    statistic: Statistic,
    where: str,
    rule: str,
    against: str,
    rate_of: Callable[[str], float],
    **how: Any,
) -> Effect:
    """Ratio of one rule's number to another's, over runs paired by their seeds.

    Args:
        statistic: the number.
        where: the rates, in words.
        rule: key of `LABELS`.
        against: the rule that it is compared with.
        rate_of: learning rate of a rule.
        **how: further fields of `Effect`.

    Returns:
        The effect.
    """
    return Effect(
        f"{LABELS[rule]} over {LABELS[against]}, {where}",
        statistic,
        f"{rule}-{rate_of(rule):g}",
        f"{against}-{rate_of(against):g}",
        **{"compare": "ratio", "paired": True, **how},
    )
