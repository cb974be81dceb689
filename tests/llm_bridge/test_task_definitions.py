import json
from pathlib import Path

import datasets
import pytest

from llm_bridge.graders import make_grader
from llm_bridge.task_definitions import TASKS, TaskDefinition, find_task
from llm_bridge.tasks import load_task
from tests.llm_bridge.small_model import CHAT_TEMPLATE, make_tokenizer

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_task.py"
MATH_ROW = {"problem": "Solve.", "solution": r"Not \boxed{1}, so $x=\boxed{\frac{1}{2}}$."}


def write_rows(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_math_asks_for_a_box_and_takes_the_last_one_of_the_solution(tmp_path):
    task = load_task(write_rows(tmp_path / "rows.jsonl", MATH_ROW), task="math")
    assert task.answers == (r"\frac{1}{2}",)
    assert task.prompts == (
        "Solve. Let's think step by step and output the final answer within \\boxed{}.\n",
    )


def test_columns_of_math_can_be_mapped(tmp_path):
    row = {"text": "Solve.", "worked": MATH_ROW["solution"]}
    path = write_rows(tmp_path / "rows.jsonl", row)
    task = load_task(path, task="math", question_column="text", answer_column="worked")
    assert (task.questions, task.answers) == (("Solve.",), (r"\frac{1}{2}",))
    with pytest.raises(ValueError, match="`question_column` must be one of the dataset's columns"):
        load_task(path, task="math")


def test_a_solution_without_box_is_named(tmp_path):
    path = write_rows(tmp_path / "rows.jsonl", MATH_ROW, {"problem": "a", "solution": "It is 2."})
    with pytest.raises(ValueError, match=r"with its final answer in \\boxed\{\}, got row 1 "):
        load_task(path, task="math")


@pytest.fixture
def verl_file(tmp_path):
    messages = [{"role": "system", "content": "Count."}, {"role": "user", "content": "1 + {1}?"}]
    rows = [
        {
            "data_source": "openai/gsm8k",
            "prompt": messages,
            "reward_model": {"style": "rule", "ground_truth": "2"},
            "extra_info": {"index": 0},
        }
    ]
    path = tmp_path / "train.parquet"
    datasets.Dataset.from_list(rows).to_parquet(path)
    return str(path)


def test_rows_of_verl_are_taken_as_they_are(verl_file):
    plain = load_task(verl_file, task="verl", tokenizer=make_tokenizer())
    assert (plain.answers, plain.prompts) == (("2",), ("Count.\n\n1 + {1}?\n",))
    chat = load_task(verl_file, task="verl", tokenizer=make_tokenizer(chat_template=CHAT_TEMPLATE))
    assert chat.prompts == ("<user>Count.<end><user>1 + {1}?<end><assistant>",)
    assert chat.has_special_tokens


def test_answers_to_rows_of_verl_may_stand_behind_the_mark_or_in_a_box():
    texts = ["#### 2", r"\boxed{2}", r"\boxed{2} or #### 3", "2"]
    with make_grader(task="verl") as grader:
        assert grader.grade(texts, ["2"] * 4).tolist() == [1.0, 1.0, 0.0, 0.0]


def test_rows_without_ground_truth_are_refused_with_what_they_have(tmp_path):
    row = {"prompt": [{"role": "user", "content": "a"}], "reward_model": {"style": "rule"}}
    path = write_rows(tmp_path / "rows.jsonl", row)
    with pytest.raises(ValueError, match=r"row 0 .* prompt, reward_model, .*KeyError: 'ground_tr"):
        load_task(path, task="verl")


def test_the_example_is_a_task_of_15_lines_that_loads_asks_and_grades(tmp_path):
    code = [line for line in EXAMPLE.read_text().splitlines() if line and not line.startswith('"')]
    assert len(code) <= 15
    path = write_rows(tmp_path / "rows.jsonl", {"left": 2, "right": "3"})
    reference = f"{EXAMPLE}:sums"
    task = load_task(path, task=reference)
    assert task.answers == ("5",)
    assert task.prompts == ('What is 2 + 3? Write the sum after "####".\n',)
    with make_grader(task=reference) as grader:
        assert grader.grade(["2 + 3 = 5\n#### 5", "#### 6"], task.answers * 2).tolist() == [1, 0]


def test_a_task_that_reads_its_rows_itself_takes_no_column_names(tmp_path):
    path = write_rows(tmp_path / "rows.jsonl", {"left": 2, "right": 3})
    with pytest.raises(ValueError, match="`question_column` must be left out, since the task sums"):
        load_task(path, task=f"{EXAMPLE}:sums", question_column="left")
    other = write_rows(tmp_path / "other.jsonl", {"left": 2})
    with pytest.raises(ValueError, match=r"that the task sums can read, got row 0 .*KeyError"):
        load_task(other, task=f"{EXAMPLE}:sums")


def test_tasks_are_found_by_name_and_place_and_nothing_else_is_taken():
    assert find_task("math") is TASKS["math"]
    assert find_task(f"{EXAMPLE}:sums").name == "sums"
    with pytest.raises(ValueError, match=r"`task` must be a known task .*Did you mean 'gsm8k'\?"):
        find_task("gms8k")
    with pytest.raises(TypeError, match=r"`task` must be a TaskDefinition, got .*is function"):
        find_task(f"{EXAMPLE}:question")
    with pytest.raises(ValueError, match=r"own_task\.py has: .*:sums"):
        find_task(str(EXAMPLE))


def test_an_unknown_form_is_refused():
    with pytest.raises(ValueError, match="`form` must be a known form of final answers"):
        TaskDefinition(name="a", question=str, answer=str, form="bold")
