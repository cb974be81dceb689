"""What `banditlab claims` does: list, show, run, and write cards."""

import json
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from tabulate import tabulate

from banditlab.files import write_atomically
from banditlab.validation import require, require_known
from llm_bridge.claims.assess import Assessment, as_dict, assess
from llm_bridge.claims.card import Card
from llm_bridge.claims.catalogue import card_ids, get_card
from llm_bridge.claims.report import card_report, overview
from llm_bridge.claims.results import read_results
from llm_bridge.claims.run import LINES, run_card

DATA = Path(__file__).resolve().parents[2] / "figures" / "data" / "claims"
"""Results that are shipped."""


def read_assessments(cards: Sequence[Card], data: Path) -> list[Assessment]:
    """Assess cards from their results.

    Args:
        cards: the cards.
        data: folder with one folder a card.

    Returns:
        The assessments.

    Raises:
        ValueError: a card has no results there.
    """
    return [assess(card, read_results(card, data / card.id)) for card in cards]


def claims_json(assessments: Sequence[Assessment]) -> str:
    """Cards as JSON.

    Args:
        assessments: of the cards.

    Returns:
        The text of {"claims": [...]}.
    """
    document = {"claims": [as_dict(one) for one in assessments]}
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def _plan_table(cards: Sequence[Card]) -> str:
    rows = [
        (
            card.id,
            len(card.simulated),
            sum(len(one.x.values) * len(one.y.values) for one in card.maps),
            sum(cell.num_seeds for cell in card.trained),
            sum(cell.num_seeds * cell.settings.get("num_updates", 100) for cell in card.trained),
            ", ".join(sorted({cell.base_model for cell in card.trained})),
        )
        for card in cards
    ]
    headers = ("card", "simulated cells", "map points", "training runs", "updates", "base models")
    return tabulate(rows, headers=headers)


def _draw(assessment: Assessment, folder: Path) -> None:
    try:
        from figures.claim_card import draw_card
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        print("No figure: matplotlib is not installed (the extra `figures`).", file=sys.stderr)
        return
    print(draw_card(assessment, folder / assessment.card.id)[0])


def _run_cards(cards: Sequence[Card], arguments: Namespace) -> list[Assessment]:
    worlds = [word.strip() for word in arguments.worlds.split(",")]
    for world in worlds:
        require_known("claims", "worlds", world, LINES, "world")
    workers = os.cpu_count() or 1 if arguments.workers is None else arguments.workers
    require(workers >= 1, "claims", "workers", "at least 1", workers, "Leave it out for all cores")
    found = []
    for card in cards:
        folder = run_card(card, arguments.out, num_workers=workers, worlds=worlds)
        found.append(assess(card, read_results(card, folder)))
        print(card_report(found[-1]))
        _draw(found[-1], folder)
        print()
    return found


def work_on_claims(arguments: Namespace) -> int:
    """List, show or run cards.

    Args:
        arguments: of the command.

    Returns:
        Exit code.

    Raises:
        ValueError: a card, or its results, do not exist.
    """
    require(
        not (arguments.all and arguments.ids),
        "claims",
        "all",
        "given without the names of cards",
        " ".join(arguments.ids),
        "Leave one of the two out",
    )
    is_named = bool(arguments.ids) or arguments.all
    for flag in ("run", "dry_run"):
        require(
            is_named or not getattr(arguments, flag),
            "claims",
            flag,
            "given with cards to run",
            "none",
            "Name them, e.g. banditlab claims A2 --run, or say --all",
        )
    names = dict.fromkeys(name.upper() for name in arguments.ids)
    cards = [get_card(name) for name in names or card_ids()]
    if arguments.dry_run:
        print(_plan_table(cards))
        return 0
    if arguments.run:
        found = _run_cards(cards, arguments)
    else:
        found = read_assessments(cards, arguments.data or DATA)
        if is_named:
            print("\n\n".join(card_report(one) for one in found))
        else:
            print(overview(found))
            print("\n`banditlab claims A2` shows one card, --run runs it again; figures/README.md.")
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(arguments.json, claims_json(found))
    return 0
