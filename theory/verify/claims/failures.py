"""Claims on what failures teach where they have a negative advantage (P31)."""

import numpy as np
from scipy.special import logit

from banditlab.arm_spaces import rare_correct
from banditlab.rules import get_rule
from theory.predict import failures, success_times
from theory.verify.claim import Axis, Claim, Mutant
from theory.verify.experiments import failures as failed
from theory.verify.experiments.success_times import measure_first_success_shares
from theory.verify.measurement import Measurement

_SOURCE = "derived in this project (catalogue entry P31)"
_EXACT = {"statistic": "difference"}
_NEGATIVE = get_rule("negative_reward")
_ENDLESS = 100_000.0

# Rules by the advantage of a failure, and arm spaces: three uniform pools, two with a likelier arm.
_STEP_SIZE = 2.0
_PUNISHING = (
    (_NEGATIVE, 1.0),
    (get_rule("constant_baseline", baseline=0.5), 0.5),
    (get_rule("running_mean", initial_baseline=0.3), 0.3),
)
_SPACES = ((1 / 3, 2.0), (1 / 40, 39.0), (1 / 1_000_001, 1e6), (0.05, 10.0), (0.05, np.inf))


def _after_one_failure(push_factor: float = 1.0) -> np.ndarray:
    log_odds, num_wrong = np.array([(logit(prob), num) for prob, num in _SPACES]).T
    return np.concatenate(
        [
            failures.predicted_log_odds_after_failure(
                log_odds, num_wrong, push_factor * _STEP_SIZE * size
            )
            for _, size in _PUNISHING
        ]
    )


def _failed_arm_alone() -> np.ndarray:
    """As if a failure lowered its own arm and moved no other."""
    log_odds, num_wrong = np.array([(logit(prob), num) for prob, num in _SPACES]).T
    push = _STEP_SIZE * np.array([size for _, size in _PUNISHING])[:, None]
    return log_odds - np.log1p(np.expm1(-push * (1.0 - 1.0 / num_wrong)) / num_wrong)


def _measure_one_failure(rng: np.random.Generator, size: int) -> Measurement:
    pools = [
        (prob, _ENDLESS if num_wrong == np.inf else float(np.log10(num_wrong)))
        for prob, num_wrong in _SPACES
    ]
    return Measurement.joined(
        *(failed.measure_one_failure(rule, pools, _STEP_SIZE) for rule, _ in _PUNISHING)
    )


_PATH = {"success_prob": 0.05, "step_size": 0.7, "num_failures": 25}


def _path() -> np.ndarray:
    return failures.predicted_log_odds_after_failures(
        logit(_PATH["success_prob"]), _PATH["num_failures"], _PATH["step_size"]
    )


_RARE = 0.02
_PUSH = 0.5
_EDGES = np.array([3, 11, 56, 79])
_ENDLESS_SPACE = rare_correct(_ENDLESS, _RARE)


def _cells(survival: np.ndarray) -> np.ndarray:
    return -np.diff([1.0, *survival, 0.0])


def _first_success_cells(push: float = _PUSH) -> np.ndarray:
    return _cells(failures.predicted_first_success_survival(_EDGES, logit(_RARE), push))


def _geometric_cells() -> np.ndarray:
    return _cells(success_times.predicted_no_success(logit(_RARE), _EDGES, 1))


def _measure_first_success(
    rng: np.random.Generator, num_runs: int, name: str = "negative_reward"
) -> Measurement:
    return measure_first_success_shares(
        rng, get_rule(name), _ENDLESS_SPACE, _EDGES, step_size=_PUSH, num_runs=num_runs
    )


_POOL_SIZE = 40
_POOL = rare_correct(np.log10(_POOL_SIZE - 1.0), 1.0 / _POOL_SIZE)
_POOL_EDGES = np.array([4, 8, 32, 36])
# A failed arm keeps e^-12 of its weight. Much larger steps would blow rounding up: equal arms that
# never failed are pushed apart by a factor 1 + eta pi with each failure.
_POOL_STEP = 12.0


def _pool_cells() -> np.ndarray:
    return _cells(failures.predicted_pool_survival(_POOL_EDGES, _POOL_SIZE))


def _with_replacement_cells() -> np.ndarray:
    return _cells((1.0 - 1.0 / _POOL_SIZE) ** _POOL_EDGES)


def _measure_pool(
    rng: np.random.Generator, num_runs: int, name: str = "negative_reward"
) -> Measurement:
    return measure_first_success_shares(
        rng, get_rule(name), _POOL, _POOL_EDGES, step_size=_POOL_STEP, num_runs=num_runs
    )


FAILURE_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P31-failure",
        what="log-odds of the correct arm after one failure, three rules, five arm spaces",
        statement=(
            "odds *= exp(a (p - p_wrong)) m/(m - 1 + e^-a), a = eta |A|: p = 1/(M - 1 + e^-a) from "
            "a uniform pool of M arms; eta = 2, |A| = 1, 0.5, 0.3"
        ),
        tags=("P31", "failures", "exact", "negative_reward", "constant_baseline", "running_mean"),
        source=_SOURCE,
        theory=(failures.predicted_log_odds_after_failure,),
        predicted=_after_one_failure,
        experiment=_measure_one_failure,
        mutants=(
            Mutant("a failure moves its own arm alone", _failed_arm_alone),
            Mutant("advantage of twice the size", lambda: _after_one_failure(2.0)),
        ),
        tolerance=1e-12,
        mutant_tolerance=1e-3,
        axis=Axis("five arm spaces under each of three rules"),
        unit="log-odds, nats",
        **_EXACT,
    ),
    Claim(
        id="P31-endless",
        what="log-odds along 25 failures among endless wrong arms, reward -1",
        statement=(
            "z += a p(z) with each failure, so that 1/p falls by about a: failures alone carry the "
            "correct arm up, however many wrong arms there are; a = 0.7, p0 = 0.05"
        ),
        tags=("P31", "failures", "exact", "negative_reward"),
        source="derived in this project",
        theory=(failures.predicted_log_odds_after_failures,),
        predicted=_path,
        experiment=lambda rng, size: Measurement.exact(
            failed.log_odds_along_failures(_NEGATIVE, log10_wrong=_ENDLESS, **_PATH)
        ),
        mutants=(
            Mutant(
                "failures are worthless among endless arms",
                lambda: np.full(_PATH["num_failures"] + 1, logit(_PATH["success_prob"])),
            ),
            Mutant(
                "the rise at the initial p",
                lambda: (
                    logit(_PATH["success_prob"])
                    + _PATH["step_size"]
                    * _PATH["success_prob"]
                    * np.arange(_PATH["num_failures"] + 1.0)
                ),
            ),
        ),
        tolerance=1e-12,
        mutant_tolerance=1e-2,
        axis=Axis("failures", at=np.arange(_PATH["num_failures"] + 1.0)),
        unit="log-odds, nats",
        **_EXACT,
    ),
    Claim(
        id="P31-first-success",
        what="law of the first success among endless wrong arms, reward -1",
        statement=(
            "P(T > t) = prod over s < t of (1 - p_s), near (1 - a p0 t)^(1/a); a = 0.5, p0 = 0.02"
        ),
        tags=("P31", "failures", "first-success", "sampled", "negative_reward"),
        source="derived in this project",
        theory=(
            failures.predicted_log_odds_after_failures,
            failures.predicted_first_success_survival,
        ),
        predicted=_first_success_cells,
        experiment=_measure_first_success,
        mutants=(
            Mutant("geometric, as if failures were worthless", _geometric_cells),
            Mutant("uniform, a = 1", lambda: _first_success_cells(1.0)),
            Mutant(
                "raw reward",
                experiment=lambda rng, size: _measure_first_success(rng, size, "raw_reward"),
            ),
        ),
        statistic="shares",
        size={"quick": 10_000, "full": 40_000},
        axis=Axis("last round of the cell before", at=(0.0, *_EDGES)),
        unit="share of runs",
    ),
    Claim(
        id="P31-worthless",
        what="law of the first success among endless wrong arms, reward -1",
        statement=(
            "for endless arms failures are worthless: P(T > t) = (1 - p0)^t under every rule, up "
            "to O(t/M)"
        ),
        tags=("P31", "failures", "first-success", "sampled", "negative_reward"),
        source="catalogue entry P31",
        theory=(success_times.predicted_no_success,),
        predicted=_geometric_cells,
        experiment=_measure_first_success,
        mutants=(Mutant("geometric at p0/2", lambda: _cells((1.0 - 0.5 * _RARE) ** _EDGES)),),
        statistic="shares",
        size={"quick": 10_000, "full": 40_000},
        expected_verdict="rejected",
        evidence=(
            "Each failure of advantage -a/eta adds a p to the correct arm's log-odds at any number "
            "of wrong arms (P31-endless, exact), which is of order 1 after the 1/p0 rounds that a "
            "first success takes; the law is that of P31-first-success. In a uniform pool p0 "
            "= 1/M, so that O(t/M) is of order 1 by then. The law is geometric where failures "
            "have advantage 0 (P25-first)."
        ),
        axis=Axis("last round of the cell before", at=(0.0, *_EDGES)),
        unit="share of runs",
    ),
    Claim(
        id="P31-without-replacement",
        what="law of the first success in a uniform pool of 40 arms, reward -1, eta = 12",
        statement="P(T > t) = 1 - t/M: sampling without replacement for eta to infinity; M = 40",
        tags=("P31", "failures", "first-success", "sampled", "negative_reward"),
        source=_SOURCE,
        theory=(failures.predicted_pool_survival,),
        predicted=_pool_cells,
        experiment=_measure_pool,
        mutants=(
            Mutant("with replacement, (1 - 1/M)^t", _with_replacement_cells),
            Mutant(
                "raw reward", experiment=lambda rng, size: _measure_pool(rng, size, "raw_reward")
            ),
        ),
        statistic="shares",
        size={"quick": 8_000, "full": 40_000},
        axis=Axis("last round of the cell before", at=(0.0, *_POOL_EDGES)),
        unit="share of runs",
    ),
)
