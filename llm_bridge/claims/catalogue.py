"""All cards, found by their modules."""

import pkgutil
from importlib import import_module

from banditlab.validation import require_known
from llm_bridge.claims import cards
from llm_bridge.claims.card import Card


def card_ids() -> list[str]:
    """Ids of all cards, in the order of the papers.

    Returns:
        "A1" to "C4".
    """
    names = (module.name for module in pkgutil.iter_modules(cards.__path__))
    return sorted(name.upper() for name in names if len(name) == 2 and name[1].isdigit())


def get_card(card_id: str) -> Card:
    """One card.

    Args:
        card_id: "A1" to "C4", in any case.

    Returns:
        The card.

    Raises:
        ValueError: there is no such card.
    """
    require_known("claims", "id", card_id.upper(), card_ids(), "claim card")
    return import_module(f"{cards.__name__}.{card_id.lower()}").CARD
