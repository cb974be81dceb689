"""A model whose gradients can be written down: a table of logits behind a sampler."""

import numpy as np
import torch
from scipy.special import log_softmax

from banditlab.problems import BanditProblem
from llm_bridge.forecast.measure import Sampler
from llm_bridge.models import Policy
from llm_bridge.tabular.model import TabularModel
from llm_bridge.tabular.run import ProblemGrader, TokenNumbers, base_logits
from llm_bridge.tasks import Task

NUM_ARMS = 5
# Of each prompt the first two arms are right.
IS_RIGHT = np.array([1.0, 1.0, 0.0, 0.0, 0.0])


class Numbers(TokenNumbers):
    """A tokenizer whose prompts are numbers of contexts."""

    def __call__(self, prompts, *, add_special_tokens, padding):
        return {"input_ids": [[int(prompt)] for prompt in prompts]}


def numbers(*contexts: int) -> Task:
    """A task that asks for these contexts."""
    words = tuple(map(str, contexts))
    return Task("table", questions=words, answers=words, prompts=words)


def probabilities(num_prompts: int) -> np.ndarray:
    """Probability of each arm, shape [P, A]."""
    return np.exp(_log_prob(num_prompts))


def _log_prob(num_prompts: int) -> np.ndarray:
    return log_softmax(np.random.default_rng(0).normal(size=(num_prompts, NUM_ARMS)), axis=1)


def make_sampler(num_prompts: int, seed: int = 0) -> Sampler:
    """A sampler of a table of so many prompts, its parameters in float64."""
    problem = BanditProblem(
        log_count=np.zeros((num_prompts, NUM_ARMS)),
        log_mass=_log_prob(num_prompts),
        reward=np.tile(IS_RIGHT, (num_prompts, 1)),
    )
    model = TabularModel(torch.tensor(base_logits(problem))).eval()
    policy = Policy(model, Numbers(), -1, pad_token_id=0, name="table")
    return Sampler(policy, ProblemGrader(problem), 1, torch.Generator().manual_seed(seed))


def recorded(sampler: Sampler, monkeypatch) -> list:
    """Every draw of a sampler as contexts [P], arms [P, G] and rewards [P, G], as they come."""
    draws, original = [], sampler.draw

    def draw(task, rows, group_size):
        rollout, reward = original(task, rows, group_size)
        contexts = np.array([int(prompt) for prompt in task.prompts])[rows]
        draws.append((contexts, rollout.response_tokens[..., 0].numpy(), reward))
        return rollout, reward

    monkeypatch.setattr(sampler, "draw", draw)
    return draws


def gradient_of(probability, contexts, arms, weight) -> np.ndarray:
    """Mean of weight * grad log_prob, written out: [right arm] - probability in its context."""
    total = np.zeros_like(probability)
    for context, row, of_row in zip(contexts, arms, weight, strict=True):
        for arm, one in zip(row, of_row, strict=True):
            total[context] += one * (np.eye(NUM_ARMS)[arm] - probability[context])
    return total.ravel() / weight.size
