"""Cards in words: the table of all, and each one by itself."""

import math
import textwrap
from collections.abc import Sequence

from tabulate import tabulate

from llm_bridge.claims.assess import Assessment, map_balance, pass_rates
from llm_bridge.claims.card import SOURCES, WORLDS
from llm_bridge.claims.effect import Interval

_WIDTH = 100


def interval_text(interval: Interval | None) -> str:
    """An effect as it is printed.

    Args:
        interval: the effect; None where there are no runs.

    Returns:
        Value and interval.

    Examples:
        >>> interval_text(Interval(0.123456, 0.1, 0.15))
        '0.123 [0.1, 0.15]'
    """
    if interval is None:
        return "no runs"
    if math.isnan(interval.value):
        return "not reached"
    value, low, high = (f"{number:.3g}" for number in (interval.value, interval.low, interval.high))
    return value if low == high else f"{value} [{low}, {high}]"


def verdict_text(assessment: Assessment, world: str) -> str:
    """Verdict of a world, with the reason where it cannot tell.

    Args:
        assessment: of a card.
        world: key of `WORLDS`.

    Returns:
        The words.
    """
    reason = assessment.reasons.get(world)
    return assessment.verdicts[world] + (f": {reason}" if reason else "")


def overview(assessments: Sequence[Assessment]) -> str:
    """The table of all cards for a terminal.

    Args:
        assessments: of the cards.

    Returns:
        The table.
    """
    rows = [
        (one.card.id, one.card.title, *(one.verdicts[world] for world in WORLDS))
        for one in assessments
    ]
    headers = ("card", "claim", *WORLDS.values())
    return tabulate(rows, headers=headers, maxcolwidths=[None, 44, 14, 18, 18])


def _wrapped(label: str, text: str) -> str:
    return textwrap.fill(f"{label}: {text}", width=_WIDTH, subsequent_indent="  ")


def card_report(assessment: Assessment) -> str:
    """One card in full.

    Args:
        assessment: of the card.

    Returns:
        The text.
    """
    card = assessment.card
    blocks = [f"{card.id}  {card.title}", _wrapped("claim", card.claim)]
    blocks += [_wrapped("source", f"{card.source}; {SOURCES[card.known]}")]
    blocks += [_wrapped("test", card.test), ""]
    blocks += [_wrapped(label, verdict_text(assessment, world)) for world, label in WORLDS.items()]
    blocks += [_wrapped("where it flips", card.where_it_flips), ""]
    blocks += [_wrapped("why", card.theory_says)]
    blocks += [textwrap.indent(_wrapped(link.claim, link.says), "  ") for link in card.theory]
    effects = [
        (
            one.effect.name,
            WORLDS[one.world],
            interval_text(one.interval),
            one.says if one.effect.decides else f"({one.says})",
        )
        for one in assessment.measured
    ]
    headers = ("effect, 95 % interval over runs", "world", "value", "the claim")
    blocks += ["", tabulate(effects, headers=headers, maxcolwidths=[58, None, None, None])]
    rows = [
        (
            WORLDS[row["world"]],
            row["cell"],
            row["split"],
            row["runs"],
            row["updates"],
            f"{row['rollouts']:.4g}",
            f"{row['first']:.3f}",
            f"{row['last']:.3f}",
            "" if row["last_sd"] is None else f"{row['last_sd']:.3f}",
        )
        for row in pass_rates(assessment)
    ]
    headers = ("world", "cell", "split", "runs", "updates", "rollouts", "first", "last", "SD")
    blocks += ["", tabulate(rows, headers=headers, disable_numparse=True)]
    for name, counts in map_balance(assessment).items():
        what = ", ".join(f"{number} {outcome}" for outcome, number in counts.items())
        blocks += ["", f"map {name}: {what}"]
    for world, cells in assessment.results.reasons.items():
        blocks += [_wrapped(f"{WORLDS[world]}, {cell}", why) for cell, why in cells.items()]
    blocks += ["", *(_wrapped("remark", remark) for remark in card.remarks)]
    return "\n".join(blocks).rstrip()
