"""At which learning rates the inner epochs of cells run away, on updates of the base model.

Shapes: P prompts, G group (rollouts per prompt).
"""

from collections.abc import Sequence

import numpy as np

from banditlab.rules import get_rule
from llm_bridge.forecast.batches import batch_rows, update_advantages
from llm_bridge.forecast.calibration import InnerLimit
from llm_bridge.forecast.inner_rounds import runaway_rate, weight_of_log_ratio
from llm_bridge.forecast.measure import Sampler
from llm_bridge.forecast.study import StudyCell
from llm_bridge.rollout import Rollout
from llm_bridge.scores import score_gradients
from llm_bridge.tasks import Task


def has_inner_limit(cell: StudyCell) -> bool:
    """Whether the formula knows a cell: several inner epochs of SGD."""
    return cell.inner_epochs > 1 and cell.optimizer == "sgd"


def limit_sizes(cells: Sequence[StudyCell]) -> list[tuple[int, int]]:
    """Sizes of which batches are drawn.

    Args:
        cells: of a study.

    Returns:
        Prompts of an update and rollouts of a prompt, extra ones included.
    """
    drawn = {}
    for cell in filter(has_inner_limit, cells):
        size = (cell.num_prompts, cell.group_size)
        drawn[size] = max(drawn.get(size, 0), get_rule(cell.rule).extra_rollouts)
    return [(prompts, group + extra) for (prompts, group), extra in sorted(drawn.items())]


def largest_batch(cells: Sequence[StudyCell]) -> int:
    """Gradients of single responses that are kept at a time.

    Args:
        cells: of a study.

    Returns:
        Rollouts of the largest update with inner epochs; 0 where there is none.
    """
    return max((prompts * drawn for prompts, drawn in limit_sizes(cells)), default=0)


def _gram(sampler: Sampler, rollout: Rollout) -> np.ndarray:
    scores = score_gradients(sampler.policy.model, rollout)
    return (scores @ scores.T).double().cpu().numpy()


def _trained_on(num_prompts: int, group_size: int, num_drawn: int) -> np.ndarray:
    """Rows of a batch's rollouts without the extra ones of each group."""
    return np.arange(num_prompts * num_drawn).reshape(num_prompts, -1)[:, :group_size].ravel()


def measure_inner_limits(
    sampler: Sampler, train: Task, cells: Sequence[StudyCell], *, num_batches: int, seed: int
) -> list[InnerLimit]:
    """Draw updates at the base model and find the rate at which each of them runs away.

    All rules of a size are asked of the same batches.

    Args:
        sampler: draws the responses of the base model.
        train: prompts trained on.
        cells: the configurations; learning rates do not matter.
        num_batches: updates drawn of each size; none is applied.
        seed: chooses the prompts.

    Returns:
        One limit for each rule, size and number of inner epochs.
    """
    wanted = sorted(
        {
            (cell.num_prompts, cell.group_size, cell.rule, cell.inner_epochs)
            for cell in cells
            if has_inner_limit(cell)
        }
    )
    found = {key: [] for key in wanted}
    for num_prompts, group_size in dict.fromkeys(key[:2] for key in wanted):
        of_size = [key for key in wanted if key[:2] == (num_prompts, group_size)]
        num_drawn = group_size + max(get_rule(rule).extra_rollouts for _, _, rule, _ in of_size)
        kept = _trained_on(num_prompts, group_size, num_drawn)
        for rows in batch_rows(train, num_prompts, num_batches, seed):
            rollout, reward = sampler.draw(train, rows, num_drawn)
            gram = _gram(sampler, rollout)[np.ix_(kept, kept)]
            for key in of_size:
                rule = get_rule(key[2])
                used = reward[:, : group_size + rule.extra_rollouts]
                weigh = weight_of_log_ratio(rule, update_advantages(rule, used).ravel())
                found[key].append(runaway_rate(gram, weigh, key[3]))
    return [
        InnerLimit(rule, num_prompts, group_size, inner_epochs, rates)
        for (num_prompts, group_size, rule, inner_epochs), rates in found.items()
    ]
