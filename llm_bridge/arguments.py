"""Arguments that several commands share: which model, which data, which grader.

Only the standard library is imported here. What is not given stays out of the namespace, so that
TrainConfig's default holds.
"""

from argparse import SUPPRESS
from collections.abc import Callable
from typing import Any


def add_open(
    group: Any, flag: str, metavar: str, text: str, kind: Callable[[str], Any] = str
) -> None:
    """Add an argument without a default.

    Args:
        group: parser or group of arguments.
        flag: its name.
        metavar: what stands for its value in the help.
        text: help.
        kind: makes the value of a word.
    """
    group.add_argument(flag, metavar=metavar, type=kind, default=SUPPRESS, help=text)


def add_switch(group: Any, flag: str, text: str) -> None:
    """Add an argument that is off unless given.

    Args:
        group: parser or group of arguments.
        flag: its name.
        text: help.
    """
    group.add_argument(flag, action="store_true", default=SUPPRESS, help=text)


def add_model_arguments(group: Any) -> None:
    """Add the arguments that say which model is loaded, and how.

    Args:
        group: parser or group of arguments.
    """
    group.add_argument(
        "--model",
        metavar="NAME_OR_PATH",
        default="embedded",
        help="'embedded', a folder written by save_pretrained (safetensors), or a hub name",
    )
    group.add_argument("--device", default="cpu", help="torch device")
    add_open(
        group,
        "--dtype",
        "NAME",
        "float32, float64, bfloat16 (weights too: small steps are rounded away) or autocast "
        "(float32 weights, bfloat16 arithmetic); log-probabilities are float32 at least; by "
        "default float32 on a CPU, else autocast",
    )
    add_open(
        group,
        "--attn-implementation",
        "NAME",
        "sdpa, eager, flash_attention_2, ...; by default as Transformers chooses",
    )
    add_switch(group, "--trust-remote-code", "run code that comes with the model; off unless given")


def add_data_arguments(group: Any) -> None:
    """Add the arguments that say what is asked and what is right.

    Args:
        group: parser or group of arguments.
    """
    group.add_argument(
        "--dataset",
        metavar="NAME_OR_PATH",
        default="embedded",
        help="'embedded', a .jsonl, .json, .parquet, .csv or .arrow file, a folder, or a hub name "
        "(openai/gsm8k:main)",
    )
    group.add_argument(
        "--task",
        metavar="NAME",
        default="gsm8k",
        help="gsm8k (answers end with '#### ' and the final answer), math (solutions with the "
        "final answer in \\boxed{}), verl (its parquet rows), or your own, file.py:object",
    )
    group.add_argument(
        "--grader",
        metavar="NAME",
        default="math_verify",
        help="math_verify (equal values), mark (the string after '#### ') or boxed (the string "
        "in \\boxed{})",
    )
    add_open(
        group,
        "--reward",
        "FILE.PY:FUNCTION",
        "f(completion, row) -> float, in place of the grader; 1 or more counts as right",
    )
    add_open(group, "--shuffle-seed", "N", "shuffle the rows before any are taken", int)
    add_open(group, "--question-column", "NAME", "by default the task's own: question or problem")
    add_open(group, "--answer-column", "NAME", "by default the task's own: answer or solution")
    add_open(
        group,
        "--prompt-format",
        "FORMAT",
        "'embedded' (the bare question) or 'instruction' (as the task asks, in the model's chat "
        "template if it has one); by default as the model needs it",
    )
