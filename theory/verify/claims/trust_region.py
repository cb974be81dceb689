"""Claims on the trust region's exact step (P17) and on the penalised inner loop (P40)."""

from functools import partial

import numpy as np
from scipy.special import expit, logit

from theory.predict import stability, trust_region
from theory.verify.claim import Claim, Mutant
from theory.verify.experiments import penalised_step
from theory.verify.measurement import Measurement

_DERIVED = "derived in this project; constraint as in arXiv 2601.03320"
_EXACT = {"statistic": "difference"}

_ADVANTAGE = np.array([1.5, 0.9, 0.2, 1.2, -0.5, 0.6])
_PROB = np.array([0.05, 0.30, 0.25, 0.10, 0.18, 0.12])
_BOUND = 0.05


def _predicted_step() -> np.ndarray:
    ratio = trust_region.predicted_optimal_ratio(_ADVANTAGE, _PROB, _BOUND)
    gain = trust_region.predicted_gain(_ADVANTAGE, _PROB, _BOUND)
    multiplier = trust_region.predicted_multiplier(_ADVANTAGE, _PROB, _BOUND)
    return np.concatenate([[gain, multiplier], ratio])


def _with_changes(**factors: float) -> np.ndarray:
    value = _predicted_step()
    value[0] *= factors.get("gain", 1.0)
    value[1] *= factors.get("multiplier", 1.0)
    return value


def _uncentred_ratio() -> np.ndarray:
    value = _predicted_step()
    deviation = value[0] / np.sqrt(_BOUND)
    value[2:] = 1.0 + np.sqrt(_BOUND) * _ADVANTAGE / deviation
    return value


_RATES = np.array([0.001, 0.02, 0.2, 0.5, 0.8])

_RUN_BOUND = 0.0025
_RUN_START = float(logit(0.2))
_RUN_UPDATES = np.arange(1.0, 36.0)


def _predicted_run(angle_factor: float = 1.0, has_correction: bool = True) -> np.ndarray:
    updates = angle_factor * _RUN_UPDATES
    pass_rate = expit(trust_region.predicted_flow_log_odds(_RUN_START, updates, _RUN_BOUND))
    if has_correction:
        pass_rate = pass_rate + trust_region.predicted_flow_error(_RUN_START, updates, _RUN_BOUND)
    return pass_rate / np.sqrt(_RUN_BOUND)


_MULTIPLIER = 0.8
_INNER_STEPS = np.array([0.08, 0.40])


def _predicted_contractions() -> np.ndarray:
    factors = stability.predicted_contraction(_INNER_STEPS, 1.0, _MULTIPLIER)
    fixed = stability.predicted_fixed_ratio(1.0, _MULTIPLIER)
    return np.concatenate([[fixed], factors])


def _mutated_contractions(factor: float, power: int) -> np.ndarray:
    fixed = 1.0 + 1.0 / (2.0 * _MULTIPLIER)
    return np.concatenate([[fixed], 1.0 - factor * _MULTIPLIER * _INNER_STEPS * fixed**power])


_BATCH = {"num_arms": 12, "num_samples": 4, "step_size": 4.0, "multiplier": 0.9}


def _batch_factor(gram_factor: float = 1.0) -> float:
    _, score = penalised_step.batch_scores(_BATCH["num_arms"], _BATCH["num_samples"])
    factors = stability.predicted_batch_contractions(
        gram_factor * score @ score.T / len(score),
        np.zeros(len(score)),
        learning_rate=_BATCH["step_size"],
        multiplier=_BATCH["multiplier"],
    )
    return float(factors[np.argmax(np.abs(factors))])


def _measure_run(rng: np.random.Generator, size: int) -> Measurement:
    return penalised_step.measure_success_run(
        float(expit(_RUN_START)), _RUN_BOUND, len(_RUN_UPDATES)
    )


TRUST_REGION_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P17-step",
        what="gain, multiplier and ratios of the optimum, 6 arms",
        statement=(
            "ratio = 1 + sqrt(bound) (A - mean A)/sd(A), gain = sqrt(bound) sd(A), multiplier = "
            "sd(A)/(2 sqrt(bound)), where E_old[(ratio - 1)^2] = bound"
        ),
        tags=("P17", "trust-region", "exact", "variance_penalty"),
        source=_DERIVED,
        theory=(
            trust_region.predicted_optimal_ratio,
            trust_region.predicted_gain,
            trust_region.predicted_multiplier,
        ),
        predicted=_predicted_step,
        experiment=lambda rng, size: penalised_step.measure_trust_region(_ADVANTAGE, _PROB, _BOUND),
        mutants=(
            Mutant("gain bound * sd(A)", partial(_with_changes, gain=np.sqrt(_BOUND))),
            Mutant("multiplier sd(A)/sqrt(bound)", partial(_with_changes, multiplier=2.0)),
            Mutant("ratios not centred by the mean advantage", _uncentred_ratio),
        ),
        tolerance=1e-10,
        mutant_tolerance=1e-3,
        **_EXACT,
    ),
    Claim(
        id="P17-success",
        what="pass rate after one step, five pass rates",
        statement="p' = p + sqrt(bound p (1 - p)) while bound <= (1 - p)/p",
        tags=("P17", "trust-region", "exact", "variance_penalty"),
        source=_DERIVED,
        theory=(trust_region.predicted_step_log_odds,),
        predicted=lambda: expit(trust_region.predicted_step_log_odds(logit(_RATES), _BOUND)),
        experiment=lambda rng, size: penalised_step.measure_success_steps(_RATES, _BOUND),
        mutants=(
            Mutant(
                "p + bound sqrt(p (1 - p))",
                lambda: _RATES + _BOUND * np.sqrt(_RATES * (1.0 - _RATES)),
            ),
            Mutant(
                "a step in log-odds, z + sqrt(bound)",
                lambda: expit(logit(_RATES) + np.sqrt(_BOUND)),
            ),
        ),
        tolerance=1e-10,
        mutant_tolerance=1e-3,
        **_EXACT,
    ),
    Claim(
        id="P17-flow",
        what="p/sqrt(bound) along 35 steps from p = 0.2",
        statement=(
            "p(n) = sin^2(arcsin(sqrt(p0)) + sqrt(bound) n/2) up to the first-order error "
            "-(sqrt(bound)/4) sin(2 angle) log(sin(2 angle)/sin(2 angle0)); bound = 0.0025"
        ),
        tags=("P17", "trust-region", "learning-curve", "exact", "variance_penalty"),
        source=_DERIVED,
        theory=(trust_region.predicted_flow_log_odds, trust_region.predicted_flow_error),
        predicted=_predicted_run,
        experiment=_measure_run,
        mutants=(
            Mutant("angle sqrt(bound) n, without 1/2", partial(_predicted_run, angle_factor=2.0)),
            Mutant("the flow without its error", partial(_predicted_run, has_correction=False)),
        ),
        tolerance=3e-3,
        mutant_tolerance=3e-2,
        **_EXACT,
    ),
    Claim(
        id="P40-sample",
        what="fixed ratio and factors per inner step, one arm",
        statement=(
            "ratio* = 1 + A/(2 multiplier); deviations shrink by 1 - 2 multiplier step ratio*^2, "
            "so the inner loop is stable iff multiplier step ratio*^2 < 1"
        ),
        tags=("P40", "stability", "exact", "variance_penalty"),
        source=_DERIVED,
        theory=(stability.predicted_fixed_ratio, stability.predicted_contraction),
        predicted=_predicted_contractions,
        experiment=lambda rng, size: penalised_step.measure_isolated_contraction(
            _INNER_STEPS, _MULTIPLIER, 40
        ),
        mutants=(
            Mutant(
                "1 - multiplier step ratio*^2, without 2", partial(_mutated_contractions, 1.0, 2)
            ),
            Mutant(
                "slope taken at ratio 1, without ratio*^2", partial(_mutated_contractions, 2.0, 0)
            ),
        ),
        tolerance=1e-4,
        mutant_tolerance=1e-2,
        **_EXACT,
    ),
    Claim(
        id="P40-batch",
        what="dominant factor per inner step, unstable batch of 4",
        statement=(
            "deviations of a batch follow I - 2 learning_rate multiplier gram, gram = "
            "(1/N) score score^T: stable near ratio 1 iff learning_rate 2 multiplier gram_top < 2"
        ),
        tags=("P40", "stability", "exact", "variance_penalty"),
        source=_DERIVED,
        theory=(stability.predicted_batch_contractions,),
        predicted=_batch_factor,
        experiment=lambda rng, size: penalised_step.measure_batch_contraction(
            **_BATCH, num_steps=60
        ),
        mutants=(
            Mutant("gram not divided by N", partial(_batch_factor, _BATCH["num_samples"])),
            Mutant("without the 2 of the penalty's slope", partial(_batch_factor, 0.5)),
        ),
        tolerance=1e-3,
        mutant_tolerance=1e-1,
        **_EXACT,
    ),
)
