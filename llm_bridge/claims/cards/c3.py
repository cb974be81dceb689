"""C3: stale data is used again and stably, where clipping fails."""

import math

import numpy as np

from llm_bridge.claims.card import Card, FlipMap, TheoryLink
from llm_bridge.claims.cards.inner_epoch_rules import LABELS, SOURCE
from llm_bridge.claims.cards.stale_groups import (
    AGE_AXIS,
    DISTANCE_AXIS,
    PASS_RATE_AXIS,
    RATE_AXIS,
    age_and_rate,
    stale_cell,
    stale_pull,
    stale_twin,
)
from llm_bridge.claims.curve import final, gain, largest_drop
from llm_bridge.claims.effect import Effect

_PENALTY, _DUAL = "variance_penalty", "variance_penalty_dual"
_AGES = (7, 15)
_CLEAR_GAIN, _SMALL_DROP = 0.05, 0.05
FRESH_CELL = stale_cell("group_mean", 0)
_CELLS = (
    FRESH_CELL,
    *(stale_cell(rule, 7) for rule in LABELS),
    *(stale_cell(rule, 15) for rule in ("clip", "group_mean", _PENALTY)),
)


def _name(rule: str, age: int) -> str:
    return stale_cell(rule, age).name


def less_half(summaries: np.ndarray) -> np.ndarray:
    """A first number less half of the second.

    Args:
        summaries: both, [2, ...].

    Returns:
        The difference, [...].
    """
    return summaries[0] - summaries[1] / 2.0


def _effects():
    """Whether the penalty learns stably, whether it leads, whether the clip fails; and the rest."""
    for age in _AGES:
        penalty, clip = _name(_PENALTY, age), _name("clip", age)
        yield Effect(
            f"gain of the penalty, age {age}",
            gain("heldout"),
            penalty,
            expected=(_CLEAR_GAIN, math.inf),
        )
        yield Effect(
            f"largest drop of the penalty, age {age}",
            largest_drop("heldout"),
            penalty,
            expected=(0.0, _SMALL_DROP),
        )
        for split in ("heldout", "train"):
            word = "" if split == "heldout" else "train, "
            yield Effect(
                f"{word}penalty less clip, age {age}",
                final(split),
                penalty,
                clip,
                paired=True,
                decides=split == "heldout",
            )
        yield Effect(
            f"gain of the clip less half of the penalty's, age {age}",
            gain("heldout"),
            clip,
            others=(penalty,),
            combine=less_half,
            paired=True,
            expected=(-math.inf, 0.0),
        )
        yield Effect(
            f"penalty less fresh data alone, age {age}",
            final("heldout"),
            penalty,
            FRESH_CELL.name,
            paired=True,
            decides=False,
        )
    for rule in (_DUAL, "clip_higher", "group_mean", "topr"):
        yield Effect(
            f"{LABELS[rule]} less clip, age 7",
            final("heldout"),
            _name(rule, 7),
            _name("clip", 7),
            paired=True,
            decides=False,
        )


CARD = Card(
    id="C3",
    title="Stale data is used again where clipping fails",
    claim="With a price on ratio variance, stale data is used again stably where clipping fails: "
    "it is weighed anew instead of discarded.",
    source=SOURCE,
    known="P",
    test="8 fresh groups an update, trained on together with all groups of the last 7 or 15 "
    "updates, one inner epoch at learning rate 0.03. Stable: the penalty gains more than 0.05 and "
    "never drops by more than 0.05. Clipping fails: the penalty ends above it, and the clip gains "
    "less than half as much.",
    theory_verdict="depends",
    theory_says="The clip drops successes once the log-odds have moved by log 1.2 = 0.18 nats "
    "since the data were drawn. The penalty keeps them, pulls ever less, and beyond 0.69 nats "
    "(multiplier 0.5, a rare success) its mean gradient points backwards: between the two it "
    "leads, outside it lags.",
    theory=(
        TheoryLink("P54-clip-distance", "Where the clip drops successes, and failures."),
        TheoryLink("P54-reversal", "Where the penalty's mean gradient turns backwards."),
        TheoryLink("P54-reweighted", "Re-weighting without end is rejected: the pull turns."),
        TheoryLink("P54-moments", "Mean and second moment of a stale sample's gradient."),
        TheoryLink("P54-replay", "Learning on data of one age, as a recursion with a delay."),
        TheoryLink("P54-clip-waits", "Young data: the clip leads; old data: the penalty."),
        TheoryLink("P54-crossover", "Up to where the penalty has more effective samples."),
    ),
    simulated=tuple(stale_twin(cell) for cell in _CELLS),
    trained=_CELLS,
    effects=tuple(_effects()),
    maps=(
        FlipMap(
            "pull",
            "Mean gradient of one stale sample, exact",
            PASS_RATE_AXIS,
            DISTANCE_AXIS,
            "share of the fresh gradient, penalty less clip",
            stale_pull,
        ),
        FlipMap(
            "ages",
            "Lead of the penalty on groups of up to an age, embedded model, simulated",
            RATE_AXIS,
            AGE_AXIS,
            "mean held-out pass rate, penalty less clip",
            age_and_rate,
        ),
    ),
    where_it_flips="Exact for a rare response: the penalty's mean pull on stale data is ahead of "
    "the clip's only where the log-odds have gained 0.18 to 0.41 nats since the data were drawn. "
    "Before, it is behind by its price, up to .16 of the fresh gradient; after, it falls behind "
    "the clip's failures, which still pull half, and beyond 0.69 nats it points backwards. For "
    "pass rates of .3 to .7 the window lies later and is broken. Simulated on the embedded model "
    "with one epoch, the penalty leads by up to .014 in mean pass rate at rates of about 0.02 to "
    "0.05, lags by up to .011 below, and at 0.1 falls behind by .05 to .10 at every age.",
    remarks=(
        "Clipping does not fail at these ages: the clip gains .250 at age 7 and .211 at age 15, "
        "the penalty .255 and .212. It only waits.",
        "What fails is to have neither: without a clip, training leads at age 7 by .08, and at "
        "age 15 one run of five is lost and two fall by more than .05.",
        "At equal rollouts, fresh data alone is ahead of all reuse by clip or penalty, by .06 at "
        "age 7 and by .10 at age 15: old groups dilute the step, and these gradients have little "
        "noise to be averaged away.",
        "TOPR, which never drops nor turns a success, is ahead of fresh data; its advantage of +1 "
        "or -1 makes its steps longer, too.",
        "The simulation, made of the base model alone, has the order of all rules of age 7 right "
        "and their last pass rates .01 to .04 too high.",
    ),
)
