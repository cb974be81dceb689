"""A training run of the bridge on an arm space of the simulator.

Shapes: P prompts (contexts), T tokens of a response, V vocabulary, n responses.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from banditlab.problems import BanditProblem
from banditlab.sequence.problem import SequenceProblem
from banditlab.validation import require
from llm_bridge.config import TrainConfig
from llm_bridge.models import Policy
from llm_bridge.run import Run, assemble_run
from llm_bridge.tabular.model import TabularModel
from llm_bridge.tasks import Task

_NAME = "table"
_NO_TOKEN = -1
"""No token ends a response: all have the T tokens of the problem."""


class TokenNumbers:
    """A tokenizer whose texts are the numbers of the tokens."""

    def decode(self, tokens: Sequence[int], *, skip_special_tokens: bool) -> str:
        """Text of one row.

        Args:
            tokens: token numbers.
            skip_special_tokens: no number is special.

        Returns:
            The numbers, with blanks between.
        """
        return " ".join(map(str, tokens))

    def batch_decode(
        self, rows: Sequence[Sequence[int]], *, skip_special_tokens: bool
    ) -> list[str]:
        """Text of each row.

        Args:
            rows: token numbers.
            skip_special_tokens: no number is special.

        Returns:
            The numbers, with blanks between.
        """
        return [self.decode(row, skip_special_tokens=skip_special_tokens) for row in rows]


class ProblemGrader:
    """A grader that pays what the arm space pays.

    Attributes:
        num_timeouts: 0, as it takes no time.
    """

    num_timeouts = 0

    def __init__(self, problem: BanditProblem | SequenceProblem) -> None:
        """Read the rewards of a problem.

        Args:
            problem: the arm space; its rewards are certain.
        """
        self._problem = problem
        if isinstance(problem, BanditProblem):
            self._arm_reward = np.take_along_axis(problem.reward, problem.arm_class(), axis=1)

    def grade(self, texts: list[str], golds: Sequence[str]) -> np.ndarray:
        """Reward of each response.

        Args:
            texts: n responses, numbers of tokens.
            golds: the number of each one's context.

        Returns:
            Rewards, shape [n].
        """
        tokens = np.array([text.split() for text in texts], dtype=np.int64)
        contexts = np.array(golds, dtype=np.int64)
        if isinstance(self._problem, BanditProblem):
            return self._arm_reward[contexts, tokens[:, 0]]
        return self._problem.true_reward(contexts[None], tokens[None, :, None])[0, :, 0]


def base_logits(problem: BanditProblem | SequenceProblem) -> np.ndarray:
    """Logits of the base policy of an arm space; an arm of a bandit is a response of one token.

    Args:
        problem: the arm space.

    Returns:
        Nats, shape [P, T, V].

    Raises:
        ValueError: a bandit has too many arms to number them.
    """
    if isinstance(problem, SequenceProblem):
        return problem.base_log_prob
    per_arm = problem.log_mass - problem.log_count
    return np.take_along_axis(per_arm, problem.arm_class(), axis=1)[:, None]


def tabular_run(problem: BanditProblem | SequenceProblem, config: TrainConfig) -> Run:
    """Make a training run of the bridge whose model is a table in float64.

    Args:
        problem: the arm space; `llm_bridge.update.run_update` trains on its first `num_train`
            contexts.
        config: the configuration; the problem stands for model, data and grader, and says how long
            a response is.

    Returns:
        The run before its first update.

    Raises:
        ValueError: rewards are random, arms move each other, or the arms are too many for a table.

    Examples:
        >>> from banditlab.arm_spaces import rare_correct
        >>> from llm_bridge.update import run_update
        >>> config = TrainConfig(rule="clip", num_prompts=1, inner_epochs=4, learning_rate=1.0)
        >>> run = tabular_run(rare_correct(1, 0.3), config)
        >>> lines = [run_update(run, update) for update in range(1, 31)]
        >>> round(lines[-1]["reward_mean"], 2)
        1.0
    """
    require(
        not problem.has_random_reward,
        "tabular_run",
        "problem",
        "one whose rewards are certain",
        problem.reward_law,
        "The bridge's graders give a response one reward",
    )
    is_tabular = isinstance(problem, SequenceProblem) or (
        problem.kernel.is_tabular and problem.kernel.self_part == 1.0
    )
    require(
        is_tabular,
        "tabular_run",
        "problem",
        "one whose arms move only themselves",
        "a kernel",
        "Leave the kernel out; a table of logits has none",
    )
    logits = base_logits(problem)
    config = replace(
        config,
        model=_NAME,
        dataset=_NAME,
        reference_model=None,
        dtype="float64",
        max_new_tokens=logits.shape[1],
    ).resolved()
    model = TabularModel(torch.tensor(logits, device=config.device)).eval()
    numbers = tuple(str(context) for context in range(problem.num_train))
    return assemble_run(
        config,
        policy=Policy(model, TokenNumbers(), _NO_TOKEN, pad_token_id=0, name=_NAME),
        task=Task(_NAME, questions=numbers, answers=numbers, prompts=numbers),
        prompts=[[context] for context in range(problem.num_train)],
        eval_tasks={},
        grader=ProblemGrader(problem),
    )
