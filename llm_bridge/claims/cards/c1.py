"""C1: the ratio-variance penalty gains over clipping."""

import math

from llm_bridge.claims.card import Card, FlipMap, TheoryLink
from llm_bridge.claims.cards.inner_epoch_maps import EPOCHS_AXIS, RATE_AXIS, rate_and_epochs
from llm_bridge.claims.cards.inner_epoch_rules import (
    BEST_RATES,
    EQUAL_RATE,
    LABELS,
    SOURCE,
    choice_cells,
    compared_cells,
    lead,
)
from llm_bridge.claims.cards.rare_success import EPOCHS_AXIS as SURVIVAL_EPOCHS
from llm_bridge.claims.cards.rare_success import PASS_RATE_AXIS, survival
from llm_bridge.claims.curve import final
from llm_bridge.claims.twins import twin

_ABOVE_ONE = (1.0, math.inf)
_PENALTIES = ("variance_penalty", "variance_penalty_dual")
_OTHERS = ("clip_higher", "group_mean", "topr")
_CELLS = compared_cells()


def _leads():
    """Ratios of final pass rates: both penalties over the clips, then what else was compared."""
    at_best = BEST_RATES.__getitem__
    for where, rate_of in (("best rates", at_best), ("equal rate", lambda rule: EQUAL_RATE)):
        for rule in _PENALTIES:
            for clip in ("clip", "clip_higher"):
                yield lead(final("heldout"), where, rule, clip, rate_of, expected=_ABOVE_ONE)
        yield lead(
            final("train"),
            f"train, {where}",
            "variance_penalty",
            "clip",
            rate_of,
            expected=_ABOVE_ONE,
            decides=False,
        )
        for rule in _OTHERS:
            yield lead(
                final("heldout"), where, rule, "clip", rate_of, expected=_ABOVE_ONE, decides=False
            )


CARD = Card(
    id="C1",
    title="A price on ratio variance gains over clipping",
    claim="Constraining the variance of the policy ratio gives up to 17 % average relative gain "
    "over clipping baselines.",
    source=SOURCE,
    known="P",
    test="Six rules on the same batches, 32 x 8, four inner epochs, 24 updates under SGD: ratio of "
    "final held-out pass rates, penalty over clip and over clip-higher, with a fixed multiplier "
    "of 0.5 and with dual ascent. Once all at learning rate 0.01, once each at its own best of "
    "0.003, 0.01, 0.03 and 0.1, chosen by one run with a seed of its own. Any gain above 0 counts.",
    theory_verdict="depends",
    theory_says="In the first inner epoch clip and penalty are invisible. A rare success is held "
    "at the ratio 1 + A/(2 multiplier) by the penalty and at 1.2 to 1.2 exp(1.2 gain) by the clip, "
    "so that the penalty gains where several epochs carry the ratio beyond 1.2, loses a little "
    "before, and overshoots where multiplier * step * ratio^2 is above 1, which no clip does.",
    theory=(
        TheoryLink("P3-first-step", "The first inner epoch knows neither clip nor penalty."),
        TheoryLink(
            "P27-unclipped", "While gain * epochs is at most 1/6, a clip of 0.2 never acts."
        ),
        TheoryLink("P27-largest-ratio", "The clip lets a success end at 1.2 exp(1.2 gain)."),
        TheoryLink(
            "P37-interior", "The penalty asks for the ratio 1 + (A - mean A)/(2 multiplier)."
        ),
        TheoryLink("P16-inner-clip", "The clip's mean step of each inner epoch."),
        TheoryLink("P16-inner-variance-penalty", "The penalty's mean step of each inner epoch."),
        TheoryLink("P40-batch", "The penalty is stable below learning rate 1/(multiplier * top)."),
        TheoryLink("P40-clip", "Under the clip no step throws a lone success down."),
    ),
    simulated=tuple(twin(cell) for cell in _CELLS),
    trained=(*_CELLS, *choice_cells()),
    effects=tuple(_leads()),
    maps=(
        FlipMap(
            "rates",
            "Lead of the penalty over the clip, embedded model, simulated",
            RATE_AXIS,
            EPOCHS_AXIS,
            "mean held-out pass rate, penalty less clip",
            rate_and_epochs,
        ),
        FlipMap(
            "eureka",
            "A right response sampled once: log-odds that it gains in one round, rate 0.01",
            PASS_RATE_AXIS,
            SURVIVAL_EPOCHS,
            "gain in log-odds, penalty less clip, nats",
            survival,
        ),
    ),
    where_it_flips="",
    drawn=tuple(f"{rule}-{rate:g}" for rule in LABELS for rate in (BEST_RATES[rule],)),
)
