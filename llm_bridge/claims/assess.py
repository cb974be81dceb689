"""Effects, verdicts and the balance of the maps: what the results of a card come to."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from llm_bridge.claims.card import SOURCES, Card
from llm_bridge.claims.curve import SPLITS
from llm_bridge.claims.effect import (
    HOLDS,
    OPPOSITE,
    OUT_OF_REACH,
    UNDECIDED,
    Effect,
    Interval,
    judge,
    measure,
    verdict,
)
from llm_bridge.claims.results import Results

_SEED = 2_601


@dataclass(frozen=True)
class Measured:
    """One effect in one world.

    Attributes:
        effect: what was measured.
        world: where.
        interval: the value with its 95 % interval; None where a cell has no runs.
        says: `HOLDS`, `OPPOSITE` or `UNDECIDED`.
    """

    effect: Effect
    world: str
    interval: Interval | None
    says: str


@dataclass(frozen=True)
class Assessment:
    """What the results of a card come to.

    Attributes:
        card: the card.
        results: its curves and maps.
        measured: its effects, in their order.
        verdicts: world -> verdict; of theory, the card's own word.
        reasons: world -> why a world cannot tell, where that is so.
    """

    card: Card
    results: Results
    measured: tuple[Measured, ...]
    verdicts: dict[str, str]
    reasons: dict[str, str]


def _measure(effect: Effect, world: str, results: Results) -> Measured:
    curves = results.curves.get(world, {})
    if any(cell not in curves for cell in effect.cells):
        return Measured(effect, world, None, UNDECIDED)
    # Each effect has a stream of its own: a new one beside it changes no digit.
    entropy = [_SEED, *effect.name.encode(), *world.encode()]
    interval = measure(effect, curves, np.random.default_rng(entropy))
    return Measured(effect, world, interval, judge(interval, effect.expected))


def assess(card: Card, results: Results) -> Assessment:
    """Measure the effects of a card and judge its claim in every world.

    Args:
        card: the card.
        results: what was computed for it.

    Returns:
        The assessment.
    """
    measured = tuple(
        _measure(effect, world, results) for effect in card.effects for world in effect.worlds
    )
    verdicts, reasons = {"theory": card.theory_verdict}, {}
    for world in ("simulation", "language_model"):
        deciding = [one for one in measured if one.world == world and one.effect.decides]
        verdicts[world] = verdict([one.says for one in deciding])
        if world in card.out_of_reach:
            verdicts[world], reasons[world] = OUT_OF_REACH, card.out_of_reach[world]
        elif verdicts[world] == OUT_OF_REACH:
            reasons[world] = (
                "the intervals reach into both"
                if deciding
                else "no configuration of this world speaks of the claim"
            )
    return Assessment(card, results, measured, verdicts, reasons)


def map_balance(assessment: Assessment) -> dict[str, dict[str, int]]:
    """How many points of each map hold, are opposite, or cannot be told.

    Args:
        assessment: of a card.

    Returns:
        Name of the map -> outcome -> number of points.
    """
    found = {}
    for flip_map in assessment.card.maps:
        points = assessment.results.maps.get(flip_map.name, {})
        counts = Counter(judge(effect, flip_map.expected) for effect in points.values())
        found[flip_map.name] = {name: counts[name] for name in (HOLDS, OPPOSITE, UNDECIDED)}
    return found


def pass_rates(assessment: Assessment) -> list[dict[str, Any]]:
    """First and last pass rate of every cell, mean over its runs.

    Args:
        assessment: of a card.

    Returns:
        One row for each world, cell and split.
    """
    rows = []
    for world, cells in assessment.results.curves.items():
        for cell, runs in cells.items():
            for split in SPLITS:
                if split not in runs[0].pass_rate:
                    continue
                ends = np.array([run.split(split)[[0, -1]] for run in runs])
                rows.append(
                    {
                        "world": world,
                        "cell": cell,
                        "split": split,
                        "runs": len(runs),
                        "updates": int(runs[0].update[-1]),
                        "rollouts": float(runs[0].rollouts[-1]),
                        "first": float(ends[:, 0].mean()),
                        "last": float(ends[:, 1].mean()),
                        "last_sd": float(ends[:, 1].std(ddof=1)) if len(runs) > 1 else None,
                    }
                )
    return rows


def _finite(number: float) -> float | str:
    """JSON has no infinity: it is written as a word."""
    return number if np.isfinite(number) else str(number)


def as_dict(assessment: Assessment) -> dict[str, Any]:
    """An assessment as JSON can write it.

    Args:
        assessment: of a card.

    Returns:
        The mapping; numbers that are not finite are the words "inf", "-inf" and "nan".
    """
    card = assessment.card
    effects = [
        {
            "name": one.effect.name,
            "world": one.world,
            "statistic": one.effect.statistic.name,
            "cell": one.effect.cell,
            "against": one.effect.against,
            "summary": one.effect.summary,
            "compare": one.effect.compare if one.effect.against is not None else None,
            "others": list(one.effect.others),
            "paired": one.effect.paired,
            "expected": [_finite(end) for end in one.effect.expected],
            "decides": one.effect.decides,
            "says": one.says,
            **(
                {}
                if one.interval is None
                else {
                    "value": _finite(one.interval.value),
                    "low": _finite(one.interval.low),
                    "high": _finite(one.interval.high),
                }
            ),
        }
        for one in assessment.measured
    ]
    return {
        "id": card.id,
        "title": card.title,
        "claim": card.claim,
        "source": card.source,
        "known": SOURCES[card.known],
        "test": card.test,
        "verdicts": assessment.verdicts,
        "reasons": assessment.reasons,
        "theory_says": card.theory_says,
        "theory": [{"claim": link.claim, "says": link.says} for link in card.theory],
        "effects": effects,
        "pass_rates": pass_rates(assessment),
        "maps": map_balance(assessment),
        "where_it_flips": card.where_it_flips,
        "remarks": list(card.remarks),
        "no_runs": assessment.results.reasons,
        "figure": f"claims/{card.id}.png",
    }
