"""Claims on arms of equal reward: what raw reward and centred advantages do to diversity (P30)."""

import numpy as np

from banditlab.rules import get_rule
from theory.predict import diversity
from theory.verify.claim import Axis, Claim, Mutant
from theory.verify.experiments import diversity as equal_arms
from theory.verify.measurement import Measurement

_SOURCE = "derived in this project (catalogue entry P30)"
_EXACT = {"statistic": "difference"}

_LOGITS = np.array([0.7, -0.4, 1.1])
_CENTRED = (
    ("group_mean", {}, 4),
    ("leave_one_out", {}, 4),
    ("grpo", {}, 4),
    ("clip", {}, 4),
    ("constant_baseline", {"baseline": 1.0}, 1),
)
_NUM_RUNS = 4


def _frozen_logits() -> np.ndarray:
    logits = diversity.predicted_logits_of_equal_arms(_LOGITS)
    return np.tile(logits, len(_CENTRED) * _NUM_RUNS)


def _measure_frozen(
    rng: np.random.Generator, rules: tuple[tuple[str, dict[str, float], int], ...] = _CENTRED
) -> Measurement:
    parts = [
        equal_arms.measure_final_logits(
            rng,
            get_rule(name, **hyper),
            _LOGITS,
            step_size=1.5,
            group_size=group_size,
            inner_epochs=3,
            num_rounds=20,
            num_runs=_NUM_RUNS,
        )
        for name, hyper, group_size in rules
    ]
    return Measurement.joined(*parts)


def _measure_mean_logits(is_uniform: bool = False) -> Measurement:
    return equal_arms.measure_mean_logits(
        get_rule("raw_reward"), _LOGITS, step_size=1.5, num_rounds=6, is_uniform=is_uniform
    )


_STEP_SIZES = np.array([0.1, 0.5, 1.5])
_RATES = np.array([0.1, 0.5, 1.0, 2.0])
_LOG2_ROUNDS = 30


def _transforms() -> np.ndarray:
    return np.array(
        [
            diversity.predicted_odds_transform(_RATES / (2.0 * step_size**2), step_size)
            for step_size in _STEP_SIZES
        ]
    )


def _exponential_transforms() -> np.ndarray:
    return np.tile(1.0 / (1.0 + _RATES), _STEP_SIZES.size)


DIVERSITY_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P30-martingale",
        what="mean logits after 6 rounds on three arms of reward 1, all 729 paths",
        statement="E[theta_t] = theta_0 under raw reward where all arms pay the same; eta = 1.5",
        tags=("P30", "diversity", "exact", "raw_reward"),
        source=_SOURCE,
        theory=(diversity.predicted_logits_of_equal_arms,),
        predicted=lambda: diversity.predicted_logits_of_equal_arms(_LOGITS),
        experiment=lambda rng, size: _measure_mean_logits(),
        mutants=(
            Mutant("the logits drift to their mean", lambda: np.full(3, _LOGITS.mean())),
            Mutant(
                "arms weighted alike instead of by their probability",
                experiment=lambda rng, size: _measure_mean_logits(is_uniform=True),
            ),
        ),
        tolerance=1e-12,
        mutant_tolerance=1e-2,
        axis=Axis("arm", at=("0", "1", "2")),
        unit="mean logit, nats",
        **_EXACT,
    ),
    Claim(
        id="P30-frozen",
        what="logits of four runs after 20 rounds on three arms of reward 1, five rules",
        statement=(
            "theta_t = theta_0 in every run under group_mean, leave_one_out, grpo, clip and the "
            "exact value as baseline, with inner epochs too"
        ),
        tags=("P30", "diversity", "exact", *(name for name, _, _ in _CENTRED)),
        source=_SOURCE,
        theory=(diversity.predicted_logits_of_equal_arms,),
        predicted=_frozen_logits,
        experiment=lambda rng, size: _measure_frozen(rng),
        mutants=(
            Mutant(
                "raw reward for the advantage",
                experiment=lambda rng, size: _measure_frozen(
                    rng, (*_CENTRED[:-1], ("raw_reward", {}, 1))
                ),
            ),
            Mutant(
                "a baseline below the value",
                experiment=lambda rng, size: _measure_frozen(
                    rng, (*_CENTRED[:-1], ("constant_baseline", {"baseline": 0.9}, 1))
                ),
            ),
        ),
        tolerance=1e-12,
        mutant_tolerance=1e-2,
        unit="logit, nats",
        **_EXACT,
    ),
    Claim(
        id="P30-odds",
        what="E[exp(-s X/(2 eta^2 t))] at t = 2^30, X the odds of two equal arms",
        statement=(
            "sum_n (-s/(2 eta^2))^n M_n/n!, M_n = prod_(k <= n) (2 eta k - 1 + e^(-2 eta k))/n! "
            "the limit of E[(X/t)^n] "
            "under raw reward; 1/(1 + s) for eta to 0: the minority arm decays like 1/rounds "
            "instead of settling; eta = 0.1, 0.5, 1.5"
        ),
        tags=("P30", "diversity", "exact", "raw_reward"),
        source=_SOURCE,
        theory=(diversity.predicted_odds_moments, diversity.predicted_odds_transform),
        predicted=_transforms,
        experiment=lambda rng, size: equal_arms.measure_odds_transform(
            _RATES, _STEP_SIZES, log2_rounds=_LOG2_ROUNDS
        ),
        mutants=(
            Mutant("an exponential of mean 2 eta^2 at every eta", _exponential_transforms),
            Mutant(
                "a Polya urn, whose odds settle",
                lambda: np.ones(_RATES.size * _STEP_SIZES.size),
            ),
            Mutant(
                "a step on half of the reward",
                experiment=lambda rng, size: equal_arms.measure_odds_transform(
                    _RATES,
                    _STEP_SIZES,
                    log2_rounds=_LOG2_ROUNDS,
                    rule=get_rule("constant_baseline", baseline=0.5),
                ),
            ),
        ),
        tolerance=2e-5,
        mutant_tolerance=1e-2,
        axis=Axis("s = 0.1, 0.5, 1, 2 at each of three step sizes"),
        unit="Laplace transform",
        **_EXACT,
    ),
)
