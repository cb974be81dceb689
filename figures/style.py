"""One look for all pictures: a colour per rule, a line style per world."""

from contextlib import AbstractContextManager
from typing import Any

RULE_COLOURS = {
    "raw_reward": "#4477AA",
    "group_mean": "#228833",
    "leave_one_out": "#66CCEE",
    "grpo": "#AA3377",
    "no_clip": "#777777",
    "clip": "#CC7711",
    "variance_penalty": "#EE6677",
}
"""Colour-blind safe (after Paul Tol's bright scheme); other names get `OTHER_COLOUR`."""

OTHER_COLOUR = "#222222"

RULE_LABELS = {
    "raw_reward": "raw reward",
    "group_mean": "advantage",
    "no_clip": "advantage, no clip",
    "clip": "clip",
    "variance_penalty": "variance penalty",
}

_SETTINGS: dict[str, Any] = {
    "font.size": 9,
    "axes.spines.top": True,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "axes.titlesize": 10,
    "legend.frameon": False,
    "savefig.dpi": 130,
    # The same data give the same file.
    "svg.hashsalt": "banditlab",
    "svg.fonttype": "none",
}


def rule_colour(name: str) -> str:
    """Colour of a rule, the same in every picture.

    Args:
        name: rule, or cell of a comparison.

    Returns:
        A hexadecimal colour.
    """
    return RULE_COLOURS.get(name, OTHER_COLOUR)


def rule_label(name: str) -> str:
    """Name of a rule as it stands in titles and legends.

    Args:
        name: rule, or cell of a comparison.

    Returns:
        The label; of a rule that is named by its place, the object alone.

    Examples:
        >>> rule_label("rules/soft_clip.py:soft_clip")
        'soft clip'
    """
    return RULE_LABELS.get(name, name.rpartition(":")[2].replace("_", " "))


def style() -> AbstractContextManager[None]:
    """Context in which a picture is drawn.

    Returns:
        Matplotlib's settings context.
    """
    import matplotlib as mpl

    return mpl.rc_context(_SETTINGS)
