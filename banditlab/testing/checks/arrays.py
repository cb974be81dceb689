"""Checks of what an array function owes its caller: inputs, shape, type, namespace and device."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from banditlab.testing.batch import TokenBatch
from banditlab.testing.check import CheckSkipped, check, demand, demand_close
from banditlab.testing.checks.drawn import batches, groups
from banditlab.testing.namespaces import as_numpy, dtype_of, is_installed, namespace_of, native
from banditlab.testing.subject import Subject

_NAMES = ("log_prob", "old_log_prob", "advantage", "mask")
# What torch says where a tensor meets one of another device, or is copied to the CPU.
_LEAVES_ITS_DEVICE = ("same device", "the expected device", "Cannot copy out of", "numpy")


def _installed(subject: Subject) -> list[str]:
    return [namespace for namespace in subject.namespaces if is_installed(namespace)]


def _dtypes(namespace: str) -> tuple[str, ...]:
    return ("float64", "float32", "bfloat16") if namespace == "torch" else ("float64", "float32")


def _demand_untouched(names: tuple[str, ...], before: list[Any], after: list[Any]) -> None:
    for name, kept, given in zip(names, before, after, strict=True):
        demand_close(f"`{name}` after the call", as_numpy(given), as_numpy(kept), rtol=0, atol=0)


@check(
    "weight",
    catches="log_prob -= old_log_prob, an in-place clamp_",
    consequence="The next inner epoch starts from numbers that nobody sampled.",
    examples=10,
    batch=batches,
)
def inputs_untouched(subject: Subject, batch: TokenBatch) -> None:
    """A call changes none of its arguments."""
    for namespace in _installed(subject):
        arrays = [native(array, namespace) for array in batch.arrays()]
        subject.call_weight(*arrays)
        before = [native(array, namespace) for array in batch.arrays()]
        _demand_untouched(_NAMES, before, arrays)


@check(
    "elementwise",
    catches="a mean over the last axis, a reshape to [N, T], an index of an axis",
    consequence="The simulator's [runs, prompts, group] and a model's [prompts, group, tokens] "
    "get other weights than a flat batch.",
    examples=10,
    batch=batches,
)
def shape_kept(subject: Subject, batch: TokenBatch) -> None:
    """The weight has the shape of its inputs, and is the same in every shape."""
    if subject.promises.couples_samples:
        raise CheckSkipped("it declares that the samples of a batch are coupled")
    flat = [array.ravel() for array in batch.arrays()]
    expected = as_numpy(subject.call_weight(*(native(a, subject.namespaces[0]) for a in flat)))
    for shape in (flat[0].shape, (1, flat[0].size, 1), (flat[0].size, 1, 1)):
        shaped = [native(array.reshape(shape), subject.namespaces[0]) for array in flat]
        found = as_numpy(subject.call_weight(*shaped))
        demand(
            found.shape == shape, f"inputs of shape {shape} give a weight of shape {found.shape}"
        )
        demand_close(f"the weight in shape {shape}", found.ravel(), expected, rtol=1e-12)


@check(
    "elementwise",
    catches=".astype(float32) inside, a float64 constant array that promotes",
    consequence="float64 simulations lose nine digits, or a bfloat16 model gets float64 "
    "gradients and twice to four times the memory.",
    examples=5,
    batch=batches,
)
def dtype_kept(subject: Subject, batch: TokenBatch) -> None:
    """The weight has the floating type of its inputs."""
    for namespace in _installed(subject):
        for dtype in _dtypes(namespace):
            arrays = [native(array, namespace, dtype) for array in batch.arrays()]
            found = dtype_of(subject.call_weight(*arrays))
            demand(found == dtype, f"{namespace} {dtype} inputs give a weight of {found}")


@check(
    "elementwise",
    catches="np.exp of a tensor, which leaves torch and its device",
    consequence="The rule runs in one of the simulator and the model only, or copies every batch "
    "from the GPU and back.",
    examples=5,
    batch=batches,
)
def namespace_kept(subject: Subject, batch: TokenBatch) -> None:
    """The weight belongs to the library of its inputs, with the same values in each."""
    expected = subject.token_weight(batch)
    for namespace in _installed(subject):
        result = subject.call_weight(*(native(array, namespace) for array in batch.arrays()))
        found = namespace_of(result)
        demand(found == namespace, f"inputs of {namespace} give a weight of {found}")
        demand_close(f"the weight in {namespace}", as_numpy(result), expected, rtol=1e-12)


@check(
    "elementwise",
    catches="torch.tensor(...) without device=, .cpu() and .numpy() inside",
    consequence="The rule stops on a GPU, or waits for a copy at every step.",
    examples=3,
    batch=batches,
)
def device_kept(subject: Subject, batch: TokenBatch) -> None:
    """The weight stays on the device of its inputs: CUDA, or torch's meta device without one."""
    if "torch" not in _installed(subject):
        raise CheckSkipped("it is not written for torch")
    import torch

    device = "cuda" if torch.cuda.is_available() else "meta"
    arrays = [native(array, "torch").to(device) for array in batch.arrays()]
    try:
        result = subject.call_weight(*arrays)
    except (RuntimeError, TypeError) as error:
        is_copy = any(words in str(error) for words in _LEAVES_ITS_DEVICE)
        demand(not is_copy, f"on {device} it raises {type(error).__name__}: {error}")
        if isinstance(error, TypeError):
            raise
        raise CheckSkipped("it looks at values, which the meta device does not have") from error
    demand(
        result.device.type == device, f"inputs on {device} give a weight on {result.device.type}"
    )


@check(
    "advantage",
    catches="reward -= reward.mean()",
    consequence="Rewards that are logged, cached or remembered are no longer those received.",
    examples=10,
    reward=groups,
)
def rewards_untouched(subject: Subject, reward: np.ndarray) -> None:
    """An advantage estimator does not change the rewards."""
    for namespace in _installed(subject):
        given = native(reward, namespace)
        subject.advantage_call(given)
        _demand_untouched(("reward",), [native(reward, namespace)], [given])


@check(
    "advantage",
    catches="np.mean of a tensor, a cast to float32 for the standard deviation",
    consequence="Advantages lose digits, or leave the GPU at every step.",
    examples=5,
    reward=groups,
    dtype=lambda subject: st.sampled_from(["float64", "float32"]),
)
def advantage_namespace_and_dtype(subject: Subject, reward: np.ndarray, dtype: str) -> None:
    """Advantages belong to the library and have the floating type of the rewards."""
    expected = subject.advantage(reward)
    for namespace in _installed(subject):
        result = subject.advantage_call(native(reward, namespace, dtype))
        found = namespace_of(result), dtype_of(result)
        demand(
            found == (namespace, dtype),
            f"rewards of {namespace} {dtype} give advantages of {' '.join(found)}",
        )
        rtol, atol = (1e-11, 1e-13) if dtype == "float64" else (1e-3, 1e-4)
        demand_close(
            f"the advantage in {namespace}", as_numpy(result), expected, rtol=rtol, atol=atol
        )
