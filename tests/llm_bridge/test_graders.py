import pytest

from llm_bridge.graders import GRADERS, make_grader
from llm_bridge.reward_function import FunctionReward
from llm_bridge.rewards import Grader
from llm_bridge.string_graders import StringGrader


def test_every_grader_is_made_by_its_name():
    kinds = {name: type(make_grader(name, task="verl")) for name in GRADERS}
    assert kinds == {"math_verify": Grader, "mark": StringGrader, "boxed": StringGrader}
    assert make_grader(task="math", time_limit=2.0).form == "boxed"
    assert make_grader(task="math", time_limit=2.0).time_limit == 2.0
    assert make_grader(task="gsm8k").form == "mark"


def test_a_reward_function_stands_in_place_of_a_grader(tmp_path):
    (tmp_path / "own.py").write_text("def one(completion, row): return 1.0\n")
    assert isinstance(make_grader(reward=f"{tmp_path}/own.py:one"), FunctionReward)


def test_unknown_names_are_answered_with_those_there_are():
    with pytest.raises(ValueError, match="There are: math_verify, mark, boxed"):
        make_grader("sympy")
    with pytest.raises(ValueError, match="make_grader: `task` must be a known task"):
        make_grader(task="mathematics")


def test_choices_that_exclude_each_other_are_refused(tmp_path):
    with pytest.raises(ValueError, match="`grader` must be math_verify or boxed, since the task"):
        make_grader("mark", task="math")
    (tmp_path / "own.py").write_text("def one(completion, row): return 1.0\n")
    with pytest.raises(ValueError, match="`grader` must be left out where a reward function"):
        make_grader("mark", reward=f"{tmp_path}/own.py:one")
