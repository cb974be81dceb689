"""Choices that a configuration checks before torch is loaded: types, and bounds of filters."""

from banditlab.validation import require, require_finite_number

DTYPES = {
    "float32": "float32",
    "float64": "float64",
    "bfloat16": "bfloat16",
    "autocast": "float32",
}
"""Choices of --dtype and the torch type of the weights; autocast computes in bfloat16."""


def default_dtype(device: str) -> str:
    """Choice of type where none is given.

    Args:
        device: torch device.

    Returns:
        float32 on a CPU, autocast elsewhere.

    Examples:
        >>> default_dtype("cpu"), default_dtype("cuda:1")
        ('float32', 'autocast')
    """
    return "float32" if device.partition(":")[0] == "cpu" else "autocast"


def require_filter_bounds(top_k: int | None, top_p: float | None) -> None:
    """Demand that the bounds of a filter are possible.

    Args:
        top_k: likeliest tokens that stay; None keeps all.
        top_p: probability that stays at the least; None keeps all.

    Raises:
        ValueError: a bound is out of range.
    """
    remedy = "Leave it out to sample from the whole vocabulary"
    if top_k is not None:
        require(top_k >= 1, "evaluate", "top_k", "at least 1", top_k, remedy)
    if top_p is not None:
        require_finite_number(
            "evaluate", "top_p", top_p, low=0.0, high=1.0, is_low_open=True, remedy=remedy
        )
