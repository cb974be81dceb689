"""Tasks: questions with gold answers, in GSM8K's row format, and the prompts made of them.

A row holds a question and a worked answer whose last line is "#### " and the final answer. Rows
come from the embedded corpus, a local file or folder, or the hub, always through `datasets`.
"""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from banditlab.validation import require, require_known, requirement_error
from llm_bridge.answers import ANSWER_MARK, final_answer
from llm_bridge.hub import hub_offline, is_hub_reachable, is_path_like

if TYPE_CHECKING:
    from datasets import Dataset

EMBEDDED = "embedded"
PROMPT_FORMATS = ("embedded", "instruction")
_BUILDERS = {".jsonl": "json", ".json": "json", ".parquet": "parquet", ".csv": "csv"}
_EVAL_SPLITS = ("heldout", "test", "validation")
_INSTRUCTION = (
    "{question}\n\nReason step by step. Then write the final answer, a number alone, on a last "
    f'line of its own after "{ANSWER_MARK} ".\n'
)


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
    """

    name: str
    questions: tuple[str, ...]
    answers: tuple[str, ...]
    prompts: tuple[str, ...]
    has_special_tokens: bool = False

    def __len__(self) -> int:
        return len(self.questions)


def _read(dataset: str, function: str, *arguments: Any, **options: Any) -> Any:
    """Call a function of the datasets library, quietly, its errors put into one sentence."""
    import datasets

    had_bars = not datasets.utils.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        return getattr(datasets, function)(*arguments, **options)
    except (datasets.exceptions.DatasetsError, FileNotFoundError, ValueError, IndexError) as error:
        # A saved dataset without rows is answered with an IndexError.
        reason = next((line for line in str(error).splitlines() if line.strip()), repr(error))
        raise requirement_error(
            "load_task",
            "dataset",
            "a dataset with rows that the datasets library can read",
            f"{dataset!r} ({reason.strip()})",
            "Check that it opens with datasets.load_dataset",
        ) from error
    finally:
        if had_bars:
            datasets.enable_progress_bars()


def _read_local(dataset: str) -> Mapping[str, "Dataset"]:
    path = Path(dataset).expanduser()
    require(
        path.exists(),
        "load_task",
        "dataset",
        "an existing file or folder, or a name on the hub",
        repr(dataset),
        "Check the path",
    )
    if path.is_dir():
        if (path / "dataset_dict.json").exists():
            return _read(dataset, "load_from_disk", str(path))
        if (path / "state.json").exists():
            return {"train": _read(dataset, "load_from_disk", str(path))}
        return _read(dataset, "load_dataset", str(path))
    builder = _BUILDERS.get(path.suffix.lower())
    if builder is None:
        raise requirement_error(
            "load_task",
            "dataset",
            f"a file in one of the formats {', '.join(_BUILDERS)}",
            repr(dataset),
            "Convert it, or give a folder saved by the datasets library",
        )
    return _read(dataset, "load_dataset", builder, data_files=str(path))


def _read_hub(dataset: str) -> Mapping[str, "Dataset"]:
    name, _, config_name = dataset.partition(":")
    with nullcontext() if is_hub_reachable() else hub_offline():
        try:
            return _read(dataset, "load_dataset", name, config_name or None)
        except ConnectionError as error:
            raise requirement_error(
                "load_task",
                "dataset",
                "in the local cache, since the Hugging Face hub cannot be reached",
                f"{dataset!r}, which is no file here either",
                "Without network, pass a local file or folder with --dataset PATH",
            ) from error


def _load_splits(dataset: str) -> Mapping[str, "Dataset"]:
    if dataset == EMBEDDED:
        from llm_bridge.embedded import HELDOUT_FILE, TRAIN_FILE

        files = {"train": str(TRAIN_FILE), "heldout": str(HELDOUT_FILE)}
        return _read(dataset, "load_dataset", "json", data_files=files)
    if is_path_like(dataset) or Path(dataset).suffix in _BUILDERS:
        return _read_local(dataset)
    return _read_hub(dataset)


def default_eval_split(dataset: str, split: str | None) -> str | None:
    """Split to evaluate on where none is named.

    Args:
        dataset: as in `load_task`.
        split: the split trained on, None for the default one.

    Returns:
        "heldout", "test" or "validation", the first that the dataset has beside the split
        trained on; None if it has none of them.

    Raises:
        ValueError: the dataset cannot be read.
    """
    splits = _load_splits(dataset)
    trained = _choose_split(splits, split)
    return next((name for name in _EVAL_SPLITS if name in splits and name != trained), None)


def _choose_split(splits: Mapping[str, Any], split: str | None) -> str:
    names = list(splits)
    if split is None:
        split = names[0] if len(names) == 1 else "train"
    require_known("load_task", "split", split, names, "split of the dataset")
    return split


def _read_column(rows: "Dataset", column: str, argument: str) -> list[str]:
    require(
        column in rows.column_names,
        "load_task",
        argument,
        f"one of the dataset's columns, {', '.join(rows.column_names)}",
        repr(column),
        f"Name it with --{argument.replace('_', '-')}",
    )
    return [str(value) for value in rows[column]]


def _gold_answer(text: str, row: int) -> str:
    gold = final_answer(text)
    if gold is None:
        raise requirement_error(
            "load_task",
            "dataset",
            f'of rows whose answer ends with "{ANSWER_MARK}" and the final answer',
            f"row {row} (counted from 0) with the answer {text[:80]!r}",
            f'Append "{ANSWER_MARK} " and the final answer to each answer',
        )
    return gold


def _prompt_formatter(
    prompt_format: str, tokenizer: Any | None
) -> tuple[Callable[[str], str], bool]:
    if prompt_format == EMBEDDED:
        from llm_bridge.embedded.corpus import format_prompt

        return format_prompt, False
    if getattr(tokenizer, "chat_template", None) is None:
        return lambda question: _INSTRUCTION.format(question=question.strip()), False

    def chat(question: str) -> str:
        content = _INSTRUCTION.format(question=question.strip()).strip()
        return tokenizer.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
        )

    return chat, True


def load_task(
    dataset: str,
    *,
    split: str | None = None,
    take: int | None = None,
    shuffle_seed: int | None = None,
    tokenizer: Any | None = None,
    prompt_format: str | None = None,
    question_column: str = "question",
    answer_column: str = "answer",
) -> Task:
    """Load questions, gold answers and prompts.

    Args:
        dataset: "embedded"; a .jsonl, .json, .parquet or .csv file; a folder of such files or one
            saved by the datasets library; or a hub name, OWNER/NAME or OWNER/NAME:CONFIGURATION.
        split: split of the dataset; by default its only one, or "train".
        take: number of rows to keep, after shuffling; all by default.
        shuffle_seed: shuffles the rows; None keeps their order.
        tokenizer: tokenizer whose chat template, if it has one, wraps the instruction.
        prompt_format: "embedded" (the question on a line, as the embedded model learned it) or
            "instruction" (the question and what to write); by default "embedded" for the
            embedded dataset, else "instruction".
        question_column: column of the questions.
        answer_column: column of the answers; gold is what stands after the last "####".

    Returns:
        The task.

    Raises:
        ValueError: the dataset, split, column or row format is not as described.
    """
    if prompt_format is None:
        prompt_format = EMBEDDED if dataset == EMBEDDED else "instruction"
    require_known("load_task", "prompt_format", prompt_format, PROMPT_FORMATS, "prompt format")
    splits = _load_splits(dataset)
    split = _choose_split(splits, split)
    rows = splits[split]
    num_rows = len(rows)
    require(
        num_rows > 0,
        "load_task",
        "dataset",
        "not empty",
        f"0 rows in {dataset!r}",
        "Check the file",
    )
    if shuffle_seed is not None:
        rows = rows.select(np.random.default_rng(shuffle_seed).permutation(num_rows))
    if take is not None:
        require(
            1 <= take <= num_rows,
            "load_task",
            "take",
            f"from 1 to the {num_rows} rows of the split",
            take,
            "Leave --take out to use all rows",
        )
        rows = rows.select(range(take))
    questions = _read_column(rows, question_column, "question_column")
    answers = _read_column(rows, answer_column, "answer_column")
    format_question, has_special_tokens = _prompt_formatter(prompt_format, tokenizer)
    return Task(
        name=f"{Path(dataset).name if is_path_like(dataset) else dataset}/{split}",
        questions=tuple(questions),
        answers=tuple(_gold_answer(text, row) for row, text in enumerate(answers)),
        prompts=tuple(format_question(question) for question in questions),
        has_special_tokens=has_special_tokens,
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
