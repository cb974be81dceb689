"""Tasks: questions with gold answers, and the prompts made of them.

Rows come from `rows`, what is asked and taken for right from `task_definitions`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from banditlab.validation import require, require_known, requirement_error
from llm_bridge.rows import EMBEDDED, default_eval_split, is_embedded, read_column, read_rows
from llm_bridge.task_definitions import Messages, Row, TaskDefinition, find_task

if TYPE_CHECKING:
    from datasets import Dataset

__all__ = [
    "DEFAULT_TASK",
    "EMBEDDED",
    "PROMPT_FORMATS",
    "Task",
    "default_eval_split",
    "encode_prompts",
    "is_embedded",
    "load_task",
]

DEFAULT_TASK = "gsm8k"
PROMPT_FORMATS = ("embedded", "instruction")


@dataclass(frozen=True)
class Task:
    """Questions, their gold answers and the prompts a model sees.

    Attributes:
        name: dataset and split.
        questions: P questions.
        answers: P gold answers, as the grader takes them.
        prompts: P prompts, formatted.
        has_special_tokens: whether the prompts spell out the tokenizer's special tokens, as a
            chat template does.
        rows: the P rows, where a reward function wants them; empty otherwise.
    """

    name: str
    questions: tuple[str, ...]
    answers: tuple[str, ...]
    prompts: tuple[str, ...]
    has_special_tokens: bool = False
    rows: tuple[Row, ...] = ()

    def __len__(self) -> int:
        return len(self.questions)

    @property
    def targets(self) -> Sequence[Any]:
        """What a grader gets beside a completion: the row where rows are kept, else the gold."""
        return self.rows or self.answers

    def first(self, count: int) -> "Task":
        """The first questions alone.

        Args:
            count: how many, at the most.

        Returns:
            A task of at most that many questions.
        """
        fields = ("questions", "answers", "prompts", "rows")
        return replace(self, **{name: getattr(self, name)[:count] for name in fields})


def _mapped_rows(
    rows: "Dataset",
    definition: TaskDefinition,
    columns: Mapping[str, str | None],
    is_answer_needed: bool,
) -> list[dict[str, Any]]:
    """Rows as dictionaries, under the column names that the definition reads."""
    mapped: dict[str, list[Any]] = {}
    for argument, column in columns.items():
        read = getattr(definition, argument)
        require(
            read is not None or column is None,
            "load_task",
            argument,
            f"left out, since the task {definition.name} reads its rows as it likes",
            repr(column),
            f"Leave --{argument.replace('_', '-')} out",
        )
        is_optional = argument == "answer_column" and not is_answer_needed and column is None
        if read is not None and not (is_optional and read not in rows.column_names):
            mapped[read] = read_column(rows, column or read, argument)
    return [
        {**row, **{name: values[place] for name, values in mapped.items()}}
        for place, row in enumerate(rows)
    ]


def _of_row(read: Callable[[Row], Any], row: Row, place: int, task: str) -> Any:
    try:
        return read(row)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise requirement_error(
            "load_task",
            "dataset",
            f"of rows that the task {task} can read",
            f"row {place} (counted from 0) with the fields {', '.join(row)}, on which it raises "
            f"{type(error).__name__}: {error}",
            "Map the columns with --question-column and --answer-column, or name another --task",
        ) from error


def _gold_answer(definition: TaskDefinition, row: Row, place: int) -> str:
    gold = _of_row(definition.answer, row, place, definition.name)
    if gold is None or not str(gold).strip():
        shown = str(row.get(definition.answer_column or "", dict(row)))[:80]
        raise requirement_error(
            "load_task",
            "dataset",
            f"of rows with {definition.missing}",
            f"row {place} (counted from 0) with the answer {shown!r}",
            "Repair the row, name the column with --answer-column, or the format with --task",
        )
    return str(gold)


def _text(question: str | Messages) -> str:
    """A question as plain text: messages stand below each other."""
    if isinstance(question, str):
        return question
    return "\n\n".join(message["content"] for message in question)


def _prompt_formatter(
    definition: TaskDefinition, prompt_format: str, tokenizer: Any | None
) -> tuple[Callable[[str | Messages], str], bool]:
    """How a question becomes a prompt, and whether that spells out special tokens."""
    if prompt_format == EMBEDDED:
        from llm_bridge.embedded.corpus import format_prompt

        return lambda question: format_prompt(_text(question)), False

    def instruct(question: str) -> str:
        return definition.instruction.format(question=question.strip())

    if getattr(tokenizer, "chat_template", None) is None:
        return lambda question: instruct(_text(question)) + "\n", False

    def chat(question: str | Messages) -> str:
        if isinstance(question, str):
            messages = [{"role": "user", "content": instruct(question)}]
        else:
            last = {**question[-1], "content": instruct(question[-1]["content"])}
            messages = [*question[:-1], last]
        return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)

    return chat, True


def load_task(
    dataset: str,
    *,
    task: str = DEFAULT_TASK,
    split: str | None = None,
    take: int | None = None,
    shuffle_seed: int | None = None,
    row: int | None = None,
    tokenizer: Any | None = None,
    prompt_format: str | None = None,
    question_column: str | None = None,
    answer_column: str | None = None,
    has_reward_function: bool = False,
) -> Task:
    """Load questions, gold answers and prompts.

    Args:
        dataset: "embedded", or its part "embedded:one-step" or "embedded:two-steps"; a .jsonl,
            .json, .parquet, .csv or .arrow file; a folder of such files or one saved by the
            datasets library; or a hub name, OWNER/NAME or OWNER/NAME:CONFIGURATION.
        task: definition of questions and answers, as in `find_task`.
        split: split of the dataset; by default its only one, or "train".
        take: number of rows to keep, after shuffling; all by default.
        shuffle_seed: shuffles the rows; None keeps their order.
        row: keep this row alone, counted from 0 in the order of the file.
        tokenizer: tokenizer whose chat template, if it has one, wraps the instruction.
        prompt_format: "embedded" (the question on a line, as the embedded model learned it) or
            "instruction" (what the task's definition asks); by default "embedded" for the
            embedded dataset, else "instruction".
        question_column: column of the questions; by default the definition's own.
        answer_column: column of the answers; by default the definition's own.
        has_reward_function: keep the rows, and do not ask them for a gold answer.

    Returns:
        The task.

    Raises:
        ValueError: the dataset, split, column or row format is not as described.
    """
    if prompt_format is None:
        prompt_format = EMBEDDED if is_embedded(dataset) else "instruction"
    require_known("load_task", "prompt_format", prompt_format, PROMPT_FORMATS, "prompt format")
    definition = find_task(task)
    name, data, places = read_rows(
        dataset, split=split, take=take, shuffle_seed=shuffle_seed, row=row
    )
    columns = {"question_column": question_column, "answer_column": answer_column}
    rows = _mapped_rows(data, definition, columns, not has_reward_function)
    placed = [(int(place), fields) for place, fields in zip(places, rows, strict=True)]
    questions = [
        _of_row(definition.question, fields, place, definition.name) for place, fields in placed
    ]
    answers: list[str] = [""] * len(rows)
    if not has_reward_function:
        answers = [_gold_answer(definition, fields, place) for place, fields in placed]
    format_question, has_special_tokens = _prompt_formatter(definition, prompt_format, tokenizer)
    return Task(
        name=name,
        questions=tuple(_text(question) for question in questions),
        answers=tuple(answers),
        prompts=tuple(format_question(question) for question in questions),
        has_special_tokens=has_special_tokens,
        rows=tuple(rows) if has_reward_function else (),
    )


def encode_prompts(task: Task, tokenizer: Any) -> list[list[int]]:
    """Token ids of each prompt, without padding.

    Args:
        task: the task.
        tokenizer: a Transformers tokenizer.

    Returns:
        P lists of token ids.
    """
    return tokenizer(
        list(task.prompts), add_special_tokens=not task.has_special_tokens, padding=False
    )["input_ids"]
