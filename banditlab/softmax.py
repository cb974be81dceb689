"""The dense softmax policy: one logit per arm. The reference that the lumped policy must equal.

Shapes: R runs, P prompts (contexts), B prompts of a batch, K arms, C arm classes, G group.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from banditlab.problems import BanditProblem
from banditlab.validation import require


@dataclass(frozen=True)
class Draw:
    """Arms drawn in one round.

    Attributes:
        contexts: index of each prompt of the batch, distinct within a run, shape [R, B].
        arm: where the policy keeps the arm (its number, or its slot), shape [R, B, G].
        arm_class: class of the arm, shape [R, B, G].
    """

    contexts: np.ndarray
    arm: np.ndarray
    arm_class: np.ndarray


def class_sums(coefficient: np.ndarray, arm_class: np.ndarray, num_classes: int) -> np.ndarray:
    """Sum of coefficients by class.

    Args:
        coefficient: scale * weight of each draw, shape [R, B, G].
        arm_class: class of each draw, shape [R, B, G].
        num_classes: C.

    Returns:
        Sums, shape [R, B, C].
    """
    is_class = arm_class[..., None] == np.arange(num_classes)
    return np.where(is_class, coefficient[..., None], 0.0).sum(axis=-2)


class DenseSoftmax:
    """Softmax policies over numbered arms, for R runs and P contexts at once.

    Attributes:
        logits: current logits, nats, shape [R, P, K].
    """

    def __init__(self, problem: BanditProblem, num_runs: int) -> None:
        """Start every run at the base policy of the problem.

        Args:
            problem: the arm space.
            num_runs: R.

        Raises:
            ValueError: the problem has too many arms to number them.
        """
        self.problem = problem
        self._arm_class = problem.arm_class()
        per_arm = problem.log_mass - problem.log_count
        self._initial = np.take_along_axis(per_arm, self._arm_class, axis=1)
        self.logits = np.repeat(self._initial[None], num_runs, axis=0)

    def log_probs(self) -> np.ndarray:
        """Log-probability of every arm.

        Returns:
            Nats, shape [R, P, K].
        """
        return self.logits - logsumexp(self.logits, axis=-1, keepdims=True)

    def class_mass(self) -> np.ndarray:
        """Probability of each class.

        Returns:
            Shape [R, P, C].
        """
        prob = np.exp(self.log_probs())
        is_class = self._arm_class[..., None] == np.arange(self.problem.num_classes)
        return np.einsum("rpk,pkc->rpc", prob, is_class.astype(np.float64))

    def sample(self, contexts: np.ndarray, group_size: int, rng: np.random.Generator) -> Draw:
        """Draw a group of arms for each prompt of the batch.

        Args:
            contexts: index of each prompt, shape [R, B].
            group_size: rollouts per prompt, G.
            rng: source of randomness.

        Returns:
            The draw.
        """
        runs = np.arange(len(contexts))[:, None]
        cumulative = np.exp(self.log_probs()[runs, contexts]).cumsum(axis=-1)
        uniform = rng.random((*contexts.shape, group_size)) * cumulative[..., -1:]
        arms = np.empty(uniform.shape, dtype=np.int64)
        for index in np.ndindex(contexts.shape):
            arms[index] = cumulative[index].searchsorted(uniform[index], side="right")
        return self.place(contexts, arms)

    def place(self, contexts: np.ndarray, arms: np.ndarray) -> Draw:
        """Take given arms instead of drawing them.

        Args:
            contexts: index of each prompt, shape [R, B].
            arms: number of each arm, shape [R, B, G].

        Returns:
            The draw.

        Raises:
            ValueError: an arm does not exist.
        """
        require_arm_numbers("DenseSoftmax.place", arms, self._arm_class.shape[1])
        arm_class = np.take_along_axis(self._arm_class[contexts], arms, axis=-1)
        return Draw(contexts, arms, arm_class)

    def relative_log_prob(self, draw: Draw) -> np.ndarray:
        """Log-probability of the drawn arms, less that under the base policy.

        Args:
            draw: the round's draw.

        Returns:
            Nats, shape [R, B, G].
        """
        runs = np.arange(len(draw.contexts))[:, None]
        change = self.log_probs() - self._initial
        return np.take_along_axis(change[runs, draw.contexts], draw.arm, axis=-1)

    def apply(self, draw: Draw, coefficient: np.ndarray, step_size: float) -> None:
        """Move the logits by step_size * kernel * sum_i coefficient_i * (e_arm_i - policy).

        Args:
            draw: the round's draw.
            coefficient: scale * weight of each draw, shape [R, B, G].
            step_size: step size.
        """
        problem, kernel = self.problem, self.problem.kernel
        prob = np.exp(self.log_probs())
        runs = np.arange(len(coefficient))[:, None]
        score_sum = np.zeros_like(self.logits)
        index = (runs[..., None], draw.contexts[..., None], draw.arm)
        np.add.at(score_sum, index, coefficient)
        total = coefficient.sum(axis=-1, keepdims=True)
        score_sum[runs, draw.contexts] -= total * prob[runs, draw.contexts]
        change = kernel.self_part * score_sum
        if not kernel.is_tabular:
            is_class = (self._arm_class[..., None] == np.arange(problem.num_classes)).astype(float)
            class_score = np.einsum("rpk,pkc->rpc", score_sum, is_class)
            class_change = np.zeros_like(class_score)
            if kernel.within_context is not None:
                class_change += class_score @ kernel.within_context
            if kernel.across_contexts is not None:
                class_change += class_score.sum(axis=1, keepdims=True) @ kernel.across_contexts
            change += np.einsum("rpc,pkc->rpk", class_change, is_class)
        self.logits += step_size * change

    def release(self, draw: Draw) -> None:
        """End the round; a dense policy keeps every arm anyway.

        Args:
            draw: the round's draw.
        """


def require_arm_numbers(function: str, arms: np.ndarray, num_arms: int) -> None:
    """Demand that arms are numbers of existing arms.

    Args:
        function: public function that was called.
        arms: the numbers given.
        num_arms: K.

    Raises:
        ValueError: one is out of range.
    """
    require(
        bool(((arms >= 0) & (arms < num_arms)).all()),
        function,
        "arms",
        f"between 0 and {num_arms - 1}",
        f"values from {arms.min()} to {arms.max()}",
        "Arms are numbered class by class from 0",
    )
