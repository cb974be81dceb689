"""What a broken rule is: a correct one with one mistake, and the checks that must reject it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from banditlab.testing import Promises, promises
from banditlab.testing.kinds import make_subject
from banditlab.testing.known import promises_of_advantage, promises_of_weight
from banditlab.update_rule import UpdateRule
from tests.banditlab.testing.teeth.messages import MESSAGES


@dataclass(frozen=True)
class Broken:
    """A rule with a mistake, under the promises of the correct rule that it stands in for.

    Attributes:
        name: unique; the name of the variable that holds the record.
        rule: the broken rule; it carries its promises.
        instead_of: the correct rule, which passes every check.
        reason: the mistake, one sentence.
        caught_by: check that must reject it -> pattern of the message.
        module: where the record is.
    """

    name: str
    rule: Any
    instead_of: Any
    reason: str
    caught_by: Mapping[str, str]
    module: str

    @property
    def kind(self) -> str:
        """What the suite takes the rule for."""
        return make_subject(self.rule).kind

    @property
    def code(self) -> str:
        """Python that binds the name `rule`, for the minimal examples."""
        return f"from {self.module} import {self.name}\nrule = {self.name}.rule"


def broken(
    instead_of: Any, *checks: str, **messages: str
) -> Callable[[Callable[..., Any]], Broken]:
    """Make a record of a function; its docstring is the mistake.

    Args:
        instead_of: the correct rule whose promises it makes.
        *checks: checks that must reject it, with a message of their own.
        **messages: check that must reject it -> pattern of what it must say.

    Returns:
        A decorator.
    """
    caught_by = {name: MESSAGES[name] for name in checks} | messages

    def record(rule: Callable[..., Any]) -> Broken:
        declared = make_subject(instead_of).promises
        promises(**_attributes(declared))(rule)
        return Broken(rule.__name__, rule, instead_of, rule.__doc__, caught_by, rule.__module__)

    return record


def broken_rule(
    instead_of: UpdateRule,
    reason: str,
    *checks: str,
    name: str,
    module: str,
    weight: Callable[..., Any] | None = None,
    advantage: Callable[..., Any] | None = None,
) -> Broken:
    """Make a record of an update rule with one part replaced, or both.

    Args:
        instead_of: the correct rule.
        reason: the mistake.
        *checks: checks that must reject it, with a message of their own.
        name: of the variable that holds the record.
        module: where that is.
        weight: a new function; it gets the promises of the correct rule's weight.
        advantage: a new function, likewise.

    Returns:
        The record.
    """
    parts = {}
    if weight is not None:
        declared = promises_of_weight(instead_of.weight, instead_of.weight_hyper)
        parts["weight"] = promises(**_attributes(declared))(weight)
    if advantage is not None:
        declared = promises_of_advantage(instead_of.advantage, instead_of.advantage_hyper)
        parts["advantage"] = promises(**_attributes(declared))(advantage)
    rule = replace(instead_of, name=name, **parts)
    return Broken(name, rule, instead_of, reason, {key: MESSAGES[key] for key in checks}, module)


def _attributes(declared: Promises) -> dict[str, Any]:
    return {entry.name: getattr(declared, entry.name) for entry in fields(declared)}
