"""Cards on the ratio-variance penalty: the same numbers in other cells change their verdicts."""

import numpy as np
import pytest

from llm_bridge.claims.assess import assess
from llm_bridge.claims.cards.inner_epoch_rules import (
    BEST_RATES,
    LABELS,
    choice_cells,
    compared_cells,
)
from llm_bridge.claims.catalogue import get_card
from llm_bridge.claims.curve import Curve
from llm_bridge.claims.results import Results

IDS = ("C1", "C2", "C3", "C4")
UPDATE = np.arange(0, 25, 4)


def curves(gain, jump=0.0):
    """Five runs from .3 upwards by `gain`, with one fall of `jump` on the way."""
    for seed in range(5):
        values = 0.3 + (gain + 0.001 * seed) * UPDATE / UPDATE[-1]
        values[3] -= jump
        yield Curve(UPDATE, UPDATE * 256, {"train": values, "heldout": values})


def results(card, gain_of, jump_of=lambda name: 0.0):
    names = {cell.name for cell in (*card.trained, *card.simulated)}
    cells = {name: list(curves(gain_of(name), jump_of(name))) for name in names}
    return Results(curves={"simulation": cells, "language_model": cells})


def is_priced(name):
    return name.startswith(("variance_penalty", "low-"))


def gains(high, low):
    return lambda name: high if is_priced(name) else low


def more_where_sparse(name):
    sparse = name.endswith(("brief", "narrow"))
    return (0.5 if sparse else 0.45) if is_priced(name) else 0.4


def falls(priced, clipped):
    return lambda name: priced if is_priced(name) else clipped


ALL_HOLDS = {
    "C1": (gains(0.5, 0.4),),
    "C2": (gains(0.9, 0.42),),
    "C3": (gains(0.4, 0.1),),
    "C4": (more_where_sparse, falls(0.0, 0.2)),
}
SWAPPED = {
    "C1": (gains(0.4, 0.5),),
    "C2": (gains(0.42, 0.9),),
    "C3": (gains(-0.2, 0.1),),
    "C4": (lambda name: -more_where_sparse(name) / 2 if is_priced(name) else 0.4, falls(0.2, 0.0)),
}


@pytest.mark.parametrize("card_id", IDS)
def test_a_world_in_which_all_holds_is_told_from_its_mirror(card_id):
    card = get_card(card_id)
    held = assess(card, results(card, *ALL_HOLDS[card_id])).verdicts
    swapped = assess(card, results(card, *SWAPPED[card_id])).verdicts
    for world in ("simulation", "language_model"):
        assert held[world] == "reproduced"
        assert swapped[world] == "not reproduced"


@pytest.mark.parametrize("card_id", IDS)
def test_every_compared_cell_has_a_twin(card_id):
    card = get_card(card_id)
    compared = {cell.name for cell in card.trained if not cell.name.endswith("-choice")}
    assert compared == {cell.name for cell in card.simulated}


def test_rates_are_chosen_by_seeds_that_no_result_has():
    choices, cells = list(choice_cells()), compared_cells()
    assert len(choices) == 4 * len(LABELS)
    assert min(cell.first_seed for cell in choices) >= max(cell.num_seeds for cell in cells)
    assert len({cell.name for cell in cells}) == len(cells)
    for rule, rate in BEST_RATES.items():
        assert f"{rule}-{rate:g}" in {cell.name for cell in cells}
        assert f"{rule}-{rate:g}-choice" in {cell.name for cell in choices}
