"""Run the whole suite on every broken rule and write docs/checks.md."""

from pathlib import Path

from tests.banditlab.testing.teeth import BROKEN
from tests.banditlab.testing.teeth.document import document, rejections

PATH = Path(__file__).parents[4] / "docs" / "checks.md"

if __name__ == "__main__":
    PATH.write_text(document({name: rejections(broken) for name, broken in BROKEN.items()}))
    print(f"wrote {PATH.relative_to(PATH.parents[1])}")
