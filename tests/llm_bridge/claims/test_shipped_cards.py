"""The fourteen cards and their shipped results: whole, and the pages are made of them."""

import json

import pytest

from llm_bridge.claims.card import SOURCES, THEORY_VERDICTS
from llm_bridge.claims.catalogue import card_ids, get_card
from llm_bridge.claims.pages import card_page, figures_page
from llm_bridge.claims.ship import FIGURES
from llm_bridge.claims.work import DATA, claims_json, read_assessments
from theory.verify.catalogue import CLAIMS

ALL = [*(f"A{n}" for n in range(1, 6)), *(f"B{n}" for n in range(1, 6)), "C1", "C2", "C3", "C4"]
VERDICTS = {"reproduced", "reproduced in part", "not reproduced", "out of reach"}


@pytest.fixture(scope="module")
def assessments():
    return read_assessments([get_card(card_id) for card_id in ALL], DATA)


def test_there_is_a_card_for_every_claim():
    assert card_ids() == ALL


@pytest.mark.parametrize("card_id", ALL)
def test_a_card_is_whole(card_id):
    card = get_card(card_id)
    known = {claim.id for claim in CLAIMS}
    assert [link.claim for link in card.theory if link.claim not in known] == []
    assert card.theory
    assert card.theory_verdict in THEORY_VERDICTS
    assert card.known in SOURCES
    for text in (card.claim, card.test, card.theory_says, card.where_it_flips):
        assert text.endswith(".")
    for cells in (card.simulated, card.trained):
        names = [cell.name for cell in cells]
        assert len(set(names)) == len(names)
    assert card.maps
    for world, cells in (("simulation", card.simulated), ("language_model", card.trained)):
        names = {cell.name for cell in cells}
        for effect in card.effects:
            if world in effect.worlds:
                assert set(effect.cells) <= names, f"{effect.name} in {world}"


@pytest.mark.parametrize("card_id", ALL)
def test_judged_cells_of_the_language_model_have_five_seeds(card_id):
    card = get_card(card_id)
    judged = {
        name
        for effect in card.effects
        if effect.decides and "language_model" in effect.worlds
        for name in effect.cells
    }
    assert {cell.name for cell in card.trained if cell.num_seeds < 5} & judged == set()


def test_shipped_results_are_those_of_the_cards(assessments):
    for one in assessments:
        card, results = one.card, one.results
        for world, cells in (("simulation", card.simulated), ("language_model", card.trained)):
            there = {*results.curves.get(world, {}), *results.reasons.get(world, {})}
            assert there == {cell.name for cell in cells}, f"{card.id} {world}"
        for cell in card.trained:
            assert len(results.curves["language_model"][cell.name]) == cell.num_seeds
        for flip_map in card.maps:
            places = {(x, y) for x in flip_map.x.values for y in flip_map.y.values}
            assert set(results.maps[flip_map.name]) == places, f"{card.id} {flip_map.name}"


def test_pages_are_made_of_the_shipped_results(assessments):
    assert (FIGURES / "README.md").read_text() == figures_page(assessments)
    for one in assessments:
        assert (FIGURES / "claims" / f"{one.card.id}.md").read_text() == card_page(one)
        assert (FIGURES / "claims" / f"{one.card.id}.png").exists()


def test_the_json_has_every_card_with_its_verdicts(assessments):
    found = json.loads(claims_json(assessments))["claims"]
    assert [card["id"] for card in found] == ALL
    for card in found:
        assert card["verdicts"]["theory"] in THEORY_VERDICTS
        assert {card["verdicts"][world] for world in ("simulation", "language_model")} <= VERDICTS
        assert all("low" in effect or effect["says"] == "undecided" for effect in card["effects"])
