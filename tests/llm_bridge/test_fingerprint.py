from dataclasses import replace

import pytest
import torch

from llm_bridge.fingerprint import fingerprint, frozen_names
from llm_bridge.tasks import load_task
from tests.llm_bridge.small_model import ROWS_FILE

TASK = load_task(str(ROWS_FILE), take=3)


def make_model():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 2)).bfloat16()
    model[0].requires_grad_(False)
    return model


def move(model, layer):
    with torch.no_grad():
        model[layer].bias[1] += 0.25
    return model


def test_frozen_weights_are_those_without_gradient_tied_ones_under_both_names():
    model = make_model()
    assert frozen_names(model) == {"0.weight", "0.bias"}
    model[1].weight = model[0].weight
    assert frozen_names(model) == {"0.weight", "0.bias", "1.weight"}


def test_what_is_read_anew_changes_it_and_what_is_trained_does_not():
    ours = fingerprint([TASK], [make_model()])
    assert ours == fingerprint([TASK], [make_model()])
    assert ours == fingerprint([TASK], [move(make_model(), 1)])
    assert ours != fingerprint([TASK], [move(make_model(), 0)])
    assert ours != fingerprint([TASK, TASK], [make_model()])


@pytest.mark.parametrize("name", ["prompts", "answers"])
def test_every_row_counts(name):
    values = getattr(TASK, name)
    changed = replace(TASK, **{name: (*values[:-1], values[-1] + "0")})
    assert fingerprint([changed], []) != fingerprint([TASK], [])
