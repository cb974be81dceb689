"""The shipped model, its tokenizer, and the recipe that made them."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer

from llm_bridge.embedded import HELDOUT_FILE, MODEL_DIR, TRAIN_FILE
from llm_bridge.embedded.corpus import format_prompt
from llm_bridge.embedded.measure import (
    Responses,
    count_distinct,
    measure_pass_rate,
    sample_responses,
)

RECORDED = json.loads((MODEL_DIR / "recipe.json").read_text())
NUM_CHECKED = 20
TOKENIZER = AutoTokenizer.from_pretrained(MODEL_DIR)


@pytest.fixture(scope="module")
def model():
    return AutoModelForCausalLM.from_pretrained(MODEL_DIR)


@pytest.fixture(scope="module")
def heldout():
    return [json.loads(line) for line in HELDOUT_FILE.read_text().splitlines()]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text())
def test_tokenizer_gives_any_text_back(text):
    token_ids = TOKENIZER(text)["input_ids"]
    assert TOKENIZER.decode(token_ids) == text


def test_every_byte_survives_the_tokenizer():
    # All code points of two bytes use every continuation byte; four-byte ones the last lead bytes.
    text = "".join(map(chr, range(0x800))) + "".join(map(chr, range(0xE000, 0x110000, 997)))
    assert TOKENIZER.decode(TOKENIZER(text)["input_ids"]) == text
    assert sum(len(token) == 1 for token in TOKENIZER.get_vocab()) == 256


def test_digits_are_single_tokens():
    assert TOKENIZER.tokenize("1234") == ["1", "2", "3", "4"]


def test_shipped_folder_loads_as_a_llama_model_of_the_recorded_size(model):
    assert type(model).__name__ == "LlamaForCausalLM"
    assert sum(parameter.numel() for parameter in model.parameters()) == RECORDED["num_parameters"]
    assert model.config.vocab_size == len(TOKENIZER) == RECORDED["vocab_size"]
    assert model.dtype == torch.float32
    assert model.config.eos_token_id == TOKENIZER.eos_token_id
    assert TOKENIZER.pad_token_id not in (None, TOKENIZER.eos_token_id)


def test_shipped_files_take_at_most_two_megabytes():
    files = [*MODEL_DIR.iterdir(), TRAIN_FILE, HELDOUT_FILE]
    assert {"model.safetensors", "tokenizer.json", "config.json", "README.md"} <= {
        path.name for path in files
    }
    assert sum(path.stat().st_size for path in files) <= 2_000_000


def test_generation_config_filters_nothing(model):
    settings_ = model.generation_config
    assert settings_.do_sample
    assert (settings_.temperature, settings_.top_k, settings_.top_p) == (1.0, 0, 1.0)


def test_recorded_base_pass_rate_is_in_the_target_range():
    base = RECORDED["base"]
    assert base["num_samples"] >= 2048
    assert 0.25 <= base["pass_rate"] <= 0.35
    assert base["standard_error"] < 0.01


def test_pass_rate_measured_again_agrees_with_the_recorded_one(model, heldout):
    generator = torch.Generator().manual_seed(1)
    questions = [row["question"] for row in heldout]
    responses = sample_responses(model, TOKENIZER, questions, 4, generator)
    again = measure_pass_rate(heldout, responses)
    assert again.num_samples == 2048
    base = RECORDED["base"]
    error = np.hypot(again.standard_error, base["standard_error"])
    # False alarm 6e-5; a pass rate off by 0.1 sits beyond 8 standard errors.
    assert abs(again.mean - base["pass_rate"]) < 4 * error
    assert 8 * error < 0.1
    assert abs(-responses.log_prob.mean() - base["entropy_nats"]) < 0.4


def test_sampled_log_probs_are_those_of_one_full_pass(model, heldout):
    generator = torch.Generator().manual_seed(2)
    question = heldout[0]["question"]
    responses = sample_responses(model, TOKENIZER, [question], 8, generator)
    prompt = TOKENIZER(format_prompt(question))["input_ids"]
    for text, log_prob, is_finished in zip(
        responses.text[0], responses.log_prob[0], responses.is_finished[0], strict=True
    ):
        assert is_finished
        answer = [*TOKENIZER(text)["input_ids"], TOKENIZER.eos_token_id]
        with torch.no_grad():
            logits = model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
        full = logits.double().log_softmax(-1).gather(-1, torch.tensor(answer)[:, None]).sum()
        assert log_prob == pytest.approx(full.item(), rel=1e-4)


def test_response_samples_repeat_with_the_seed(model, heldout):
    questions = [row["question"] for row in heldout[:4]]
    draws = [
        sample_responses(model, TOKENIZER, questions, 4, torch.Generator().manual_seed(seed))
        for seed in (3, 3, 4)
    ]
    assert draws[0].text == draws[1].text != draws[2].text


def test_unfinished_responses_fail_and_repeated_ones_count_once():
    responses = Responses(
        text=[["#### 5", "#### 5", "#### 4", "5"]],
        log_prob=np.zeros((1, 4)),
        length=np.full((1, 4), 3),
        is_finished=np.array([[True, False, True, True]]),
    )
    measured = measure_pass_rate([{"question": "", "answer": "#### 5"}], responses)
    assert (measured.mean, measured.num_samples) == (0.25, 4)
    assert measured.standard_error == pytest.approx(np.sqrt(0.25 / 4))
    assert count_distinct(responses).tolist() == [3]


def test_importing_the_folder_paths_and_prompt_format_loads_no_torch():
    code = (
        "import sys, llm_bridge.embedded, llm_bridge.embedded.corpus;"
        "print({'torch', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
