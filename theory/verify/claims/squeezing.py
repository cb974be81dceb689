"""Claims on how a step on one arm moves the log-probabilities of others (P44)."""

import numpy as np
from scipy.special import log_softmax

from banditlab.kernels import ClassKernel
from banditlab.problems import BanditProblem
from banditlab.rules import get_rule
from theory.predict import squeezing
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.experiments import squeezing as experiment
from theory.verify.measurement import Measurement

_DERIVED = "derived in this project; the decomposition as in arXiv 2407.10490"
_EXACT = {"statistic": "difference"}

# Nine arms in three groups of likeness, and one drawn from the second.
_LIKENESS = np.array([[0.8, 0.3, 0.0], [0.3, 0.6, -0.1], [0.0, -0.1, 0.2]])
_GROUP = np.repeat([0, 1, 2], 3)
_KERNEL = 0.4 * np.eye(9) + _LIKENESS[np.ix_(_GROUP, _GROUP)]
_LOG_PROB = log_softmax(np.array([0.3, -1.0, -2.0, 1.2, 0.1, -0.5, 0.0, -1.5, 0.4]))
_ARM, _ADVANTAGE = 4, -1.5
_DRAWN = {"arm": _ARM, "advantage": _ADVANTAGE, "step_size": 0.04}


def _problem(kernel: np.ndarray) -> BanditProblem:
    """Every arm is a class of its own, so that a class kernel is any kernel."""
    return BanditProblem(
        np.zeros((1, 9)),
        _LOG_PROB[None],
        np.zeros((1, 9)),
        kernel=ClassKernel(0.0, within_context=kernel),
    )


def _rates(kernel: np.ndarray = _KERNEL) -> np.ndarray:
    return squeezing.predicted_log_prob_rate(np.exp(_LOG_PROB), kernel, _ARM, _ADVANTAGE)


def _half_centred() -> np.ndarray:
    """The kernel's column less the policy: K e_arm - policy."""
    prob = np.exp(_LOG_PROB)
    pull = _KERNEL[:, _ARM] - prob
    return _ADVANTAGE * (pull - prob @ pull)


def _unnormalised() -> np.ndarray:
    return _ADVANTAGE * (_KERNEL[:, _ARM] - _KERNEL @ np.exp(_LOG_PROB))


def _curvature(advantage: float = _ADVANTAGE) -> float:
    return squeezing.predicted_log_prob_curvature(np.exp(_LOG_PROB), _KERNEL, _ARM, advantage)


def _measure_rates(kernel: np.ndarray) -> Experiment:
    return lambda rng, size: experiment.measure_log_prob_rates(_problem(kernel), **_DRAWN)


_LIKE, _STEP, _BASELINE = 0.9, 0.6, 0.4
_PULL = _LIKE * _STEP * _BASELINE
_CLUSTER, _NUM_FAILURES = 0.3, 25
_CLUSTERS = np.array([0.02, 0.1, 0.3, 0.5, 0.8])
_OF_CLUSTER = {"kernel": _LIKE, "step_size": _STEP}


def _near_misses(pull: float = _PULL) -> np.ndarray:
    return squeezing.predicted_near_miss_log_prob(_CLUSTER, pull, _NUM_FAILURES)


def _measure_near_misses(rule: str, **hyper: float) -> Experiment:
    return lambda rng, size: Measurement.exact(
        experiment.correct_log_probs(
            get_rule(rule, **hyper), _CLUSTER, num_failures=_NUM_FAILURES, **_OF_CLUSTER
        )
    )


def _mean_failures() -> np.ndarray:
    return squeezing.predicted_mean_failure_change(_CLUSTERS, _PULL)


SQUEEZING_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P44-rate",
        what="first-order change of 9 log-probabilities by one rollout of advantage -1.5",
        statement="d log prob = A (I - 1 prob^T) K (e_arm - prob) per unit step",
        tags=("P44", "kernel", "squeezing", "exact", "constant_baseline"),
        source=_DERIVED,
        theory=(squeezing.predicted_log_prob_rate,),
        predicted=_rates,
        experiment=_measure_rates(_KERNEL),
        mutants=(
            Mutant("the kernel before centring, K e_arm - prob", _half_centred),
            Mutant("not normalised", _unnormalised),
            Mutant("tabular arms", experiment=_measure_rates(np.eye(9))),
        ),
        tolerance=1e-7,
        mutant_tolerance=1e-2,
        axis=Axis("arm (numbered)"),
        unit="change of log-probability per unit step, nats",
        **_EXACT,
    ),
    Claim(
        id="P44-remainder",
        what="second-order change of 9 log-probabilities",
        statement="what the first order leaves is -(step A)^2/2 Var_prob(K (e_arm - prob))",
        tags=("P44", "kernel", "squeezing", "exact", "constant_baseline"),
        source=_DERIVED,
        theory=(squeezing.predicted_log_prob_curvature,),
        predicted=lambda: np.full(9, _curvature()),
        experiment=lambda rng, size: experiment.measure_log_prob_curvature(
            _problem(_KERNEL), **_DRAWN
        ),
        mutants=(
            Mutant("none", lambda: np.zeros(9)),
            Mutant("without the 1/2", lambda: np.full(9, 2.0 * _curvature())),
        ),
        tolerance=1e-7,
        mutant_tolerance=1e-3,
        axis=Axis("arm (numbered)"),
        unit="change of log-probability per unit step squared, nats",
        **_EXACT,
    ),
    Claim(
        id="P44-near-miss",
        what="log p of a never-drawn correct arm along 25 failures in its cluster, baseline 0.4",
        statement=(
            "each failure adds -x (1 - w) - log(1 - w + w e^(-x (1 - w))), x = step kernel "
            "baseline, w the cluster's probability: a geometric fall"
        ),
        tags=("P44", "kernel", "squeezing", "exact", "constant_baseline"),
        source=_DERIVED,
        theory=(squeezing.predicted_near_miss_log_prob, squeezing.predicted_near_miss_change),
        predicted=_near_misses,
        experiment=_measure_near_misses("constant_baseline", baseline=_BASELINE),
        mutants=(
            Mutant(
                "raw reward: failures do nothing",
                experiment=_measure_near_misses("raw_reward"),
            ),
            Mutant(
                "the full pull from the start",
                lambda: -_PULL * np.arange(1.0, _NUM_FAILURES + 1.0),
            ),
            Mutant(
                "first order, -x (1 - w)^2, for the first cluster",
                lambda: -_PULL * (1.0 - _CLUSTER) ** 2 * np.arange(1.0, _NUM_FAILURES + 1.0),
            ),
        ),
        tolerance=1e-11,
        mutant_tolerance=1e-2,
        axis=Axis("failures", at=np.arange(1, _NUM_FAILURES + 1)),
        unit="change of log p, nats",
        **_EXACT,
    ),
    Claim(
        id="P44-all-failures",
        what="mean change of log p of that arm over all failures, five sizes of the cluster",
        statement=(
            "to first order failures elsewhere lift the arm by what near misses take: the mean "
            "is about -x^2 w^2 (1 - w)^2/2, of second order"
        ),
        tags=("P44", "kernel", "squeezing", "exact", "constant_baseline"),
        source="derived in this project, beyond the catalogue",
        theory=(squeezing.predicted_mean_failure_change, squeezing.predicted_near_miss_change),
        predicted=_mean_failures,
        experiment=lambda rng, size: experiment.measure_mean_failure(
            get_rule("constant_baseline", baseline=_BASELINE), _CLUSTERS, **_OF_CLUSTER
        ),
        mutants=(
            Mutant(
                "near misses alone",
                lambda: _CLUSTERS * squeezing.predicted_near_miss_change(_CLUSTERS, _PULL),
            ),
            Mutant(
                "-x^2 w (1 - w)/2",
                lambda: -(_PULL**2) * _CLUSTERS * (1.0 - _CLUSTERS) / 2.0,
            ),
        ),
        tolerance=1e-13,
        mutant_tolerance=1e-3,
        axis=Axis("probability of the cluster", at=_CLUSTERS),
        unit="mean change of log p, nats",
        **_EXACT,
    ),
)
