"""Claims on the exact learning curve of one prompt: closed forms (P15), finite groups (P16)."""

from functools import partial

import numpy as np
from scipy.special import expit, logit

from theory.predict import batch_curves, drift, learning_curves
from theory.verify.claim import Claim, Mutant
from theory.verify.experiments import expected_flow

_DERIVED = "derived in this project (catalogue entries P15 and P16)"
_EXACT = {"statistic": "difference"}

_START = float(logit(0.02))
_KERNEL = 1.0 / expected_flow.NUM_CORRECT + 1.0 / expected_flow.NUM_WRONG
_TIMES = 30.0 * np.arange(1, 6)


def _raw_curve(kernel: float) -> np.ndarray:
    return learning_curves.predicted_raw_log_odds(_START, _TIMES, kernel=kernel)


def _standardized_curve(kernel: float) -> np.ndarray:
    return learning_curves.predicted_standardized_log_odds(_START, _TIMES, kernel=kernel)


def _raw_curve_without_linear_term() -> np.ndarray:
    return np.arcsinh(np.sinh(_START) + _KERNEL * _TIMES / 2.0)


_KERNEL_MUTANTS = ((1.0, "kernel 1, as of one correct arm"), (2.0, "kernel 2, as of two arms"))

_GRID = np.linspace(-8.0, 8.0, 17)
_GROUPS = (2, 4, 8, 16)


def _class_gradients(rule: str, **how: float) -> np.ndarray:
    return np.stack(
        [drift.predicted_class_gradient(rule, _GRID, group_size=size, **how) for size in _GROUPS]
    )


def _on_grid(value: np.ndarray) -> np.ndarray:
    return np.broadcast_to(value, (len(_GROUPS), len(_GRID)))


_PASS_VARIANCE = expit(_GRID) * expit(-_GRID)
_FLOW_GROUP = 8
_FLOW_TIMES = 10.0 * np.arange(1, 6)


def _finite_group_curve(rule: str = "grpo", group_size: int = _FLOW_GROUP) -> np.ndarray:
    shift = batch_curves.predicted_shift(
        rule,
        [_START],
        _FLOW_TIMES,
        learning_rate=1.0,
        shared_kernel=_KERNEL,
        group_size=group_size,
    )
    return _START + shift


CURVE_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P15-raw",
        what="log-odds at five times, raw reward",
        statement="z + sinh(z) = z0 + sinh(z0) + kernel * gap * t / 2, kernel = 1/3 + 1/7",
        tags=("P15", "learning-curve", "exact", "raw_reward"),
        source=_DERIVED,
        theory=(learning_curves.predicted_raw_log_odds,),
        predicted=lambda: _raw_curve(learning_curves.tabular_kernel(3, 7)),
        experiment=lambda rng, size: expected_flow.measure_flow(
            expected_flow.rule_direction("raw_reward", 1), _START, _TIMES, size
        ),
        mutants=(
            *(Mutant(what, partial(_raw_curve, kernel)) for kernel, what in _KERNEL_MUTANTS),
            Mutant("the closed form without its linear z", _raw_curve_without_linear_term),
        ),
        tolerance=1e-4,
        mutant_tolerance=1e-2,
        size={"quick": 60, "full": 600},
        **_EXACT,
    ),
    Claim(
        id="P15-standardized",
        what="log-odds at five times, GRPO, infinite group",
        statement="sinh(z/2) = sinh(z0/2) + kernel * t / 4, kernel = 1/3 + 1/7",
        tags=("P15", "learning-curve", "exact", "grpo"),
        source=_DERIVED,
        theory=(learning_curves.predicted_standardized_log_odds,),
        predicted=lambda: _standardized_curve(learning_curves.tabular_kernel(3, 7)),
        experiment=lambda rng, size: expected_flow.measure_flow(
            expected_flow.population_standardized_direction, _START, _TIMES, size
        ),
        mutants=tuple(
            Mutant(what, partial(_standardized_curve, kernel)) for kernel, what in _KERNEL_MUTANTS
        ),
        tolerance=1e-4,
        mutant_tolerance=1e-2,
        size={"quick": 60, "full": 600},
        **_EXACT,
    ),
    Claim(
        id="P15-natural",
        what="log-odds at five times, natural gradient",
        statement="z = z0 + gap * t",
        tags=("P15", "learning-curve", "exact"),
        source=_DERIVED,
        theory=(learning_curves.predicted_natural_log_odds,),
        predicted=lambda: learning_curves.predicted_natural_log_odds(_START, _TIMES / 10.0),
        experiment=lambda rng, size: expected_flow.measure_flow(
            expected_flow.natural_direction, _START, _TIMES / 10.0, size
        ),
        mutants=(
            Mutant("the kernel of the policy gradient", lambda: _START + _KERNEL * _TIMES / 10.0),
            Mutant("the plain policy gradient", lambda: _raw_curve(_KERNEL)),
        ),
        tolerance=1e-9,
        mutant_tolerance=1e-2,
        size={"quick": 10, "full": 600},
        **_EXACT,
    ),
    Claim(
        id="P16-drift-mean",
        what="class gradient of the group mean, G = 2 to 16",
        statement="class gradient = (G - 1)/G p (1 - p)",
        tags=("P16", "P7", "drift", "exact", "group_mean"),
        source="derived; the factor in arXiv 2503.20783",
        theory=(drift.predicted_class_gradient,),
        predicted=partial(_class_gradients, "group_mean"),
        experiment=lambda rng, size: expected_flow.measure_class_gradient(
            "group_mean", _GRID, _GROUPS
        ),
        mutants=(Mutant("factor 1 instead of (G - 1)/G", lambda: _on_grid(_PASS_VARIANCE)),),
        tolerance=1e-12,
        mutant_tolerance=1e-3,
        **_EXACT,
    ),
    Claim(
        id="P16-drift-loo",
        what="class gradient of leave-one-out, G = 2 to 16",
        statement="class gradient = p (1 - p), the one of raw reward",
        tags=("P16", "P7", "drift", "exact", "leave_one_out"),
        source="arXiv 2402.14740",
        theory=(drift.predicted_class_gradient,),
        predicted=partial(_class_gradients, "leave_one_out"),
        experiment=lambda rng, size: expected_flow.measure_class_gradient(
            "leave_one_out", _GRID, _GROUPS
        ),
        mutants=(
            Mutant(
                "the factor (G - 1)/G of the group mean", partial(_class_gradients, "group_mean")
            ),
        ),
        tolerance=1e-12,
        mutant_tolerance=1e-3,
        **_EXACT,
    ),
    Claim(
        id="P16-drift-grpo",
        what="class gradient of GRPO, G = 2 to 16",
        statement=(
            "class gradient = S_G(p) = sum_k Binomial(k; G, p) (k/G) (1 - k/G)/(std + eps), "
            "ddof = 1, eps = 1e-6"
        ),
        tags=("P16", "P8", "drift", "exact", "grpo"),
        source="finite sum derived; its limit in arXiv 2510.13651",
        theory=(drift.standardized_class_gradient,),
        predicted=partial(_class_gradients, "grpo"),
        experiment=lambda rng, size: expected_flow.measure_class_gradient("grpo", _GRID, _GROUPS),
        mutants=(
            Mutant("sqrt(p (1 - p))", lambda: _on_grid(np.sqrt(_PASS_VARIANCE))),
            Mutant("ddof = 0", partial(_class_gradients, "grpo", ddof=0)),
            Mutant("eps = 0", partial(_class_gradients, "grpo", eps=0.0)),
        ),
        tolerance=1e-12,
        mutant_tolerance=1e-8,
        **_EXACT,
    ),
    Claim(
        id="P16-flow",
        what="log-odds at five times, GRPO, G = 8",
        statement="dz/dt = kernel * S_8(p), kernel = 1/3 + 1/7",
        tags=("P16", "learning-curve", "exact", "grpo"),
        source=_DERIVED,
        theory=(batch_curves.predicted_shift,),
        predicted=_finite_group_curve,
        experiment=lambda rng, size: expected_flow.measure_flow(
            expected_flow.rule_direction("grpo", _FLOW_GROUP), _START, _FLOW_TIMES, size
        ),
        mutants=(
            Mutant(
                "sqrt(p (1 - p)) instead of S_8(p)",
                lambda: learning_curves.predicted_standardized_log_odds(
                    _START, _FLOW_TIMES, kernel=_KERNEL
                ),
            ),
            Mutant("the neighbouring group, G = 7", partial(_finite_group_curve, group_size=7)),
            Mutant("no division by the deviation", partial(_finite_group_curve, "group_mean")),
        ),
        tolerance=1e-4,
        mutant_tolerance=1e-2,
        size={"quick": 40, "full": 200},
        **_EXACT,
    ),
)
