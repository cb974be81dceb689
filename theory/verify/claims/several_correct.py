"""Claims on several rare correct arms: when the first takes off (P28), which it is (P29)."""

import numpy as np

from banditlab.rules import get_rule
from theory.predict import several_correct, take_off
from theory.verify.claim import Axis, Claim, Mutant
from theory.verify.experiments import take_off_law as races
from theory.verify.measurement import Measurement

_SOURCE = "derived in this project (catalogue entry {})"
_SUCCESS_PROB = 1e-9

_COUNTS = (2, 10, 100)
_RAW = {"step_size": 1.0, "group_size": 1}
_GRPO = {"step_size": 4.0, "group_size": 8}


def _log_factor(rule: str, step: dict[str, float]) -> float:
    return take_off.predicted_log_odds_factor(rule, **step)


def _first_means(counts: tuple[int, ...], log_factor: float) -> list[float]:
    return [several_correct.predicted_first_take_off_mean(count, log_factor) for count in counts]


def _leading_scaling(counts: tuple[int, ...], log_factor: float) -> np.ndarray:
    count = np.array(counts, dtype=np.float64)
    return count * np.exp(-np.sqrt(2.0 * log_factor * np.log(count)))


def _measure_first(
    rng: np.random.Generator, num_runs: int, rule: str, counts: tuple[int, ...], **step: float
) -> Measurement:
    parts = [
        races.measure_take_off_mean(
            rng,
            get_rule(rule),
            success_prob=_SUCCESS_PROB,
            num_correct=count,
            num_runs=num_runs,
            **step,
        )
        for count in counts
    ]
    return Measurement.joined(*parts)


_LAW_COUNT = 10
_EDGES = (1.93, 3.0, 6.26, 8.35)


def _first_cells(num_correct: int = _LAW_COUNT, scale: float = 1.0) -> np.ndarray:
    survival = several_correct.predicted_first_take_off_survival(
        scale * np.array(_EDGES), num_correct, _log_factor("raw_reward", _RAW)
    )
    return -np.diff([1.0, *survival, 0.0])


_PRIOR_RATIO = 2.0
_ARMS = (2e-12, 1e-12)
_RACES = (
    ("raw_reward", {"step_size": 0.2, "group_size": 1}),
    ("raw_reward", _RAW),
    ("raw_reward", {"step_size": 3.0, "group_size": 1}),
    ("grpo", _GRPO),
)


def _win_probabilities(prior_ratio: float = _PRIOR_RATIO) -> list[float]:
    return [
        several_correct.predicted_win_probability(prior_ratio, _log_factor(rule, step))
        for rule, step in _RACES
    ]


def _measure_winners(rng: np.random.Generator, num_runs: int) -> Measurement:
    parts = []
    for rule, step in _RACES:
        is_won, _ = races.race_two_arms(
            rng, get_rule(rule), success_probs=_ARMS, num_runs=num_runs, **step
        )
        parts.append(Measurement.share(is_won.sum(), num_runs))
    return Measurement.joined(*parts)


_MOST_HITS = 4
_LOSER_RATIO = 4.0


def _loser_law(prior_ratio: float = _LOSER_RATIO, factor: float = 1.0) -> np.ndarray:
    log_factor = factor * _log_factor("raw_reward", _RAW)
    return several_correct.predicted_loser_successes(prior_ratio, log_factor, _MOST_HITS)


def _measure_loser(rng: np.random.Generator, num_runs: int) -> Measurement:
    success_probs = (_LOSER_RATIO * 1e-12, 1e-12)
    _, rise = races.race_two_arms(
        rng, get_rule("raw_reward"), success_probs=success_probs, num_runs=num_runs, **_RAW
    )
    hits = np.rint(rise / _RAW["step_size"]).astype(np.int64)
    return Measurement.shares(np.bincount(np.minimum(hits, _MOST_HITS), minlength=_MOST_HITS + 1))


SEVERAL_CORRECT_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P28-mean",
        what="p0 * rollouts until one of 2, 10, 100 correct arms is at p = 1/2",
        statement=(
            "g int P(W_f > x)^g dx, W_f = sum_k E_k f^-k: more than f/(f - 1), so that splitting "
            "the correct mass over g arms is slower; f = exp(eta), eta = 1, p0 = 1e-9"
        ),
        tags=("P28", "take-off", "several-correct", "sampled", "raw_reward"),
        source=_SOURCE.format("P28"),
        theory=(several_correct.predicted_first_take_off_mean,),
        predicted=lambda: _first_means(_COUNTS, _log_factor("raw_reward", _RAW)),
        experiment=lambda rng, size: _measure_first(rng, size, "raw_reward", _COUNTS, **_RAW),
        mutants=(
            Mutant(
                "f/(f - 1), whatever g",
                lambda: np.full(
                    len(_COUNTS),
                    take_off.predicted_take_off_mean(_log_factor("raw_reward", _RAW)),
                ),
            ),
            Mutant(
                "leading scaling g exp(-sqrt(2 log f log g))",
                lambda: _leading_scaling(_COUNTS, _log_factor("raw_reward", _RAW)),
            ),
            Mutant(
                "g f/(f - 1), each arm alone",
                lambda: np.multiply(
                    _COUNTS, take_off.predicted_take_off_mean(_log_factor("raw_reward", _RAW))
                ),
            ),
        ),
        statistic="z",
        size={"quick": 2_000, "full": 16_000},
        axis=Axis("correct arms g", at=_COUNTS, is_log=True),
    ),
    Claim(
        id="P28-grpo",
        what="p0 * rollouts until one of 10 correct arms is at p = 1/2, grpo",
        statement="as P28-mean, with f = exp(eta (G - 1)/G^(3/2)); eta = 4, G = 8",
        tags=("P28", "take-off", "several-correct", "sampled", "grpo"),
        source=_SOURCE.format("P28"),
        theory=(
            take_off.predicted_log_odds_factor,
            several_correct.predicted_first_take_off_mean,
        ),
        predicted=lambda: _first_means((10,), _log_factor("grpo", _GRPO)),
        experiment=lambda rng, size: _measure_first(rng, size, "grpo", (10,), **_GRPO),
        mutants=(
            Mutant(
                "f/(f - 1), whatever g",
                lambda: take_off.predicted_take_off_mean(_log_factor("grpo", _GRPO)),
            ),
            Mutant(
                "f of raw_reward", lambda: _first_means((10,), _log_factor("raw_reward", _GRPO))
            ),
            Mutant(
                "the step of group_mean",
                experiment=lambda rng, size: _measure_first(
                    rng, size, "group_mean", (10,), **_GRPO
                ),
            ),
        ),
        statistic="z",
        size={"quick": 3_000, "full": 16_000},
    ),
    Claim(
        id="P28-law",
        what="law of p0 * rollouts until one of 10 correct arms is at p = 1/2",
        statement="P(p0 T > x) = P(W_f > x/g)^g; g = 10, f = e, p0 = 1e-9",
        tags=("P28", "take-off", "several-correct", "sampled", "raw_reward"),
        source=_SOURCE.format("P28"),
        theory=(several_correct.predicted_first_take_off_survival,),
        predicted=_first_cells,
        experiment=lambda rng, size: races.measure_take_off_shares(
            rng,
            get_rule("raw_reward"),
            np.array(_EDGES),
            success_prob=_SUCCESS_PROB,
            num_correct=_LAW_COUNT,
            num_runs=size,
            **_RAW,
        ),
        mutants=(
            Mutant("the law of a single arm", lambda: _first_cells(1)),
            Mutant("a single arm g times as slow", lambda: _first_cells(1, 1.0 / _LAW_COUNT)),
        ),
        statistic="shares",
        size={"quick": 6_000, "full": 40_000},
        axis=Axis("lower edge of the cell, p0 * rollouts", at=(0.0, *_EDGES)),
        unit="share of runs",
    ),
    Claim(
        id="P29-winner",
        what="share of races won by the likelier of two correct arms, prior ratio 2",
        statement=(
            "P(W/R < W'), W and W' independent with the law of sum_k E_k f^-k; R = 2, "
            "log f = 0.2, 1, 3 (raw_reward) and 1.24 (grpo)"
        ),
        tags=("P29", "several-correct", "diversity", "sampled", "raw_reward", "grpo"),
        source=_SOURCE.format("P29") + "; Rubin's construction of a reinforced urn",
        theory=(
            take_off.predicted_log_odds_factor,
            several_correct.predicted_win_probability,
        ),
        predicted=_win_probabilities,
        experiment=_measure_winners,
        mutants=(
            Mutant(
                "in proportion to the prior, R/(1 + R)",
                lambda: np.full(len(_RACES), _PRIOR_RATIO / (1.0 + _PRIOR_RATIO)),
            ),
            Mutant("the likelier arm always wins", lambda: np.ones(len(_RACES))),
            Mutant("prior ratio sqrt(R)", lambda: _win_probabilities(_PRIOR_RATIO**0.5)),
        ),
        statistic="z",
        size={"quick": 8_000, "full": 30_000},
        axis=Axis("race", at=("raw 0.2", "raw 1", "raw 3", "grpo")),
    ),
    Claim(
        id="P29-loser",
        what="successes of the loser of a race of two correct arms: 0, 1, 2, 3, more",
        statement=(
            "P(fewer than n) = E[P(S_n > W/R) + P(S_n > W R)], S_n = sum_(k < n) E_k f^-k: a "
            "collapse to one arm, in which the loser keeps its prior times f^n; R = 4, f = e"
        ),
        tags=("P29", "several-correct", "diversity", "sampled", "raw_reward"),
        source=_SOURCE.format("P29"),
        theory=(several_correct.predicted_loser_successes,),
        predicted=_loser_law,
        experiment=_measure_loser,
        mutants=(
            Mutant("equal priors", lambda: _loser_law(1.0)),
            Mutant("f of twice the step", lambda: _loser_law(factor=2.0)),
        ),
        statistic="shares",
        size={"quick": 12_000, "full": 40_000},
        axis=Axis("successes of the loser", at=np.arange(_MOST_HITS + 1.0)),
        unit="share of runs",
    ),
)
