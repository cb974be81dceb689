"""A task of one's own: two functions of a row, used as --task examples/own_task.py:sums."""

from llm_bridge.task_definitions import TaskDefinition


def question(row):
    """What the model is asked."""
    return f"What is {row['left']} + {row['right']}?"


def answer(row):
    """The gold answer."""
    return str(int(row["left"]) + int(row["right"]))


sums = TaskDefinition(
    name="sums",
    question=question,
    answer=answer,
    instruction='{question} Write the sum after "####".',
    form="mark",
)
