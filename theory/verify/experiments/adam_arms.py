"""Experiments on Adam among few and many arms: one success, and which logits it moves (P51)."""

from collections.abc import Sequence

import numpy as np

from banditlab.arm_spaces import rare_correct
from banditlab.optimizers import Optimizer
from banditlab.rounds import step
from banditlab.rules import UpdateRule, get_rule
from banditlab.softmax import DenseSoftmax
from theory.verify.experiments.adam import lone_success, one_context, play
from theory.verify.measurement import Measurement


def measure_gains(
    optimizer: Optimizer,
    log10_wrong: Sequence[float],
    *,
    success_prob: float,
    first_round: int,
    num_rounds: int,
) -> Measurement:
    """Log-odds gained by a lone success and its aftermath, among ever more wrong arms.

    Args:
        optimizer: how gradients move the logits.
        log10_wrong: log10 of the numbers of wrong arms.
        success_prob: probability of the correct arm at the start.
        first_round: round of the success, from 1.
        num_rounds: rounds from that one on.

    Returns:
        Gains in nats, one per number of wrong arms.
    """
    rounds = lone_success(first_round, num_rounds)
    return Measurement.exact(
        [
            play(optimizer, rounds, success_prob=success_prob, log10_wrong=log10)[0, -1]
            for log10 in log10_wrong
        ]
    )


def measure_first_gains(
    optimizer: Optimizer, rules: Sequence[UpdateRule], *, success_prob: float, group_size: int
) -> Measurement:
    """Log-odds gained in a first round of one success among endless wrong arms.

    Args:
        optimizer: how gradients move the logits.
        rules: update rules.
        success_prob: probability of the correct arm.
        group_size: rollouts of the round.

    Returns:
        Gains in nats, one per rule.
    """
    how = {"success_prob": success_prob, "group_size": group_size}
    rounds = lone_success(1, 1)
    return Measurement.exact([play(optimizer, rounds, rule=rule, **how)[0, 0] for rule in rules])


def measure_logit_sums(
    optimizer: Optimizer, num_wrong: Sequence[int], *, success_prob: float
) -> Measurement:
    """Change of the sum of all logits in a first round, a success under raw reward.

    Args:
        optimizer: how gradients move the logits.
        num_wrong: numbers of wrong arms.
        success_prob: probability of the correct arm.

    Returns:
        Changes of the sum in nats, one per number of wrong arms.
    """
    sums = []
    for number in num_wrong:
        policy = DenseSoftmax(rare_correct(np.log10(number), success_prob), 1, optimizer)
        before = policy.logits.copy()
        step(
            policy,
            get_rule("raw_reward"),
            one_context(1),
            group_size=1,
            arms=np.zeros((1, 1, 1), dtype=np.int64),
        )
        sums.append((policy.logits - before).sum())
    return Measurement.exact(sums)
