from dataclasses import replace
from types import SimpleNamespace

import pytest

from banditlab.cli import main
from llm_bridge.prompt_room import require_room
from llm_bridge.train import train
from tests.llm_bridge.training import SMALL


def model(positions):
    config = SimpleNamespace(max_position_embeddings=positions)
    return SimpleNamespace(config=SimpleNamespace(get_text_config=lambda: config))


PROMPTS = [[1] * 3, [1] * 7, [1] * 5]


def test_prompts_that_just_fit_are_taken():
    require_room(model(10), PROMPTS, max_new_tokens=3, max_prompt_tokens=7)
    require_room(model(None), PROMPTS, max_new_tokens=1000)


def test_a_prompt_longer_than_the_limit_is_named_with_how_many_there_are():
    with pytest.raises(
        ValueError,
        match=r"`max_prompt_tokens` must be at least 7, the tokens of the longest training prompt "
        r"\(number 1, from 0\), got 4, which 2 of 3 prompts exceed\. Raise",
    ):
        require_room(model(100), PROMPTS, max_new_tokens=3, max_prompt_tokens=4)


def test_a_response_without_room_in_the_context_is_refused_with_the_room_there_is():
    with pytest.raises(
        ValueError,
        match=r"`max_new_tokens` must be at most 3: the model has 10 positions, .*7, got 4",
    ):
        require_room(model(10), PROMPTS, max_new_tokens=4, kind="held-out")


def test_training_checks_its_prompts_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match=r"train: `max_prompt_tokens` must be at least \d+,"):
        train(replace(SMALL, max_prompt_tokens=5), tmp_path / "run", progress=False)
    with pytest.raises(ValueError, match=r"train: `max_new_tokens` must be at most 4\d\d: "):
        train(replace(SMALL, max_new_tokens=500), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_an_evaluation_does_too(capsys):
    assert main(["evaluate", "--take", "2", "--max-new-tokens", "512"]) == 2
    assert "evaluate: `max_new_tokens` must be at most" in capsys.readouterr().err
