"""Claims on inequalities along paths of exact softmax policy gradient (P48)."""

from collections.abc import Callable

import numpy as np

from theory.predict import bounds
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.experiments import gradient_paths as experiment
from theory.verify.measurement import Measurement

_MEI_2020 = "Mei et al. 2020, arXiv 2005.06392, as the catalogue cites it"
_DERIVED = "derived in this project"
_NUM_ARMS = (2, 3, 5, 10)
_BOUND = {
    "statistic": "bound",
    "tolerance": 1e-12,
    "mutant_tolerance": 1e-3,
    "size": {"quick": 400, "full": 4_000},
}
_AXIS = Axis("arms K", at=_NUM_ARMS)
_STEP = 0.4
_NUM_PATHS = 60


def _published(name: str) -> np.ndarray:
    return np.full(len(_NUM_ARMS), bounds.published_constant(name))


def _rate_constants() -> np.ndarray:
    return np.array([bounds.predicted_rate_constant(_STEP, num_arms) for num_arms in _NUM_ARMS])


def _larger_step() -> np.ndarray:
    return np.array([bounds.predicted_rate_constant(5.0, num_arms) for num_arms in _NUM_ARMS])


def _scaled(factor: float, of: Callable[[], np.ndarray]) -> Callable[[], np.ndarray]:
    return lambda: factor * of()


def _rates(is_uniform: bool = False) -> Experiment:
    return lambda rng, size: experiment.measure_rates(
        rng,
        _NUM_ARMS,
        step_size=_STEP,
        num_paths=_NUM_PATHS,
        num_updates=size,
        is_uniform=is_uniform,
    )


def _backward(is_uniform: bool) -> Experiment:
    return lambda rng, size: experiment.measure_backward(
        rng,
        _NUM_ARMS,
        step_size=_STEP,
        num_paths=_NUM_PATHS,
        num_updates=size,
        is_uniform=is_uniform,
    )


_FALLING_REWARD = np.array([[1.0, 0.9, 0.1]])
_FALLING_PROB = np.array([[0.01, 0.05, 0.94]])


def _measure_fall(rng: np.random.Generator, size: int) -> Measurement:
    best, _ = experiment.best_arm_paths(
        np.log(_FALLING_PROB), _FALLING_REWARD, step_size=_STEP, num_updates=size
    )
    return Measurement.exact((best[:, :-1] / best[:, 1:]).max())


GRADIENT_PATH_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P48-rate",
        what="largest n gap (min p)^2 after n exact updates at step 2/5",
        statement="V* - V_t <= 5/(c^2 t), c = inf_t p_t (Theorem 2)",
        tags=("P48", "bound", "rate", "exact"),
        source=_MEI_2020,
        theory=(bounds.published_constant,),
        predicted=lambda: _published("rate"),
        experiment=_rates(),
        mutants=(
            Mutant("1/(c^2 t)", _scaled(0.2, lambda: _published("rate"))),
            Mutant("3/(2 c^2 t)", _scaled(0.3, lambda: _published("rate"))),
        ),
        axis=_AXIS,
        **_BOUND,
    ),
    Claim(
        id="P48-rate-sharp",
        what="largest n gap (min p)^2 after n exact updates at step 2/5, against 2.6 (K - 1)/K",
        statement=(
            "V* - V <= ((K - 1)/K)/(step (1 - L step/2) n (min p)^2) after n updates, for any "
            "step < 2/L, L = 1/(3 sqrt(3))"
        ),
        tags=("P48", "bound", "rate", "exact"),
        source=_DERIVED,
        theory=(bounds.predicted_rate_constant,),
        predicted=_rate_constants,
        experiment=_rates(),
        mutants=(
            Mutant("half of it", _scaled(0.5, _rate_constants)),
            Mutant("that of a step of 5, 0.385 (K - 1)/K", _larger_step),
        ),
        axis=_AXIS,
        **_BOUND,
    ),
    Claim(
        id="P48-uniform-rate",
        what="largest n gap/K^2 after n exact updates at step 2/5 from equal logits",
        statement="V* - V_t <= 5 K^2/t from the uniform policy (Theorem 3)",
        tags=("P48", "bound", "rate", "exact"),
        source=_MEI_2020,
        theory=(bounds.published_constant,),
        predicted=lambda: _published("uniform_rate"),
        experiment=_rates(is_uniform=True),
        mutants=(
            Mutant("a twentieth", _scaled(0.05, lambda: _published("uniform_rate"))),
            Mutant("1/t", lambda: 1.0 / np.array(_NUM_ARMS) ** 2),
        ),
        axis=_AXIS,
        **_BOUND,
    ),
    Claim(
        id="P48-monotone",
        what="largest p_t/p_(t + 1) of the best arm from equal logits, step 2/5",
        statement="from the uniform policy the best arm's probability increases (Proposition 2)",
        tags=("P48", "bound", "rate", "exact"),
        source=_MEI_2020,
        theory=(bounds.published_constant,),
        predicted=lambda: _published("monotone"),
        experiment=_backward(is_uniform=True),
        mutants=(
            Mutant("from other policies too", experiment=_backward(is_uniform=False)),
            Mutant("by at least 1 % an update", _scaled(0.99, lambda: _published("monotone"))),
        ),
        axis=_AXIS,
        **_BOUND,
    ),
    Claim(
        id="P48-monotone-anywhere",
        what="largest p_t/p_(t + 1) of the best arm from (.01, .05, .94), rewards (1, .9, .1)",
        statement="from any policy the probability of the best arm increases at step 2/5",
        tags=("P48", "bound", "rate", "exact"),
        source="Proposition 2 of arXiv 2005.06392 without its condition of a uniform start",
        theory=(bounds.published_constant,),
        predicted=lambda: [bounds.published_constant("monotone")],
        experiment=_measure_fall,
        mutants=(
            Mutant("by at least 1 % an update", lambda: [0.99]),
            Mutant("it doubles", lambda: [0.5]),
        ),
        expected_verdict="rejected",
        evidence=(
            "It falls from .01 to .0038 over the first 1953 updates, the better of the two others "
            "rising first, and is 1/2 only after 7525 (banditlab's exact gradient). From equal "
            "logits it increases: P48-monotone."
        ),
        axis=Axis("start", at=("(.01, .05, .94)",)),
        **_BOUND,
    ),
    Claim(
        id="P48-inverse-gap",
        what="largest D^2/(t gap) at late t, step 1, D the lead of the best reward",
        statement="V* - V_t >= D^2/(6 t) for large t and steps up to 1 (Theorem 9)",
        tags=("P48", "bound", "rate", "exact"),
        source=_MEI_2020,
        theory=(bounds.published_constant,),
        predicted=lambda: _published("inverse_gap"),
        experiment=lambda rng, size: experiment.measure_inverse_gaps(
            rng, _NUM_ARMS, step_size=1.0, num_paths=_NUM_PATHS, num_updates=size
        ),
        mutants=(
            Mutant("D^2/t", _scaled(1.0 / 6.0, lambda: _published("inverse_gap"))),
            Mutant("2 D^2/(3 t)", _scaled(0.25, lambda: _published("inverse_gap"))),
        ),
        axis=_AXIS,
        **_BOUND,
    ),
)
