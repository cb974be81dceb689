"""The whole tree of softmaxes in torch, every prefix listed: the oracle of the sequence policy.

Gradients are autograd's, steps are torch's optimizers', ratios are pooled here. Of banditlab only
the advantages are used, and the loop that the two policies share.
"""

import numpy as np
import torch

from banditlab.levels import pool, spread
from banditlab.optimizers import SGD, Adam, Momentum
from banditlab.rules import get_rule, group_advantage, score_weight
from banditlab.sequence.policy import SequenceSoftmax
from banditlab.sequence.problem import SequenceProblem
from banditlab.testing.known import promises_of_rule

CLIP_KINKS = (0.8, 1.2)
LARGE_STEPS = SGD(2.0)


def all_sequences(vocabulary_size: int, length: int) -> np.ndarray:
    """Every sequence in the order of its number in base V, shape [V^T, T]."""
    return np.indices((vocabulary_size,) * length).reshape(length, -1).T


def unit_log_ratio(token_log_ratio: torch.Tensor, level: str) -> torch.Tensor:
    if level == "token":
        return token_log_ratio
    total = token_log_ratio.sum(dim=-1)
    return total / token_log_ratio.shape[-1] if level == "sequence_geometric" else total


class FullTree:
    """One displacement per prefix and token, all V^T sequences within reach."""

    def __init__(self, problem: SequenceProblem, num_runs: int, optimizer) -> None:
        num_contexts, length, self.vocabulary_size = problem.base_log_prob.shape
        self.num_runs = num_runs
        self.base = torch.tensor(problem.base_log_prob)
        self.displacement = [
            torch.zeros(
                (num_runs, num_contexts, self.vocabulary_size**depth, self.vocabulary_size),
                dtype=torch.float64,
                requires_grad=True,
            )
            for depth in range(length)
        ]
        self.optimizer = self._torch_optimizer(optimizer)
        self.least_kink_distance = np.inf

    def _torch_optimizer(self, optimizer):
        common = {"lr": optimizer.step_size, "maximize": True, "weight_decay": optimizer.decay}
        if isinstance(optimizer, Adam):
            betas = (optimizer.beta1, optimizer.beta2)
            return torch.optim.AdamW(self.displacement, betas=betas, eps=optimizer.eps, **common)
        momentum = optimizer.momentum if isinstance(optimizer, Momentum) else 0.0
        assert isinstance(optimizer, SGD) or optimizer.decay == 0.0
        return torch.optim.SGD(self.displacement, momentum=momentum, **common)

    def _log_probs(self) -> list[torch.Tensor]:
        return [
            torch.log_softmax(self.base[:, depth][:, None] + displacement, dim=-1)
            for depth, displacement in enumerate(self.displacement)
        ]

    def log_prob_of_all(self) -> np.ndarray:
        """Log-probability of every sequence, shape [R, P, V^T]."""
        total = torch.zeros((*self.displacement[0].shape[:2], 1), dtype=torch.float64)
        for log_prob in self._log_probs():
            total = (total[..., None] + log_prob).flatten(start_dim=2)
        return total.detach().numpy()

    def token_log_prob(self, contexts: np.ndarray, tokens: np.ndarray) -> torch.Tensor:
        runs = np.arange(self.num_runs)[:, None, None]
        prefix = np.zeros(tokens.shape[:-1], dtype=int)
        chosen = []
        for depth, log_prob in enumerate(self._log_probs()):
            chosen.append(log_prob[runs, contexts[..., None], prefix, tokens[..., depth]])
            prefix = prefix * self.vocabulary_size + tokens[..., depth]
        return torch.stack(chosen, dim=-1)

    def update(self, contexts, tokens, reward, rule, level, inner_epochs) -> None:
        advantage = torch.tensor(group_advantage(rule, reward))
        old = self.token_log_prob(contexts, tokens).detach()
        for epoch in range(inner_epochs):
            self.optimizer.zero_grad()
            log_ratio = unit_log_ratio(self.token_log_prob(contexts, tokens) - old, level)
            # Every token of a sequence has its advantage.
            advantages = (advantage[..., None] if level == "token" else advantage) + 0 * log_ratio
            objective = promises_of_rule(rule).objective(
                log_ratio, torch.zeros_like(log_ratio), advantages
            )
            (objective.sum() / reward[0].size).backward()
            self.optimizer.step()
            if epoch and rule.name == "clip":
                ratio = log_ratio.detach().exp().numpy()
                distance = min(np.abs(ratio - kink).min() for kink in CLIP_KINKS)
                self.least_kink_distance = min(self.least_kink_distance, distance)


def update_policy(policy, draw, reward, rule, level, inner_epochs) -> None:
    """The round of the run loop, at any level."""
    mask = np.ones(draw.tokens.shape, dtype=bool)
    advantage = group_advantage(rule, reward)
    if level == "token":
        advantage = np.repeat(advantage[..., None], draw.tokens.shape[-1], axis=-1)
    old = pool(policy.relative_log_prob(draw), mask, level)
    for _ in range(inner_epochs):
        log_prob = pool(policy.relative_log_prob(draw), mask, level)
        weight = spread(score_weight(rule, log_prob, old, advantage), mask, level)
        policy.accumulate(draw, weight / reward[0].size)
        policy.move()
    policy.release(draw)


def policy_log_prob_of_all(policy: SequenceSoftmax) -> np.ndarray:
    """Log-probability of every sequence, shape [R, P, V^T]."""
    problem = policy.problem
    arms = all_sequences(problem.vocabulary_size, problem.sequence_length)
    contexts = np.tile(np.arange(problem.num_contexts), (policy.num_runs, 1))
    draw = policy.place(contexts, np.broadcast_to(arms, (*contexts.shape, *arms.shape)))
    base = problem.base_log_prob[:, np.arange(arms.shape[1]), arms].sum(axis=-1)
    return base + policy.relative_log_prob(draw).sum(axis=-1)


def random_problem(rng, vocabulary_size: int, length: int, num_contexts: int) -> SequenceProblem:
    """Base laws far from uniform; one target is a whole sequence, one a prefix of length 1."""
    logits = rng.normal(size=(num_contexts, length, vocabulary_size))
    log_prob = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    targets = np.full((num_contexts, 2, length), -1)
    targets[:, 0] = 0
    targets[:, 1, 0] = 1
    return SequenceProblem(log_prob, targets)


def random_tokens(rng, vocabulary_size: int, shape: tuple[int, ...]) -> np.ndarray:
    """Half of the tokens are 0, so that rollouts share prefixes and rewards are mixed."""
    return np.where(rng.random(shape) < 0.5, 0, rng.integers(0, vocabulary_size, shape))


def moved_policy(
    seed: int, *, vocabulary_size=3, length=3, num_rounds=3, optimizer=LARGE_STEPS
) -> SequenceSoftmax:
    """Two runs of two prompts, moved by a few rollouts, so that most prefixes have no row."""
    rng = np.random.default_rng(seed)
    problem = random_problem(rng, vocabulary_size, length, num_contexts=2)
    policy = SequenceSoftmax(problem, 2, optimizer)
    for _ in range(num_rounds):
        contexts = rng.integers(0, 2, (2, 2))
        draw = policy.place(contexts, random_tokens(rng, vocabulary_size, (2, 2, 3, length)))
        policy.accumulate(draw, rng.normal(size=draw.tokens.shape))
        policy.move()
    return policy


def largest_difference(
    optimizer,
    *,
    rule: str,
    level: str,
    seed: int,
    vocabulary_size: int = 4,
    length: int = 3,
    num_rounds: int = 6,
    inner_epochs: int = 3,
    tree_level: str | None = None,
) -> tuple[float, float]:
    """Largest difference of log-probs over all rounds and sequences, and nearness to a kink."""
    rng = np.random.default_rng(seed)
    num_runs, num_contexts, group_size = 2, 2, 6
    problem = random_problem(rng, vocabulary_size, length, num_contexts)
    policy = SequenceSoftmax(problem, num_runs, optimizer)
    tree = FullTree(problem, num_runs, optimizer)
    largest = 0.0
    for _ in range(num_rounds):
        # The same prompt may come twice in a batch.
        contexts = rng.integers(0, num_contexts, (num_runs, 2))
        shape = (*contexts.shape, group_size, length)
        tokens = random_tokens(rng, vocabulary_size, shape)
        draw = policy.place(contexts, tokens)
        reward = policy.reward(draw, rng.random(shape[:-1]))
        update_policy(policy, draw, reward, get_rule(rule), level, inner_epochs)
        tree.update(contexts, tokens, reward, get_rule(rule), tree_level or level, inner_epochs)
        difference = np.abs(policy_log_prob_of_all(policy) - tree.log_prob_of_all()).max()
        largest = max(largest, float(difference))
    return largest, tree.least_kink_distance
