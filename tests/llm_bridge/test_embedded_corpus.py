"""The word problems, their writers, and the rows made of them."""

import json
import re
from collections import Counter

import numpy as np
import pytest

from llm_bridge.embedded import MODEL_DIR
from llm_bridge.embedded.corpus import KINDS, draw_problem, format_prompt, hash_rows
from llm_bridge.embedded.measure import extract_answer
from llm_bridge.embedded.writers import (
    OTHER_WRITERS,
    WRITERS,
    draw_writer,
    make_splits,
    solve,
    write_answer,
)

RECORDED = json.loads((MODEL_DIR / "recipe.json").read_text())
STEP = re.compile(r"(\d+)([-+*/])(\d+)=(\d+)")
# The answers of the nine kinds, written down a second time from their wordings alone.
ANSWERS = {
    "addition": lambda have, get: have + get,
    "subtraction": lambda have, give: have - give,
    "product": lambda bags, each: bags * each,
    "quotient": lambda items, bags: items / bags,
    "sum_less": lambda have, get, give: have + get - give,
    "product_more": lambda bags, each, more: bags * each + more,
    "product_less": lambda bags, each, give: bags * each - give,
    "more_than": lambda have, more: have + have + more,
    "times_as_many": lambda have, times: have * (times + 1),
}


def problems(count, seed=0):
    rng = np.random.default_rng(seed)
    return [draw_problem(rng) for _ in range(count)], rng


def is_step_exact(line):
    left, operator, right, result = STEP.fullmatch(line).groups()
    left, right, result = int(left), int(right), int(result)
    if operator == "/":
        return result * right == left
    return result == {"+": left + right, "-": left - right, "*": left * right}[operator]


def test_same_seed_gives_same_rows_and_another_seed_gives_others():
    sizes = {"num_train": 20, "num_heldout": 20, "num_pretraining": 200}
    first, again = make_splits(**sizes, seed=1), make_splits(**sizes, seed=1)
    other = make_splits(**sizes, seed=2)
    assert first == again
    assert hash_rows(first.pretraining) != hash_rows(other.pretraining)


def test_every_kind_is_solved_as_its_wording_says():
    drawn, _ = problems(3000)
    assert {problem.kind.name for problem in drawn} == set(ANSWERS)
    for problem in drawn:
        assert solve(problem) == ANSWERS[problem.kind.name](*problem.numbers), problem.question


def test_the_question_shows_exactly_the_numbers():
    for problem in problems(1000)[0]:
        shown = [int(digits) for digits in re.findall(r"\d+", problem.question)]
        assert sorted(shown) == sorted(problem.numbers)


def test_careful_writer_takes_exact_steps_to_the_right_answer():
    drawn, rng = problems(2000)
    for problem in drawn:
        *steps, last = write_answer(problem, "careful", rng).split("\n")
        assert len(steps) == len(problem.kind.steps)
        assert all(is_step_exact(line) for line in steps)
        assert last == f"#### {ANSWERS[problem.kind.name](*problem.numbers):.0f}"


@pytest.mark.parametrize("writer", WRITERS)
def test_only_careful_and_direct_writers_are_right(writer):
    drawn, rng = problems(2000)
    is_right = [
        extract_answer(write_answer(problem, writer, rng)) == solve(problem) for problem in drawn
    ]
    assert is_right == [writer in ("careful", "direct")] * len(drawn)


def test_slip_breaks_one_step_and_wrong_operation_none():
    drawn, rng = problems(1000)
    for problem in drawn:
        slipped = write_answer(problem, "slip", rng).split("\n")[:-1]
        assert [is_step_exact(line) for line in slipped].count(False) == 1
        mistaken = write_answer(problem, "wrong_operation", rng).split("\n")[:-1]
        assert all(is_step_exact(line) for line in mistaken)


def test_unknown_writer_is_refused_with_the_names():
    drawn, rng = problems(1)
    with pytest.raises(ValueError, match=r"`writer` must be one of careful, direct, .* got 'lazy'"):
        write_answer(drawn[0], "lazy", rng)


def writer_z_scores(assumed_share):
    """Standardised counts of 20,000 writers drawn at careful share 0.3."""
    rng = np.random.default_rng(7)
    num_draws = 20_000
    counts = Counter(draw_writer(0.3, rng) for _ in range(num_draws))
    shares = {"careful": assumed_share}
    shares |= {name: (1 - assumed_share) * share for name, share in OTHER_WRITERS.items()}
    return [
        (counts[name] - num_draws * share) / np.sqrt(num_draws * share * (1 - share))
        for name, share in shares.items()
    ]


def test_writers_come_in_their_shares_and_a_wrong_share_is_noticed():
    # Five two-sided checks at 4 standard errors: false alarm below 4e-4.
    assert sum(OTHER_WRITERS.values()) == pytest.approx(1.0)
    assert np.abs(writer_z_scores(0.3)).max() < 4
    assert np.abs(writer_z_scores(0.35)).max() > 8


def test_a_corpus_of_careful_writers_alone_is_exact_in_every_step_and_the_usual_one_is_not():
    sizes = {"num_train": 20, "num_heldout": 20, "num_pretraining": 300}
    clean = make_splits(**sizes, seed=1, careful_share=1.0)
    usual = make_splits(**sizes, seed=1)
    assert (clean.train, clean.heldout) == (usual.train, usual.heldout)
    for rows, is_clean in ((clean.pretraining, True), (usual.pretraining, False)):
        steps = [line for row in rows for line in row["answer"].split("\n")[:-1]]
        assert all(is_step_exact(line) for line in steps) == is_clean


def test_careful_shares_fall_from_most_to_hardly_any():
    shares = [kind.careful_share for kind in KINDS]
    assert len(KINDS) == 9
    assert shares == sorted(shares, reverse=True)
    assert (shares[0], shares[-1]) == (0.60, 0.05)


def test_prompt_is_the_question_on_a_line_of_its_own():
    assert format_prompt(" How many? \n") == "How many?\n"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1+1=2\n#### 2", 2),
        ("#### 3\n#### 12 ", 12),
        ("#### -4", -4),
        ("12", None),
        ("#### 3 4", None),
        ("#### 3\n####", None),
    ],
)
def test_final_number_is_read_after_the_last_mark(text, number):
    assert extract_answer(text) == number
