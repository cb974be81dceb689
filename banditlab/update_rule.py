"""What an update rule is: an advantage and a score weight, with their hyperparameters.

Shapes: [*, G], the group (rollouts of one prompt) last; [*, H], what is remembered of a prompt.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any

from banditlab.dual import DualAscent
from banditlab.reference import ReferenceTerm
from banditlab.validation import require, requirement_error

Array = Any
_DUAL_HYPER = ("bound", "dual_step_size", "initial")


@dataclass(frozen=True)
class UpdateRule:
    """One update rule: advantage from rewards, then score weight from log-probs and advantage.

    Attributes:
        name: name in the registry.
        advantage: function of reward [*, G] -> advantage [*, G]; where there is an initial_state,
            of reward [*, G] and state [*, H] -> advantage [*, G] and next state [*, H].
        weight: function of (log_prob, old_log_prob, advantage), each [*] -> weight [*].
        formula: the objective per sample, ASCII.
        source: where the rule comes from.
        advantage_hyper: keyword arguments of `advantage`, and of `initial_state`.
        weight_hyper: keyword arguments of `weight`, less the multiplier that a dual moves.
        smallest_draw: fewest rewards of a prompt, those of extra rollouts counted, for which the
            advantage says anything.
        initial_state: function of a leading shape * -> state [*, H]; None where the advantage
            remembers nothing.
        extra_rollouts: rollouts of a prompt that are drawn for the advantage's statistics and not
            trained on.
        reference: penalty on the divergence from a reference policy, if any.
        dual: how the multiplier of the ratio-variance constraint moves, if it does.
    """

    name: str
    advantage: Callable[..., Any]
    weight: Callable[..., Array]
    formula: str
    source: str
    advantage_hyper: Mapping[str, float] = field(default_factory=dict)
    weight_hyper: Mapping[str, float] = field(default_factory=dict)
    smallest_draw: int = 1
    initial_state: Callable[..., Array] | None = None
    extra_rollouts: int = 0
    reference: ReferenceTerm | None = None
    dual: DualAscent | None = None

    def __post_init__(self) -> None:
        for name in ("advantage_hyper", "weight_hyper"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))
        count = self.extra_rollouts
        require(
            isinstance(count, int) and not isinstance(count, bool) and count >= 0,
            "UpdateRule",
            "extra_rollouts",
            "a whole number of 0 or more",
            count,
            "They are drawn for statistics and not trained on; 7 is usual",
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # A mapping proxy cannot be pickled, and worker processes receive rules.
        values = (getattr(self, entry.name) for entry in fields(self))
        return type(self), tuple(
            dict(value) if isinstance(value, MappingProxyType) else value for value in values
        )

    @property
    def smallest_group(self) -> int:
        """Fewest rollouts per prompt that can be trained on, extra rollouts not counted."""
        return max(1, self.smallest_draw - self.extra_rollouts)

    @property
    def hyper(self) -> dict[str, float]:
        """All hyperparameters that are numbers, by name."""
        hyper = {**self.advantage_hyper, **self.weight_hyper}
        if self.extra_rollouts:
            hyper["extra_rollouts"] = self.extra_rollouts
        if self.dual is not None:
            hyper |= {name: getattr(self.dual, name) for name in _DUAL_HYPER}
        if self.reference is not None:
            hyper["coefficient"] = self.reference.coefficient
        return hyper

    def with_hyper(self, **hyper: float) -> "UpdateRule":
        """Return the same rule with other hyperparameters; every rule takes extra_rollouts.

        Args:
            **hyper: hyperparameter -> value, e.g. clip_high=0.28.

        Returns:
            A new rule.

        Raises:
            ValueError: the rule has no such hyperparameter.

        Examples:
            >>> from banditlab.rules import RULES
            >>> RULES["clip"].with_hyper(clip_high=0.28)
            clip(clip_low=0.2, clip_high=0.28)
        """
        rule = self
        for name, value in hyper.items():
            rule = rule._with_one(name, value)
        return rule

    def _with_one(self, name: str, value: float) -> "UpdateRule":
        for owner in ("advantage_hyper", "weight_hyper"):
            if name in getattr(self, owner):
                return replace(self, **{owner: {**getattr(self, owner), name: value}})
        if name == "extra_rollouts":
            return replace(self, extra_rollouts=value)
        if self.dual is not None and name in _DUAL_HYPER:
            return replace(self, dual=replace(self.dual, **{name: value}))
        if self.reference is not None and name == "coefficient":
            return replace(self, reference=replace(self.reference, coefficient=value))
        raise requirement_error(
            "with_hyper",
            name,
            f"a hyperparameter of {self.name}",
            value,
            f"It has: {', '.join(self.hyper) or 'none'}",
        )

    def with_reference(self, reference: ReferenceTerm | None) -> "UpdateRule":
        """Return the same rule with another reference term, or with none.

        Args:
            reference: the term.

        Returns:
            A new rule.

        Examples:
            >>> from banditlab.rules import RULES
            >>> RULES["clip"].with_reference(ReferenceTerm(0.01, "k2", "loss"))
            clip(clip_low=0.2, clip_high=0.2, coefficient=0.01, k2 in the loss)
        """
        return replace(self, reference=reference)

    def as_dict(self) -> dict[str, Any]:
        """What tells this rule from others of the registry, as JSON can write it.

        Returns:
            `rule`, `hyper`, and `reference` where there is one.
        """
        described = {"rule": self.name, "hyper": self.hyper}
        if self.reference is not None:
            described["reference"] = self.reference.as_dict()
        return described

    def __repr__(self) -> str:
        parts = [f"{name}={value:g}" for name, value in self.hyper.items()]
        if self.reference is not None:
            corrected = " with ratio" if self.reference.is_ratio_corrected else ""
            parts.append(f"{self.reference.estimator} in the {self.reference.place}{corrected}")
        return f"{self.name}({', '.join(parts)})"
