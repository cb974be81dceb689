"""Agreement of graders, its command, and the real data where they are at hand."""

import json
import os
from pathlib import Path

import pytest

from banditlab.cli import main
from llm_bridge.agreement import (
    Graded,
    compare_graders,
    default_graders,
    read_completions,
    reference_completions,
)
from tests.llm_bridge.small_model import ROWS_FILE

DATA = os.environ.get("BANDITLAB_DATA")
COMPLETIONS = [
    ("#### 18", "18"),
    ("#### 18.0", "18"),
    ("#### 17", "18"),
    ("18", "18"),
    ("#### 36/2", "18"),
]


def items(pairs=COMPLETIONS):
    return [Graded(place, text, gold) for place, (text, gold) in enumerate(pairs)]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "completions.jsonl"
    lines = [json.dumps({"completion": text, "gold": gold}) for text, gold in COMPLETIONS]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_every_pattern_of_verdicts_is_counted():
    found = compare_graders(items())
    assert found.graders == ("math_verify", "mark")
    assert found.is_right.tolist() == [
        [True, True],
        [True, False],
        [False, False],
        [False, False],
        [True, False],
    ]
    assert found.patterns() == {(True, False): 2, (False, False): 2, (True, True): 1}
    assert found.disagreements() == [1, 4]
    assert found.has_answer.tolist() == [True, True, True, False, True]
    written = json.loads(json.dumps(found.as_dict()))
    assert (written["num_right"], written["num_without_answer"]) == ([3, 1], 1)
    assert [line["place"] for line in written["disagreements"]] == [1, 4]


def test_graders_follow_the_form_of_the_task():
    assert default_graders("gsm8k") == ("math_verify", "mark")
    assert default_graders("math") == ("math_verify", "boxed")
    assert default_graders("verl") == ("math_verify", "mark", "boxed")


def test_a_hang_is_counted_as_a_timeout_of_its_grader_and_the_others_go_on():
    tower = "\\boxed{5^{(5^{(5^{(5^{5})})})}}"
    found = compare_graders(
        items([(tower, "3125"), ("\\boxed{3125}", "3125")]), task="math", time_limit=1.0
    )
    assert found.num_timeouts == (1, 0)
    assert found.is_right.tolist() == [[False, False], [True, True]]


def test_a_reward_function_may_be_one_of_the_graders():
    example = f"{Path(__file__).parents[2] / 'examples' / 'own_reward.py'}:close_and_short"
    found = compare_graders(
        reference_completions(str(ROWS_FILE), take=4, source="golds"),
        graders=["math_verify", example],
    )
    assert found.is_right.tolist() == [[True, False]] * 4, "two words cost a little"


def test_solutions_and_golds_of_a_dataset_are_completions():
    solutions = reference_completions(str(ROWS_FILE), take=3, shuffle_seed=1)
    golds = reference_completions(str(ROWS_FILE), take=3, shuffle_seed=1, source="golds")
    assert [item.place for item in solutions] == [item.place for item in golds]
    assert [item.completion for item in golds] == [f"#### {item.gold}" for item in solutions]
    lines = [json.loads(line) for line in ROWS_FILE.read_text().splitlines()]
    assert [item.completion for item in solutions] == [
        lines[item.place]["answer"] for item in solutions
    ]
    with pytest.raises(ValueError, match="`source` must be a known source of completions"):
        reference_completions(str(ROWS_FILE), source="samples")


def test_a_task_without_column_of_solutions_grades_its_golds_only(tmp_path):
    example = Path(__file__).parents[2] / "examples" / "own_task.py"
    path = tmp_path / "rows.jsonl"
    path.write_text('{"left": 1, "right": 2}\n')
    assert reference_completions(str(path), task=f"{example}:sums", source="golds")[0].gold == "3"
    with pytest.raises(ValueError, match="`source` must be golds for a task whose rows hold no"):
        reference_completions(str(path), task=f"{example}:sums")


@pytest.mark.parametrize("line", ["{", "[]", '{"completion": "a"}', "3"])
def test_a_line_that_is_no_completion_is_named(tmp_path, line):
    path = tmp_path / "file.jsonl"
    path.write_text('{"completion": "a", "gold": "1"}\n' + line + "\n")
    with pytest.raises(ValueError, match=r"fields completion and gold, got line 2 of"):
        read_completions(path)


def test_the_command_prints_counts_and_disagreements(file, tmp_path, capsys):
    out = tmp_path / "found.json"
    assert main(["grade", "--completions", str(file), "--show", "1", "--json", str(out)]) == 0
    text = capsys.readouterr().out
    assert "5 completions, 1 without a final answer" in text
    assert "agreement 0.6000, 2 disagreements" in text
    assert "... 1 more; --show or --json gives them" in text
    assert json.loads(out.read_text())["num_right"] == [3, 1]
    assert main(["grade", "--completions", str(file), "--all-right"]) == 1
    assert "grade: 4 of 5 completions are not right" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "grade: `completions` must be given, or `dataset`, and not both"),
        (["--completions", "no.jsonl"], "`completions` must be an existing file, got 'no.jsonl'"),
        (["--dataset", str(ROWS_FILE), "--graders", "boxed"], "`grader` must be math_verify or"),
        (["--dataset", str(ROWS_FILE), "--task", "maths"], "Did you mean 'math'?"),
        (["--dataset", str(ROWS_FILE), "--gold-column", "g"], "`gold_column` must be one of"),
    ],
)
def test_bad_input_is_one_sentence(words, message, capsys):
    assert main(["grade", *words]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1


@pytest.mark.skipif(DATA is None, reason="BANDITLAB_DATA is not set: no real answers here")
@pytest.mark.parametrize("source", ["solutions", "golds"])
@pytest.mark.parametrize(
    ("file", "task", "count", "options"),
    [
        ("gsm8k/test.jsonl", "gsm8k", 1319, {}),
        ("math500/test.jsonl", "math", 500, {"gold_column": "answer"}),
    ],
)
def test_every_real_answer_is_right_against_itself_and_its_solution(
    file, task, count, options, source
):
    """All of them: two seconds a file."""
    real = reference_completions(f"{DATA}/{file}", task=task, source=source, **options)
    assert len(real) == count
    found = compare_graders(real, task=task)
    assert found.patterns() == {(True, True): count}
    assert found.num_timeouts == (0, 0)


@pytest.mark.skipif(DATA is None, reason="BANDITLAB_DATA is not set: no real answers here")
def test_real_answers_of_other_rows_are_wrong():
    """The check above would see a grader that takes everything: golds moved on by one row."""
    real = reference_completions(
        f"{DATA}/math500/test.jsonl", task="math", gold_column="answer", take=100
    )
    moved = [
        Graded(item.place, item.completion, other.gold)
        for item, other in zip(real, real[1:] + real[:1], strict=True)
    ]
    found = compare_graders(moved, task="math")
    num_equal = sum(item.gold == other.gold for item, other in zip(real, moved, strict=True))
    assert num_equal <= found.is_right[:, 1].sum() <= found.is_right[:, 0].sum() <= num_equal + 3
