import json
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

from llm_bridge.answers import final_answer
from llm_bridge.rewards import Grader

HANGING_ANSWER = "$5^{(5^{(5^{(5^{5})})})}$"

ORPHAN_PROGRAM = """
import json, time, psutil
from llm_bridge.rewards import Grader
if __name__ == "__main__":
    grader = Grader()
    grader.grade(["#### 1"], ["1"])
    print(json.dumps([child.pid for child in psutil.Process().children()]), flush=True)
    time.sleep(60)
"""


def workers():
    # The resource tracker of multiprocessing lives as long as this process and is no worker.
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if "resource_tracker" not in " ".join(child.cmdline())
    ]


@pytest.fixture(scope="module")
def grader():
    with Grader(time_limit=5.0) as shared:
        yield shared


def first_mark(text):
    return text.partition("####")[2].strip().splitlines()[0].replace(",", "")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("6 * 3 = 18\n#### 18", "18"),
        ("#### 1\nno, wait\n#### 1,234,567", "1234567"),
        ("####\n\n 7 \nand so on 8", "7"),
        ("#### 3 eggs\n#### 4 eggs", "4 eggs"),
    ],
)
def test_the_final_answer_is_the_line_after_the_last_mark(text, answer):
    assert final_answer(text) == answer


@pytest.mark.parametrize("text", ["", "18", "## 18", "#### ", "18 ####\n \n", "#### ,"])
def test_a_text_without_mark_or_with_nothing_after_it_has_no_final_answer(text):
    assert final_answer(text) is None


def test_taking_the_first_mark_would_be_seen():
    assert first_mark("#### 1\nno, wait\n#### 2") != final_answer("#### 1\nno, wait\n#### 2")


def test_equal_numbers_are_right_in_any_spelling_and_others_are_wrong(grader):
    right = ["18", "18.0", "$18", "18 dollars", "36/2", "\\frac{36}{2}", "018", "18."]
    wrong = ["17", "-18", "1 8 0", "abc", "18.5", "81"]
    completions = [f"so\n#### {answer}" for answer in right + wrong]
    reward = grader.grade(completions, ["18"] * len(completions))
    np.testing.assert_array_equal(reward, [1.0] * len(right) + [0.0] * len(wrong))
    assert reward.dtype == np.float64


def test_a_missing_mark_earns_nothing_though_math_verify_would_take_the_last_number(grader):
    from math_verify import parse, verify

    text = "6 * 3 = 18"
    assert verify(parse("18"), parse(text))
    assert grader.grade([text, f"{text}\n#### 18"], ["18", "18"]).tolist() == [0.0, 1.0]


def test_each_distinct_pair_reaches_the_worker_once(monkeypatch):
    asked = []

    def is_even(self, pairs):
        asked.extend(pairs)
        return [int(answer) % 2 == 0 for answer, _ in pairs]

    monkeypatch.setattr(Grader, "_run", is_even)
    counting = Grader()
    completions = [f"{i}\n#### {i % 100}" for i in range(300)]
    first = counting.grade(completions, ["0"] * 300)
    second = counting.grade(completions[::-1], ["0"] * 300)
    np.testing.assert_array_equal(first, [1.0, 0.0] * 150)
    np.testing.assert_array_equal(second, first[::-1])
    assert sorted(asked) == sorted({(str(i), "0") for i in range(100)})
    assert counting.num_graded_pairs == 100


def test_a_hanging_grade_is_killed_counted_and_leaves_a_healthy_worker():
    before = {child.pid for child in workers()}
    with Grader(time_limit=1.0) as limited:
        assert {child.pid for child in workers()} == before, "the worker starts when needed"
        limited.grade(["#### 1"], ["1"])
        (first,) = [child for child in workers() if child.pid not in before]
        start = time.perf_counter()
        completions = ["#### 4", f"#### {HANGING_ANSWER}", "#### 6"]
        assert limited.grade(completions, ["4", "18", "7"]).tolist() == [1.0, 0.0, 0.0]
        assert time.perf_counter() - start < 20.0
        assert limited.num_timeouts == 1
        (second,) = [child for child in workers() if child.pid not in before]
        assert second.pid != first.pid
        assert limited.grade(["#### 8", "#### 9"], ["8", "8"]).tolist() == [1.0, 0.0]
        (third,) = [child for child in workers() if child.pid not in before]
        assert limited.grade([f"#### {HANGING_ANSWER}"], ["18"]).tolist() == [0.0]
        # A pair that hung is not tried again: no worker had to be killed for it.
        assert [child for child in workers() if child.pid not in before] == [third]
        assert limited.num_timeouts == 2, "each completion that hung counts"
    assert {child.pid for child in workers()} == before, "no process is left"


def test_a_worker_that_was_ended_from_outside_is_replaced(monkeypatch):
    monkeypatch.setattr("llm_bridge.rewards._STARTUP_SECONDS", 1.0)
    before = {child.pid for child in workers()}
    with Grader(time_limit=4.0) as ended:
        ended.grade(["#### 1"], ["1"])
        for child in workers():
            if child.pid not in before:
                child.kill()
                child.wait()
        assert ended.grade(["#### 2", "#### 3"], ["2", "2"]).tolist() == [1.0, 0.0]
        assert ended.num_timeouts == 0


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_the_worker_ends_when_its_parent_is_killed(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(ORPHAN_PROGRAM)
    parent = subprocess.Popen(
        [sys.executable, program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    children = [psutil.Process(pid) for pid in json.loads(parent.stdout.readline())]
    parent.kill()
    parent.wait()
    parent.stdout.close()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []


def test_lists_of_different_length_are_refused(grader):
    with pytest.raises(
        ValueError, match=r"grade: `golds` must be as many as `completions`, 2, got"
    ):
        grader.grade(["#### 1", "#### 2"], ["1"])


@pytest.mark.parametrize("limit", [0, -1.0, float("nan")])
def test_an_impossible_time_limit_is_refused(limit):
    with pytest.raises(ValueError, match=r"Grader: `time_limit` must be a finite number in"):
        Grader(time_limit=limit)


def test_the_gold_answer_comes_first_since_verify_is_not_symmetric():
    with Grader(form="boxed") as boxed:
        texts, golds = ["\\boxed{(1,2)}", "\\boxed{1<x<2}"], ["1<x<2", "(1,2)"]
        assert boxed.grade(texts, golds).tolist() == [1.0, 0.0], "swapped it would be [0, 1]"


def test_an_unknown_form_is_refused():
    with pytest.raises(ValueError, match="Grader: `form` must be a known form of final answers"):
        Grader(form="bold")
