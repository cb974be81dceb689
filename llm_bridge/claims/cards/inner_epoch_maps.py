"""Penalty against clip on the calibrated embedded model, over rates, epochs, prices and kernels.

Every point simulates both rules, 32 prompts x 8 rollouts, and takes the difference of the held-out
pass rate, averaged over 24 updates.
"""

from typing import Any

from llm_bridge.claims.card import Axis
from llm_bridge.claims.cards.inner_epoch_rules import EVAL_EVERY, NUM_UPDATES, rule_cell
from llm_bridge.claims.curve import mean_level
from llm_bridge.claims.effect import Interval
from llm_bridge.claims.sweep import simulated_effect
from llm_bridge.claims.twins import embedded_problem, twin

_NUM_RUNS = 60
_RATE, _EPOCHS = 0.03, 8

RATE_AXIS = Axis(
    "learning_rate", "learning rate, SGD", (0.001, 0.003, 0.006, 0.01, 0.02, 0.03, 0.06, 0.1, 0.2)
)
# Beyond, a high price throws the simulated log-odds either way, where a model would be lost.
SLOW_RATE_AXIS = Axis("learning_rate", "learning rate, SGD", RATE_AXIS.values[:6])
EPOCHS_AXIS = Axis("inner_epochs", "inner epochs", (1.0, 2.0, 4.0, 8.0, 16.0, 32.0))
MULTIPLIER_AXIS = Axis(
    "multiplier", "multiplier of the penalty", (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
)
PASS_RATE_AXIS = Axis(
    "pass_rate", "base pass rate of every prompt", (1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 0.6, 0.9)
)
KERNEL_AXIS = Axis(
    "kernel_factor", "shared kernel, times the measured one", (0.1, 0.3, 1.0, 3.0, 10.0)
)


def tables(
    rule: str, rate: float, inner_epochs: int, problem: dict[str, Any], **hyper: float
) -> dict[str, Any]:
    """Experiment of a rule on a calibrated problem.

    Args:
        rule: name of the rule.
        rate: learning rate.
        inner_epochs: steps of a round.
        problem: table of the problem.
        **hyper: hyperparameters of the rule.

    Returns:
        Tables of an experiment file.
    """
    base = twin(rule_cell(rule, rate), num_runs=_NUM_RUNS, problem=problem).experiment
    run = {**base["run"], "inner_epochs": inner_epochs, "record_every": EVAL_EVERY}
    return {**base, "rule": {**base["rule"], **hyper}, "run": {**run, "num_steps": NUM_UPDATES}}


def _difference(
    rate: float, inner_epochs: float, problem: dict[str, Any], *, multiplier: float = 0.5
) -> Interval:
    epochs = int(inner_epochs)
    penalty = tables("variance_penalty", rate, epochs, problem, multiplier=multiplier)
    clip = tables("clip", rate, epochs, problem)
    return simulated_effect(penalty, clip, mean_level("heldout"), paired=True)


def rate_and_epochs(rate: float, inner_epochs: float) -> Interval:
    """Lead of the penalty at a learning rate and a number of inner epochs.

    Args:
        rate: learning rate.
        inner_epochs: steps of a round.

    Returns:
        Difference of mean held-out pass rates.
    """
    return _difference(rate, inner_epochs, embedded_problem())


def rate_and_multiplier(rate: float, multiplier: float) -> Interval:
    """Lead of the penalty at a learning rate and a price of ratio variance, 8 inner epochs.

    Args:
        rate: learning rate.
        multiplier: price of one unit of ratio variance.

    Returns:
        Difference of mean held-out pass rates.
    """
    return _difference(rate, _EPOCHS, embedded_problem(), multiplier=multiplier)


def pass_rate_and_kernel(pass_rate: float, kernel_factor: float) -> Interval:
    """Lead of the penalty on prompts of one base pass rate, with a stronger or weaker kernel.

    Args:
        pass_rate: of every prompt, trained on or held out.
        kernel_factor: multiplies the measured kernel.

    Returns:
        Difference of mean held-out pass rates at learning rate 0.03 and 8 inner epochs.
    """
    problem = embedded_problem(
        kernel_factor=kernel_factor,
        form="constant",
        train_pass_rates=[pass_rate] * 64,
        heldout_pass_rates=[pass_rate] * 8,
    )
    for name in ("ceiling", "base_pass_rate"):
        problem.pop(name)
    return _difference(_RATE, _EPOCHS, problem)
