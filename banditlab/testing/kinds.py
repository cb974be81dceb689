"""From a rule of any kind to a `Subject`: by its type, its signature and one trial call."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from banditlab.rules import UpdateRule, advantage_and_state, initial_state, score_weight
from banditlab.testing.known import (
    promises_of_advantage,
    promises_of_rule,
    promises_of_weight,
    reference_of,
)
from banditlab.testing.namespaces import is_installed, namespace_of, native
from banditlab.testing.promises import Promises, promises_of
from banditlab.testing.source import code_of, code_with, name_of
from banditlab.testing.subject import KINDS, Kind, Subject
from banditlab.testing.trial import SIGNATURES, trial_arrays, tried
from banditlab.validation import require_known

_WEIGHT_ARGUMENTS = ("log_prob", "old_log_prob", "advantage")


def _parameters(rule: Callable[..., Any], name: str) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(rule).parameters.values())
    except (TypeError, ValueError) as error:
        raise TypeError(
            "check_update_rule: `rule` must be a callable whose signature can be read, got "
            f"{name}. Wrap it in a function. {SIGNATURES}."
        ) from error


def _required(rule: Callable[..., Any], name: str) -> list[str]:
    """Names of the arguments that a call must give; a keyword without value is refused."""
    parameters = _parameters(rule, name)
    unset = [
        parameter.name
        for parameter in parameters
        if parameter.kind is parameter.KEYWORD_ONLY
        and parameter.default is parameter.empty
        and parameter.name not in (*_WEIGHT_ARGUMENTS, "mask", "reward")
    ]
    if unset:
        values = ", ".join(f"{word}=..." for word in unset)
        raise TypeError(
            f"check_update_rule: `rule` must have a value for every hyperparameter, got {name} "
            f"without {', '.join(unset)}. Pass functools.partial({name}, {values}), or --set "
            f"{unset[0]}=VALUE on the command line."
        )
    return [
        parameter.name
        for parameter in parameters
        if (
            parameter.default is parameter.empty
            and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        )
        or parameter.name == "mask"
    ]


def infer_kind(rule: Any) -> Kind:
    """Tell what kind of rule a thing is, by its type and signature.

    Args:
        rule: an `UpdateRule` or a callable.

    Returns:
        "rule" for an `UpdateRule`; "advantage" for a function of one array; "loss" for one that
        takes a mask and whose trial call gives one number; else "weight".

    Raises:
        TypeError: it is neither, or its signature fits no kind.
    """
    name = name_of(rule)
    if isinstance(rule, UpdateRule):
        return "rule"
    if not callable(rule):
        raise TypeError(
            f"check_update_rule: `rule` must be a callable or an UpdateRule, got "
            f"{type(rule).__name__}. {SIGNATURES}."
        )
    required = _required(rule, name)
    if len(required) == 1 and required != ["mask"]:
        return "advantage"
    if "mask" in required and len(required) == 4:
        return "loss" if _gives_one_number(rule, required) else "weight"
    if len(required) == 3:
        return "weight"
    raise TypeError(
        f"check_update_rule: `rule` must have a signature of a known kind, got {name}"
        f"({', '.join(required)}). {SIGNATURES}; or say which with kind= (--kind), one of "
        f"{', '.join(KINDS)}."
    )


def _gives_one_number(rule: Callable[..., Any], required: list[str]) -> bool:
    for namespace in ("torch", "numpy"):
        if not is_installed(namespace):
            continue
        try:
            result = _by_name(rule, required)(*trial_arrays(namespace))
        except Exception:
            # The trial call meets the same error, and tells it.
            continue
        return np.ndim(result) == 0
    return True


def _by_name(rule: Callable[..., Any], required: list[str]) -> Callable[..., Any]:
    """Call by name where the names are the field's, so that their order does not matter."""
    names = (*_WEIGHT_ARGUMENTS, "mask")[: len(required)]
    if sorted(required) == sorted(names):
        return lambda *arrays: rule(**dict(zip(names, arrays, strict=True)))
    return rule


def make_subject(
    rule: Any, *, kind: Kind | None = None, promises: Promises | None = None, code: str = ""
) -> Subject:
    """Build the uniform view of a rule, after one trial call.

    Args:
        rule: a score weight, a loss, an advantage estimator or an `UpdateRule`.
        kind: which of these; told by the signature by default.
        promises: what it promises; by default what it carries (`@promises`), what is known of
            banditlab's own parts, or the default contract.
        code: Python that binds the name `rule`; found by itself where it can be imported.

    Returns:
        The subject.

    Raises:
        TypeError: the signature or what is returned fits no kind.
        ValueError: the kind is unknown, a shape is wrong, or the rule raises.
    """
    if kind is not None:
        require_known("check_update_rule", "kind", kind, KINDS, "kind")
    code = code or code_with(code_of(rule), kind, promises)
    kind = kind or infer_kind(rule)
    name = name_of(rule)
    if (kind == "rule") != isinstance(rule, UpdateRule):
        wanted = "an UpdateRule" if kind == "rule" else "a callable"
        raise TypeError(
            f"check_update_rule: `rule` must be {wanted} for kind {kind!r}, got "
            f"{type(rule).__name__}. Leave the kind out, or give another."
        )
    if promises is None:
        promises = _known_promises(rule, kind)
    weight_call = loss_call = advantage_call = None
    takes_mask = kind == "loss"
    if kind == "rule":
        weight_call, advantage_call = _weight_of(rule), _advantage_of(rule)
    elif kind == "advantage":
        _required(rule, name)
        advantage_call = rule
    else:
        required = _required(rule, name)
        takes_mask = kind == "loss" or "mask" in required
        call = _by_name(rule, required)
        if kind == "loss":
            loss_call = call
        else:
            weight_call = call if takes_mask else (lambda *arrays: call(*arrays[:3]))
    subject = Subject(
        name=name,
        kind=kind,
        rule=rule,
        promises=promises or Promises(),
        weight_call=weight_call,
        loss_call=loss_call,
        advantage_call=advantage_call,
        takes_mask=takes_mask,
        namespaces=(),
        code=code,
    )
    return tried(subject)


def _known_promises(rule: Any, kind: Kind) -> Promises | None:
    if kind == "rule":
        return promises_of_rule(rule)
    function, hyper = getattr(rule, "func", rule), getattr(rule, "keywords", {})
    if kind == "advantage":
        return promises_of(rule) or promises_of_advantage(function, hyper)
    return promises_of(rule) or promises_of_weight(function, hyper)


def _weight_of(rule: UpdateRule) -> Callable[..., Any]:
    def weight(log_prob: Any, old_log_prob: Any, advantage: Any, mask: Any) -> Any:
        reference = reference_of(old_log_prob, advantage)
        return score_weight(rule, log_prob, old_log_prob, advantage, ref_log_prob=reference)

    return weight


def _advantage_of(rule: UpdateRule) -> Callable[[Any], Any]:
    """The estimator; one with a memory remembers a right and a wrong answer of each prompt."""

    def advantage(reward: Any) -> Any:
        state = initial_state(rule, tuple(reward.shape[:-1]))
        if state is not None:
            earlier = np.stack([np.ones(reward.shape[:-1]), np.zeros(reward.shape[:-1])], axis=-1)
            namespace = namespace_of(reward)
            _, state = advantage_and_state(rule, earlier, state)
            state = native(state, namespace, str(reward.dtype).rpartition(".")[2])
        return advantage_and_state(rule, reward, state)[0]

    return advantage
