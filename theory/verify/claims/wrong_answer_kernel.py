"""Claims on failures of reward -1 among correlated answers (P57)."""

import numpy as np
from scipy.special import expit

from banditlab.kernels import ClassKernel
from banditlab.rules import get_rule
from theory.predict import wrong_answer_kernel
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.experiments import negative_reward as experiment
from theory.verify.measurement import Measurement

_DERIVED = "derived in this project"
_TAGS = ("P57", "negative-reward", "kernel", "exact", "negative_reward")

_SIGNED = get_rule("negative_reward")
# Correct answers, a wrong cluster much like them, another one, and the rest.
_KERNEL = np.array(
    [
        [1.0, 0.7, 0.1, 0.0],
        [0.7, 0.9, 0.0, 0.0],
        [0.1, 0.0, 0.5, 0.1],
        [0.0, 0.0, 0.1, 0.3],
    ]
)
_PROB = np.array([0.02, 0.28, 0.2, 0.5])
_SHARE = np.array([0.3, 0.2, 0.5])

_CLUSTERS = ((1e-6, 0.1), (1e-6, 0.6), (0.2, 0.3))
_OWN = {"correct_kernel": 1.0, "cluster_kernel": 0.8}


def _uncentred_pulls() -> np.ndarray:
    return -_KERNEL[0] + _KERNEL[0] @ _PROB


def _overlaps() -> np.ndarray:
    return np.array(
        [wrong_answer_kernel.predicted_critical_overlap(*at, **_OWN) for at in _CLUSTERS]
    )


_GRID = np.array([-9.0, -6.0, -4.0, -2.0, 0.5])
_STEP = 0.6


def _mean_steps(step_size: float = _STEP) -> np.ndarray:
    return np.array(
        [
            wrong_answer_kernel.predicted_mean_step(float(at), _SHARE, _KERNEL, step_size)
            for at in _GRID
        ]
    )


def _measure_mean_steps(rule: str = "negative_reward") -> Experiment:
    kernel = ClassKernel(0.0, within_context=_KERNEL)
    return lambda rng, size: Measurement.exact(
        [experiment.mean_step(get_rule(rule), float(at), _SHARE, _STEP, kernel) for at in _GRID]
    )


_STEPS = (0.1, 0.6, 2.0)


def _breakdowns() -> np.ndarray:
    return np.array(
        [
            expit(wrong_answer_kernel.predicted_kernel_breakdown(_SHARE, _KERNEL, step_size))
            / step_size
            for step_size in _STEPS
        ]
    )


def _small_step_breakdown() -> np.ndarray:
    """Noise over signal: D/(4 k_cc)."""
    wrong = _KERNEL[1:, 1:] - (_KERNEL[1:, 1:] @ _SHARE)[:, None]
    variance = _SHARE @ wrong**2 - (_SHARE @ wrong) ** 2
    toward = np.append(1.0, -_SHARE)
    return np.full(len(_STEPS), (_SHARE @ variance) / (4.0 * toward @ _KERNEL @ toward))


def _measure_breakdowns(rng: np.random.Generator, size: int) -> Measurement:
    kernel = ClassKernel(0.0, within_context=_KERNEL)
    return Measurement.exact(
        [
            expit(
                experiment.breakdown(
                    lambda at, step_size=step_size: experiment.mean_step(
                        _SIGNED, at, _SHARE, step_size, kernel
                    )
                )
            )
            / step_size
            for step_size in _STEPS
        ]
    )


WRONG_ANSWER_KERNEL_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P57-pull",
        what="first-order change of log p by a failure on each of four classes",
        statement="-(e_c - pi) B (e_b - pi): down where b is more like c than the policy is",
        tags=_TAGS,
        source=f"{_DERIVED}; the form as in arXiv 2407.10490",
        theory=(wrong_answer_kernel.predicted_failure_pull,),
        predicted=lambda: wrong_answer_kernel.predicted_failure_pull(_PROB, _KERNEL),
        experiment=lambda rng, size: Measurement.exact(
            experiment.failure_pulls(_SIGNED, _PROB, _KERNEL)
        ),
        mutants=(
            Mutant("the kernel centred on one side only", _uncentred_pulls),
            Mutant(
                "rewards of +1",
                lambda: -wrong_answer_kernel.predicted_failure_pull(_PROB, _KERNEL),
            ),
        ),
        statistic="difference",
        tolerance=1e-8,
        mutant_tolerance=1e-2,
        axis=Axis("class of the failure", at=("correct", "alike", "other", "rest")),
        unit="change of log p per unit step (nats)",
    ),
    Claim(
        id="P57-overlap",
        what="kernel to a wrong cluster above which its failures lower p",
        statement=(
            "(p (1 - p) K_cc + w (1 - w) K_ww)/(1 - w - p + 2 p w), w K_ww for rare success: a "
            "near miss in a small cluster harms"
        ),
        tags=_TAGS,
        source=_DERIVED,
        theory=(wrong_answer_kernel.predicted_critical_overlap,),
        predicted=_overlaps,
        experiment=lambda rng, size: Measurement.exact(
            [experiment.critical_overlap(_SIGNED, *at, *_OWN.values()) for at in _CLUSTERS]
        ),
        mutants=(
            Mutant("K_cw = K_ww, as of one cluster alone", lambda: np.full(3, 0.8)),
            Mutant("w K_ww at every p", lambda: np.array([w * 0.8 for _, w in _CLUSTERS])),
        ),
        statistic="difference",
        tolerance=1e-8,
        mutant_tolerance=1e-2,
        axis=Axis("p and w", at=tuple(f"{p:g}, {w:g}" for p, w in _CLUSTERS)),
        unit="kernel between correct class and cluster",
    ),
    Claim(
        id="P57-kernel-step",
        what="mean change of the log-odds by one rollout, four correlated classes",
        statement=(
            "-sum_b pi_b log(sum_j s_j e^(d_bj)) with the changes d_bj of the wrong logits less "
            "that of the correct one; step = 0.6"
        ),
        tags=_TAGS,
        source=_DERIVED,
        theory=(wrong_answer_kernel.predicted_mean_step,),
        predicted=_mean_steps,
        experiment=_measure_mean_steps(),
        mutants=(
            Mutant("the raw reward", experiment=_measure_mean_steps("raw_reward")),
            Mutant("proportional to the step", lambda: 1e3 * _mean_steps(1e-3 * _STEP)),
        ),
        statistic="difference",
        tolerance=1e-12,
        mutant_tolerance=1e-3,
        axis=Axis("log-odds of success (nats)", at=_GRID),
        unit="mean change of the log-odds (nats)",
    ),
    Claim(
        id="P57-kernel-breakdown",
        what="pass rate below which a rollout lowers the log-odds on average, over the step",
        statement=(
            "root of P57-kernel-step; for small steps D/(4 k_cc): spread of a failure's kernel "
            "over the wrong classes, over the centred kernel of the correct one"
        ),
        tags=_TAGS,
        source=_DERIVED,
        theory=(wrong_answer_kernel.predicted_kernel_breakdown,),
        predicted=_breakdowns,
        experiment=_measure_breakdowns,
        mutants=(
            Mutant("its form for small steps", _small_step_breakdown),
            Mutant("a failure alone: twice that", lambda: 2.0 * _breakdowns()),
        ),
        statistic="difference",
        tolerance=1e-10,
        mutant_tolerance=1e-3,
        axis=Axis("step size", at=_STEPS),
        unit="pass rate over step size",
    ),
)
