"""Arguments that say which model is loaded, which rows are asked, and what is right.

Only the standard library is imported here.
"""

from typing import Any

from llm_bridge.arguments import add_default, add_open, add_switch


def add_model_arguments(group: Any) -> None:
    """Add the arguments that say which model is loaded, and how.

    Args:
        group: parser or group of arguments.
    """
    add_default(
        group,
        "--model",
        "NAME_OR_PATH",
        "embedded",
        "'embedded', a folder written by save_pretrained (safetensors), or a hub name",
    )
    add_default(group, "--device", "NAME", "cpu", "torch device")
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
    add_default(
        group,
        "--dataset",
        "NAME_OR_PATH",
        "embedded",
        "'embedded' (or a part of it, 'embedded:one-step' or 'embedded:two-steps'), a .jsonl, "
        ".json, .parquet, .csv or .arrow file, a folder, or a hub name (openai/gsm8k:main)",
    )
    add_default(
        group,
        "--task",
        "NAME",
        "gsm8k",
        "gsm8k (answers end with '#### ' and the final answer), math (solutions with the "
        "final answer in \\boxed{}), verl (its parquet rows), or your own, file.py:object",
    )
    add_default(
        group,
        "--grader",
        "NAME",
        "math_verify",
        "math_verify (equal values), mark (the string after '#### ') or boxed (the string "
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
