"""Judging claims: verdicts, mutants, planted errors, seeds and processes."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.theory.verify.made_up import made_up_claim, sampled_claim
from theory.verify.claim import Mutant
from theory.verify.measurement import Measurement
from theory.verify.run import FAMILY_WISE_RATE, gather_evidence, verify_claims


def verify_one(claim, **how):
    [result] = verify_claims([claim], **how)
    return result


@pytest.mark.parametrize(
    ("measured", "mutant", "changes", "is_good"),
    [
        (1.05, 3.0, {}, True),
        (1.2, 3.0, {}, False),
        (1.05, 1.5, {}, False),
        (np.nan, 3.0, {}, False),
        (1.05, np.nan, {}, False),
        (1.2, 3.0, {"expected_verdict": "rejected", "evidence": "it is 1.2"}, True),
        (1.05, 3.0, {"expected_verdict": "rejected", "evidence": "it is 1.2"}, False),
    ],
)
def test_claim_passes_only_if_it_holds_as_expected_and_every_mutant_is_rejected(
    measured, mutant, changes, is_good
):
    result = verify_one(made_up_claim(measured, mutant, **changes))
    assert result.is_as_expected is is_good
    json.dumps(result.as_dict(), allow_nan=False)


def test_a_mutated_rule_is_run_and_compared_with_the_right_prediction():
    broken = Mutant("measures 3", experiment=lambda rng, size: Measurement.exact(3.0))
    fine = Mutant("measures 1", experiment=lambda rng, size: Measurement.exact(1.0))
    result = verify_one(made_up_claim(1.0, 3.0, mutants=(broken, fine)))
    assert [mutant.is_rejected for mutant in result.mutants] == [True, False]
    assert result.mutants[0].statistic == 2.0


def test_a_mutated_rule_has_randomness_of_its_own():
    def measure(rng, size):
        return Measurement.mean_of_runs(rng.random(size))

    claim = sampled_claim(experiment=measure, mutants=(Mutant("the same", experiment=measure),))
    evidence = gather_evidence(claim, size=50, seed=0)
    assert evidence.measurement.value != evidence.mutants[0][1].value


@pytest.mark.parametrize(
    ("measured", "verdict", "tightness"), [(0.9, "holds", 0.9), (1.1, "rejected", 1.1)]
)
def test_a_bound_holds_below_and_tells_how_far_it_is_filled(measured, verdict, tightness):
    changes = {"statistic": "bound", "tolerance": 1e-12, "mutant_tolerance": 1e-3}
    result = verify_one(made_up_claim(measured, 0.5, **changes))
    assert result.verdict == verdict
    assert result.tightness == pytest.approx(tightness)
    assert not result.is_powerless
    assert verify_one(made_up_claim(0.05, 0.01, **changes)).is_powerless


def test_a_sampled_claim_reports_p_value_and_the_error_that_it_finds():
    result = verify_one(sampled_claim())
    assert result.verdict == "holds"
    assert result.p_value > FAMILY_WISE_RATE
    # 400 runs of spread .1: SE .005; the normal quantile of 1e-3 two-sided is 3.29.
    assert result.smallest_found_error == pytest.approx(2 * 3.29 * 0.005, rel=0.1)
    assert result.is_planted_error_found is True
    assert result.mutants[0].is_rejected


def test_a_wrong_sampled_statement_is_rejected_and_plants_nothing_when_expected():
    assert verify_one(sampled_claim(mean=1.1)).verdict == "rejected"
    known = sampled_claim(mean=1.1, expected_verdict="rejected", evidence="the mean is 1.1")
    result = verify_one(known)
    assert result.is_as_expected
    assert result.is_planted_error_found is None


def test_the_more_claims_the_lower_the_level_of_each():
    claims = [sampled_claim(id=f"P0-{index}") for index in range(20)]
    alone, among = verify_one(claims[0]), verify_claims(claims)[0]
    assert alone.p_value == among.p_value
    assert among.smallest_found_error > alone.smallest_found_error


def test_same_seed_gives_same_numbers_whatever_else_is_tested():
    first, other = sampled_claim(), sampled_claim(id="P0-other")
    both = verify_claims([other, first], seed=3)
    assert both[1].measured == verify_one(first, seed=3).measured != both[0].measured
    assert verify_one(first, seed=4).measured != both[1].measured


def test_processes_and_their_order_change_no_number():
    claims = [sampled_claim(id=f"P0-{index}") for index in range(3)]
    seen = []
    alone = verify_claims(claims, seed=2)
    apart = verify_claims(
        claims,
        seed=2,
        num_workers=2,
        first=lambda claim: int(claim.id[-1]),
        on_evidence=lambda claim: seen.append(claim.id),
    )
    assert [result.measured for result in alone] == [result.measured for result in apart]
    assert sorted(seen) == [claim.id for claim in claims]


def test_evidence_holds_what_each_mutant_is_compared_with():
    evidence = gather_evidence(made_up_claim(1.0, 3.0), size=1, seed=0)
    [(wrong, measured)] = evidence.mutants
    assert wrong == [3.0]
    assert measured is evidence.measurement
    assert evidence.seconds >= 0.0


def test_a_claim_that_fails_is_told_of_and_does_not_stop_the_others():
    def broken(rng, size):
        raise RuntimeError("the experiment broke")

    claims = [
        made_up_claim(1.0, 3.0, id="P0-broken", experiment=broken),
        made_up_claim(
            1.0, 3.0, id="P0-known", experiment=broken, expected_verdict="rejected", evidence="x"
        ),
        sampled_claim(id="P0-z", experiment=broken),
        made_up_claim(1.0, 3.0),
    ]
    for num_workers in (1, 2):
        results = verify_claims(claims, num_workers=num_workers)
        assert [result.is_as_expected for result in results] == [False, False, False, True]
        assert results[0].remarks() == ["could not be measured: RuntimeError: the experiment broke"]
        json.dumps([result.as_dict() for result in results], allow_nan=False)


def test_wrong_inputs_are_refused_in_a_sentence():
    claim = made_up_claim(1.0, 3.0)
    with pytest.raises(ValueError, match="`budget` must be a known budget"):
        verify_one(claim, budget="huge")
    with pytest.raises(ValueError, match="`seed` must be at least 0"):
        verify_one(claim, seed=-1)
    with pytest.raises(ValueError, match="`num_workers` must be at least 1"):
        verify_one(claim, num_workers=0)
    with pytest.raises(ValueError, match="`predicted` must be of the shape measured"):
        verify_one(replace(claim, predicted=lambda: np.zeros(2)))


def test_a_bound_on_a_mean_far_below_it_holds_and_is_not_said_to_be_tight():
    bound = sampled_claim(
        mean=0.5, statistic="expected_bound", mutants=(Mutant("two fifths", lambda: 0.4),)
    )
    result = verify_one(bound)
    assert result.verdict == "holds"
    assert result.tightness == pytest.approx(0.5, rel=0.05)
    assert result.smallest_found_error == pytest.approx(0.5, abs=0.05)
    assert result.is_planted_error_found is None
