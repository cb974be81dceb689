"""What `banditlab check` is asked for, and the rounds of checks on one rule."""

import argparse
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from time import monotonic
from typing import Any

from banditlab.experiments.overrides import read_word
from banditlab.find import find_rule
from banditlab.testing.check import Check
from banditlab.testing.checks import CHECKS
from banditlab.testing.kinds import make_subject
from banditlab.testing.promises import Promises
from banditlab.testing.report import Report
from banditlab.testing.run import check_update_rule
from banditlab.update_rule import UpdateRule
from banditlab.validation import require, require_finite_number, require_known, requirement_error

_WORDS = ("reward_shift", "reward_scale", "singleton_group", "level", "averaging", "no_improvement")
_SWITCHES = ("couples_groups", "couples_samples")
_FUNCTIONS = ("objective", "expected_scale")


def _assignments(
    words: Sequence[str] | None, argument: str, form: str, example: str
) -> dict[str, str]:
    """NAME=VALUE words of a repeated flag, by name."""
    found = {}
    for word in words or ():
        name, _, value = (part.strip() for part in word.partition("="))
        require(
            bool(name and value), "check", argument, form, repr(word), f"For example: {example}"
        )
        found[name] = value
    return found


@dataclass(frozen=True)
class Request:
    """What is to be done with each rule.

    Attributes:
        kind: what the rules are; told by their signatures if None.
        hyper: hyperparameters to set.
        promised: promise -> value as it was written, in place of what a rule declares.
        expected: check -> why it fails.
        checks: names of the checks to run.
        profile: "ci" or "search".
        seconds: time to search with fresh seeds; None for one round.
        seed: of the first round.
    """

    kind: Any
    hyper: Mapping[str, Any]
    promised: Mapping[str, str]
    expected: Mapping[str, str]
    checks: tuple[str, ...]
    profile: Any
    seconds: float | None
    seed: int

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> "Request":
        """Read the flags of the command.

        Args:
            arguments: its namespace.

        Returns:
            The request.

        Raises:
            TypeError: the time is no number.
            ValueError: a word has another form, or a name is unknown.
        """
        checks = tuple(CHECKS)
        if arguments.checks is not None:
            checks = tuple(word.strip() for word in arguments.checks.split(",") if word.strip())
            require(bool(checks), "check", "checks", "names of checks", "none", "Leave it out")
        expected = _assignments(
            arguments.expect_fail,
            "expect-fail",
            "CHECK=REASON",
            "--expect-fail dtype_kept='written for float64'",
        )
        for argument, names in (("checks", checks), ("expect-fail", expected)):
            for name in names:
                require_known("check", argument, name, CHECKS, "check")
        for name in expected:
            require_known("check", "expect-fail", name, checks, "check of this run")
        if arguments.seconds is not None:
            require_finite_number(
                "check", "seconds", arguments.seconds, low=0.0, remedy="It is the time to search"
            )
        require(arguments.seed >= 0, "check", "seed", "at least 0", arguments.seed, "Use 0, 1, 2")
        promised = _assignments(
            arguments.promise, "promise", "NAME=VALUE", "--promise on_policy_scale=0.2"
        )
        for name in promised:
            known = [entry.name for entry in fields(Promises)]
            require_known("check", "promise", name, known, "promise")
        return cls(
            kind=arguments.kind,
            hyper=_read_hyper(arguments.set),
            promised=promised,
            expected=expected,
            checks=checks,
            profile=arguments.profile,
            seconds=arguments.seconds,
            seed=arguments.seed,
        )


def _read_hyper(words: Sequence[str] | None) -> dict[str, Any]:
    example = "--set clip_high=0.28"
    hyper = {}
    for name, text in _assignments(words, "set", "NAME=NUMBER", example).items():
        hyper[name] = read_word(text)
        require(
            isinstance(hyper[name], int | float),
            "check",
            "set",
            "NAME=NUMBER",
            repr(f"{name}={text}"),
            f"For example: {example}",
        )
    return hyper


def _with_hyper(rule: Any, hyper: Mapping[str, Any]) -> Any:
    if not hyper:
        return rule
    if isinstance(rule, UpdateRule):
        return rule.with_hyper(**hyper)
    parameters = inspect.signature(rule).parameters
    if not any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        for name in hyper:
            require_known("check", "set", name, parameters, f"argument of {rule.__name__}")
    return functools.partial(rule, **hyper)


def _read_promise(name: str, text: str) -> Any:
    """Value of a promise from its word."""
    if text.lower() == "none":
        return None
    if name == "namespaces":
        return tuple(word.strip() for word in text.split(","))
    if name in _WORDS:
        return text
    if name in _FUNCTIONS and ":" in text:
        return find_rule(text, asked=("check", f"promise {name}"))
    value = read_word(text)
    wanted = bool if name in _SWITCHES else int | float
    condition = "true or false" if name in _SWITCHES else "a number or none"
    if name in _FUNCTIONS:
        condition = "file.py:function" if name == "objective" else f"{condition}, or a function"
    if name == "objective" or not isinstance(value, wanted):
        raise requirement_error(
            "check", f"promise {name}", condition, repr(text), "See banditlab.testing.Promises"
        )
    return value


def _code(reference: str, rule: Any, request: Request) -> str:
    """Python that binds `rule`, and `check_example` to the kind and promises asked for."""
    imports, lines = ["from banditlab.find import find_rule"], [f"rule = find_rule({reference!r})"]
    hyper = ", ".join(f"{name}={value!r}" for name, value in request.hyper.items())
    bound = [f"kind={request.kind!r}"] if request.kind is not None else []
    if hyper and isinstance(rule, UpdateRule):
        lines[0] += f".with_hyper({hyper})"
    elif hyper:
        lines.append(f"rule = partial(rule, {hyper})")
    if request.promised:
        words = (f"{name}={_promise_code(name, text)}" for name, text in request.promised.items())
        imports.append("from banditlab.testing.kinds import make_subject")
        imports.append("from dataclasses import replace")
        subject = f"make_subject({', '.join(['rule', *bound])})"
        lines.append(f"promised = replace({subject}.promises, {', '.join(words)})")
        bound.append("promises=promised")
    if bound:
        lines.append(f"check_example = partial(check_example, {', '.join(bound)})")
    if any("partial(" in line for line in lines):
        imports.append("from functools import partial")
    return "\n".join(imports + lines)


def _promise_code(name: str, text: str) -> str:
    is_found = name in _FUNCTIONS and ":" in text
    return f"find_rule({text!r})" if is_found else repr(_read_promise(name, text))


def rounds(
    reference: str, request: Request, *, on_check: Callable[[], None] = lambda: None
) -> Iterator[Report]:
    """Check one rule, round after round of fresh seeds where there is time to search.

    Args:
        reference: the rule.
        request: what is asked for.
        on_check: called before each check.

    Yields:
        The report of all rounds so far: a check that failed once has failed.

    Raises:
        ModuleNotFoundError: a module is not installed.
        TypeError: it is no rule, or a promise is of the wrong kind.
        ValueError: it cannot be found, or does not answer a plain call.
    """
    from tqdm import tqdm

    rule = _with_hyper(find_rule(reference, asked=("check", "RULE")), request.hyper)
    promises = None
    if request.promised:
        given = {name: _read_promise(name, text) for name, text in request.promised.items()}
        promises = replace(make_subject(rule, kind=request.kind).promises, **given)
    run: Callable[..., Report] = functools.partial(
        check_update_rule,
        rule,
        kind=request.kind,
        promises=promises,
        expected_failed_checks=request.expected,
        profile=request.profile if request.seconds is None else "ci",
        on_fail="report",
        code=_code(reference, rule, request),
    )
    start = monotonic()
    names, seed, so_far = list(request.checks), request.seed, None
    while names:
        bar = tqdm(total=len(names), unit="check", desc=reference, disable=None, leave=False)

        def progress(_: Check, bar: Any = bar) -> None:
            on_check()
            bar.update()

        with bar:
            report = run(checks=names, seed=seed, progress=progress)
        so_far = report if so_far is None else _merged(so_far, report)
        yield so_far
        if request.seconds is None or monotonic() - start >= request.seconds:
            return
        # A check without draws says the same again, and one that failed has its example.
        names = [
            result.check.name
            for result in so_far.results
            if result.failure is None and result.check.draws and result.outcome != "skipped"
        ]
        seed += 1


def _merged(so_far: Report, report: Report) -> Report:
    """The report of both; of a check that was in both, what the later one found."""
    newer = {result.check.name: result for result in report.results}
    return replace(
        so_far,
        results=tuple(newer.get(result.check.name, result) for result in so_far.results),
    )
