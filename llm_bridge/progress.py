"""The progress bar of a training run."""

from collections.abc import Mapping
from typing import Any, Self

from tqdm import tqdm

_SHOWN = {
    "rollout_pass_rate": "pass rate",
    "reward_mean": "reward",
    "heldout_pass_rate": "held-out",
}


class ProgressBar:
    """Updates done, pass rate, reward, tokens a second and time left, during a `with` block.

    Args:
        num_updates: length of the run.
        num_done: updates done before.
        is_shown: False shows nothing; True shows the bar on a terminal, and nothing elsewhere.
    """

    def __init__(self, num_updates: int, num_done: int, *, is_shown: bool) -> None:
        self._shown: dict[str, str] = {}
        self._bar = tqdm(
            total=num_updates, initial=num_done, unit="update", disable=None if is_shown else True
        )

    def tell(self, line: Mapping[str, Any]) -> None:
        """Show what an update or an evaluation found.

        Args:
            line: its metrics line.
        """
        found = {word: f"{line[name]:.3f}" for name, word in _SHOWN.items() if name in line}
        if "tokens_per_second" in line:
            found["tokens/s"] = f"{line['tokens_per_second']:,.0f}"
        self._shown |= found
        is_update = line["kind"] == "update"
        self._bar.set_postfix(self._shown, refresh=not is_update)
        self._bar.update(int(is_update))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
