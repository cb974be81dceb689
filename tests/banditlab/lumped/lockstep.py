"""Dense and lumped policies stepped on the same arms, and what they then disagree by."""

import numpy as np

from banditlab.kernels import ClassKernel
from banditlab.lumped.policy import LumpedSoftmax
from banditlab.optimizers import SGD, Adam, Momentum
from banditlab.problems import BanditProblem
from banditlab.reward_laws import Deterministic
from banditlab.rounds import Memory, step
from banditlab.softmax import DenseSoftmax

WITHIN = np.array([[3.0, -0.5, 0.2], [-0.5, 2.0, 0.1], [0.2, 0.1, 1.0]])
ACROSS = np.array([[0.8, -0.3, 0.0], [-0.3, 0.5, 0.1], [0.0, 0.1, 0.2]])
KERNELS = {
    "tabular": ClassKernel(),
    "within": ClassKernel(self_part=0.7, within_context=WITHIN),
    "across": ClassKernel(self_part=1.3, across_contexts=ACROSS),
    "both": ClassKernel(self_part=0.4, within_context=WITHIN, across_contexts=ACROSS),
}
OPTIMIZERS = {
    "sgd": SGD(0.3),
    "sgd_decay": SGD(0.3, decay=0.1),
    "momentum": Momentum(0.1),
    "momentum_decay": Momentum(0.1, decay=0.05),
    "adam": Adam(0.05),
    "adam_decay": Adam(0.05, decay=0.05),
}
# Steps at which no rule runs away, so that rounding stays rounding.
GENTLE = {
    "sgd": SGD(0.05),
    "sgd_decay": SGD(0.05, decay=0.1),
    "momentum": Momentum(0.01),
    "momentum_decay": Momentum(0.01, decay=0.05),
    "adam": Adam(0.02),
    "adam_decay": Adam(0.02, decay=0.05),
}


def tolerance(optimizer) -> float:
    """Adam divides rounding by eps; what is linear in the gradient agrees to rounding."""
    return 1e-12 if optimizer.is_linear else 1e-8


def three_class_problem(kernel, counts, law=None) -> BanditProblem:
    mass = np.array([[0.2, 0.5, 0.3], [0.1, 0.3, 0.6]])[: len(counts)]
    return BanditProblem(
        log_count=np.log(np.array(counts, dtype=float)),
        log_mass=np.log(mass),
        reward=np.tile([1.0, 0.0, 0.5], (len(counts), 1)),
        kernel=kernel,
        reward_law=law or Deterministic(),
    )


def class_biased_arms(problem, contexts, group_size, rng) -> np.ndarray:
    """Few arms per class, so that the same arm comes again within a group and across rounds."""
    count = np.rint(np.exp(problem.log_count)).astype(int)
    offset = np.concatenate([np.zeros((len(count), 1), int), count.cumsum(1)[:, :-1]], axis=1)
    shape = (*contexts.shape, group_size)
    arm_class = rng.integers(0, problem.num_classes, shape)
    contexts = np.broadcast_to(contexts[..., None], shape)
    limit = np.minimum(count[contexts, arm_class], 6)
    return offset[contexts, arm_class] + np.floor(rng.random(shape) * limit).astype(int)


def largest_difference(
    problem,
    rule,
    optimizer,
    *,
    num_rounds,
    inner_epochs,
    seed,
    num_runs=2,
    group_size=6,
    ages=(0,),
    batch=None,
    lumped=LumpedSoftmax,
) -> float:
    """Largest difference of class mass, log-ratio, entropy, collision and reward in any round."""
    rng = np.random.default_rng(seed)
    policies = [
        lumped(problem, num_runs, optimizer, takes_arms=True, keeps_draws=ages != (0,)),
        DenseSoftmax(problem, num_runs, optimizer),
    ]
    memories = [Memory.start(rule, num_runs, problem.num_contexts) for _ in policies]
    kept = [[], []]
    largest = 0.0
    for _ in range(num_rounds):
        every = np.arange(problem.num_contexts)
        contexts = np.broadcast_to(every, (num_runs, every.size))
        if batch is not None:
            contexts = rng.integers(problem.num_contexts, size=(num_runs, batch))
        arms = class_biased_arms(problem, contexts, group_size + rule.extra_rollouts, rng)
        uniform_seed = int(rng.integers(2**32))
        outcomes = []
        for policy, memory, stale in zip(policies, memories, kept, strict=True):
            outcome = step(
                policy,
                rule,
                contexts,
                group_size=group_size,
                inner_epochs=inner_epochs,
                arms=arms,
                rng=np.random.default_rng(uniform_seed),
                memory=memory,
                stale=[stale[-age] for age in ages if 0 < age <= len(stale)],
                trains_fresh=0 in ages,
                keeps_rollouts=True,
            )
            stale.append(outcome.rollouts)
            outcomes.append(outcome)
        for read in (
            lambda policy: policy.class_mass(),
            lambda policy: policy.entropy(),
            lambda policy: policy.collision(),
            lambda policy: policy.expected_reward(),
        ):
            largest = max(largest, np.abs(read(policies[0]) - read(policies[1])).max())
        difference = outcomes[0].log_ratio - outcomes[1].log_ratio
        largest = max(largest, np.abs(difference).max())
        np.testing.assert_array_equal(outcomes[0].reward, outcomes[1].reward)
    return largest
