"""Experiments on banditlab's class kernel: learning curves, single moves, help between prompts.

Shapes: R runs, P prompts, S times; two classes, the correct one first.
"""

import math

import numpy as np
from scipy.special import log_expit

from banditlab.kernels import ClassKernel, log_odds_kernel
from banditlab.lumped.policy import LumpedSoftmax
from banditlab.optimizers import SGD
from banditlab.policy import Policy
from banditlab.problems import BanditProblem
from banditlab.rounds import step
from banditlab.rules import UpdateRule, get_rule, score_weight
from banditlab.softmax import DenseSoftmax
from theory.verify.measurement import Measurement

_LOG_ENDLESS = 100_000.0 * math.log(10.0)
_MANY = 10**15
"""Arms of a class in which one arm is 1e-15 of it, and which can be numbered."""


def class_kernel(self_part: float, correct: float, wrong: float, between: float) -> ClassKernel:
    """Kernel of two classes in one context.

    Args:
        self_part: an arm's effect on itself beyond that on its class.
        correct: effect within the correct class.
        wrong: effect within the wrong class.
        between: effect on arms of the other class.

    Returns:
        The kernel.
    """
    return ClassKernel(self_part, within_context=np.array([[correct, between], [between, wrong]]))


def two_classes(
    log_odds: np.ndarray, counts: tuple[float, float], kernel: ClassKernel
) -> BanditProblem:
    """Contexts of correct and wrong arms, each class uniform.

    Args:
        log_odds: log-odds of success of each context, nats, shape [P].
        counts: correct and wrong arms; infinity stands for 10^100000.
        kernel: how a step on one arm moves the others.

    Returns:
        The problem.
    """
    log_odds = np.atleast_1d(log_odds)
    log_count = [math.log(count) if math.isfinite(count) else _LOG_ENDLESS for count in counts]
    return BanditProblem(
        log_count=np.tile(log_count, (len(log_odds), 1)),
        log_mass=np.stack([log_expit(log_odds), log_expit(-log_odds)], axis=1),
        reward=np.tile([1.0, 0.0], (len(log_odds), 1)),
        kernel=kernel,
    )


def log_odds_of(policy: Policy) -> np.ndarray:
    """Log-odds of success.

    Args:
        policy: a policy over two classes.

    Returns:
        Nats, shape [R, P].
    """
    log_mass = np.log(policy.class_mass())
    return log_mass[..., 0] - log_mass[..., 1]


def _mean_step(policy: Policy, contexts: np.ndarray, arms: np.ndarray) -> None:
    """Step along the expected gradient of raw reward, summed over arms instead of sampled.

    `arms` stand for all correct arms, which have equal shares of their class; wrong arms, of
    reward 0, have weight 0.
    """
    draw = policy.place(contexts, arms)
    log_prob, reward = policy.relative_log_prob(draw), policy.reward(draw, np.zeros(arms.shape))
    weight = score_weight(get_rule("raw_reward"), log_prob, log_prob, reward)
    mass = policy.class_mass()[np.arange(len(contexts))[:, None], contexts, 0]
    policy.accumulate(draw, mass[..., None] / arms.shape[-1] * weight)
    policy.move()
    policy.release(draw)


def mean_log_odds(
    log_odds: np.ndarray,
    counts: tuple[float, float],
    kernel: ClassKernel,
    *,
    step_size: float,
    updates: np.ndarray,
    num_train: int = 1,
) -> np.ndarray:
    """Log-odds along plain steps on the expected gradient of raw reward.

    Args:
        log_odds: initial log-odds of each context, nats, shape [P].
        counts: correct and wrong arms; infinity stands for 10^100000.
        kernel: how a step on one arm moves the others.
        step_size: step size of SGD.
        updates: increasing numbers of updates, shape [S].
        num_train: contexts trained on, the first ones.

    Returns:
        Log-odds, nats, shape [S, P].
    """
    problem = two_classes(log_odds, counts, kernel)
    is_dense = math.isfinite(sum(counts))
    policy = (
        DenseSoftmax(problem, 1, SGD(step_size))
        if is_dense
        else LumpedSoftmax(problem, 1, SGD(step_size), takes_arms=True)
    )
    # Of endless arms any one will do: it is 10^-100000 of its class.
    num_arms = int(counts[0]) if is_dense else 1
    arms = np.broadcast_to(np.arange(num_arms), (1, num_train, num_arms))
    contexts, found = np.arange(num_train)[None], []
    for update in range(1, int(updates[-1]) + 1):
        _mean_step(policy, contexts, arms)
        if update in updates:
            found.append(log_odds_of(policy)[0])
    return np.array(found)


def measure_kernel_flow(
    log_odds: float,
    counts: tuple[float, float],
    kernel: ClassKernel,
    times: np.ndarray,
    updates_per_time: int,
) -> Measurement:
    """Log-odds along the flow, and first-order error of finite steps per unit of step size.

    Steps of size h, h/2 and h/4, extrapolated to 0: twice for the flow; for the error, the
    difference of the first two over h/2, extrapolated once.

    Args:
        log_odds: initial log-odds, nats.
        counts: correct and wrong arms; infinity stands for 10^100000.
        kernel: how a step on one arm moves the others.
        times: equally spaced times from the first spacing on, shape [S].
        updates_per_time: updates per spacing with steps of size h.

    Returns:
        Log-odds, then errors per unit of step size, nats, shape [2, S].
    """
    step_size = times[0] / updates_per_time
    coarse, middle, fine = (
        mean_log_odds(
            np.array([log_odds]),
            counts,
            kernel,
            step_size=step_size / factor,
            updates=updates_per_time * factor * np.arange(1, len(times) + 1),
        )[:, 0]
        for factor in (1, 2, 4)
    )
    first, second = 2.0 * middle - coarse, 2.0 * fine - middle
    errors = 2.0 * (coarse - middle) / step_size, 4.0 * (middle - fine) / step_size
    return Measurement.exact([(4.0 * second - first) / 3.0, 2.0 * errors[1] - errors[0]])


def measure_single_moves(
    log_odds: np.ndarray, kernel: ClassKernel, rule: UpdateRule, rewards: tuple[float, float]
) -> Measurement:
    """Change of the log-odds by one correct and by one wrong rollout, 10^15 arms in each class.

    Args:
        log_odds: initial log-odds, nats, shape [S].
        kernel: how a step on one arm moves the others.
        rule: the rule.
        rewards: reward of a correct and of a wrong arm.

    Returns:
        Changes, nats, shape [2, S]: by a correct rollout, by a wrong one.
    """
    moved = np.empty((2, len(log_odds)))
    for column, start in enumerate(log_odds):
        problem = two_classes(start, (_MANY, _MANY), kernel)
        problem = BanditProblem(
            problem.log_count, problem.log_mass, np.array([rewards]), kernel=kernel
        )
        for row, arm in enumerate((0, _MANY)):
            policy = LumpedSoftmax(problem, 1, SGD(1.0), takes_arms=True)
            before = log_odds_of(policy).item()
            contexts, arms = np.zeros((1, 1), dtype=np.int64), np.full((1, 1, 1), arm)
            step(policy, rule, contexts, group_size=1, arms=arms)
            moved[row, column] = log_odds_of(policy).item() - before
    return Measurement.exact(moved)


def prompt_kernel(own_kernel: float, shared_kernel: float) -> ClassKernel:
    """Kernel of the log-odds within each prompt and between all prompts.

    Args:
        own_kernel: strength within a prompt only.
        shared_kernel: strength on all prompts.

    Returns:
        The kernel.
    """
    return ClassKernel(
        1.0,
        within_context=log_odds_kernel(own_kernel),
        across_contexts=log_odds_kernel(shared_kernel),
    )


def measure_help(
    rng: np.random.Generator,
    rule: UpdateRule,
    kernel: ClassKernel,
    log_odds: tuple[float, float],
    *,
    step_size: float,
    group_size: int,
    inner_epochs: int,
    num_rounds: int,
) -> np.ndarray:
    """Progress of a hard prompt over that of an easy one on one sampled path, both trained on.

    Args:
        rng: source of the draws.
        rule: the update rule.
        kernel: how a step on one arm moves the others.
        log_odds: initial log-odds of the easy and of the hard prompt, nats.
        step_size: step size of SGD.
        group_size: rollouts per prompt, G.
        inner_epochs: steps per round.
        num_rounds: rounds.

    Returns:
        The ratio of the changes of the log-odds halfway and at the end, shape [2].
    """
    problem = two_classes(np.array(log_odds), (math.inf, math.inf), kernel)
    policy = LumpedSoftmax(problem, 1, SGD(step_size))
    contexts, found = np.arange(2)[None], []
    for round_number in range(1, num_rounds + 1):
        step(policy, rule, contexts, group_size=group_size, inner_epochs=inner_epochs, rng=rng)
        if round_number in (num_rounds // 2, num_rounds):
            easy, hard = log_odds_of(policy)[0] - log_odds
            found.append(hard / easy)
    return np.array(found)


def measure_helped_flow(
    log_odds: tuple[float, float], kernel: ClassKernel, times: np.ndarray, updates_per_time: int
) -> Measurement:
    """Log-odds of the hard prompt while the easy one is trained on, along the flow.

    Args:
        log_odds: initial log-odds of the easy and of the hard prompt, nats.
        kernel: how a step on one arm moves the others.
        times: equally spaced times from the first spacing on, shape [S].
        updates_per_time: updates per spacing with the largest of three step sizes.

    Returns:
        Log-odds of the hard prompt, nats, shape [S].
    """
    coarse, middle, fine = (
        mean_log_odds(
            np.array(log_odds),
            (math.inf, math.inf),
            kernel,
            step_size=times[0] / updates_per_time / factor,
            updates=updates_per_time * factor * np.arange(1, len(times) + 1),
        )[:, 1]
        for factor in (1, 2, 4)
    )
    first, second = 2.0 * middle - coarse, 2.0 * fine - middle
    return Measurement.exact((4.0 * second - first) / 3.0)
