import io

import pytest

from llm_bridge import progress
from llm_bridge.progress import ProgressBar

LINES = [
    {"kind": "evaluation", "update": 0, "heldout_pass_rate": 0.25},
    {
        "kind": "update",
        "update": 4,
        "reward_mean": 0.5,
        "rollout_pass_rate": 0.375,
        "tokens_per_second": 12345.6,
    },
]


class Terminal(io.StringIO):
    def __init__(self, is_terminal):
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self):
        return self.is_terminal


def shown(monkeypatch, *, is_shown, is_terminal):
    terminal = Terminal(is_terminal)
    original = progress.tqdm
    monkeypatch.setattr(
        progress, "tqdm", lambda **options: original(file=terminal, mininterval=0, **options)
    )
    with ProgressBar(10, 3, is_shown=is_shown) as bar:
        for line in LINES:
            bar.tell(line)
    return terminal.getvalue()


def test_the_bar_tells_pass_rate_reward_speed_and_time_left(monkeypatch):
    text = shown(monkeypatch, is_shown=True, is_terminal=True)
    assert "3/10" in text
    assert "held-out=0.250" in text
    last = text[text.rindex("4/10") :]
    for part in ("<", "pass rate=0.375", "reward=0.500", "held-out=0.250", "tokens/s=12,346"):
        assert part in last


@pytest.mark.parametrize(("is_shown", "is_terminal"), [(False, True), (True, False)])
def test_nothing_is_shown_when_quiet_or_away_from_a_terminal(is_shown, is_terminal, monkeypatch):
    assert shown(monkeypatch, is_shown=is_shown, is_terminal=is_terminal) == ""
