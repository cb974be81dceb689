"""Claims on the factor f of a success under clip, penalty and dual budget (P26)."""

from dataclasses import replace

import numpy as np

from banditlab.advantages import raw
from banditlab.rules import UpdateRule, get_rule
from theory.predict import clip_growth, dual_budget, stability, take_off
from theory.verify.claim import Axis, Claim, Mutant
from theory.verify.experiments import clip_growth as inner_loop
from theory.verify.experiments import take_off_law as races
from theory.verify.measurement import Measurement

_SOURCE = "derived in this project (catalogue entry P26)"
_SUCCESS_PROB = 1e-9


def _raw_rule(name: str, **hyper: float) -> UpdateRule:
    """A rule with the raw reward for its advantage, so that failures have no weight."""
    return replace(get_rule(name, **hyper), advantage=raw)


_CLIP = {"step_size": 0.2, "inner_epochs": 8}
_CLIP_GAIN = _CLIP["step_size"] / 4
_CLIP_WIDTHS = (0.2, 0.28)


def _final_ratios() -> np.ndarray:
    return np.array(
        [
            clip_growth.predicted_isolated_ratios(
                _CLIP_GAIN, _CLIP["inner_epochs"], clip_high=width
            )[-1]
            for width in _CLIP_WIDTHS
        ]
    )


def _take_off_means(factors: np.ndarray) -> list[float]:
    return [take_off.predicted_take_off_mean(float(np.log(factor))) for factor in factors]


def _measure_clip_take_off(rng: np.random.Generator, size: int, name: str = "clip") -> Measurement:
    parts = [
        races.measure_take_off_mean(
            rng,
            _raw_rule(name, clip_high=width),
            success_prob=_SUCCESS_PROB,
            group_size=4,
            num_runs=size,
            **_CLIP,
        )
        for width in _CLIP_WIDTHS
    ]
    return Measurement.joined(*parts)


_MULTIPLIER = 0.4


def _penalty_mean(factor: float = 1.0) -> float:
    ratio = float(stability.predicted_fixed_ratio(1.0, factor * _MULTIPLIER))
    return take_off.predicted_take_off_mean(float(np.log(ratio)))


def _measure_penalty(rng: np.random.Generator, size: int, factor: float = 1.0) -> Measurement:
    return races.measure_take_off_mean(
        rng,
        _raw_rule("variance_penalty", multiplier=factor * _MULTIPLIER),
        success_prob=_SUCCESS_PROB,
        # Near the step size at which the inner loop converges fastest (P40).
        step_size=1.0,
        group_size=4,
        inner_epochs=10,
        num_runs=size,
    )


_BUDGET = {"bound": 0.05, "num_samples": 32}


def _predicted_budget() -> list[float]:
    return [
        dual_budget.predicted_budget_multiplier(**_BUDGET),
        dual_budget.predicted_budget_ratio(**_BUDGET),
    ]


def _dual_rule(dual_step_size: float, initial: float) -> UpdateRule:
    return _raw_rule(
        "variance_penalty_dual",
        bound=_BUDGET["bound"],
        dual_step_size=dual_step_size,
        initial=initial,
    )


_DUAL = {"dual_step_size": 1.0, "initial": 0.5}
_NUM_IDLE = (4, 40)
_DUAL_STEP = {"step_size": 3.2, "inner_epochs": 4}


def _predicted_idle() -> np.ndarray:
    gain = _DUAL_STEP["step_size"] / _BUDGET["num_samples"]
    predicted = []
    for num_idle in _NUM_IDLE:
        multiplier = dual_budget.predicted_idle_multiplier(
            _DUAL["initial"],
            num_idle,
            bound=_BUDGET["bound"],
            dual_step_size=_DUAL["dual_step_size"],
        )
        ratios = clip_growth.predicted_isolated_ratios(
            gain, _DUAL_STEP["inner_epochs"], multiplier=multiplier
        )
        predicted += [multiplier, ratios[-1]]
    return np.array(predicted)


def _measure_idle(num_idle: tuple[int, ...] = _NUM_IDLE) -> Measurement:
    parts = [
        inner_loop.measure_idle_dual(
            _dual_rule(**_DUAL),
            num_samples=_BUDGET["num_samples"],
            num_idle=num,
            **_DUAL_STEP,
        )
        for num in num_idle
    ]
    return Measurement.joined(*parts)


def _idle_ratio() -> Measurement:
    return Measurement.exact(_measure_idle((_NUM_IDLE[-1],)).value[1])


TAKE_OFF_FACTOR_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P26-clip",
        what="p0 * rollouts to p = 1/2, clip 0.2 and 0.28, inner epochs",
        statement=(
            "mean = f/(f - 1), f = the first iterate above 1 + eps of log(ratio) += c ratio; "
            "c = 0.05, p0 = 1e-9"
        ),
        tags=("P26", "take-off", "sampled", "clip"),
        source=_SOURCE,
        theory=(clip_growth.predicted_isolated_ratios, take_off.predicted_take_off_mean),
        predicted=lambda: _take_off_means(_final_ratios()),
        experiment=_measure_clip_take_off,
        mutants=(
            Mutant(
                "f = 1 + eps, no overshoot",
                lambda: _take_off_means(1.0 + np.array(_CLIP_WIDTHS)),
            ),
            Mutant(
                "f at the bound (1 + eps) exp(c (1 + eps))",
                lambda: _take_off_means(
                    clip_growth.predicted_largest_ratio(_CLIP_GAIN, _CLIP_WIDTHS)
                ),
            ),
            Mutant(
                "the weight stays past the clip (CISPO)",
                experiment=lambda rng, size: _measure_clip_take_off(rng, size, "cispo"),
            ),
        ),
        statistic="z",
        size={"quick": 3_000, "full": 9_000},
        axis=Axis("clip_high", at=_CLIP_WIDTHS),
    ),
    Claim(
        id="P26-penalty",
        what="p0 * rollouts to p = 1/2, variance penalty, inner epochs",
        statement="mean = f/(f - 1), f = 1 + A/(2 multiplier); multiplier = 0.4, A = 1, p0 = 1e-9",
        tags=("P26", "take-off", "sampled", "variance_penalty"),
        source=_SOURCE,
        theory=(stability.predicted_fixed_ratio, take_off.predicted_take_off_mean),
        predicted=_penalty_mean,
        experiment=_measure_penalty,
        mutants=(
            Mutant("f = 1 + A/multiplier", lambda: _penalty_mean(0.5)),
            Mutant(
                "a penalty whose slope lacks the factor 2",
                experiment=lambda rng, size: _measure_penalty(rng, size, 0.5),
            ),
        ),
        statistic="z",
        size={"quick": 6_000, "full": 24_000},
    ),
    Claim(
        id="P26-budget",
        what="multiplier and ratio of a lone success at the budget",
        statement=(
            "dual ascent solved within the round: ratio = 1 + sqrt(bound n), multiplier = "
            "A/(2 sqrt(bound n)), for one success among n = 32 samples; bound = 0.05"
        ),
        tags=("P26", "take-off", "dual", "exact", "variance_penalty_dual"),
        source=_SOURCE + "; constraint as in arXiv 2601.03320",
        theory=(
            dual_budget.predicted_budget_multiplier,
            dual_budget.predicted_budget_ratio,
        ),
        predicted=_predicted_budget,
        experiment=lambda rng, size: inner_loop.measure_dual_budget(
            _dual_rule(3.0, 1.0),
            num_samples=_BUDGET["num_samples"],
            step_size=7.9,
            inner_epochs=40,
            num_ascents=80,
        ),
        mutants=(
            Mutant("1 + sqrt(bound), without n", lambda: [0.5 / np.sqrt(0.05), 1.0 + 0.05**0.5]),
            Mutant(
                "multiplier A/sqrt(bound n)",
                lambda: np.array([2.0, 1.0]) * _predicted_budget(),
            ),
        ),
        statistic="difference",
        tolerance=1e-10,
        mutant_tolerance=1e-2,
        axis=Axis(at=("multiplier", "ratio")),
    ),
    Claim(
        id="P26-dual",
        what="ratio of a lone success after 40 rounds of failures, dual carried over",
        statement="with dual budget `bound`, f = 1 + sqrt(bound n) per success",
        tags=("P26", "take-off", "dual", "exact", "variance_penalty_dual"),
        source="catalogue entry P26, read for a multiplier that moves once a round",
        theory=(dual_budget.predicted_budget_ratio,),
        predicted=lambda: dual_budget.predicted_budget_ratio(**_BUDGET),
        experiment=lambda rng, size: _idle_ratio(),
        mutants=(
            Mutant(
                "the ratio at the initial multiplier",
                lambda: stability.predicted_fixed_ratio(1.0, _DUAL["initial"]),
            ),
        ),
        statistic="difference",
        tolerance=1e-3,
        mutant_tolerance=1e-2,
        expected_verdict="rejected",
        evidence=(
            "f = 1 + sqrt(bound n) needs the multiplier solved within the round (P26-budget). One "
            "that is carried from round to round falls by dual_step_size * bound in each round of "
            "failures and is 0 long before a rare success comes, which then grows as without a "
            "penalty, bounded by the inner epochs alone (P26-idle-dual, exact)."
        ),
    ),
    Claim(
        id="P26-idle-dual",
        what="multiplier after 4 and 40 rounds of failures, ratio of the next success",
        statement=(
            "multiplier = max(0, initial - dual_step_size bound rounds); then log(ratio) += "
            "c ratio (1 - 2 multiplier (ratio - 1)) each epoch; bound = 0.05, dual_step_size = 1"
        ),
        tags=("P26", "take-off", "dual", "exact", "variance_penalty_dual"),
        source="derived in this project",
        theory=(
            dual_budget.predicted_idle_multiplier,
            clip_growth.predicted_isolated_ratios,
        ),
        predicted=_predicted_idle,
        experiment=lambda rng, size: _measure_idle(),
        mutants=(
            Mutant(
                "the multiplier stays where it was",
                experiment=lambda rng, size: _measure_idle((1, 1)),
            ),
            Mutant(
                "the success meets the budget",
                lambda: np.array([*_predicted_idle()[:3], _predicted_budget()[1]]),
            ),
        ),
        statistic="difference",
        tolerance=1e-10,
        mutant_tolerance=1e-2,
        axis=Axis(at=("multiplier, 4", "ratio, 4", "multiplier, 40", "ratio, 40")),
    ),
)
