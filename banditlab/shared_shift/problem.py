"""Prompts with pass rates whose log-odds all move by one shift.

Every prompt has endless right and wrong responses, so none is drawn twice. A step on a response
moves every prompt's log-odds alike, by step_size * kernel * coefficient * ([correct] - pass_rate
of its prompt), and the drawn response's own log-prob by step_size * own_kernel * coefficient
more, which its ratio sees in later inner epochs. Held-out prompts may move by a share of that only.
With a constant kernel, no own kernel, a share of 1 and SGD this is `arm_spaces.from_pass_rates`.

Shapes: P prompts (contexts).
"""

from dataclasses import dataclass, field

import numpy as np

from banditlab.shared_shift.law import KernelLaw
from banditlab.validation import require, require_finite_number


@dataclass(frozen=True)
class SharedShiftProblem:
    """P prompts by their base pass rates, and how a step moves them.

    Attributes:
        pass_rate: base pass rate of each prompt, in (0, 1), shape [P].
        law: shared kernel, as a function of the mean pass rate over the prompts trained on.
        num_train: the first `num_train` prompts are trained on, the others are held out.
        own_kernel: what a step on a response adds to its own log-prob, nats per unit of
            step_size * coefficient, at least 0.
        base_weight_square: of Adam: mean square of the score weights under the base policy, at
            which both kernels, with Adam's root mean square in them, were measured.
        right_score_exponent: of Adam: the mean square of grad log_prob of a right response falls
            as the mean pass rate to this power; 0 holds it.
        wrong_score_exponent: the same of a wrong response; below 0 where it rises.
        heldout_share: by what share of the shift the held-out prompts move: their kernel with the
            prompts trained on over that among these.
    """

    pass_rate: np.ndarray
    law: KernelLaw
    num_train: int = -1
    own_kernel: float = 0.0
    base_weight_square: float | None = None
    right_score_exponent: float = 0.0
    wrong_score_exponent: float = 0.0
    heldout_share: float = 1.0
    has_random_reward: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        pass_rate = np.array(self.pass_rate, dtype=np.float64)
        require(
            pass_rate.ndim == 1
            and pass_rate.size > 0
            and bool(((pass_rate > 0.0) & (pass_rate < 1.0)).all()),
            "SharedShiftProblem",
            "pass_rate",
            "a list of one or more rates in (0, 1)",
            f"shape {pass_rate.shape} with values from {pass_rate.min(initial=np.inf):g} to "
            f"{pass_rate.max(initial=-np.inf):g}",
            "Smooth measured rates, e.g. (num_correct + a) / (num_samples + a + b)",
        )
        object.__setattr__(self, "pass_rate", pass_rate)
        if self.num_train == -1:
            object.__setattr__(self, "num_train", self.num_contexts)
        require(
            1 <= self.num_train <= self.num_contexts,
            "SharedShiftProblem",
            "num_train",
            f"between 1 and the number of prompts, {self.num_contexts}",
            self.num_train,
            "At least one prompt is needed to train on",
        )
        require_finite_number(
            "SharedShiftProblem", "own_kernel", self.own_kernel, low=0.0, remedy="0 has no effect"
        )
        require_finite_number(
            "SharedShiftProblem",
            "heldout_share",
            self.heldout_share,
            remedy="0 leaves the held-out prompts where they are, 1 moves them like the others",
        )
        if self.base_weight_square is not None:
            require_finite_number(
                "SharedShiftProblem",
                "base_weight_square",
                self.base_weight_square,
                low=0.0,
                is_low_open=True,
                remedy="It is the mean of weight^2 over rollouts of the base policy",
            )

        for name in ("right_score_exponent", "wrong_score_exponent"):
            require_finite_number(
                "SharedShiftProblem", name, getattr(self, name), remedy="0 holds the scores"
            )

    @property
    def num_contexts(self) -> int:
        """Number of prompts, P."""
        return self.pass_rate.size


def shared_shift(
    train_pass_rates: np.ndarray,
    kernel: float,
    heldout_pass_rates: np.ndarray | None = None,
    form: str = "constant",
    base_pass_rate: float | None = None,
    ceiling: float | None = None,
    exponent: float | None = None,
    own_kernel: float = 0.0,
    base_weight_square: float | None = None,
    right_score_exponent: float = 0.0,
    wrong_score_exponent: float = 0.0,
    heldout_share: float = 1.0,
) -> SharedShiftProblem:
    """Prompts of a model whose shared kernel was measured, and how it depends on the pass rate.

    Args:
        train_pass_rates: pass rate of each prompt trained on, in (0, 1), shape [P_train].
        kernel: shared kernel of the base model, nats per unit of step_size * coefficient.
        heldout_pass_rates: pass rate of each held-out prompt, shape [P_heldout].
        form: "constant", "ceiling" or "power"; see `LAWS`.
        base_pass_rate: pass rate at which the kernel was measured; by default the mean of the
            train pass rates.
        ceiling: of "ceiling".
        exponent: of "power".
        own_kernel: what a step on a response adds to its own log-prob.
        base_weight_square: of Adam: mean square of the score weights under the base policy.
        right_score_exponent: of Adam: how the mean square of grad log_prob of a right response
            falls with the mean pass rate.
        wrong_score_exponent: the same of a wrong response.
        heldout_share: by what share of the shift the held-out prompts move.

    Returns:
        The problem.

    Raises:
        ValueError: an argument is out of range.
    """
    train = np.atleast_1d(np.asarray(train_pass_rates, dtype=np.float64))
    heldout = [] if heldout_pass_rates is None else heldout_pass_rates
    if base_pass_rate is None and form != "constant":
        base_pass_rate = float(train.mean())
    return SharedShiftProblem(
        pass_rate=np.concatenate([train, np.asarray(heldout, dtype=np.float64)]),
        law=KernelLaw(kernel, form, base_pass_rate, ceiling, exponent),
        num_train=train.size,
        own_kernel=own_kernel,
        base_weight_square=base_weight_square,
        right_score_exponent=right_score_exponent,
        wrong_score_exponent=wrong_score_exponent,
        heldout_share=heldout_share,
    )
