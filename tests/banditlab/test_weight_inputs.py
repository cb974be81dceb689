"""What every weight refuses, word for word, and its kinks; test_weights.py has the gradients."""

import functools
import re

import numpy as np
import pytest
import torch

from banditlab.weights import (
    bounded_ratio_variance_weight,
    cispo_weight,
    clipped_weight,
    dual_clipped_weight,
    policy_gradient_weight,
    probability_ratio,
    ratio_variance_weight,
    topr_weight,
)

WIDTHS = {"clip_low": 0.2, "clip_high": 0.2}
WEIGHTS = {
    "policy_gradient_weight": policy_gradient_weight,
    "clipped_weight": functools.partial(clipped_weight, **WIDTHS),
    "cispo_weight": functools.partial(cispo_weight, **WIDTHS),
    "topr_weight": topr_weight,
    "ratio_variance_weight": functools.partial(ratio_variance_weight, multiplier=0.1),
    "bounded_ratio_variance_weight": functools.partial(
        bounded_ratio_variance_weight, multiplier=0.1
    ),
}
FUNCTIONS = {function.__name__: function for function in (clipped_weight, cispo_weight)}


@pytest.mark.parametrize("argument", ["old_log_prob", "advantage"])
@pytest.mark.parametrize("name", [*WEIGHTS, "dual_clipped_weight"])
def test_another_shape_of_either_argument_is_answered_in_full(name, argument):
    """[3] would broadcast to [3, 1]. The dual clip leaves shapes to the clip that it extends."""
    dual = functools.partial(dual_clipped_weight, **WIDTHS, dual_clip=3.0)
    arrays = dict.fromkeys(("log_prob", "old_log_prob", "advantage"), np.zeros((3, 1)))
    said = name.removeprefix("dual_")
    message = (
        f"{said}: `{argument}` must be of the shape of `log_prob`, (3, 1), got (3,). Nothing is"
        " broadcast; reshape or expand it first."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        WEIGHTS.get(name, dual)(**{**arrays, argument: np.zeros(3)})


@pytest.mark.parametrize(
    ("widths", "message"),
    [
        (
            {"clip_low": 1.5},
            "`clip_low` must be a finite number in [0, 1], got 1.5. The ratio is kept above"
            " 1 - clip_low; 0.2 is usual.",
        ),
        (
            {"clip_high": -0.5},
            "`clip_high` must be a finite number in [0, inf], got -0.5. The ratio is kept below"
            " 1 + clip_high; 0.2 is usual.",
        ),
    ],
)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_impossible_widths_are_answered_in_full(name, widths, message):
    with pytest.raises(ValueError, match=f"^{re.escape(f'{name}: {message}')}$"):
        FUNCTIONS[name](*np.zeros((3, 1)), **{**WIDTHS, **widths})


def test_an_impossible_dual_clip_is_answered_in_full():
    message = (
        "dual_clipped_weight: `dual_clip` must be a finite number in (1, inf], got 1.0. At 1 or"
        " below, fresh samples of negative advantage would not count; 3 is usual."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        dual_clipped_weight(*np.zeros((3, 1)), **WIDTHS, dual_clip=1.0)


@pytest.mark.parametrize(
    ("multiplier", "condition"),
    [
        (-1.0, "a finite number in [0, inf], got -1.0"),
        (np.array([-1.0]), "finite and at least 0 throughout, got an array with other entries"),
    ],
)
def test_an_impossible_multiplier_is_answered_in_full(multiplier, condition):
    for weight in (ratio_variance_weight, bounded_ratio_variance_weight):
        message = (
            f"{weight.__name__}: `multiplier` must be {condition}. A negative price would reward"
            " divergence; 0 switches the penalty off."
        )
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            weight(*np.zeros((3, 1)), multiplier=multiplier)


@pytest.mark.parametrize("other", range(3))
@pytest.mark.parametrize("name", ["clipped_weight", "cispo_weight", "topr_weight"])
def test_arrays_of_two_libraries_are_refused(name, other):
    arrays = [torch.zeros(2) if place == other else np.zeros(2) for place in range(3)]
    with pytest.raises(TypeError, match="Multiple namespaces for array inputs"):
        WEIGHTS[name](*arrays)


@pytest.mark.parametrize(("one", "other"), [(np.zeros, torch.zeros), (torch.zeros, np.zeros)])
def test_a_ratio_of_two_libraries_is_refused(one, other):
    with pytest.raises(TypeError, match="Multiple namespaces for array inputs"):
        probability_ratio(one(2), other(2))


def test_a_bad_sample_on_the_kink_of_the_dual_clip_still_counts():
    log_prob = np.array([1.25])
    (ratio,) = np.exp(log_prob)
    found = dual_clipped_weight(
        log_prob, np.zeros(1), -np.ones(1), **WIDTHS, dual_clip=float(ratio)
    )
    assert found == -ratio
