"""Copy the results of finished cards to `figures/`, where the newcomer's page shows them.

`python -m llm_bridge.claims.ship runs/claims` takes the cards that are in a folder of `banditlab
claims --run`, and writes the pages anew from all results that are shipped. Without a folder only
the pages and pictures are made again.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from banditlab.files import write_atomically
from banditlab.validation import require
from figures.claim_card import draw_card
from llm_bridge.claims.assess import Assessment
from llm_bridge.claims.catalogue import card_ids, get_card
from llm_bridge.claims.pages import card_page, figures_page
from llm_bridge.claims.results import CURVES_FILE, MANIFEST_FILE, MAPS_FILE
from llm_bridge.claims.work import read_assessments

FIGURES = Path(__file__).resolve().parents[2] / "figures"
_FILES = (CURVES_FILE, MAPS_FILE, MANIFEST_FILE)


def copy_results(run: Path, data: Path) -> list[str]:
    """Copy the small files of every finished card.

    Args:
        run: folder of `banditlab claims --run`.
        data: receives one folder a card.

    Returns:
        Ids of the cards that were copied.

    Raises:
        ValueError: there is no finished card.
        OSError: the disk refuses.
    """
    found = [
        card_id for card_id in card_ids() if all((run / card_id / name).exists() for name in _FILES)
    ]
    require(
        len(found) > 0,
        "llm_bridge.claims.ship",
        "run",
        "a folder with a finished card",
        run.name,
        "Run one first: banditlab claims A2 --run",
    )
    for card_id in found:
        (data / card_id).mkdir(parents=True, exist_ok=True)
        for name in _FILES:
            write_atomically(data / card_id / name, (run / card_id / name).read_bytes())
    return found


def write_pages(assessments: Sequence[Assessment], figures: Path) -> list[Path]:
    """Write the newcomer's page, and a page and a picture for each card.

    Args:
        assessments: of the cards.
        figures: receives README.md and claims/.

    Returns:
        Paths of the pages.

    Raises:
        OSError: the disk refuses.
    """
    folder = figures / "claims"
    folder.mkdir(parents=True, exist_ok=True)
    paths = [figures / "README.md"]
    write_atomically(paths[0], figures_page(assessments))
    for one in assessments:
        draw_card(one, folder / one.card.id)
        paths.append(folder / f"{one.card.id}.md")
        write_atomically(paths[-1], card_page(one))
    return paths


def main(argv: Sequence[str] | None = None) -> int:
    """Ship cards.

    Args:
        argv: arguments; those of the process by default.

    Returns:
        Exit code.

    Raises:
        ValueError: there is no finished card.
    """
    parser = argparse.ArgumentParser(
        prog="python -m llm_bridge.claims.ship",
        description="Copy the results of finished claim cards to figures/ and write their pages.",
        epilog="example: python -m llm_bridge.claims.ship runs/claims",
    )
    parser.add_argument("run", type=Path, nargs="?", help="folder of `banditlab claims --run`")
    parser.add_argument("--out", type=Path, default=FIGURES, help="where to (figures/)")
    arguments = parser.parse_args(argv)
    data = arguments.out / "data" / "claims"
    if arguments.run is not None:
        print("copied:", ", ".join(copy_results(arguments.run, data)))
    shipped = [get_card(card_id) for card_id in card_ids() if (data / card_id).is_dir()]
    for path in write_pages(read_assessments(shipped, data), arguments.out):
        print(path)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
