"""Training on groups that are used again and again, with the log-probabilities of their birth.

An update draws 8 groups of 8 rollouts and trains on them and on all groups of the last S updates.
So every group is trained on S + 1 times, with its own log-probabilities and advantages, and all S
draw equally many rollouts. One inner epoch: what a ratio differs from 1 by is staleness alone.
"""

import math

from llm_bridge.claims.card import Axis, SimulatedCell, TrainedCell
from llm_bridge.claims.cards.inner_epoch_rules import LABELS
from llm_bridge.claims.curve import mean_level
from llm_bridge.claims.effect import Interval
from llm_bridge.claims.sweep import simulated_effect
from llm_bridge.claims.twins import trained, twin

FRESH = 8
NUM_UPDATES, EVAL_EVERY = 32, 8
RATE = 0.03
_MAP_RUNS = 60
_BASELINE = 0.5

AGES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
AGE_AXIS = Axis("age", "greatest age of the groups, updates", AGES)
RATE_AXIS = Axis(
    "learning_rate", "learning rate, SGD", (0.003, 0.006, 0.01, 0.02, 0.03, 0.045, 0.06, 0.1)
)
PASS_RATE_AXIS = Axis(
    "pass_rate",
    "pass rate when the data were drawn",
    (1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9),
)
DISTANCE_AXIS = Axis(
    "distance",
    "log-odds gained since then, nats",
    (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0),
)


def stale_cell(rule: str, age: int, rate: float = RATE) -> TrainedCell:
    """A rule on groups of up to an age.

    Args:
        rule: key of `LABELS`.
        age: greatest age; 0 keeps no groups.
        rate: learning rate of SGD.

    Returns:
        The cell, named after rule, age and rate.
    """
    replay = {"replay_groups": FRESH * age, "replay_max_age": age} if age else {}
    return trained(
        f"{rule}-age{age}-{rate:g}",
        f"{LABELS[rule]}, age {age}" if age else "fresh data alone",
        rule=rule,
        num_prompts=FRESH,
        learning_rate=rate,
        num_updates=NUM_UPDATES,
        eval_every=EVAL_EVERY,
        eval_samples=1024,
        **replay,
    )


def stale_twin(cell: TrainedCell, *, num_runs: int = 100) -> SimulatedCell:
    """The simulation of a cell with a replay buffer.

    Args:
        cell: of `stale_cell`.
        num_runs: simulated runs.

    Returns:
        The simulated cell, whose buffer holds all ages up to the greatest.
    """
    age = cell.settings.get("replay_max_age", 0)
    return twin(cell, num_runs=num_runs, run={"rollout_ages": list(range(age + 1))})


def age_and_rate(rate: float, age: float) -> Interval:
    """Lead of the penalty over the clip on groups of up to an age.

    Args:
        rate: learning rate.
        age: greatest age.

    Returns:
        Difference of the held-out pass rate, averaged over 32 updates.
    """
    penalty, clip = (
        stale_twin(stale_cell(rule, int(age), rate), num_runs=_MAP_RUNS).experiment
        for rule in ("variance_penalty", "clip")
    )
    return simulated_effect(penalty, clip, mean_level("heldout"), paired=True)


def stale_pull(pass_rate: float, distance: float) -> Interval:
    """Mean gradient of stale data under the penalty less that under the clip, per fresh gradient.

    Args:
        pass_rate: when the data were drawn.
        distance: log-odds gained since then, nats.

    Returns:
        The difference, exact (theory P54), for a constant baseline of 1/2.
    """
    from theory.predict.stale_data import predicted_stale_moments

    old = math.log(pass_rate) - math.log1p(-pass_rate)
    penalty, clip, fresh = (
        float(predicted_stale_moments(rule, old, distance, baseline=_BASELINE)[0])
        for rule in ("variance_penalty", "clip", "policy_gradient")
    )
    difference = (penalty - clip) / fresh
    return Interval(difference, difference, difference)
