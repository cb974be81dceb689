"""Results are copied to where the newcomer's page is made from them."""

import pytest

from llm_bridge.claims import ship
from tests.llm_bridge.claims.made import MADE_CARD


@pytest.fixture
def shipped(made_runs, tmp_path, monkeypatch):
    monkeypatch.setattr(ship, "get_card", lambda _: MADE_CARD)
    monkeypatch.setattr(ship, "card_ids", lambda: ["A2", "A3"])
    assert ship.main([str(made_runs), "--out", str(tmp_path)]) == 0
    return tmp_path


def test_data_pages_and_picture_are_there(shipped):
    for name in ("README.md", "claims/A2.md", "claims/A2.png", "data/claims/A2/maps.csv"):
        assert (shipped / name).stat().st_size > 0


def test_the_page_opens_with_a_row_for_the_card(shipped):
    page = (shipped / "README.md").read_text()
    (row,) = [line for line in page.splitlines() if line.startswith("| [A2]")]
    # A bar inside a sentence is no column.
    assert "nothing \\| at all" in row
    assert row.replace("\\|", "").count("|") == 8
    assert "**reproduced" in row or "**out of reach" in row or "**not reproduced" in row


def test_pages_can_be_made_again_without_runs(shipped):
    before = {path: path.read_bytes() for path in shipped.rglob("*") if path.is_file()}
    assert ship.main(["--out", str(shipped)]) == 0
    assert {path: path.read_bytes() for path in before} == before


def test_a_folder_without_a_card_is_refused(tmp_path):
    with pytest.raises(ValueError, match="finished card"):
        ship.main([str(tmp_path), "--out", str(tmp_path)])
