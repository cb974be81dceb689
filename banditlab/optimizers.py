"""Optimizers on logits: SGD, momentum and Adam, as pure functions of gradient and state.

Each works element by element, so arms that start equal and get equal gradients stay equal: any of
them lumps. The step climbs the objective. Decay pulls towards the initial logits (the base
policy), never towards zero logits, which would be the uniform policy over 10^100 arms.

Shapes: * any. State is a dictionary of arrays of the shape of the logits that it belongs to.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from banditlab.validation import require, require_finite_number, require_known, requirement_error

State = dict[str, np.ndarray]


class Optimizer(Protocol):
    """What a policy asks of its optimizer."""

    step_size: float
    decay: float
    is_linear: bool

    def init(self, shape: tuple[int, ...]) -> State:
        """State before the first step."""

    def change(self, gradient: np.ndarray, state: State, count: int) -> tuple[np.ndarray, State]:
        """Change of the logits and the next state."""

    def coasting(self, state: State, count: int) -> np.ndarray | float:
        """Bound on how far the logits still rise without any further gradient."""


def _require_common(function: str, step_size: float, decay: float) -> None:
    require_finite_number(function, "step_size", step_size, low=0.0, remedy="Try 0.1")
    require_finite_number(function, "decay", decay, low=0.0, remedy="0 switches decay off")
    require(
        step_size * decay <= 1.0,
        function,
        "decay",
        "at most 1/step_size",
        decay,
        "A larger one overshoots the initial logits",
    )


@dataclass(frozen=True)
class SGD:
    """Plain gradient ascent: change = step_size * gradient.

    Attributes:
        step_size: step size.
        decay: share of the displacement from the initial logits given up per unit of step size.
    """

    step_size: float
    decay: float = 0.0
    is_linear = True

    def __post_init__(self) -> None:
        _require_common("SGD", self.step_size, self.decay)

    def init(self, shape: tuple[int, ...]) -> State:
        """State before the first step: none.

        Args:
            shape: shape of the logits.

        Returns:
            An empty dictionary.
        """
        return {}

    def change(self, gradient: np.ndarray, state: State, count: int) -> tuple[np.ndarray, State]:
        """Change of the logits: step_size * gradient.

        Args:
            gradient: gradient of the objective, shape [*].
            state: not used.
            count: number of this step, from 1.

        Returns:
            The change, shape [*], and the state.
        """
        return self.step_size * gradient, state

    def coasting(self, state: State, count: int) -> float:
        """Bound on the rise of the logits without any further gradient: 0.

        Args:
            state: not used.
            count: steps taken.

        Returns:
            0, nats.
        """
        return 0.0


@dataclass(frozen=True)
class Momentum:
    """Heavy-ball ascent: velocity = momentum * velocity + gradient, change = step_size * velocity.

    Attributes:
        step_size: step size.
        momentum: share of the velocity that is kept, in [0, 1).
        decay: as in `SGD`, decoupled from the velocity.
    """

    step_size: float
    momentum: float = 0.9
    decay: float = 0.0
    is_linear = True

    def __post_init__(self) -> None:
        _require_common("Momentum", self.step_size, self.decay)
        require(
            0.0 <= self.momentum < 1.0,
            "Momentum",
            "momentum",
            "in [0, 1)",
            self.momentum,
            "0.9 is usual",
        )

    def init(self, shape: tuple[int, ...]) -> State:
        """State before the first step: no velocity.

        Args:
            shape: shape of the logits.

        Returns:
            `velocity` of that shape.
        """
        return {"velocity": np.zeros(shape)}

    def change(self, gradient: np.ndarray, state: State, count: int) -> tuple[np.ndarray, State]:
        """Change of the logits: step_size * (momentum * velocity + gradient).

        Args:
            gradient: gradient of the objective, shape [*].
            state: `velocity`, shape [*].
            count: number of this step, from 1.

        Returns:
            The change, shape [*], and the next state.
        """
        velocity = self.momentum * state["velocity"] + gradient
        return self.step_size * velocity, {"velocity": velocity}

    def coasting(self, state: State, count: int) -> np.ndarray:
        """Rise of the logits without any further gradient: a geometric series of the velocity.

        Args:
            state: `velocity`, shape [*].
            count: steps taken.

        Returns:
            step_size * velocity * momentum / (1 - momentum), where that is a rise, shape [*].
        """
        series = self.momentum / (1.0 - self.momentum)
        return self.step_size * series * np.maximum(state["velocity"], 0.0)


@dataclass(frozen=True)
class Adam:
    """Adam with bias correction; `decay` makes it AdamW towards the initial logits.

    Attributes:
        step_size: step size.
        beta1: decay of the mean of gradients, in [0, 1).
        beta2: decay of the mean of squared gradients, in [0, 1).
        eps: added to the root of the mean square, above 0.
        decay: as in `SGD`, decoupled.

    References:
        Kingma and Ba, Adam, arXiv 1412.6980; Loshchilov and Hutter, arXiv 1711.05101 (AdamW).
    """

    step_size: float
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    decay: float = 0.0
    is_linear = False

    def __post_init__(self) -> None:
        _require_common("Adam", self.step_size, self.decay)
        for name in ("beta1", "beta2"):
            value = getattr(self, name)
            require(0.0 <= value < 1.0, "Adam", name, "in [0, 1)", value, "0.9 and 0.999 are usual")
        require(
            math.isfinite(self.eps) and self.eps > 0.0,
            "Adam",
            "eps",
            "above 0",
            self.eps,
            "Without it an arm of probability 0 has step 0/0; 1e-8 is usual",
        )

    def init(self, shape: tuple[int, ...]) -> State:
        """State before the first step: both means 0.

        Args:
            shape: shape of the logits.

        Returns:
            `mean` and `mean_square` of that shape.
        """
        return {"mean": np.zeros(shape), "mean_square": np.zeros(shape)}

    def change(self, gradient: np.ndarray, state: State, count: int) -> tuple[np.ndarray, State]:
        """Change of the logits: step_size * mean / (sqrt(mean_square) + eps), bias-corrected.

        Args:
            gradient: gradient of the objective, shape [*].
            state: `mean` and `mean_square`, shape [*].
            count: number of this step, from 1.

        Returns:
            The change, shape [*], and the next state.
        """
        mean = self.beta1 * state["mean"] + (1.0 - self.beta1) * gradient
        mean_square = self.beta2 * state["mean_square"] + (1.0 - self.beta2) * gradient**2
        root = np.sqrt(mean_square / (1.0 - self.beta2**count))
        change = (self.step_size / (1.0 - self.beta1**count)) * mean / (root + self.eps)
        return change, {"mean": mean, "mean_square": mean_square}

    def coasting(self, state: State, count: int) -> np.ndarray:
        """Bound on the rise of the logits without any further gradient.

        The mean falls by beta1 a step and the root mean square by sqrt(beta2), so that changes
        fall by rate = beta1 / sqrt(beta2) but for the bias correction, which is at most
        1 / sqrt(1 - beta2^count).

        Args:
            state: `mean` and `mean_square`, shape [*].
            count: steps taken.

        Returns:
            The bound, infinite where changes do not fall, shape [*].
        """
        rate = self.beta1 / math.sqrt(self.beta2) if self.beta2 else math.inf
        root = np.sqrt(state["mean_square"])
        is_moving = (state["mean"] > 0.0) & (root > 0.0)
        if not rate < 1.0:
            return np.where(is_moving, np.inf, 0.0)
        last = np.where(is_moving, state["mean"] / np.where(is_moving, root, 1.0), 0.0)
        return self.step_size / (1.0 - self.beta1**count) * last * rate / (1.0 - rate)


def ascend(
    optimizer: Optimizer,
    displacement: np.ndarray,
    state: State,
    gradient: np.ndarray,
    count: int,
    rows: np.ndarray | slice = slice(None),
) -> None:
    """Take one step in place: displacement += change - step_size * decay * displacement.

    Args:
        optimizer: the optimizer.
        displacement: logits less the initial ones, nats, shape [M, *].
        state: its state, all of which is renewed.
        gradient: gradient of the objective on the rows, shape [m, *].
        count: number of this step, from 1.
        rows: rows that move; only an optimizer without state may leave rows out.
    """
    change, new_state = optimizer.change(gradient, state, count)
    if optimizer.decay:
        change = change - optimizer.step_size * optimizer.decay * displacement[rows]
    displacement[rows] += change
    state.update(new_state)


OPTIMIZERS: dict[str, type[SGD] | type[Momentum] | type[Adam]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "adam": Adam,
}


def get_optimizer(name: str, **hyper: float) -> Optimizer:
    """Build an optimizer by name.

    Args:
        name: a key of `OPTIMIZERS`.
        **hyper: its fields; `step_size` has no default.

    Returns:
        The optimizer.

    Raises:
        ValueError: the name or a field is unknown, or a value is out of range.
    """
    require_known("get_optimizer", "name", name, OPTIMIZERS, "optimizer")
    known = OPTIMIZERS[name].__dataclass_fields__
    for field in hyper:
        require_known("get_optimizer", "hyper", field, known, f"hyperparameter of {name}")
    if "step_size" not in hyper:
        raise requirement_error("get_optimizer", "step_size", "given", None, "Try 0.1")
    return OPTIMIZERS[name](**hyper)
