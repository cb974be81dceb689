import re
from pathlib import Path

from banditlab.testing import CHECKS
from tests.banditlab.testing.teeth import BROKEN
from tests.banditlab.testing.teeth.__main__ import PATH
from tests.banditlab.testing.teeth.document import broken_row, checks_section, rejections

AGAIN = "run `python -m tests.banditlab.testing.teeth`"
TEXT = PATH.read_text()


def rows():
    """Name of a broken rule -> checks of its row."""
    found = {}
    for line in TEXT.partition("broken rules\n")[2].splitlines():
        if line.startswith("| `"):
            cells = line.split(" | ")
            found[cells[0].strip("| `")] = re.findall(r"`(\w+)`", cells[-1])
    return found


def test_the_page_lists_the_checks_as_they_are():
    assert checks_section() in TEXT, AGAIN


def test_the_page_lists_every_broken_rule_and_what_must_reject_it():
    found = rows()
    assert list(found) == list(BROKEN), AGAIN
    for name, broken in BROKEN.items():
        assert set(broken.caught_by) <= set(found[name]), AGAIN
        assert broken_row(broken, found[name]) in TEXT, AGAIN


def test_a_row_says_all_that_reject_the_rule():
    for name in ("dropped_ratio", "mean_with_the_sample_itself", "loss_times_mask"):
        assert list(rejections(BROKEN[name])) == rows()[name], AGAIN


def test_the_readme_counts_checks_and_broken_rules():
    readme = " ".join((Path(__file__).parents[3] / "README.md").read_text().split())
    assert f"the {len(CHECKS)} checks and the {len(BROKEN)} broken rules" in readme
