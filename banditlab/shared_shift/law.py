"""How a model's shared kernel depends on its pass rate: a law of one number, known at the start.

Shapes: * any.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from banditlab.validation import require, require_finite_number, require_known

LAWS = {
    "constant": "kernel",
    "ceiling": "kernel * (ceiling - pass_rate) / (ceiling - base_pass_rate), at least 0",
    "power": "kernel * (base_pass_rate / pass_rate)^exponent",
}
"""Name -> formula, in the attributes of `KernelLaw`."""

_PARAMETER = {"ceiling": "ceiling", "power": "exponent"}


@dataclass(frozen=True)
class KernelLaw:
    """Shared kernel of a model whose mean pass rate over the prompts trained on is known.

    Attributes:
        kernel: shared kernel of the base model, nats per unit of step_size * coefficient.
        form: a key of `LAWS`.
        base_pass_rate: pass rate at which the kernel was measured; not used by "constant".
        ceiling: of "ceiling": the pass rate at which nothing moves any more.
        exponent: of "power".
    """

    kernel: float
    form: str = "constant"
    base_pass_rate: float | None = None
    ceiling: float | None = None
    exponent: float | None = None

    def __post_init__(self) -> None:
        require_finite_number(
            "KernelLaw", "kernel", self.kernel, low=0.0, remedy="Measure it with more samples"
        )
        require_known("KernelLaw", "form", self.form, LAWS, "law")
        for name in ("ceiling", "exponent"):
            is_needed = _PARAMETER.get(self.form) == name
            require(
                (getattr(self, name) is not None) == is_needed,
                "KernelLaw",
                name,
                f"{'given' if is_needed else 'left out'} where the form is {self.form!r}",
                getattr(self, name),
                "A law has one number of its own at most",
            )
        if self.form == "constant":
            return
        require(
            self.base_pass_rate is not None and 0.0 < self.base_pass_rate < 1.0,
            "KernelLaw",
            "base_pass_rate",
            "in (0, 1)",
            self.base_pass_rate,
            "Give the mean pass rate at which the kernel was measured",
        )
        if self.form == "ceiling":
            require(
                self.base_pass_rate < self.ceiling,
                "KernelLaw",
                "ceiling",
                f"above the base pass rate {self.base_pass_rate:g}",
                self.ceiling,
                "1.5 or more stands for a kernel that hardly changes",
            )
        else:
            require_finite_number(
                "KernelLaw", "exponent", self.exponent, remedy="0 is the constant law"
            )

    def as_dict(self) -> dict[str, Any]:
        """The law's arguments that are given, as JSON can write them."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def strength(self, pass_rate: np.ndarray) -> np.ndarray:
        """Kernel at a pass rate.

        Args:
            pass_rate: mean over the prompts trained on, shape [*].

        Returns:
            Nats per unit of step_size * coefficient, shape [*].

        Examples:
            >>> law = KernelLaw(14.0, "ceiling", base_pass_rate=0.3, ceiling=0.8)
            >>> law.strength(np.array([0.3, 0.55, 0.9])).round(6).tolist()
            [14.0, 7.0, 0.0]
            >>> law = KernelLaw(14.0, "power", base_pass_rate=0.3, exponent=2.0)
            >>> law.strength(np.array([0.3, 0.6])).round(6).tolist()
            [14.0, 3.5]
        """
        if self.form == "ceiling":
            share = (self.ceiling - pass_rate) / (self.ceiling - self.base_pass_rate)
            return self.kernel * np.maximum(share, 0.0)
        if self.form == "power":
            return self.kernel * (self.base_pass_rate / pass_rate) ** self.exponent
        return np.full(np.shape(pass_rate), self.kernel)
