"""Pages of the cards in Markdown: the newcomer's page, and one page a card."""

from collections.abc import Sequence
from pathlib import Path

from llm_bridge.claims.assess import Assessment
from llm_bridge.claims.report import card_report, interval_text, verdict_text

_PAGE = Path(__file__).with_name("page.md")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _leading_effect(assessment: Assessment, world: str) -> str:
    """The first deciding effect of a world, in words."""
    for one in assessment.measured:
        if one.world == world and one.effect.decides:
            return f"{one.effect.name}: {interval_text(one.interval)}"
    return ""


def table_of_cards(assessments: Sequence[Assessment]) -> str:
    """The table of all cards.

    Args:
        assessments: of the cards.

    Returns:
        Markdown.
    """
    lines = [
        "| card | claim | theory | simulation | language model | where it flips | figure |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in assessments:
        card = one.card
        worlds = []
        for world in ("simulation", "language_model"):
            effect = _leading_effect(one, world)
            worlds.append(f"**{verdict_text(one, world)}**" + (f"; {effect}" if effect else ""))
        cells = (
            f"[{card.id}](claims/{card.id}.md)",
            card.claim,
            f"**{card.theory_verdict}**; {card.theory_says}",
            *worlds,
            card.where_it_flips,
            f"[picture](claims/{card.id}.png)",
        )
        lines.append("| " + " | ".join(map(_cell, cells)) + " |")
    return "\n".join(lines) + "\n"


def figures_page(assessments: Sequence[Assessment]) -> str:
    """The newcomer's page, figures/README.md.

    Args:
        assessments: of the cards.

    Returns:
        Markdown.
    """
    return _PAGE.read_text().replace("{table}", table_of_cards(assessments))


def card_page(assessment: Assessment) -> str:
    """The page of one card.

    Args:
        assessment: of the card.

    Returns:
        Markdown.
    """
    card = assessment.card
    return (
        f"# {card.id}: {card.title}\n\n"
        f"![{card.id}]({card.id}.png)\n\n```\n{card_report(assessment)}\n```\n\n"
        f"Data: [curves](../data/claims/{card.id}/curves.jsonl), "
        f"[maps](../data/claims/{card.id}/maps.csv), "
        f"[where they come from](../data/claims/{card.id}/manifest.json). "
        f"Again: `banditlab claims {card.id} --run`.\n"
    )
