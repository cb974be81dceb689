"""What a task asks and what it takes for right: gsm8k, math, verl's rows, or one of one's own.

A definition is two functions of a row, a dictionary: the question, as text or as chat messages,
and the gold answer; and where a response must put its final answer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from banditlab.references import is_reference, load_object
from banditlab.validation import require_known
from llm_bridge.answers import ANSWER_FORMS, boxed_answer, final_answer

Row = Mapping[str, Any]
Messages = list[dict[str, str]]


@dataclass(frozen=True)
class TaskDefinition:
    """A task.

    Attributes:
        name: what the configuration calls it.
        question: row -> the question, or a list of chat messages with role and content.
        answer: row -> gold answer; None where the row has none.
        instruction: what a model is asked, with {question} for the question.
        form: where the final answer of a response stands: "mark" (after the last "####"), "boxed"
            (in the last \\boxed{}) or "any" (in whichever of them comes last).
        question_column: column that `question` reads, to which --question-column maps another;
            None if it reads the row as it likes.
        answer_column: the same for `answer`.
        missing: what a row needs whose answer is None, for the error.
    """

    name: str
    question: Callable[[Row], str | Messages]
    answer: Callable[[Row], str | None]
    instruction: str = "{question}"
    form: str = "mark"
    question_column: str | None = None
    answer_column: str | None = None
    missing: str = "an answer"

    def __post_init__(self) -> None:
        require_known("TaskDefinition", "form", self.form, ANSWER_FORMS, "form of final answers")


def _read(column: str) -> Callable[[Row], Any]:
    return lambda row: str(row[column])


# The instructions are those with which the papers' framework, verl, prepares the two data sets.
TASKS = {
    definition.name: definition
    for definition in (
        TaskDefinition(
            name="gsm8k",
            question=_read("question"),
            answer=lambda row: final_answer(str(row["answer"])),
            instruction="{question} Let's think step by step and output the final answer after "
            '"####".',
            form="mark",
            question_column="question",
            answer_column="answer",
            missing='an answer that ends with "#### " and the final answer',
        ),
        TaskDefinition(
            name="math",
            question=_read("problem"),
            answer=lambda row: boxed_answer(str(row["solution"])),
            instruction="{question} Let's think step by step and output the final answer within "
            "\\boxed{{}}.",
            form="boxed",
            question_column="problem",
            answer_column="solution",
            missing="a solution with its final answer in \\boxed{}",
        ),
        TaskDefinition(
            name="verl",
            question=lambda row: list(row["prompt"]),
            answer=lambda row: str(row["reward_model"]["ground_truth"]),
            form="any",
            question_column="prompt",
            answer_column="reward_model",
            missing="reward_model.ground_truth",
        ),
    )
}
"""The ready definitions by name."""


def find_task(reference: str, function: str = "load_task") -> TaskDefinition:
    """Find a task by its name or by where it is.

    Args:
        reference: a key of `TASKS`, `package.module:object` or `path/to/file.py:object`.
        function: function that errors name.

    Returns:
        The definition.

    Raises:
        ModuleNotFoundError: a module is not installed.
        TypeError: what was found is no `TaskDefinition`.
        ValueError: there is no such task, or its module raises.
    """
    if not is_reference(reference):
        require_known(
            function, "task", reference, [*TASKS, "path/to/file.py:object"], "task definition"
        )
        return TASKS[reference]
    found = load_object(
        reference,
        asked=(function, "task"),
        is_wanted=lambda value: isinstance(value, TaskDefinition),
    )
    if not isinstance(found, TaskDefinition):
        raise TypeError(
            f"{function}: `task` must be a TaskDefinition, got {reference!r}, which is "
            f"{type(found).__name__}. Make one: TaskDefinition(name=..., question=..., answer=...)."
        )
    return found
