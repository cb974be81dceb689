"""Where a library has our rule: the same gradient to 1e-12, which every mutant of ours misses."""

from functools import partial

import numpy as np
import pytest

from banditlab import advantages, weights
from banditlab.testing.peers.peer import find_peers
from tests.peers.differential import largest_error

TOLERANCE = 1e-12
LARGER_TOLERANCE = {
    # A response's token count + 1e-8 is the divisor.
    "openrlhf/ppo(token_level_loss=False)": 1.1e-8,
    "openrlhf/gspo": 1.1e-8,
    "verl/vanilla(seq-mean-token-mean)": 1.1e-8,
    "verl/gspo(seq-mean-token-mean)": 1.1e-8,
    # Bessel's factor G / (G - 1) is computed in float32.
    "trl/advantage(scale_rewards=group)": 6e-8,
}
SAME = [peer for peer in find_peers() if peer.ours is not None]


def _loaded(peer):
    if peer.installed_version() is None:
        pytest.skip(f"{peer.library} is not installed; make test-peers installs it")
    return peer.load()


def _tolerance(peer):
    return LARGER_TOLERANCE.get(peer.full_name, TOLERANCE)


def _mutants(ours):
    """Our function with one mistake each."""
    function, hyper = getattr(ours, "func", ours), getattr(ours, "keywords", {})
    if function in (
        weights.clipped_weight,
        weights.dual_clipped_weight,
        weights.cispo_weight,
    ):
        for name in hyper:
            factor = 1.3 if name == "dual_clip" else 0.5
            yield f"{name} x {factor}", partial(function, **{**hyper, name: hyper[name] * factor})
    if function in vars(weights).values():
        if function is not weights.policy_gradient_weight:
            yield "no clip", weights.policy_gradient_weight
        yield "ratio dropped", lambda log_prob, old, advantage: advantage
        yield (
            "ratio upside down",
            lambda log_prob, old, advantage: ours(old, log_prob, advantage),
        )
        yield (
            "sign of the advantage",
            lambda log_prob, old, advantage: -ours(log_prob, old, -advantage),
        )
    else:
        yield "raw", advantages.raw
        yield "scaled", lambda reward: 1.001 * ours(reward)
        if function is advantages.standardized:
            yield "ddof", partial(function, **{**hyper, "ddof": 1 - hyper["ddof"]})
            yield "eps", partial(function, **{**hyper, "eps": 10 * hyper["eps"]})


@pytest.mark.parametrize("peer", SAME, ids=lambda peer: peer.full_name)
def test_a_rule_that_is_ours_has_our_gradient(peer):
    function = _loaded(peer)
    assert largest_error(peer, function, peer.ours) < _tolerance(peer)


@pytest.mark.parametrize("peer", SAME, ids=lambda peer: peer.full_name)
def test_no_mutant_of_ours_passes(peer):
    function = _loaded(peer)
    names = [name for name, _ in _mutants(peer.ours)]
    assert names
    for name, mutant in _mutants(peer.ours):
        if name == "sign of the advantage" and _is_odd(peer.ours):
            continue
        with np.errstate(all="ignore"):
            error = largest_error(peer, function, mutant)
        assert error > max(5 * _tolerance(peer), 1e-9 if name == "eps" else 1e-4), name


def _is_odd(ours):
    """Whether a rule treats both signs alike, so that turning them round is no mutation."""
    return getattr(ours, "func", ours) in (weights.policy_gradient_weight, weights.cispo_weight)
