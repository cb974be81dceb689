"""The policy of a `SharedShiftProblem`: one shift of log-odds a run.

Shapes: R runs, P prompts (contexts), B prompts of a batch, G group.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, log_expit, logit, xlogy

from banditlab.optimizers import SGD, Adam, Optimizer
from banditlab.shared_shift.problem import SharedShiftProblem
from banditlab.validation import require


@dataclass
class ShiftDraw:
    """Responses drawn in a round, and what the steps have done to each beside the shift.

    Attributes:
        contexts: index of each prompt, shape [R, B].
        is_correct: shape [R, B, G].
        own: gain of each response's own log-prob, nats, shape [R, B, G].
        own_mean: Adam's mean of its coefficients, shape [R, B, G].
        pending: coefficients of the step to come, shape [R, B, G]; None before the first.
    """

    contexts: np.ndarray
    is_correct: np.ndarray
    own: np.ndarray
    own_mean: np.ndarray
    pending: np.ndarray | None = None


class SharedShift:
    """R runs in which all prompts' log-odds move by one shift.

    Adam here is the optimizer of a model, not of the shift: its root mean square is a property of
    the model's parameters and lies in the measured kernels; only its change with the size of the
    weights and of the scores is followed, beside the mean of the gradient.

    Attributes:
        problem: the prompts.
        num_runs: R.
        shift: how far the log-odds have moved, nats, shape [R].
    """

    has_tokens = False

    def __init__(self, problem: SharedShiftProblem, num_runs: int, optimizer: Optimizer) -> None:
        """Start every run at the base policy.

        Args:
            problem: the prompts.
            num_runs: R.
            optimizer: SGD, or Adam where the problem's kernels were measured for it.

        Raises:
            ValueError: another optimizer, or Adam without the base policy's mean square weight.
        """
        is_adam = isinstance(optimizer, Adam)
        require(
            is_adam or isinstance(optimizer, SGD),
            "SharedShift",
            "optimizer",
            "sgd or adam",
            type(optimizer).__name__.lower(),
            "A kernel is measured for the optimizer's own steps",
        )
        require(
            is_adam == (problem.base_weight_square is not None),
            "SharedShift",
            "base_weight_square",
            "given where the optimizer is adam, and only there",
            problem.base_weight_square,
            "Measure the kernels for the optimizer that is used",
        )
        self.problem, self.num_runs, self._optimizer = problem, num_runs, optimizer
        # Measured rates are shares of a few samples, so few of them differ.
        is_heldout = np.arange(problem.num_contexts) >= problem.num_train
        share = np.where(is_heldout, problem.heldout_share, 1.0)
        start_and_share = np.stack([logit(problem.pass_rate), share])
        levels, level_of = np.unique(start_and_share, axis=1, return_inverse=True)
        (self._levels, self._shares), self._level_of = levels, level_of.reshape(-1)
        in_training = self._level_of[: problem.num_train]
        self._train_share = (
            np.bincount(in_training, minlength=len(self._levels)) / problem.num_train
        )
        self._base_rate = float(expit(self._levels) @ self._train_share)
        self.shift = np.zeros(num_runs)
        self._gradient, self._square = np.zeros(num_runs), np.zeros(num_runs)
        self._mean, self._mean_square = np.zeros(num_runs), np.zeros(num_runs)
        self._num_moves = 0
        self._moving: list[ShiftDraw] = []
        self._runs = np.arange(num_runs)[:, None]

    def num_uniforms(self) -> int:
        """Uniform numbers that one rollout takes: 2, as in the lumped policy; the second is idle.

        Returns:
            The number.
        """
        return 2

    def sample(self, contexts: np.ndarray, uniform: np.ndarray) -> ShiftDraw:
        """Draw a group of responses for each prompt of the batch.

        Args:
            contexts: index of each prompt, shape [R, B].
            uniform: uniforms in [0, 1), shape [R, B, G, 2].

        Returns:
            The draw.
        """
        pass_rate = self._level_rates()[self._runs, self._level_of[contexts]]
        return self._draw(contexts, uniform[..., 0] < pass_rate[..., None])

    def place(self, contexts: np.ndarray, arms: np.ndarray) -> ShiftDraw:
        """Take given responses instead of drawing them.

        Args:
            contexts: index of each prompt, shape [R, B].
            arms: 0 for a right response and 1 for a wrong one, shape [R, B, G].

        Returns:
            The draw.

        Raises:
            ValueError: an arm is neither.
        """
        require(
            bool(((arms == 0) | (arms == 1)).all()),
            "SharedShift.place",
            "arms",
            "0 (right) or 1 (wrong)",
            f"values from {arms.min()} to {arms.max()}",
            "Responses have no other number: none is drawn twice",
        )
        return self._draw(contexts, arms == 0)

    def _draw(self, contexts: np.ndarray, is_correct: np.ndarray) -> ShiftDraw:
        zero = np.zeros(is_correct.shape)
        return ShiftDraw(contexts, is_correct, zero, zero.copy())

    def reward(self, draw: ShiftDraw, uniform: np.ndarray) -> np.ndarray:
        """Reward of each response: 1 if right.

        Args:
            draw: the round's draw.
            uniform: not used.

        Returns:
            Rewards, shape [R, B, G].
        """
        return draw.is_correct.astype(np.float64)

    def relative_log_prob(self, draw: ShiftDraw) -> np.ndarray:
        """Log-probability of the responses, less that under the base policy.

        Args:
            draw: a draw.

        Returns:
            Nats, shape [R, B, G].
        """
        now, level = self._level_log_odds(), self._level_of[draw.contexts]
        right, wrong = (
            (log_expit(sign * now) - log_expit(sign * self._levels))[self._runs, level][..., None]
            for sign in (1.0, -1.0)
        )
        return np.where(draw.is_correct, right, wrong) + draw.own

    def accumulate(self, draw: ShiftDraw, coefficient: np.ndarray) -> None:
        """Add coefficient * grad log_prob to the pending gradient.

        Args:
            draw: responses drawn in this round or an earlier one.
            coefficient: scale * weight of each, shape [R, B, G].
        """
        pass_rate = self._level_rates()[self._runs, self._level_of[draw.contexts]][..., None]
        self._gradient += (coefficient * (draw.is_correct - pass_rate)).sum(axis=(1, 2))
        # Coefficients are weights over their number, so this adds up to the mean square weight.
        square = coefficient**2 * self._score_square(draw.is_correct)
        self._square += square.sum(axis=(1, 2)) * coefficient[0].size
        draw.pending = coefficient
        self._moving.append(draw)

    def move(self) -> None:
        """Take one optimizer step with the pending gradient, through the kernel of the moment."""
        optimizer, problem = self._optimizer, self.problem
        kernel = problem.law.strength(self._level_rates() @ self._train_share)
        self._num_moves += 1
        mean, kept, root = self._gradient.copy(), 0.0, np.ones(self.num_runs)
        if isinstance(optimizer, Adam):
            kept = optimizer.beta1
            self._mean = kept * self._mean + (1.0 - kept) * self._gradient
            self._mean_square = optimizer.beta2 * self._mean_square + (1.0 - optimizer.beta2) * (
                self._square / problem.base_weight_square
            )
            root = np.sqrt(self._mean_square / (1.0 - optimizer.beta2**self._num_moves))
            mean = self._mean / (1.0 - kept**self._num_moves)
        # Without any weight so far there is no mean either, and nothing moves.
        step = optimizer.step_size / np.where(root > 0.0, root, 1.0)
        shrink = optimizer.step_size * optimizer.decay
        self.shift += step * kernel * mean - shrink * self.shift
        for draw in self._moving:
            draw.own_mean = kept * draw.own_mean + (1.0 - kept) * draw.pending
            gain = problem.own_kernel * draw.own_mean / (1.0 - kept**self._num_moves)
            draw.own = draw.own + step[:, None, None] * gain
            draw.pending = None
        self._moving = []
        self._gradient[...] = 0.0
        self._square[...] = 0.0

    def _score_square(self, is_correct: np.ndarray) -> np.ndarray:
        """Mean square of grad log_prob of each response, over that under the base policy."""
        problem = self.problem
        growth = np.log(self._level_rates() @ self._train_share / self._base_rate)[:, None, None]
        exponent = np.where(is_correct, problem.right_score_exponent, problem.wrong_score_exponent)
        return np.exp(-exponent * growth)

    def _level_rates(self) -> np.ndarray:
        """Pass rate of each level of base pass rates, [R, levels]."""
        return expit(self._level_log_odds())

    def _level_log_odds(self) -> np.ndarray:
        """Log-odds of each level, [R, levels]."""
        return self._levels + self._shares * self.shift[:, None]

    def release(self, draw: ShiftDraw) -> None:
        """End the round; none of its responses is drawn again.

        Args:
            draw: the round's draw.
        """

    def pack(self, draw: ShiftDraw) -> dict[str, np.ndarray]:
        """Arrays of a draw, to be saved.

        Args:
            draw: the draw, between rounds.

        Returns:
            Arrays by name.
        """
        return {name: value for name, value in vars(draw).items() if value is not None}

    def unpack(self, arrays: dict[str, np.ndarray]) -> ShiftDraw:
        """Take a saved draw up again.

        Args:
            arrays: what `pack` returned.

        Returns:
            The draw.
        """
        return ShiftDraw(**arrays)

    def expected_reward(self) -> np.ndarray:
        """Pass rate of each prompt.

        Returns:
            Shape [R, P].
        """
        return self._level_rates()[:, self._level_of]

    def entropy(self) -> np.ndarray:
        """Entropy of right against wrong; that of endless single responses is infinite.

        Returns:
            Nats, shape [R, P].
        """
        right = self._level_rates()
        entropy = -xlogy(right, right) - xlogy(1.0 - right, 1.0 - right)
        return entropy[:, self._level_of]

    def collision(self) -> np.ndarray:
        """Probability that two rollouts are the same response: 0, there are endless ones.

        Returns:
            Shape [R, P].
        """
        return np.zeros((self.num_runs, self.problem.num_contexts))

    def state(self) -> dict[str, np.ndarray]:
        """Everything but the draws that a run needs to go on to the same bits.

        Returns:
            Arrays by name.
        """
        return {
            "shift": self.shift,
            "mean": self._mean,
            "mean_square": self._mean_square,
            "num_moves": np.array(self._num_moves),
        }

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Go back to a state.

        Args:
            state: what `state` returned for a policy of the same problem.
        """
        self.shift, self._mean = state["shift"].copy(), state["mean"].copy()
        self._mean_square = state["mean_square"].copy()
        self._num_moves = int(state["num_moves"])
