"""Rules for several inner epochs on the same rollouts, at the learning rates of one grid.

They share everything but the rule and the rate: 32 prompts x 8 rollouts, 4 inner epochs, SGD. Each
rule's own best rate was chosen by runs of a seed that no result contains: the one with the highest
mean held-out pass rate over the second half of the run.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

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
    "variance_penalty_bounded": "bounded penalty",
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
    "variance_penalty_bounded": 0.1,
    "topr": 0.03,
}
"""What `choice_cells` chose."""
NUM_UPDATES, EVAL_EVERY = 24, 4
_CHOICE_SEED = 100
LONG_EPOCHS, LONG_RATE, LOW_PRICE = 8, 0.03, 0.1
_LOW, _WIDE = {"multiplier": LOW_PRICE}, {"clip_low": 0.6, "clip_high": 2.0}


def _cell(name: str, label: str, rule: str, rate: float, **settings: Any) -> TrainedCell:
    usual = {
        "inner_epochs": 4,
        "num_updates": NUM_UPDATES,
        "eval_every": EVAL_EVERY,
        "eval_samples": 1024,
    }
    return trained(name, label, rule=rule, learning_rate=rate, **{**usual, **settings})


def rule_cell(rule: str, rate: float, **settings: Any) -> TrainedCell:
    """A rule at a learning rate.

    Args:
        rule: key of `LABELS`.
        rate: learning rate of SGD.
        **settings: of `llm_bridge.claims.twins.trained`.

    Returns:
        The cell, named after both.
    """
    return _cell(f"{rule}-{rate:g}", f"{LABELS[rule]}, {rate:g}", rule, rate, **settings)


def choice_cells() -> Iterator[TrainedCell]:
    """Runs that choose each rule's rate, one for each rule and rate.

    Yields:
        Cells of one run each.
    """
    for rule, label in LABELS.items():
        for rate in RATES:
            yield _cell(
                f"{rule}-{rate:g}-choice",
                f"choice of {label}, {rate:g}",
                rule,
                rate,
                num_seeds=1,
                first_seed=_CHOICE_SEED,
            )


def compared_cells() -> tuple[TrainedCell, ...]:
    """Every rule at the equal rate and at its best one, five seeds each.

    Returns:
        The cells, none of them twice.
    """
    return tuple(
        rule_cell(rule, rate) for rule in LABELS for rate in sorted({EQUAL_RATE, BEST_RATES[rule]})
    )


def long_cells() -> tuple[TrainedCell, ...]:
    """Eight inner epochs at rate 0.03: two low prices, the usual clip, and one as wide as they.

    Returns:
        The cells; the first two are the penalty and the usual clip.
    """
    kinds = (
        ("low-price", f"penalty, multiplier {LOW_PRICE}", "variance_penalty", _LOW),
        ("usual-clip", "clip 0.2", "clip", {}),
        ("low-bounded", f"bounded penalty, {LOW_PRICE}", "variance_penalty_bounded", _LOW),
        ("wide-clip", "clip 0.6 and 2", "clip", _WIDE),
    )
    return tuple(
        _cell(
            f"{name}-8-epochs",
            f"{label}, 8 epochs, {LONG_RATE:g}",
            rule,
            LONG_RATE,
            inner_epochs=LONG_EPOCHS,
            hyper=hyper,
        )
        for name, label, rule, hyper in kinds
    )


def relative_lead(summaries: np.ndarray) -> np.ndarray:
    """First number over the second, less 1.

    Args:
        summaries: both, [2, ...].

    Returns:
        The lead, [...].
    """
    return summaries[0] / summaries[1] - 1.0


def compared(
    statistic: Statistic,
    where: str,
    rule: str,
    against: str,
    rate_of: Callable[[str], float],
    **how: Any,
) -> Effect:
    """One rule's number against another's, over runs paired by their seeds.

    Args:
        statistic: the number.
        where: the rates, in words.
        rule: key of `LABELS`.
        against: the rule that it is compared with.
        rate_of: learning rate of a rule.
        **how: further fields of `Effect`; by default the relative lead.

    Returns:
        The effect.
    """
    return Effect(
        f"{LABELS[rule]} against {LABELS[against]}, {where}",
        statistic,
        f"{rule}-{rate_of(rule):g}",
        f"{against}-{rate_of(against):g}",
        **{"combine": relative_lead, "paired": True, **how},
    )
