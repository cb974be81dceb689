from pathlib import Path

import numpy as np
import pytest

from llm_bridge.reward_function import FunctionReward

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_reward.py"
FUNCTIONS = """
import numpy
def length(completion, row): return len(completion) + row["bonus"]
def nothing(completion, row): pass
def nan(completion, row): return float("nan") if row["bonus"] else 1.0
def infinite(completion, row): return -numpy.inf
def text(completion, row): return "1.0"
def broken(completion, row): return row["missing"]
def numpy_number(completion, row): return numpy.float32(0.5)
def verdict(completion, row): return completion == "a"
value = 3
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "rewards.py"
    path.write_text(FUNCTIONS)
    return path


def test_a_function_sees_completion_and_row(file):
    with FunctionReward(f"{file}:length") as reward:
        found = reward.grade(["a", "bcd"], [{"bonus": 10}, {"bonus": 0.5}])
    np.testing.assert_array_equal(found, [11.0, 3.5])
    assert (found.dtype, reward.num_timeouts) == (np.float64, 0)


def test_numbers_of_numpy_and_truth_values_are_numbers(file):
    assert FunctionReward(f"{file}:numpy_number").grade(["a"], [{}]).tolist() == [0.5]
    assert FunctionReward(f"{file}:verdict").grade(["a", "b"], [{}, {}]).tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("name", "got"),
    [
        ("nothing", "None"),
        ("nan", "nan"),
        ("infinite", "-inf"),
        ("text", "'1.0'"),
        ("broken", "KeyError: 'missing'"),
    ],
)
def test_what_is_no_finite_number_is_refused_with_function_row_and_completion(file, name, got):
    reward = FunctionReward(f"{file}:{name}")
    with pytest.raises(ValueError, match="must be a finite number for every completion") as error:
        reward.grade(["words"], [{"bonus": 7, "long": "x" * 1000}])
    message = str(error.value)
    assert f"got {got} from {file}:{name} for the row {{'bonus': 7," in message
    assert "completion 'words'" in message
    assert len(message) < 700


def test_a_non_finite_value_of_one_row_alone_is_found(file):
    reward = FunctionReward(f"{file}:nan")
    assert reward.grade(["a"], [{"bonus": 0}]).tolist() == [1.0]
    with pytest.raises(ValueError, match=r"row \{'bonus': 1\}"):
        reward.grade(["a", "a"], [{"bonus": 0}, {"bonus": 1}])


def test_what_cannot_be_called_or_found_is_refused(file):
    with pytest.raises(TypeError, match=r"`reward` must be a function f.*which is int"):
        FunctionReward(f"{file}:value")
    with pytest.raises(ValueError, match=r"It has: .*length"):
        FunctionReward(f"{file}:lenght")


def test_the_example_rewards_right_and_short_answers():
    reward = FunctionReward(f"{EXAMPLE}:close_and_short")
    row = {"answer": "3 * 6\n#### 18"}
    texts = ["#### 18", "well " * 100 + "\n#### 18", "#### 17", "18"]
    np.testing.assert_allclose(reward.grade(texts, [row] * 4), [0.98, 0.5, 0.0, 0.0])
