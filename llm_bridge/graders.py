"""The grader that a configuration asks for: math-verify, a string comparison, or a function."""

from banditlab.validation import require, require_known
from llm_bridge.reward_function import FunctionReward
from llm_bridge.rewards import Grader
from llm_bridge.string_graders import COMPARISONS, StringGrader
from llm_bridge.task_definitions import find_task

GRADERS = ("math_verify", *COMPARISONS)
"""math_verify compares values, mark and boxed compare strings."""

AnyGrader = Grader | StringGrader | FunctionReward


def make_grader(
    grader: str = "math_verify",
    *,
    task: str = "gsm8k",
    reward: str | None = None,
    time_limit: float = 5.0,
) -> AnyGrader:
    """Make the grader of a task.

    Args:
        grader: one of `GRADERS`.
        task: definition of the task, whose form says where math_verify looks for the answer.
        reward: reward function, in place of a grader.
        time_limit: seconds that math_verify has for one grade.

    Returns:
        The grader, to be closed.

    Raises:
        ValueError: there is no such grader, task or function.

    Examples:
        >>> with make_grader("boxed", task="math") as grader:
        ...     grader.grade([r"\\boxed{\\dfrac12}"], ["1/2"])
        array([1.])
    """
    require_known("make_grader", "grader", grader, GRADERS, "grader")
    if reward is not None:
        require(
            grader == GRADERS[0],
            "make_grader",
            "grader",
            "left out where a reward function stands in its place",
            repr(grader),
            "Give --grader or --reward, not both",
        )
        return FunctionReward(reward)
    form = find_task(task, "make_grader").form
    if grader not in COMPARISONS:
        return Grader(time_limit=time_limit, form=form)
    require(
        form in (grader, "any"),
        "make_grader",
        "grader",
        f"math_verify or {form}, since the task {task} asks for its answers in that form",
        repr(grader),
        "No response would be right",
    )
    return StringGrader(grader)
