"""Testing claims: gather evidence for each, in parallel, then judge all of them together.

Holm's procedure over the sampled claims of a run keeps the probability that any true one of them
is rejected at 1e-3, however many there are.
"""

import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from theory.predict.conditions import require, require_known
from theory.verify.claim import BUDGETS, Claim
from theory.verify.measurement import Measurement
from theory.verify.power import planted, smallest_found_error
from theory.verify.results import MutantResult, Result
from theory.verify.statistics import furthest, holm, p_value

FAMILY_WISE_RATE = 1e-3
"""Largest probability that a run rejects any true sampled claim."""


@dataclass(frozen=True)
class Evidence:
    """What a claim is judged by.

    Attributes:
        predicted: the prediction, shape [n].
        measurement: the measurement, of n quantities.
        mutants: for each mutant the prediction and the measurement that are compared.
        seconds: wall time.
        problem: what went wrong where the claim could not be measured; then nothing else counts.
    """

    predicted: np.ndarray
    measurement: Measurement
    mutants: tuple[tuple[np.ndarray, Measurement], ...]
    seconds: float
    problem: str = ""

    @classmethod
    def missing(cls, claim: Claim, problem: str, seconds: float) -> "Evidence":
        """Return the evidence of a claim that could not be measured: no numbers.

        Args:
            claim: the claim.
            problem: what went wrong.
            seconds: wall time.

        Returns:
            The evidence, by which the claim is rejected and no mutant is.
        """
        nothing, unknown = np.full(1, np.nan), Measurement.exact(np.nan)
        return cls(nothing, unknown, ((nothing, unknown),) * len(claim.mutants), seconds, problem)


def _numbers(value: object) -> np.ndarray:
    return np.asarray(value, dtype=np.float64).ravel()


def gather_evidence(claim: Claim, size: int, seed: int) -> Evidence:
    """Run a claim's experiment, those of its mutants, and its predictions.

    A claim that fails is told of in its evidence and does not stop the others. The randomness
    depends on the seed and the id of the claim alone, so that a claim gives the same numbers
    whatever else is tested.

    Args:
        claim: the claim.
        size: size handed to its experiments.
        seed: seed of the experiments, at least 0.

    Returns:
        The evidence.
    """
    start = time.perf_counter()
    try:
        return _gather(claim, size, seed, start)
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
        return Evidence.missing(claim, problem, time.perf_counter() - start)


def _gather(claim: Claim, size: int, seed: int, start: float) -> Evidence:
    own_seed = [seed, zlib.crc32(claim.id.encode())]
    measurement = claim.experiment(np.random.default_rng(own_seed), size)
    predicted = _numbers(claim.predicted())
    mutants = []
    for index, mutant in enumerate(claim.mutants, start=1):
        if mutant.experiment is None:
            mutants.append((_numbers(mutant.predicted()), measurement))
        else:
            rng = np.random.default_rng([*own_seed, index])
            mutants.append((predicted, mutant.experiment(rng, size)))
    return Evidence(predicted, measurement, tuple(mutants), time.perf_counter() - start)


def _gather_one(index: int, claim: Claim, size: int, seed: int) -> tuple[int, Evidence]:
    return index, gather_evidence(claim, size, seed)


def gather_all(
    claims: Sequence[Claim], order: Iterable[int], budget: str, seed: int, num_workers: int
) -> Iterable[tuple[int, Evidence]]:
    """Gather the evidence for claims, several at a time.

    Args:
        claims: the claims.
        order: their indices, in the order in which they start.
        budget: "quick" or "full".
        seed: seed of the experiments.
        num_workers: processes; 1 stays in this one.

    Yields:
        Index and evidence, as they come.
    """
    tasks = [(index, claims[index], claims[index].size[budget], seed) for index in order]
    if num_workers == 1:
        return (_gather_one(*task) for task in tasks)
    from joblib import Parallel, delayed, parallel_config

    num_jobs = min(num_workers, len(tasks))
    with parallel_config("loky", n_jobs=num_jobs, inner_max_num_threads=1):
        run = Parallel(return_as="generator_unordered", batch_size=1)
        return run(delayed(_gather_one)(*task) for task in tasks)


def judge(claims: Sequence[Claim], evidence: Sequence[Evidence]) -> list[Result]:
    """Judge claims together: exact ones by their tolerance, sampled ones by Holm's procedure.

    Args:
        claims: the claims.
        evidence: the evidence for each.

    Returns:
        The results, in the order of the claims.
    """
    p_values = [
        p_value(claim.statistic, one.predicted, one.measurement)
        for claim, one in zip(claims, evidence, strict=True)
    ]
    sampled = [index for index, value in enumerate(p_values) if value is not None]
    is_rejected = dict(
        zip(sampled, holm([p_values[index] for index in sampled], FAMILY_WISE_RATE), strict=True)
    )
    level = FAMILY_WISE_RATE / max(1, len(sampled))
    return [
        _result(claim, one, p_values[index], is_rejected.get(index), level)
        for index, (claim, one) in enumerate(zip(claims, evidence, strict=True))
    ]


def _result(
    claim: Claim, evidence: Evidence, p: float | None, is_rejected: bool | None, level: float
) -> Result:
    predicted, measurement = evidence.predicted, evidence.measurement
    distance = claim.distances(predicted, measurement)
    worst = furthest(claim.statistic, predicted, measurement)
    if is_rejected is None:
        # A NaN compares false with everything: it must fail the statement and reject no mutant.
        is_rejected = not float(distance[worst]) < claim.tolerance
    found = None if evidence.problem else _found_error(claim, evidence, level)
    is_bound = claim.statistic in ("bound", "expected_bound")
    return Result(
        claim=claim,
        predicted=float(predicted[worst]),
        measured=float(measurement.value[worst]),
        standard_error=float(measurement.standard_error[worst]),
        statistic=float(distance[worst]),
        p_value=p,
        verdict="rejected" if is_rejected else "holds",
        mutants=tuple(
            _mutant_result(claim, mutant.what, *compared)
            for mutant, compared in zip(claim.mutants, evidence.mutants, strict=True)
        ),
        smallest_found_error=None if found is None else found[0],
        is_planted_error_found=None if found is None else found[1],
        tightness=float((measurement.value / predicted).min()) if is_bound else None,
        seconds=evidence.seconds,
        problem=evidence.problem,
    )


def _mutant_result(
    claim: Claim, what: str, predicted: np.ndarray, measurement: Measurement
) -> MutantResult:
    largest = float(claim.distances(predicted, measurement).max())
    return MutantResult(what, largest, largest > claim.mutant_tolerance)


def _found_error(
    claim: Claim, evidence: Evidence, level: float
) -> tuple[float, bool | None] | None:
    """Smallest found error, and whether predictions off by it, up and down, are rejected."""
    predicted, measurement = evidence.predicted, evidence.measurement
    found = smallest_found_error(claim.statistic, predicted, measurement, level)
    if found is None:
        return None
    error, index = found
    if claim.expected_verdict == "rejected" or claim.statistic == "expected_bound":
        return error, None
    if not np.isfinite(error):
        return error, False
    wrong = planted(claim.statistic, predicted, error, index)
    return error, all(p_value(claim.statistic, one, measurement) < level for one in wrong)


def verify_claims(
    claims: Sequence[Claim],
    *,
    budget: str = "quick",
    seed: int = 0,
    num_workers: int = 1,
    first: Callable[[Claim], float] | None = None,
    on_evidence: Callable[[Claim], object] | None = None,
) -> list[Result]:
    """Test claims, several at a time, and judge them together.

    Args:
        claims: the claims.
        budget: "quick" or "full".
        seed: seed of the experiments, at least 0.
        num_workers: processes; 1 stays in this one.
        first: claims of the highest value start first; by default in their order.
        on_evidence: called with each claim as its evidence comes.

    Returns:
        The results, in the order of the claims.

    Raises:
        ValueError: the budget is unknown, or the seed or the number of workers out of range.

    Examples:
        >>> from theory.verify.catalogue import CLAIMS
        >>> from theory.verify.select import select_claims
        >>> [result] = verify_claims(select_claims(CLAIMS, names=["P15-natural"]))
        >>> result.verdict, result.is_as_expected
        ('holds', True)
    """
    require_known("verify_claims", "budget", budget, BUDGETS, "budget")
    require(seed >= 0, "verify_claims", "seed", "at least 0", seed, "Give a whole number")
    require(num_workers >= 1, "verify_claims", "num_workers", "at least 1", num_workers, "Use 1")
    order = range(len(claims))
    if first is not None:
        order = sorted(order, key=lambda index: -first(claims[index]))
    found: dict[int, Evidence] = {}
    for index, evidence in gather_all(claims, order, budget, seed, num_workers):
        found[index] = evidence
        if on_evidence is not None:
            on_evidence(claims[index])
    return judge(claims, [found[index] for index in range(len(claims))])
