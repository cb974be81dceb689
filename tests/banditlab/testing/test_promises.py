import functools

import pytest

from banditlab.testing import Promises, promises
from banditlab.testing.promises import joined, promises_of


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"reward_shift": "ignore"}, r"`reward_shift` must be .*, got 'ignore'. Did you mean 'ign"),
        ({"reward_scale": "either"}, r"`reward_scale` must be .*, got 'either'"),
        ({"singleton_group": "one"}, r"`singleton_group` must be .*, got 'one'"),
        ({"unit_deviation": "bessel"}, r"`unit_deviation` must be .*, got 'bessel'"),
        ({"level": "response"}, r"`level` must be .*, got 'response'"),
        ({"averaging": "mean"}, r"`averaging` must be .*, got 'mean'"),
        ({"namespaces": ("jax",)}, r"`namespaces` must be a known array namespace, got 'jax'"),
        ({"clip_low": -0.2}, r"`clip_low` must be a finite number in \[0, inf\], got -0.2"),
        ({"clip_high": float("inf")}, r"`clip_high` must be a finite number"),
        ({"dual_clip": float("nan")}, r"`dual_clip` must be a finite number"),
        ({"multiplier": -1.0}, r"`multiplier` must be a finite number in \[0, inf\], got -1.0"),
        ({"max_abs_log_ratio": -1.0}, r"`max_abs_log_ratio` must be a finite number"),
        (
            {"averaging": "constant_length"},
            r"`max_tokens` must be given if and only .* got None",
        ),
        ({"max_tokens": 8}, r"`max_tokens` must be given if and only if .*, got 8"),
    ],
)
def test_impossible_promises_are_refused(declared, message):
    with pytest.raises(ValueError, match=f"^Promises: {message}"):
        promises(**declared)


def test_a_promise_that_does_not_exist_is_refused():
    with pytest.raises(TypeError, match="unexpected keyword argument 'scale'"):
        promises(scale=2.0)


def test_the_default_contract_is_reinforce():
    contract = Promises()
    assert contract.on_policy_scale == contract.expected_scale == 1.0
    assert (contract.averaging, contract.level) == ("token_mean", "token")
    assert not contract.couples_samples
    assert not contract.couples_groups
    assert contract.max_abs_log_ratio == 20.0
    assert contract.changed() == {}


def test_what_is_promised_differently_is_told():
    assert Promises(clip_low=0.2, level="sequence").changed() == {
        "clip_low": 0.2,
        "level": "sequence",
    }


def test_kinks_are_the_ratios_at_which_the_weight_jumps():
    assert Promises(clip_low=0.25, clip_high=0.5, dual_clip=3.0).kinks == (0.75, 1.5, 3.0)
    assert Promises(clip_high=0.5).kinks == (1.5,)
    # A width of 1 reaches down to the ratio 0, which no sample has.
    assert Promises(clip_low=1.0, clip_high=0.28).kinks == (1.28,)
    assert Promises().kinks == ()


@promises(multiplier=0.5)
def declared(log_prob, old_log_prob, advantage, *, price=1.0):
    return price * advantage


def test_a_rule_carries_its_promises_also_under_partial():
    assert promises_of(declared).multiplier == 0.5
    twice = functools.partial(functools.partial(declared, price=2.0), price=3.0)
    assert promises_of(twice).multiplier == 0.5
    assert promises_of(len) is None
    assert promises_of(functools.partial(len)) is None


def test_the_decorator_gives_the_function_back():
    assert declared(0.0, 0.0, 1.0, price=2.0) == 2.0
    assert declared.__name__ == "declared"


def test_a_rule_promises_what_its_parts_do():
    of_advantage = Promises(
        expected_scale=lambda size: (size - 1) / size,
        reward_shift="ignored",
        reward_scale="ignored",
        reward_scale_error=1e-4,
        unit_deviation="sample",
        couples_groups=True,
        singleton_group="raw",
        # Of the weight alone, so not taken from here.
        clip_low=0.9,
    )
    of_weight = Promises(on_policy_scale=3.0, clip_low=0.2, couples_samples=True, level="sequence")
    both = joined(of_advantage, of_weight)
    assert both.expected_scale(4) == 3.0 * 3 / 4
    assert (both.clip_low, both.level, both.couples_samples) == (0.2, "sequence", True)
    for name in (
        "reward_shift",
        "reward_scale",
        "reward_scale_error",
        "unit_deviation",
        "couples_groups",
        "singleton_group",
    ):
        assert getattr(both, name) == getattr(of_advantage, name)


@pytest.mark.parametrize(
    ("of_advantage", "of_weight", "expected"),
    [(2.0, 3.0, 6.0), (None, 3.0, None), (2.0, None, None)],
)
def test_scales_of_the_parts_are_multiplied(of_advantage, of_weight, expected):
    both = joined(Promises(expected_scale=of_advantage), Promises(on_policy_scale=of_weight))
    assert both.expected_scale == expected


def test_either_part_may_excuse_a_step_that_does_not_improve():
    excused, strict = Promises(no_improvement="it explores"), Promises()
    assert joined(excused, strict).no_improvement == "it explores"
    assert joined(strict, excused).no_improvement == "it explores"
    assert joined(strict, strict).no_improvement == ""
