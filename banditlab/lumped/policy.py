"""The exact softmax policy over any number of arms: the cost of a step does not depend on them.

Three kinds of classes:

- of one arm: the class's logit is the arm's;
- of up to e^100 arms: an arm gets a slot at its first coefficient and keeps it for good;
- larger ones: an arm lives as long as its draw. It would be drawn again with probability below
  e^-100 in each rollout, less than float64 can see beside 1, and is never looked for again. An
  arm that is pushed up so far that this no longer holds gets a slot too.

Shapes: R runs, P prompts (contexts), B prompts of a batch, C arm classes, G group, M = R * P rows,
N slots of a row, n entries of a selection.
"""

import numpy as np

from banditlab.kernels import require_linear_optimizer
from banditlab.lumped import readings
from banditlab.lumped.draws import (
    LumpedDraw,
    draw_arms,
    give_slots,
    reveal_rewards,
    start_draw,
)
from banditlab.lumped.moves import take_step
from banditlab.lumped.state import LumpedState
from banditlab.optimizers import Optimizer
from banditlab.problems import BanditProblem
from banditlab.softmax import require_arm_numbers
from banditlab.validation import require


class LumpedSoftmax:
    """Softmax policies over classes of exchangeable arms, for R runs and P contexts at once.

    Attributes:
        problem: the arm space.
        num_runs: R.
    """

    has_tokens = False

    def __init__(
        self,
        problem: BanditProblem,
        num_runs: int,
        optimizer: Optimizer,
        *,
        keeps_draws: bool = False,
        takes_arms: bool = False,
    ) -> None:
        """Start every run at the base policy of the problem.

        Args:
            problem: the arm space.
            num_runs: R.
            optimizer: how gradients become changes of the logits.
            keeps_draws: whether draws of several rounds are held at once, as a replay buffer
                does; every drawn arm of a class of up to e^100 arms then gets its slot at once.
            takes_arms: whether arms are given by number (`place`) instead of drawn.

        Raises:
            ValueError: the problem has a kernel and the optimizer is Adam.
        """
        require_linear_optimizer("LumpedSoftmax", problem.kernel, optimizer)
        self.problem, self.num_runs, self._optimizer = problem, num_runs, optimizer
        self._takes_arms = takes_arms
        self._is_eager = keeps_draws or problem.has_fixed_arm_rewards
        self._state = LumpedState(problem, num_runs, optimizer, has_numbers=takes_arms)
        # Only rows of the batch move, and nothing but the gradient moves them.
        self._first_row = np.arange(num_runs)[:, None] * problem.num_contexts
        self._pending: list[tuple[LumpedDraw, np.ndarray]] = []
        self._live: list[LumpedDraw] = []
        self._num_moves = 0

    def class_mass(self) -> np.ndarray:
        """Probability of each class.

        Returns:
            Shape [R, P, C].
        """
        return readings.class_mass(self._state).reshape(
            self.num_runs, self.problem.num_contexts, -1
        )

    def expected_reward(self) -> np.ndarray:
        """True mean reward of the policy, exact; of arms never pulled the mean of their class.

        Returns:
            Shape [R, P].
        """
        return readings.expected_reward(self._state).reshape(self.num_runs, -1)

    def entropy(self) -> np.ndarray:
        """Entropy of the policy.

        Returns:
            Nats, shape [R, P].
        """
        return readings.entropy(self._state).reshape(self.num_runs, -1)

    def collision(self) -> np.ndarray:
        """Probability that two rollouts are the same arm: the sum of squared probabilities.

        Returns:
            Shape [R, P].
        """
        return readings.collision(self._state).reshape(self.num_runs, -1)

    def num_touched(self) -> np.ndarray:
        """Number of arms with a slot of their own.

        Returns:
            Shape [R, P].
        """
        return self._state.slots.num_used.reshape(self.num_runs, -1)

    def num_uniforms(self) -> int:
        """Uniform numbers that one rollout takes: for the class or slot, and for the arm in it.

        Returns:
            The number, 2.
        """
        return 2

    def sample(
        self, contexts: np.ndarray, uniform: np.ndarray, is_success: np.ndarray | None = None
    ) -> LumpedDraw:
        """Draw a group of arms for each prompt of the batch.

        Args:
            contexts: index of each prompt, shape [R, B].
            uniform: uniforms in [0, 1), shape [R, B, G, 2].
            is_success: 1 to draw from the classes of positive reward only, 0 from the others
                only, -1 from all, shape [R, B, G]. All by default.

        Returns:
            The draw.

        Raises:
            ValueError: the policy was made to take arms.
        """
        self._require_source("sample", takes_arms=False)
        row = self._first_row + contexts
        arm_class, slot = draw_arms(self._state, row, uniform[..., 0], is_success)
        return self._hold(contexts, arm_class, slot, uniform[..., 1])

    def place(self, contexts: np.ndarray, arms: np.ndarray) -> LumpedDraw:
        """Take given arms, numbered as in the dense policy, instead of drawing them.

        Args:
            contexts: index of each prompt, shape [R, B].
            arms: number of each arm, class by class from 0, shape [R, B, G].

        Returns:
            The draw.

        Raises:
            ValueError: an arm does not exist, or the policy was not made to take arms.
        """
        self._require_source("place", takes_arms=True)
        last = self.problem.count().cumsum(axis=-1)
        num_arms = last[:, -1][contexts][..., None]
        if (num_arms == num_arms.flat[0]).all():
            require_arm_numbers("LumpedSoftmax.place", arms, num_arms.flat[0])
        require(
            bool(((arms >= 0) & (arms < num_arms)).all()),
            "LumpedSoftmax.place",
            "arms",
            "below the number of arms of its context",
            f"values from {arms.min()} to {arms.max()}",
            "Arms are numbered class by class from 0",
        )
        arm_class = (arms[..., None] >= last[contexts][..., None, :]).sum(axis=-1)
        row = np.broadcast_to((self._first_row + contexts)[..., None], arms.shape)
        slot = self._state.slots.find(row.ravel(), arms.ravel()).reshape(arms.shape)
        return self._hold(contexts, arm_class, slot, arms)

    def _require_source(self, function: str, *, takes_arms: bool) -> None:
        require(
            self._takes_arms == takes_arms,
            f"LumpedSoftmax.{function}",
            "takes_arms",
            f"{takes_arms}",
            self._takes_arms,
            "A policy either draws all its arms or is given all of them; create another one",
        )

    def _hold(
        self, contexts: np.ndarray, arm_class: np.ndarray, slot: np.ndarray, identity: np.ndarray
    ) -> LumpedDraw:
        row = self._first_row + contexts
        draw = start_draw(self._state, self._optimizer, row, arm_class, slot, identity)
        self._live.append(draw)
        if self._is_eager and self._state.has_small:
            give_slots(self._state, draw, np.True_, has_numbers=self._takes_arms)
        return draw

    def reward(self, draw: LumpedDraw, uniform: np.ndarray) -> np.ndarray:
        """Observed reward of each drawn arm; an arm with a reward of its own reveals it.

        Args:
            draw: the round's draw.
            uniform: uniforms in [0, 1), shape [R, B, G].

        Returns:
            Rewards, shape [R, B, G].
        """
        contexts = draw.row - self._first_row
        paid = self.problem.draw_reward(contexts, draw.arm_class, uniform)
        if not self.problem.has_fixed_arm_rewards:
            return paid
        return reveal_rewards(self._state, draw, paid)

    def relative_log_prob(self, draw: LumpedDraw) -> np.ndarray:
        """Log-probability of the drawn arms, less that under the base policy.

        Rules look at ratios only, and this difference keeps its digits at any number of arms.

        Args:
            draw: arms drawn in this round or an earlier one.

        Returns:
            Nats, shape [R, B, G].
        """
        state = self._state
        state.freshen(draw.row)
        own = state.own.take(draw.class_index)
        if state.has_large:
            own = np.where(state.is_large.take(draw.class_index), draw.displacement, own)
        if state.slots.capacity:
            at = np.nonzero(draw.slot >= 0)
            own[at] = state.slots.displacement[draw.row[at[:2]], draw.slot[at]]
        return own + state.common_at(draw.class_index) - state.log_normalizer[draw.row][..., None]

    def accumulate(self, draw: LumpedDraw, coefficient: np.ndarray) -> None:
        """Add sum_i coefficient_i * (e_arm_i - policy) to the pending gradient.

        Args:
            draw: arms drawn in this round or an earlier one that was not released.
            coefficient: scale * weight of each draw, shape [R, B, G].
        """
        self._state.freshen(draw.row)
        self._pending.append((draw, coefficient))

    def move(self) -> None:
        """Take one optimizer step with the pending gradient, through the kernel."""
        if self._state.has_small:
            for draw, coefficient in self._pending:
                give_slots(self._state, draw, coefficient != 0.0, has_numbers=self._takes_arms)
        self._num_moves += 1
        take_step(self._state, self._optimizer, self._num_moves, self._pending, self._live)
        self._pending.clear()

    def release(self, draw: LumpedDraw) -> None:
        """Forget a draw: nothing refers to its arms any more.

        Args:
            draw: the draw.
        """
        self._live = [other for other in self._live if other is not draw]

    def pack(self, draw: LumpedDraw) -> dict[str, np.ndarray]:
        """Arrays of a draw that is still held, to be saved.

        Args:
            draw: the draw.

        Returns:
            Arrays by name.
        """
        return draw.arrays()

    def unpack(self, arrays: dict[str, np.ndarray]) -> LumpedDraw:
        """Take a saved draw up again, after `restore`.

        Args:
            arrays: what `pack` returned.

        Returns:
            The draw.
        """
        draw = LumpedDraw.from_arrays(arrays)
        self._live.append(draw)
        return draw

    def state(self) -> dict[str, np.ndarray]:
        """Everything but the draws that a run needs to go on to the same bits.

        Returns:
            Arrays by name.
        """
        return {**self._state.arrays(), "num_moves": np.array(self._num_moves)}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Go back to a state.

        Args:
            state: what `state` returned for a policy of the same problem.
        """
        self._state.restore(state)
        self._num_moves = int(state["num_moves"])
