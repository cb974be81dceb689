"""The recipe: its rows, its tokenizer and its first losses equal the recorded ones."""

import json
from dataclasses import replace

import numpy as np
import pytest
from transformers import AutoTokenizer

from llm_bridge.embedded import HELDOUT_FILE, MODEL_DIR, TRAIN_FILE
from llm_bridge.embedded.build import train_tokenizer
from llm_bridge.embedded.corpus import MAX_NEW_TOKENS, format_prompt, hash_rows
from llm_bridge.embedded.measure import extract_answer
from llm_bridge.embedded.recipe import (
    Recipe,
    build_model,
    learning_rate_at,
    pretrain,
)

RECORDED = json.loads((MODEL_DIR / "recipe.json").read_text())
NUM_CHECKED = 20
TOKENIZER = AutoTokenizer.from_pretrained(MODEL_DIR)


@pytest.fixture(scope="module")
def splits():
    return Recipe().make_splits()


def read_rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def first_losses(splits, recipe):
    model = build_model(recipe, TOKENIZER)
    return pretrain(model, TOKENIZER, splits.pretraining, recipe, stop_after=NUM_CHECKED)


def test_corpus_hashes_equal_the_recorded_ones(splits):
    assert hash_rows(splits.pretraining) == RECORDED["corpus_sha256"]
    assert hash_rows(splits.train) == RECORDED["train_sha256"]
    assert hash_rows(splits.heldout) == RECORDED["heldout_sha256"]


def test_shipped_files_hold_the_recorded_rows():
    assert hash_rows(read_rows(TRAIN_FILE)) == RECORDED["train_sha256"]
    assert hash_rows(read_rows(HELDOUT_FILE)) == RECORDED["heldout_sha256"]


def test_no_question_is_in_two_splits(splits):
    train, heldout, pretraining = (
        {row["question"] for row in rows}
        for rows in (splits.train, splits.heldout, splits.pretraining)
    )
    assert len(train) == len(splits.train) == 512
    assert len(heldout) == len(splits.heldout) == 512
    assert not train & heldout
    assert not pretraining & (train | heldout)


def test_clean_rows_are_right(splits):
    for row in splits.train + splits.heldout:
        *steps, _ = row["answer"].split("\n")
        for calculation, result in (line.split("=") for line in steps):
            assert eval(calculation) == int(result)
        assert int(result) == extract_answer(row["answer"])


def test_recipe_gives_the_recorded_first_losses_and_mutants_do_not(splits):
    recipe = Recipe()
    recorded = RECORDED["first_losses"][:NUM_CHECKED]
    np.testing.assert_allclose(first_losses(splits, recipe), recorded, rtol=1e-4)
    for mutant in (replace(recipe, seed=recipe.seed + 1), replace(recipe, learning_rate=2e-3)):
        assert not np.allclose(first_losses(splits, mutant), recorded, rtol=1e-4)


def test_defaults_are_the_recorded_recipe():
    assert RECORDED["recipe"] == json.loads(json.dumps(vars(Recipe())))
    assert RECORDED["max_new_tokens"] == MAX_NEW_TOKENS


def test_recipe_trains_the_shipped_tokenizer(splits):
    built = train_tokenizer(splits, Recipe())
    assert built.backend_tokenizer.to_str() == TOKENIZER.backend_tokenizer.to_str()


def test_prompt_and_answer_are_cut_at_the_same_place_together_and_apart(splits):
    for row in splits.train[:100]:
        prompt = format_prompt(row["question"])
        apart = TOKENIZER(prompt)["input_ids"] + TOKENIZER(row["answer"])["input_ids"]
        assert TOKENIZER(prompt + row["answer"])["input_ids"] == apart


def test_corpus_answers_fit_the_response_limit(splits):
    # A digit is a token, so the longest answer in tokens is among the longest in characters.
    answers = sorted({row["answer"] for row in splits.pretraining}, key=len)[-500:]
    longest = max(len(ids) + 1 for ids in TOKENIZER(answers)["input_ids"])
    assert longest <= 36 < MAX_NEW_TOKENS


def test_learning_rate_warms_up_and_ends_near_zero():
    recipe = Recipe(num_steps=1000, warmup_steps=10, learning_rate=1.0)
    assert learning_rate_at(recipe, 0) == pytest.approx(0.1)
    assert learning_rate_at(recipe, 500) == pytest.approx(0.5)
    assert learning_rate_at(recipe, 999) < 1e-5


def test_too_few_rows_are_refused():
    recipe = Recipe()
    rows = [{"question": "How many?", "answer": "#### 1"}]
    with pytest.raises(ValueError, match="`rows` must be at least one batch of 32, got 1"):
        pretrain(build_model(recipe, TOKENIZER), TOKENIZER, rows, recipe)


def test_a_loss_that_blows_up_is_named_with_its_step(splits):
    recipe = Recipe(learning_rate=1e38)
    with pytest.raises(FloatingPointError, match=r"got nan at step 2\. Lower `learning_rate`"):
        pretrain(build_model(recipe, TOKENIZER), TOKENIZER, splits.pretraining, recipe)
