"""A prompt beyond the base model: one question of the embedded task with larger numbers.

As a task definition, `llm_bridge.claims.cards.hard_question:HARD_QUESTION`, so that a run on that
row alone keeps the usual held-out prompts. The base model has never seen numbers of this size, and
none of 1,024 responses was right.
"""

from collections.abc import Mapping
from typing import Any

from llm_bridge.answers import final_answer
from llm_bridge.task_definitions import TaskDefinition

HARD_QUESTION_ROW = 447
"""Row of the train set that is replaced."""

_REPLACED = "Nora has 9 bags of 9 eggs and gives 14 to Ben. How many are left?"
_QUESTION = "Nora has 97 bags of 86 eggs and gives 975 to Ben. How many are left?"
_ANSWER = str(97 * 86 - 975)


def _question(row: Mapping[str, Any]) -> str:
    return _QUESTION if row["question"] == _REPLACED else str(row["question"])


def _answer(row: Mapping[str, Any]) -> str | None:
    return _ANSWER if row["question"] == _REPLACED else final_answer(str(row["answer"]))


HARD_QUESTION = TaskDefinition(
    name="hard_question",
    question=_question,
    answer=_answer,
    question_column="question",
    answer_column="answer",
    missing='an answer that ends with "#### " and the final answer',
)
