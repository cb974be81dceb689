"""The dense softmax policy: one logit per arm. The reference that the lumped policy must equal.

Shapes: R runs, P prompts (contexts), B prompts of a batch, K arms, C arm classes, G group.
"""

from dataclasses import asdict, dataclass

import numpy as np
from scipy.special import logsumexp, xlogy

from banditlab.kernels import require_linear_optimizer
from banditlab.optimizers import Optimizer
from banditlab.problems import BanditProblem
from banditlab.validation import require


@dataclass(frozen=True)
class Draw:
    """Arms drawn in one round.

    Attributes:
        contexts: index of each prompt of the batch, shape [R, B].
        arm: number of each arm, shape [R, B, G].
        arm_class: class of each arm, shape [R, B, G].
    """

    contexts: np.ndarray
    arm: np.ndarray
    arm_class: np.ndarray


class DenseSoftmax:
    """Softmax policies over numbered arms, for R runs and P contexts at once.

    Attributes:
        problem: the arm space.
        num_runs: R.
        logits: current logits, nats, shape [R, P, K].
    """

    has_tokens = False

    def __init__(self, problem: BanditProblem, num_runs: int, optimizer: Optimizer) -> None:
        """Start every run at the base policy of the problem.

        Args:
            problem: the arm space.
            num_runs: R.
            optimizer: how gradients become changes of the logits.

        Raises:
            ValueError: the problem has too many arms to number them, or a kernel and Adam.
        """
        require_linear_optimizer("DenseSoftmax", problem.kernel, optimizer)
        self.problem, self.num_runs, self._optimizer = problem, num_runs, optimizer
        self._arm_class = problem.arm_class()
        self._is_class = self._arm_class[..., None] == np.arange(problem.num_classes)
        per_arm = problem.log_mass - problem.log_count
        self._initial = np.take_along_axis(per_arm, self._arm_class, axis=1)
        self.logits = np.repeat(self._initial[None], num_runs, axis=0)
        self._pending = np.zeros_like(self.logits)
        self._optimizer_state = optimizer.init(self.logits.shape)
        self._num_moves = 0
        self._runs = np.arange(num_runs)[:, None]
        true_reward = np.take_along_axis(problem.reward, self._arm_class, axis=1)
        # Rewards that arms keep are NaN until their first pull.
        is_fixed = np.array([law.is_per_arm for law in problem.reward_law])[self._arm_class]
        self._arm_reward = np.repeat(np.where(is_fixed, np.nan, true_reward)[None], num_runs, 0)

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
        return np.einsum("rpk,pkc->rpc", np.exp(self.log_probs()), self._is_class.astype(float))

    def expected_reward(self) -> np.ndarray:
        """True mean reward of the policy, exact; of arms never pulled the mean of their class.

        Returns:
            Shape [R, P].
        """
        mean = np.take_along_axis(self.problem.reward, self._arm_class, axis=1)
        reward = np.where(np.isnan(self._arm_reward), mean, self._arm_reward)
        return (np.exp(self.log_probs()) * reward).sum(axis=-1)

    def entropy(self) -> np.ndarray:
        """Entropy of the policy.

        Returns:
            Nats, shape [R, P].
        """
        prob = np.exp(self.log_probs())
        return -xlogy(prob, prob).sum(axis=-1)

    def collision(self) -> np.ndarray:
        """Probability that two rollouts are the same arm: the sum of squared probabilities.

        Returns:
            Shape [R, P].
        """
        return np.exp(2.0 * self.log_probs()).sum(axis=-1)

    def num_uniforms(self) -> int:
        """Uniform numbers that one rollout takes: 2, as in the lumped policy; the second is idle.

        Returns:
            The number.
        """
        return 2

    def sample(self, contexts: np.ndarray, uniform: np.ndarray) -> Draw:
        """Draw a group of arms for each prompt of the batch.

        Args:
            contexts: index of each prompt, shape [R, B].
            uniform: uniforms in [0, 1), shape [R, B, G, 2].

        Returns:
            The draw.
        """
        cumulative = np.exp(self.log_probs()[self._runs, contexts]).cumsum(axis=-1)
        target = uniform[..., 0] * cumulative[..., -1:]
        arms = np.empty(target.shape, dtype=np.int64)
        for index in np.ndindex(contexts.shape):
            arms[index] = cumulative[index].searchsorted(target[index], side="right")
        return self.place(contexts, np.minimum(arms, cumulative.shape[-1] - 1))

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

    def reward(self, draw: Draw, uniform: np.ndarray) -> np.ndarray:
        """Observed reward of each drawn arm; an arm with a reward of its own reveals it.

        Args:
            draw: the round's draw.
            uniform: uniforms in [0, 1), shape [R, B, G].

        Returns:
            Rewards, shape [R, B, G].
        """
        paid = self.problem.draw_reward(draw.contexts, draw.arm_class, uniform)
        if not self.problem.has_fixed_arm_rewards:
            return paid
        index = (self._runs[..., None], draw.contexts[..., None], draw.arm)
        is_fixed = np.array([law.is_per_arm for law in self.problem.reward_law])[draw.arm_class]
        # Reversed, so that the first of several pulls of a new arm decides.
        is_new = is_fixed & np.isnan(self._arm_reward[index])
        for position in np.argwhere(is_new)[::-1]:
            run, batch, _ = position
            where = (run, draw.contexts[run, batch], draw.arm[tuple(position)])
            self._arm_reward[where] = paid[tuple(position)]
        return np.where(is_fixed, self._arm_reward[index], paid)

    def relative_log_prob(self, draw: Draw) -> np.ndarray:
        """Log-probability of the drawn arms, less that under the base policy.

        Args:
            draw: the round's draw.

        Returns:
            Nats, shape [R, B, G].
        """
        change = self.log_probs() - self._initial
        return change[self._runs[..., None], draw.contexts[..., None], draw.arm]

    def accumulate(self, draw: Draw, coefficient: np.ndarray) -> None:
        """Add sum_i coefficient_i * (e_arm_i - policy) to the pending gradient.

        Args:
            draw: arms drawn in this round or an earlier one.
            coefficient: scale * weight of each draw, shape [R, B, G].
        """
        index = (self._runs[..., None], draw.contexts[..., None], draw.arm)
        np.add.at(self._pending, index, coefficient)
        total = np.zeros(self.logits.shape[:2])
        np.add.at(total, (self._runs, draw.contexts), coefficient.sum(axis=-1))
        self._pending -= total[..., None] * np.exp(self.log_probs())

    def move(self) -> None:
        """Take one optimizer step with the pending gradient, through the kernel."""
        kernel = self.problem.kernel
        gradient = kernel.self_part * self._pending
        if not kernel.is_tabular:
            is_class = self._is_class.astype(float)
            class_score = np.einsum("rpk,pkc->rpc", self._pending, is_class)
            class_gradient = np.zeros_like(class_score)
            if kernel.within_context is not None:
                class_gradient += class_score @ kernel.within_context
            if kernel.across_contexts is not None:
                class_gradient += class_score.sum(axis=1, keepdims=True) @ kernel.across_contexts
            gradient += np.einsum("rpc,pkc->rpk", class_gradient, is_class)
        self._num_moves += 1
        change, self._optimizer_state = self._optimizer.change(
            gradient, self._optimizer_state, self._num_moves
        )
        shrink = self._optimizer.step_size * self._optimizer.decay
        self.logits += change - shrink * (self.logits - self._initial)
        self._pending[...] = 0.0

    def release(self, draw: Draw) -> None:
        """End the round; a dense policy keeps every arm anyway.

        Args:
            draw: the round's draw.
        """

    def pack(self, draw: Draw) -> dict[str, np.ndarray]:
        """Arrays of a draw, to be saved.

        Args:
            draw: the draw.

        Returns:
            Arrays by name.
        """
        return asdict(draw)

    def unpack(self, arrays: dict[str, np.ndarray]) -> Draw:
        """Take a saved draw up again.

        Args:
            arrays: what `pack` returned.

        Returns:
            The draw.
        """
        return Draw(**arrays)

    def state(self) -> dict[str, np.ndarray]:
        """Everything but the draws that a run needs to go on to the same bits.

        Returns:
            Arrays by name.
        """
        return {
            "logits": self.logits,
            "arm_reward": self._arm_reward,
            "num_moves": np.array(self._num_moves),
            **{f"optimizer.{name}": value for name, value in self._optimizer_state.items()},
        }

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Go back to a state.

        Args:
            state: what `state` returned for a policy of the same problem.
        """
        self.logits, self._arm_reward = state["logits"].copy(), state["arm_reward"].copy()
        self._num_moves = int(state["num_moves"])
        self._optimizer_state = {
            name: state[f"optimizer.{name}"].copy() for name in self._optimizer_state
        }


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
