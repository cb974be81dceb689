"""What a claim, a mutant and their objects refuse."""

from dataclasses import replace

import numpy as np
import pytest

from tests.theory.verify.made_up import made_up_claim, sampled_claim
from theory.verify.claim import Mutant
from theory.verify.measurement import Measurement

CLAIM = made_up_claim(1.0, 3.0)


def test_entry_and_kind_come_from_id_and_statistic():
    assert CLAIM.entry == "P0"
    assert CLAIM.is_exact
    assert not sampled_claim().is_exact


def test_distances_refuse_another_shape():
    with pytest.raises(ValueError, match=r"`predicted` must be of the shape measured, \(1,\)"):
        CLAIM.distances(np.zeros(2), Measurement.exact(1.0))


def test_sizes_cannot_be_changed_afterwards():
    with pytest.raises(TypeError):
        CLAIM.size["quick"] = 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mutants": ()}, "`mutants` must be at least one wrong prediction"),
        ({"statistic": "ks"}, "`statistic` must be one of difference, bound, z, .*, got 'ks'"),
        ({"tolerance": 1.0, "mutant_tolerance": 0.5}, "`tolerance` must be above 0 and below"),
        ({"size": {"quick": 1}}, "`size` must be given for the budgets quick, full"),
        ({"expected_verdict": "fails"}, "`expected_verdict` must be one of holds, rejected"),
        ({"expected_verdict": "rejected"}, "`evidence` must be given exactly where"),
        ({"evidence": "it is 2"}, "`evidence` must be given exactly where"),
    ],
)
def test_wrong_claims_are_refused_in_a_sentence(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(CLAIM, **changes)


def test_a_sampled_claim_takes_no_tolerance_that_could_be_widened():
    with pytest.raises(ValueError, match="`tolerance` must be left out for a sampled statistic"):
        replace(sampled_claim(), tolerance=4.0)
    with pytest.raises(ValueError, match="take more samples instead"):
        replace(sampled_claim(), mutant_tolerance=3.0)


def test_a_mutant_is_a_wrong_number_or_a_wrong_rule():
    assert Mutant("number", lambda: 0.0).experiment is None
    with pytest.raises(ValueError, match="`predicted` must be given, or else `experiment`"):
        Mutant("neither")
    with pytest.raises(ValueError, match="and not both, got both"):
        Mutant("both", lambda: 0.0, lambda rng, size: Measurement.exact(0.0))
