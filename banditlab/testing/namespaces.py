"""Arrays of every namespace that rules are checked in, made from NumPy arrays and turned back."""

from importlib.util import find_spec
from typing import Any

import numpy as np

Array = Any


def is_installed(namespace: str) -> bool:
    """Whether a namespace's library is there; `numpy` always is."""
    return find_spec(namespace) is not None


def native(array: np.ndarray, namespace: str, dtype: str = "float64") -> Array:
    """Copy a NumPy array into a namespace; truth values stay truth values.

    Args:
        array: any shape.
        namespace: "numpy", "torch" or "array_api_strict".
        dtype: floating type of the copy; "bfloat16" in torch only.

    Returns:
        The copy.
    """
    is_bool = array.dtype == bool
    if namespace == "numpy":
        return array.copy() if is_bool else array.astype(dtype)
    if namespace == "torch":
        import torch

        copied = torch.from_numpy(np.ascontiguousarray(array).copy())
        return copied if is_bool else copied.to(getattr(torch, dtype))
    import array_api_strict

    return array_api_strict.asarray(array.copy() if is_bool else array.astype(dtype))


def as_numpy(array: Array) -> np.ndarray:
    """Copy an array of any namespace into NumPy, floats as float64 and detached."""
    if hasattr(array, "detach"):
        array = array.detach().cpu()
        if array.is_floating_point():
            array = array.double()
        return array.numpy().copy()
    return np.array(np.asarray(array), dtype=np.float64)


def namespace_of(array: Array) -> str:
    """Name of the library that an array belongs to, e.g. "numpy"."""
    return type(array).__module__.partition(".")[0]


def dtype_of(array: Array) -> str:
    """Name of an array's type, without its library: "float32"."""
    return str(array.dtype).rpartition(".")[2]
