"""One plain call of a rule, and the sentence that answers what cannot be checked at all.

A result of another shape or type, a loss that is detached from its input, an exception: each is
told with what was expected and how to declare it.
"""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from banditlab.testing.batch import TokenBatch
from banditlab.testing.namespaces import is_installed, native
from banditlab.testing.promises import NAMESPACES
from banditlab.testing.subject import Subject

SIGNATURES = (
    "A weight takes (log_prob, old_log_prob, advantage), a loss also takes mask, "
    "an advantage takes (reward)"
)
_TRIAL = TokenBatch.of(
    [[-1.0, -2.0, -0.5], [-3.0, -1.0, -2.0]], [[-1.1, -2.0, -0.6], [-2.9, -1.0, -2.2]], [1.0, -0.5]
)
_TRIAL_REWARD = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])


def trial_arrays(namespace: str) -> list[Any]:
    """Arguments of the trial call; in torch, log_prob asks for its gradient."""
    arrays = [native(array, namespace) for array in _TRIAL.arrays()]
    if namespace == "torch":
        arrays[0].requires_grad_(True)
    return arrays


def tried(subject: Subject) -> Subject:
    """Call a rule once in each namespace.

    Args:
        subject: the rule.

    Returns:
        The subject with the namespaces that its promises name, or in which the call succeeds.

    Raises:
        ModuleNotFoundError: a loss needs torch.
        TypeError: what is returned is of the wrong kind.
        ValueError: it is of the wrong shape or detached, or the rule raises everywhere.
    """
    declared = subject.promises.namespaces
    asked = ("torch",) if subject.kind == "loss" else declared or NAMESPACES
    if subject.kind == "loss" and not is_installed("torch"):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")
    works, errors = [], {}
    for namespace in filter(is_installed, asked):
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                _trial_call(subject, namespace)
        except Exception as error:
            errors[namespace] = error
        else:
            works.append(namespace)
    if works:
        return replace(subject, namespaces=tuple(declared or works))
    for error in errors.values():
        if isinstance(error, _WrongResult):
            raise error.told from None
    told = "; ".join(f"{name}: {type(error).__name__}: {error}" for name, error in errors.items())
    expected = "reward [P, G]" if subject.has("advantage") else "arrays of shape [N, T]"
    raise ValueError(
        f"check_update_rule: `rule` must accept {expected}, got {subject.name}, which raised in "
        f"every array namespace tried ({told or 'none is installed'}). {SIGNATURES}; say which "
        "with kind= (--kind), and declare namespaces=('torch',) or ('numpy',) in its promises if "
        "it is written for one."
    )


class _WrongResult(Exception):  # noqa: N818 - carries the error that is raised
    def __init__(self, told: Exception) -> None:
        super().__init__(str(told))
        self.told = told


def _trial_call(subject: Subject, namespace: str) -> None:
    if subject.loss_call is not None:
        arrays = trial_arrays(namespace)
        _require_loss(subject, subject.loss_call(*arrays), arrays[0])
    elif subject.weight_call is not None:
        arrays = [native(array, namespace) for array in _TRIAL.arrays()]
        _require_shape(subject, "weight", subject.weight_call(*arrays), _TRIAL.mask.shape)
    if subject.advantage_call is not None:
        result = subject.advantage_call(native(_TRIAL_REWARD, namespace))
        _require_shape(subject, "advantage", result, _TRIAL_REWARD.shape)


def _require_shape(subject: Subject, part: str, result: Any, shape: tuple[int, ...]) -> None:
    if not hasattr(result, "shape"):
        raise _WrongResult(
            TypeError(
                f"check_update_rule: the {part} of {subject.name} must be an array of the shape of "
                f"its inputs, got {type(result).__name__}. Return one {part} for each entry; a "
                "function that returns one number is a loss if it also takes a mask."
            )
        )
    if tuple(result.shape) != shape:
        raise _WrongResult(
            ValueError(
                f"check_update_rule: the {part} of {subject.name} must be of the shape of its "
                f"inputs, {shape}, got {tuple(result.shape)}. Return one {part} for each entry; "
                "if it is a loss, declare kind='loss' (--kind loss) and take a mask."
            )
        )


def _require_loss(subject: Subject, loss: Any, leaf: Any) -> None:
    import torch

    if not isinstance(loss, torch.Tensor) or loss.ndim:
        got = f"shape {tuple(loss.shape)}" if hasattr(loss, "shape") else type(loss).__name__
        raise _WrongResult(
            TypeError(
                f"check_update_rule: the loss of {subject.name} must be a torch tensor with one "
                f"number, got {got}. Average it over the mask, or declare kind='weight' "
                "(--kind weight) if it is the weight of each token."
            )
        )
    gradient = None
    if loss.requires_grad:
        gradient = torch.autograd.grad(loss, leaf, allow_unused=True)[0]
    if gradient is None:
        raise _WrongResult(
            ValueError(
                f"check_update_rule: the loss of {subject.name} must depend on log_prob by its "
                "graph, got a tensor that is detached from it. Take out .detach(), .item(), "
                "torch.no_grad() or a new torch.tensor(...) between log_prob and the loss; a "
                "function that returns weights is of kind='weight'."
            )
        )
