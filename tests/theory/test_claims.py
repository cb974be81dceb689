"""The claims as data: complete, well-formed, explained; what a claim object refuses."""

from dataclasses import replace

import numpy as np
import pytest

from theory.verify.catalogue import CLAIMS
from theory.verify.claim import BUDGETS, Measurement, Mutant
from theory.verify.explain import docstring_section, explain_claim

IDS = [claim.id for claim in CLAIMS]


def test_ids_are_distinct_and_the_entries_are_covered():
    assert len(set(IDS)) == len(IDS)
    assert {claim.entry for claim in CLAIMS} == {"P15", "P16", "P17", "P26", "P40"}
    for rule in ("raw_reward", "leave_one_out", "group_mean", "grpo"):
        assert any(c.entry == "P26" and rule in c.tags for c in CLAIMS)


@pytest.mark.parametrize("claim", CLAIMS, ids=IDS)
def test_claim_says_all_that_a_reader_needs(claim):
    text = explain_claim(claim)
    for word in ("Statement: ", "Regime: ", "Derivation: ", "Source: ", "Decision: ", "Mutants: "):
        assert word in text
    for function in claim.theory:
        assert docstring_section(function, "Assumes")
        assert docstring_section(function, "Derivation")
    assert claim.entry in claim.tags
    assert (claim.statistic == "z") == ("sampled" in claim.tags)
    assert (claim.statistic == "z") == (claim.false_alarm_rate > 0.0)
    if claim.statistic == "z":
        assert (claim.tolerance, claim.mutant_tolerance) == (4.0, 8.0)
    else:
        assert claim.mutant_tolerance >= 10.0 * claim.tolerance


@pytest.mark.parametrize("claim", CLAIMS, ids=IDS)
def test_mutants_differ_from_the_prediction_and_keep_its_shape(claim):
    predicted = np.atleast_1d(claim.predicted())
    for mutant in claim.mutants:
        wrong = np.atleast_1d(mutant.predicted())
        assert wrong.shape == predicted.shape, mutant.what
        assert np.isfinite(wrong).all()
        assert np.abs(wrong - predicted).max() > 0.0, mutant.what


def test_distances_are_absolute_or_in_standard_errors():
    exact, sampled = (next(c for c in CLAIMS if c.statistic == s) for s in ("difference", "z"))
    measurement = Measurement(np.array([1.0, 3.0]), np.array([0.5, 0.25]))
    np.testing.assert_array_equal(exact.distances([0.0, 4.0], measurement), [1.0, 1.0])
    np.testing.assert_array_equal(sampled.distances([0.0, 4.0], measurement), [2.0, 4.0])
    with pytest.raises(ValueError, match="`predicted` must be of the shape measured"):
        exact.distances([0.0, 1.0, 2.0], measurement)


def test_mean_of_runs_has_its_standard_error():
    measurement = Measurement.mean_of_runs([1.0, 2.0, 3.0, 6.0])
    assert measurement.value == pytest.approx([3.0])
    assert measurement.standard_error == pytest.approx([np.sqrt(14.0 / 3.0 / 4.0)])


def test_wrong_claims_are_refused_in_a_sentence():
    claim = CLAIMS[0]
    with pytest.raises(ValueError, match="`mutants` must be at least one wrong prediction"):
        replace(claim, mutants=())
    with pytest.raises(ValueError, match="`statistic` must be one of difference, z, got 'ks'"):
        replace(claim, statistic="ks")
    with pytest.raises(ValueError, match="`tolerance` must be above 0 and below"):
        replace(claim, tolerance=1.0, mutant_tolerance=0.5)
    with pytest.raises(ValueError, match="`size` must be given for the budgets quick, full"):
        replace(claim, size={"quick": 1})
    assert set(claim.size) == set(BUDGETS)
    assert Mutant("what", lambda: 0.0).what == "what"
