"""Every example of docs/deviations.md runs as it stands, after the function that it uses."""

import re
from pathlib import Path

import pytest

from banditlab.testing.peers.peer import find_peers

PAGE = Path(__file__).resolve().parents[2] / "docs" / "deviations.md"
SECTIONS = re.split(r"^## ", PAGE.read_text("utf-8"), flags=re.MULTILINE)
INTRODUCTION, EXAMPLES = SECTIONS[0], SECTIONS[1:]


def _code(text):
    return "\n".join(re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL))


@pytest.mark.parametrize("section", EXAMPLES, ids=lambda text: text.splitlines()[0])
def test_an_example_runs(section):
    used = {peer for peer in find_peers() if f'"{peer.full_name}"' in section}
    missing = {peer.library for peer in used if peer.installed_version() != peer.version}
    if missing:
        pytest.skip(f"needs {', '.join(sorted(missing))}; make test-peers installs it")
    assert used
    exec(compile(_code(INTRODUCTION) + _code(section), str(PAGE), "exec"), {})
