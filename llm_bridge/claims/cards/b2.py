"""B2: advantage and number of rollouts add little."""

import numpy as np
from scipy.special import expit, logit

from llm_bridge.claims.card import Axis, Card, FlipMap, TheoryLink
from llm_bridge.claims.cards.batch_grid import (
    ADAMW_ROLLOUTS,
    LITTLE,
    ROLLOUTS,
    SOURCE,
    adamw_grpo_cell,
    adamw_raw_cell,
    grpo_cell,
    raw_cell,
    update_cell,
)
from llm_bridge.claims.curve import pass_rate_at
from llm_bridge.claims.effect import Effect, Interval
from llm_bridge.claims.twins import twin
from theory.predict.batch_curves import predicted_shift

# GRPO's first step on these prompts is 2.08 times that of the plain reward (docs/forecast.md).
_EQUAL_STEP_RATE = 0.00481

RAW, GRPO, ADAMW, ADAMW_GRPO = raw_cell(), grpo_cell(), adamw_raw_cell(), adamw_grpo_cell()
RAW_8 = update_cell("raw-32x8", "raw 32x8", "raw_reward", 32, 8)
STATISTICS = update_cell(
    "extra-32x1+7", "GRPO 32 x (1 + 7 for statistics)", "extra_rollouts", 32, 1
)
EQUAL_STEP = update_cell(
    "grpo-equal-step", "GRPO 32x8, equal first step", "grpo", 32, 8, learning_rate=_EQUAL_STEP_RATE
)
GRPO_32 = update_cell("grpo-32x32", "GRPO 32x32", "grpo", 32, 32, num_updates=30)
ADAMW_RAW_8 = update_cell(
    "adamw-raw-32x8", "raw 32x8, AdamW", "raw_reward", 32, 8, optimizer="adamw"
)
# Each at the best of three rates (docs/forecast.md).
BEST = update_cell(
    "raw-best-rate", "raw 32x1, best rate .03", "raw_reward", 32, 1,
    learning_rate=0.03, num_updates=240, eval_every=60,
)  # fmt: skip
BEST_8 = update_cell(
    "raw-32x8-best-rate", "raw 32x8, best rate .1", "raw_reward", 32, 8,
    learning_rate=0.1, num_updates=30,
)  # fmt: skip
BEST_GRPO = update_cell(
    "grpo-best-rate", "GRPO 32x8, best rate .03", "grpo", 32, 8,
    learning_rate=0.03, num_updates=30,
)  # fmt: skip

_CELLS = (RAW, RAW_8, GRPO, EQUAL_STEP, STATISTICS, GRPO_32, ADAMW, ADAMW_RAW_8, ADAMW_GRPO)
_CELLS += (BEST, BEST_8, BEST_GRPO)
_CLAIM = (-np.inf, LITTLE)


def _adds(name: str, cell, against, *, update=None, rollouts=None, split="heldout", **more):
    """Pass rate that a choice adds over another cell, at equal updates or at equal rollouts."""
    where = pass_rate_at(split, update=update, rollouts=rollouts)
    return Effect(name, where, cell.name, against.name, expected=_CLAIM, **more)


def _half_way(log_odds: float) -> float:
    """Time in which the plain reward comes half of the way to 1: from z + sinh z (P15)."""
    target = logit((1.0 + expit(log_odds)) / 2.0)
    # dz/dt = p (1 - p), so t = 2 (z + sinh z).
    return float(2.0 * (target + np.sinh(target) - log_odds - np.sinh(log_odds)))


def _pass_rate(rule: str, log_odds: float, time: float, group_size: int) -> float:
    shift = predicted_shift(
        rule, [log_odds], [time], learning_rate=1.0, shared_kernel=1.0, group_size=group_size
    )
    return float(expit(log_odds + shift[0]))


def added_at_equal_updates(pass_rate: float, group_size: float) -> Interval:
    """What GRPO on groups adds over one rollout with plain reward, at equal rate and updates.

    Args:
        pass_rate: of the prompts, at the start.
        group_size: rollouts of a prompt.

    Returns:
        The difference in pass rate when the plain reward is half of the way to 1; exact.
    """
    start = float(logit(pass_rate))
    time = _half_way(start)
    added = _pass_rate("grpo", start, time, int(group_size)) - (1.0 + pass_rate) / 2.0
    return Interval(added, added, added)


def added_at_equal_rollouts(pass_rate: float, rate_factor: float) -> Interval:
    """What GRPO on groups of 8 adds at equal rollouts, where groups allow a larger rate.

    Args:
        pass_rate: of the prompts, at the start.
        rate_factor: learning rate of the groups over that of the single rollouts.

    Returns:
        The difference in pass rate when the plain reward is half of the way to 1; exact.
    """
    start = float(logit(pass_rate))
    time = _half_way(start) * rate_factor / 8.0
    added = _pass_rate("grpo", start, time, 8) - (1.0 + pass_rate) / 2.0
    return Interval(added, added, added)


_PASS_RATE = Axis(
    "pass_rate",
    "pass rate of the prompts at the start",
    (1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 0.3, 0.6, 0.9),
)

CARD = Card(
    id="B2",
    title="Advantage and number of rollouts add little",
    claim="Added to the minimalist baseline, a group advantage and more rollouts per prompt bring "
    "little.",
    source=SOURCE,
    known="D",
    test="Held-out pass rate with the choice less that without it, at equal updates and at equal "
    "rollouts, at one learning rate for all, at an equal expected first step, and each at its best "
    f"rate; little is at most {LITTLE}, a tenth of what the baseline gains. One trained rollout "
    "with 7 for statistics only has the advantage without the trained rollouts.",
    theory_verdict="depends",
    theory_says="In the mean the number of rollouts changes nothing (n = 1 and n = 8 have one "
    "curve in updates) and GRPO multiplies the step by S_n(p)/(p (1 - p)), at most sqrt(n - 1): at "
    "one rate and equal updates that is much, at equal rollouts it never repays the n rollouts "
    "unless groups allow a larger rate.",
    theory=(
        TheoryLink("P7-mean", "Group mean has (n - 1)/n of the plain reward's gradient."),
        TheoryLink("P8-sampled", "GRPO's class gradient is S_n(p)."),
        TheoryLink("P8-amplification", "S_n(p)/(p (1 - p)) tends to (n - 1)/sqrt(n) for rare p."),
        TheoryLink("P16-batch-raw-reward", "The curve of 32 x 1 in updates does not know n."),
        TheoryLink("P16-batch-grpo", "GRPO's curve is that of a longer step."),
        TheoryLink("P56-moments", "One trained rollout of 8 has the mean gradient of all 8."),
        TheoryLink("P56-equal-rollouts", "At equal rollouts it has up to n times the variance."),
        TheoryLink("P51-first", "AdamW's first step knows no rule and no group size."),
    ),
    simulated=tuple(twin(cell) for cell in _CELLS),
    trained=_CELLS,
    effects=(
        _adds("GRPO 32x8 for raw 32x1, AdamW, equal updates", ADAMW_GRPO, ADAMW, update=30),
        _adds(
            "GRPO 32x8 for raw 32x1, AdamW, equal rollouts",
            ADAMW_GRPO,
            ADAMW,
            rollouts=ADAMW_ROLLOUTS,
        ),
        _adds(
            "the same on train prompts, equal updates",
            ADAMW_GRPO,
            ADAMW,
            update=30,
            split="train",
            decides=False,
        ),
        _adds("advantage: GRPO for raw, 32x8, AdamW", ADAMW_GRPO, ADAMW_RAW_8, update=30),
        _adds("advantage: GRPO for raw, 32x8, SGD, equal rate", GRPO, RAW_8, update=60),
        _adds("advantage: the same, equal first step", EQUAL_STEP, RAW_8, update=60),
        _adds("advantage by 7 extra rollouts, SGD, equal updates", STATISTICS, RAW, update=60),
        _adds(
            "advantage by 7 extra rollouts, SGD, equal rollouts",
            STATISTICS,
            RAW,
            rollouts=ROLLOUTS,
        ),
        _adds("rollouts: raw 32x8 for 32x1, SGD, equal updates", RAW_8, RAW, update=60),
        _adds("rollouts: raw 32x8 for 32x1, SGD, equal rollouts", RAW_8, RAW, rollouts=ROLLOUTS),
        _adds("rollouts: raw 32x8 for 32x1, AdamW, equal updates", ADAMW_RAW_8, ADAMW, update=30),
        _adds("rollouts: GRPO 32x32 for 32x8, SGD, equal updates", GRPO_32, GRPO, update=30),
        _adds(
            "rollouts: GRPO 32x32 for 32x8, SGD, equal rollouts", GRPO_32, GRPO, rollouts=ROLLOUTS
        ),
        _adds(
            "raw 32x8 for 32x1, each at its best rate, equal rollouts",
            BEST_8,
            BEST,
            rollouts=ADAMW_ROLLOUTS,
            worlds=("language_model",),
        ),
        _adds(
            "GRPO 32x8 for raw 32x1, best rates, equal rollouts",
            BEST_GRPO,
            BEST,
            rollouts=ADAMW_ROLLOUTS,
            worlds=("language_model",),
        ),
    ),
    maps=(
        FlipMap(
            "updates",
            "What GRPO on n rollouts adds at equal rate and updates",
            _PASS_RATE,
            Axis("group_size", "rollouts per prompt, n", (2, 4, 8, 16, 32, 64)),
            "pass rate added",
            added_at_equal_updates,
            _CLAIM,
        ),
        FlipMap(
            "rollouts",
            "What GRPO on 8 rollouts adds at equal rollouts",
            _PASS_RATE,
            Axis("rate_factor", "its learning rate over the baseline's", (1, 2, 3, 4, 5, 6, 8, 16)),
            "pass rate added",
            added_at_equal_rollouts,
            _CLAIM,
        ),
    ),
    where_it_flips="At one rate and as many updates, groups of 4 and more add more than .04 to "
    "all prompts that start at .6 or below. At equal rollouts groups of 8 add nothing unless "
    "they allow a larger rate, 8 p (1 - p)/S_8(p) times the baseline's to break even: 3.2 for "
    "rare prompts, between 4 and 5 at a pass rate of .3; they add more than .04 from 4 times on "
    "at .01, from 6 times on at .3 to .6, and never at .9.",
    remarks=(
        "What the advantage adds is length of the step: .09 at one rate under SGD, and at an "
        "equal first step, or under AdamW, which sets the length itself, GRPO is .03 behind the "
        "plain reward.",
        "What rollouts add is a longer step too, under AdamW alone: less noise makes its "
        "normalised steps longer, by .08 in 30 updates, which cost eight times the rollouts. "
        "Under SGD 32 x 8 and 32 x 1 are one curve in updates.",
        "At equal rollouts the baseline is ahead by .18 to .24 at one rate, and by .06 to .11 "
        "where each has the best rate of three: larger groups bear a rate 3.3 times as large, "
        "which is not enough.",
        "Seven rollouts for statistics only give most of the advantage's lead at equal updates "
        "(.06 of .09) and cost eight times the rollouts: at equal rollouts they are .18 behind.",
        "Every effect above .01 has the same sign in the language model as in the simulation, "
        "which knows the base model alone.",
    ),
    against="rollouts",
)
