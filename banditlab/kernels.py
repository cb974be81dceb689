"""The class kernel: how a step on one arm moves the logits of the others, by class.

With a kernel, one step of size eta on a sampled arm a of context x with coefficient w moves the
logits by eta * w * Kmat (e_a - policy), where between arms b and a

    Kmat = self_part * [b == a] + within_context[class b, class a] * [same context]
           + across_contexts[class b, class a].

The tabular softmax is self_part = 1 and nothing else. In a language model the other parts are
what makes learning possible at all: with 10^100 arms the same arm is never drawn twice.

Shapes: C arm classes, P prompts (contexts). Unit: change of logit (nats) per unit of
step_size * coefficient.
"""

from dataclasses import dataclass, field

import numpy as np

from banditlab.optimizers import Optimizer
from banditlab.validation import require, require_finite_number

_ROUNDING = 1e-12


@dataclass(frozen=True)
class ClassKernel:
    """Kernel that depends on arms only through identity, class and context.

    Attributes:
        self_part: an arm's effect on itself beyond that on its class, at least 0.
        within_context: [C, C], effect on arms of the same context, by class; symmetric.
        across_contexts: [C, C], effect on arms of every context, by class; symmetric.
    """

    self_part: float = 1.0
    within_context: np.ndarray | None = field(default=None)
    across_contexts: np.ndarray | None = field(default=None)

    def __post_init__(self) -> None:
        require_finite_number(
            "ClassKernel",
            "self_part",
            self.self_part,
            low=0.0,
            remedy="1 is the tabular softmax",
        )
        for name in ("within_context", "across_contexts"):
            part = getattr(self, name)
            if part is None:
                continue
            part = np.array(part, dtype=np.float64)
            require(
                bool(np.isfinite(part).all()),
                "ClassKernel",
                name,
                "finite",
                "a NaN or an infinity",
                "Measure it again, with more samples",
            )
            require(
                part.ndim == 2 and part.shape[0] == part.shape[1] and np.array_equal(part, part.T),
                "ClassKernel",
                name,
                "a symmetric matrix [C, C]",
                f"shape {part.shape}",
                "Average it with its transpose",
            )
            part.setflags(write=False)
            object.__setattr__(self, name, part)

    @property
    def is_tabular(self) -> bool:
        """Whether arms move only themselves."""
        return self.within_context is None and self.across_contexts is None

    def _require_size(self, function: str, num_classes: int) -> None:
        for name in ("within_context", "across_contexts"):
            part = getattr(self, name)
            require(
                part is None or part.shape == (num_classes, num_classes),
                function,
                name,
                f"of shape [{num_classes}, {num_classes}], one row per class",
                None if part is None else part.shape,
                "Give one row and column per class of the problem",
            )

    def _class_matrices(self, log_count: np.ndarray) -> list[np.ndarray]:
        """Matrices whose eigenvalues decide: of one context alone, and of all moving alike."""
        num_contexts, num_classes = log_count.shape
        zero = np.zeros((num_classes, num_classes))
        within = zero if self.within_context is None else self.within_context
        across = zero if self.across_contexts is None else self.across_contexts
        single = within + np.diag(self.self_part * np.exp(-log_count.max(axis=0)))
        together = single + num_contexts * across
        return [together] if num_contexts == 1 else [single, together]

    def projected(self, log_count: np.ndarray) -> tuple["ClassKernel", float]:
        """Nearest kernel that is positive semi-definite on the classes, and how far it lies.

        A measured kernel fails to be semi-definite by its noise. Its negative eigenvalues are set
        to zero (the nearest matrix in the Frobenius norm), first within a context, then for all
        contexts together; the self part stays.

        Args:
            log_count: log of the number of arms of each class, nats, shape [P, C].

        Returns:
            The kernel, and the Frobenius norm of the change of both matrices together.

        Raises:
            ValueError: a matrix has the wrong size.

        Examples:
            >>> noisy = ClassKernel(0.0, within_context=np.array([[1.0, 1.1], [1.1, 1.0]]))
            >>> kernel, distance = noisy.projected(np.zeros((1, 2)))
            >>> kernel.within_context.round(3).tolist(), round(distance, 3)
            ([[1.05, 1.05], [1.05, 1.05]], 0.1)
        """
        self._require_size("ClassKernel.projected", log_count.shape[1])
        if self.is_tabular:
            return self, 0.0
        num_contexts = len(log_count)
        first, last = (self._class_matrices(log_count) * 2)[:2]
        distance = 0.0
        within, across = self.within_context, self.across_contexts
        if within is not None:
            moved = _nearest_semidefinite(first) - first
            within, last = within + moved, last + moved
            distance = float(np.hypot(distance, np.linalg.norm(moved)))
        if across is not None:
            moved = (_nearest_semidefinite(last) - last) / num_contexts
            across = across + moved
            distance = float(np.hypot(distance, np.linalg.norm(moved)))
        return ClassKernel(self.self_part, within, across), distance

    def require_fit(self, log_count: np.ndarray) -> None:
        """Check the kernel against the classes of a problem.

        Positive semi-definiteness is that of the class matrix: with all contexts moving alike it
        has the eigenvalues of within + diag(self_part / count) + P * across, and otherwise of
        within + diag(self_part / count). Where counts differ between contexts the largest one
        decides, which is sufficient.

        Args:
            log_count: log of the number of arms of each class, nats, shape [P, C].

        Raises:
            ValueError: a matrix has the wrong size, or the kernel is not positive semi-definite.
        """
        self._require_size("ClassKernel.require_fit", log_count.shape[1])
        if self.is_tabular:
            # Its matrix is diagonal, and explicit rewards have a class for each arm.
            return
        matrices = self._class_matrices(log_count)
        smallest = min(float(np.linalg.eigvalsh(matrix)[0]) for matrix in matrices)
        largest = max(float(np.abs(matrix).max()) for matrix in matrices)
        require(
            smallest >= -_ROUNDING * max(1.0, largest),
            "ClassKernel.require_fit",
            "kernel",
            "positive semi-definite on the classes",
            f"smallest eigenvalue {smallest:.3g}",
            "Take kernel.projected(log_count), the nearest one, which also says how far it is",
        )


def _nearest_semidefinite(matrix: np.ndarray) -> np.ndarray:
    value, vector = np.linalg.eigh(matrix)
    nearest = (vector * np.maximum(value, 0.0)) @ vector.T
    return 0.5 * (nearest + nearest.T)


def require_linear_optimizer(function: str, kernel: ClassKernel, optimizer: Optimizer) -> None:
    """Refuse a kernel together with an optimizer that is not linear in the gradient.

    Args:
        function: public function that was called.
        kernel: the problem's kernel.
        optimizer: the optimizer of the policy.

    Raises:
        ValueError: the kernel is not tabular and the optimizer is Adam.
    """
    require(
        kernel.is_tabular or optimizer.is_linear,
        function,
        "optimizer",
        "SGD or momentum where arms are correlated by a class kernel",
        type(optimizer).__name__,
        "Adam rescales logit by logit, so that a kernel of logits has no agreed meaning there",
    )


def log_odds_kernel(strength: float) -> np.ndarray:
    """Class matrix that moves the log-odds of (correct, wrong) by one shared number.

    A step on any arm of coefficient w moves the log-odds by step_size * strength * w *
    ([the arm is correct] - pass_rate).

    Args:
        strength: the shared kernel, nats per unit of step_size * coefficient, at least 0.

    Returns:
        The matrix strength/4 * [[1, -1], [-1, 1]], shape [C, C] with C = 2, correct first.

    Raises:
        ValueError: the strength is negative or not finite.
    """
    require_finite_number(
        "log_odds_kernel",
        "strength",
        strength,
        low=0.0,
        remedy="A negative shared kernel would unlearn; measure it with more samples",
    )
    direction = np.array([0.5, -0.5])
    return strength * np.outer(direction, direction)
