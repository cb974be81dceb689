"""Experiments on given arms: dense against lumped (P1), units of reward (P2), first steps (P3).

Shapes: S rounds, G group, K arms, n probes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from banditlab.lumped.policy import LumpedSoftmax
from banditlab.optimizers import SGD, Adam, Momentum, Optimizer
from banditlab.policy import Policy
from banditlab.problems import BanditProblem
from banditlab.rounds import Memory, step
from banditlab.rules import UpdateRule, get_rule
from banditlab.softmax import DenseSoftmax, Draw
from theory.verify.measurement import Measurement

OPTIMIZERS = {"sgd": SGD, "momentum": Momentum, "adam": Adam}

MakePolicy = Callable[[BanditProblem, int, Optimizer], Policy]


@dataclass(frozen=True)
class GivenRun:
    """A rule and how it is stepped, but for the arms.

    Attributes:
        rule: the update rule.
        optimizer: name of the optimizer.
        step_size: its step size.
        inner_epochs: steps per round.
        decay: decay towards the initial logits.
    """

    rule: UpdateRule
    optimizer: str = "sgd"
    step_size: float = 0.1
    inner_epochs: int = 1
    decay: float = 0.0

    def play(self, policy: Policy, arms: np.ndarray) -> Policy:
        """Step a policy of one run through rounds on given arms.

        Args:
            policy: the policy, moved in place.
            arms: number of each arm, shape [S, G].

        Returns:
            The policy.
        """
        contexts = np.zeros((1, 1), dtype=np.int64)
        memory = Memory.start(self.rule, 1, 1)
        for group in arms:
            step(
                policy,
                self.rule,
                contexts,
                group_size=arms.shape[1],
                inner_epochs=self.inner_epochs,
                arms=group[None, None],
                memory=memory,
            )
        return policy

    def new_optimizer(self) -> Optimizer:
        """Return the optimizer.

        Returns:
            It, with the run's step size and decay.
        """
        return OPTIMIZERS[self.optimizer](self.step_size, decay=self.decay)


def lumped(problem: BanditProblem, num_runs: int, optimizer: Optimizer) -> LumpedSoftmax:
    """Return a lumped policy that takes its arms by number, as the dense one does.

    Args:
        problem: the arm space.
        num_runs: independent runs, R.
        optimizer: how gradients become changes of the logits.

    Returns:
        The policy.
    """
    return LumpedSoftmax(problem, num_runs, optimizer, takes_arms=True)


class MovesDrawnArmsOnly(DenseSoftmax):
    """A mistaken policy: arms that were not drawn do not give way."""

    def accumulate(self, draw: Draw, coefficient: np.ndarray) -> None:
        """Note which arms were drawn, and go on as usual.

        Args:
            draw: arms of this round.
            coefficient: coefficient of each, shape [R, B, G].
        """
        self._is_drawn = np.zeros(self.logits.shape, dtype=bool)
        self._is_drawn[:, 0, draw.arm.ravel()] = True
        super().accumulate(draw, coefficient)

    def move(self) -> None:
        """Step, and take back what it did to other arms."""
        before = self.logits.copy()
        super().move()
        self.logits = np.where(self._is_drawn, self.logits, before)


def scattered_rounds(num_rounds: int, group_size: int, num_arms: int) -> np.ndarray:
    """Return a fixed table of arms without a pattern that a step could follow.

    Args:
        num_rounds: rounds, S.
        group_size: rollouts per round, G.
        num_arms: arms to take, up to some hundreds.

    Returns:
        Numbers below `num_arms`, shape [S, G].
    """
    index = np.arange(num_rounds * group_size)
    return ((index * index + 3 * index) % 1009 % num_arms).reshape(num_rounds, group_size)


def measure_log_probs(
    runs: Sequence[GivenRun],
    problem: BanditProblem,
    arms: np.ndarray,
    probes: np.ndarray,
    policies: Sequence[MakePolicy] = (DenseSoftmax, lumped),
) -> Measurement:
    """Log-probabilities after runs on given arms, less the initial ones, of several policies.

    Args:
        runs: the runs.
        problem: the arm space, of one context.
        arms: arms of every round, shape [S, G].
        probes: arms to read, shape [n].
        policies: how the policies are made.

    Returns:
        Changes of log-probability, nats, shape [len(runs), len(policies), n].
    """
    contexts = np.zeros((1, 1), dtype=np.int64)
    found = []
    for run in runs:
        for make in policies:
            policy = run.play(make(problem, 1, run.new_optimizer()), arms)
            draw = policy.place(contexts, probes[None, None])
            found.append(policy.relative_log_prob(draw).ravel())
            policy.release(draw)
    return Measurement.exact(found)


def kernel_matrix(problem: BanditProblem) -> np.ndarray:
    """Kernel between all arms of the only context of a problem.

    Args:
        problem: the arm space.

    Returns:
        self_part on the diagonal, and what classes do to each other, shape [K, K].
    """
    arm_class, kernel = problem.arm_class()[0], problem.kernel
    matrix = kernel.self_part * np.eye(len(arm_class))
    for part in (kernel.within_context, kernel.across_contexts):
        if part is not None:
            matrix += part[arm_class][:, arm_class]
    return matrix


def measure_conserved_means(
    rng: np.random.Generator,
    runs: Sequence[GivenRun],
    problem: BanditProblem,
    *,
    group_size: int,
    num_rounds: int,
    make: MakePolicy = DenseSoftmax,
    uses_kernel: bool = True,
) -> Measurement:
    """Mean over arms of K^-1 logits after rounds on random arms, of the dense policy.

    Args:
        rng: source of the arms.
        runs: the runs.
        problem: the arm space, of one context.
        group_size: rollouts per round, G.
        num_rounds: rounds, S.
        make: how the policy is made.
        uses_kernel: whether K is the problem's kernel; otherwise the identity.

    Returns:
        Means, nats, shape [len(runs)].
    """
    num_arms = problem.arm_class().shape[1]
    inverse = np.linalg.inv(kernel_matrix(problem)) if uses_kernel else np.eye(num_arms)
    found = []
    for run in runs:
        arms = rng.integers(num_arms, size=(num_rounds, group_size))
        policy = run.play(make(problem, 1, run.new_optimizer()), arms)
        found.append((inverse @ policy.logits[0, 0]).mean())
    return Measurement.exact(found)


def measure_lumped_means(
    rng: np.random.Generator,
    runs: Sequence[GivenRun],
    problem: BanditProblem,
    *,
    group_size: int,
    num_rounds: int,
) -> Measurement:
    """Mean logit over all arms after rounds on random arms, of the lumped policy.

    Args:
        rng: source of the arms.
        runs: the runs.
        problem: the arm space, of one context and without a kernel.
        group_size: rollouts per round, G.
        num_rounds: rounds, S.

    Returns:
        Means, nats, shape [len(runs)].
    """
    count, per_arm = problem.count()[0], (problem.log_mass - problem.log_count)[0]
    found = []
    for run in runs:
        arms = rng.integers(int(count.sum()), size=(num_rounds, group_size))
        state = run.play(lumped(problem, 1, run.new_optimizer()), arms).state()
        untouched = count - state["num_touched"][0]
        moved = state["slots.displacement"].sum() + untouched @ state["own"][0]
        found.append((count @ per_arm + moved) / count.sum())
    return Measurement.exact(found)


def measure_first_steps(
    rules: Sequence[UpdateRule],
    problem: BanditProblem,
    arms: np.ndarray,
    *,
    step_size: float,
    inner_epochs: int = 1,
) -> Measurement:
    """Change of every logit in the first inner step of a round.

    Args:
        rules: rules of the same advantage.
        problem: the arm space, of one context.
        arms: the drawn arms, shape [G].
        step_size: step size of SGD.
        inner_epochs: steps of the round, more than one for a mistake.

    Returns:
        Changes, nats, shape [len(rules), K].
    """
    found = []
    for rule in rules:
        policy = DenseSoftmax(problem, 1, SGD(step_size))
        start = policy.logits.copy()
        run = GivenRun(rule, step_size=step_size, inner_epochs=inner_epochs)
        found.append((run.play(policy, arms[None]).logits - start).ravel())
    return Measurement.exact(found)


def rule_of_weight(
    weight: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
) -> UpdateRule:
    """Return the group-mean rule with another score weight.

    Args:
        weight: function of (log_prob, old_log_prob, advantage) -> weight.

    Returns:
        The rule.
    """
    return replace(get_rule("group_mean"), weight=weight)
