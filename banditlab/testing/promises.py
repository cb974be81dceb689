"""What an update rule promises, and how a rule says so.

What is not declared is the default contract: on fresh samples the gradient is that of REINFORCE,
with scale 1, averaged over the tokens of the mask, and each sample's weight is its own.

Shapes: [N, T], N responses of T tokens; [P, G], P prompts of a group of G rollouts; [*] any shape.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, TypeVar, get_args

from banditlab.levels import LEVELS, Level
from banditlab.validation import require, require_finite_number, require_known

Array = Any
RuleT = TypeVar("RuleT", bound=Callable[..., Any])
Shift = Literal["ignored", "followed", "either", "unpromised"]
Scale = Literal["followed", "ignored", "unpromised"]
Deviation = Literal["population", "sample"]
Singleton = Literal["refused", "raw", "zero", "finite"]
Averaging = Literal["token_mean", "sequence_mean", "sequence_sum", "sum", "constant_length"]
NAMESPACES = ("numpy", "torch", "array_api_strict")
_ATTRIBUTE = "banditlab_promises"


@dataclass(frozen=True)
class Promises:
    """What a rule promises of its gradient and of its advantages.

    Attributes:
        objective: function of torch tensors (log_prob, old_log_prob, advantage), each [*] ->
            objective of each unit, [*]. A rule with a stop-gradient declares its surrogate.
        on_policy_scale: weight at ratio 1, in units of the advantage; None promises nothing.
        expected_scale: expected on-policy gradient with this advantage, in units of the gradient
            of the expected reward: a number, a function of the group size, or None for no
            constant.
        reward_shift: what a number added to all rewards does to the advantages: "ignored" (they
            stay), "followed" (they move by it), "either" of these, or "unpromised".
        reward_scale: what a positive factor on all rewards does: "followed" (the advantages are
            multiplied too), "ignored" (they stay), or "unpromised".
        reward_scale_error: relative error allowed there, e.g. for an eps in the divisor.
        unit_deviation: the standard deviation by which the advantages of a group that is not
            unanimous have 1, to that error: of the "population" (squares divided by G) or of the
            "sample" (by G - 1); of the batch where groups are coupled. None promises nothing.
        couples_groups: whether the advantages of one group depend on the other groups.
        couples_samples: whether the weight of a sample depends on the other samples.
        clip_low: width below 1 past which a sample of negative advantage no longer counts.
        clip_high: width above 1 past which a sample of positive advantage no longer counts.
        dual_clip: ratio past which a sample of negative advantage no longer counts.
        multiplier: price of the ratio variance, in units of reward.
        singleton_group: what a group of one gets: "refused" (a ValueError), "raw" (its reward),
            "zero", or any "finite" number; None allows any of the first three.
        level: unit whose ratio the rule looks at, as in `banditlab.levels`.
        averaging: how a loss averages over tokens: "token_mean" (over all tokens of the mask),
            "sequence_mean" (over responses the mean over their tokens), "sequence_sum" (over
            responses the sum over their tokens), "sum", or "constant_length" (sum over tokens,
            divided by responses times max_tokens).
        max_tokens: the length that "constant_length" divides by, in tokens.
        no_improvement: why a small step need not raise the expected reward; empty if it must.
        max_abs_log_ratio: largest |log_prob - old_log_prob| at which the weight is finite, nats.
        namespaces: array namespaces that the rule is written for; None for all those in which a
            trial call succeeds.
    """

    objective: Callable[[Array, Array, Array], Array] | None = None
    on_policy_scale: float | None = 1.0
    expected_scale: float | Callable[[int], float] | None = 1.0
    reward_shift: Shift = "either"
    reward_scale: Scale = "followed"
    reward_scale_error: float = 1e-9
    unit_deviation: Deviation | None = None
    couples_groups: bool = False
    couples_samples: bool = False
    clip_low: float | None = None
    clip_high: float | None = None
    dual_clip: float | None = None
    multiplier: float | None = None
    singleton_group: Singleton | None = None
    level: Level = "token"
    averaging: Averaging = "token_mean"
    max_tokens: int | None = None
    no_improvement: str = ""
    max_abs_log_ratio: float = 20.0
    namespaces: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for name, known in (
            ("reward_shift", get_args(Shift)),
            ("reward_scale", get_args(Scale)),
            ("unit_deviation", (*get_args(Deviation), None)),
            ("singleton_group", (*get_args(Singleton), None)),
            ("level", LEVELS),
            ("averaging", get_args(Averaging)),
        ):
            value = getattr(self, name)
            if value not in known:
                require_known("Promises", name, str(value), [str(word) for word in known], "word")
        for name in ("clip_low", "clip_high", "dual_clip", "multiplier", "max_abs_log_ratio"):
            if getattr(self, name) is not None:
                require_finite_number(
                    "Promises", name, getattr(self, name), low=0.0, remedy="Leave out what is not"
                )
        for name in self.namespaces or ():
            require_known("Promises", "namespaces", name, NAMESPACES, "array namespace")
        require(
            (self.averaging == "constant_length") == (self.max_tokens is not None),
            "Promises",
            "max_tokens",
            "given if and only if averaging is 'constant_length'",
            self.max_tokens,
            "It is the length, in tokens, that the sum is divided by",
        )

    @property
    def kinks(self) -> tuple[float, ...]:
        """Ratios at which the weight jumps."""
        sides = (
            None if self.clip_low is None else 1.0 - self.clip_low,
            None if self.clip_high is None else 1.0 + self.clip_high,
            self.dual_clip,
        )
        return tuple(side for side in sides if side is not None and side > 0.0)

    def changed(self) -> dict[str, Any]:
        """The promises that differ from the default contract, by name."""
        return {
            entry.name: getattr(self, entry.name)
            for entry in fields(self)
            if getattr(self, entry.name) != entry.default
        }


def promises(**declared: Any) -> Callable[[RuleT], RuleT]:
    """Declare what a function promises; a decorator.

    Args:
        **declared: attributes of `Promises`.

    Returns:
        A decorator that gives the function back with its promises attached.

    Raises:
        TypeError: `Promises` has no such attribute.
        ValueError: a promise is out of range.

    Examples:
        >>> @promises(expected_scale=2.0, reward_shift="unpromised", reward_scale="unpromised")
        ... def signed(reward):
        ...     return 2.0 * reward - 1.0
        >>> promises_of(signed).expected_scale
        2.0
    """
    declaration = Promises(**declared)

    def attach(rule: RuleT) -> RuleT:
        setattr(rule, _ATTRIBUTE, declaration)
        return rule

    return attach


def promises_of(rule: Any) -> Promises | None:
    """Promises that a function carries, also under `functools.partial`; None if it has none."""
    while rule is not None:
        declared = getattr(rule, _ATTRIBUTE, None)
        if declared is not None:
            return declared
        rule = getattr(rule, "func", None)
    return None


def joined(advantage: Promises, weight: Promises) -> Promises:
    """Promises of a rule from those of its advantage and of its weight.

    Args:
        advantage: what the advantage estimator promises.
        weight: what the score weight promises.

    Returns:
        What is said of rewards and groups from the first, the rest from the second.
    """
    scale = weight.on_policy_scale
    expected = advantage.expected_scale
    if scale is None or expected is None:
        total = None
    elif callable(expected):
        total = lambda group_size: scale * expected(group_size)  # noqa: E731
    else:
        total = scale * expected
    return replace(
        weight,
        expected_scale=total,
        no_improvement=weight.no_improvement or advantage.no_improvement,
        **{
            name: getattr(advantage, name)
            for name in (
                "reward_shift",
                "reward_scale",
                "reward_scale_error",
                "unit_deviation",
                "couples_groups",
                "singleton_group",
            )
        },
    )
