"""Claims on inequalities at any policy, searched for violations (P48, P49).

Each published inequality stands beside the sharp one, where that is known.
"""

from collections.abc import Callable

import numpy as np

from theory.predict import bounds
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.experiments import bounds as experiment
from theory.verify.experiments.adversary import Ratio, Search

_MEI_2020 = "Mei et al. 2020, arXiv 2005.06392, as the catalogue cites it"
_DERIVED = "derived in this project"
_NUM_ARMS = (2, 3, 5, 10)
_AXIS = Axis("arms K", at=_NUM_ARMS)
# Differences of nearly equal rewards leave some 1e-10 of rounding in a ratio.
_BOUND = {"statistic": "bound", "tolerance": 1e-9, "mutant_tolerance": 1e-3, "axis": _AXIS}
_SEARCH_SIZE = {"quick": 250, "full": 3_000}


def _published(name: str) -> np.ndarray:
    return np.full(len(_NUM_ARMS), bounds.published_constant(name))


def _each(constant: Callable[[int], float]) -> np.ndarray:
    return np.array([constant(num_arms) for num_arms in _NUM_ARMS])


def _search(
    ratio_of: Callable[[int], Ratio],
    coordinates_of: Callable[[int], int] = lambda num_arms: 2 * num_arms,
) -> Experiment:
    """At each number of arms: 12 random instances and 32 climbers' per unit of size."""
    return lambda rng, size: experiment.measure_suprema(
        rng, ratio_of, _NUM_ARMS, Search(12 * size, num_rounds=size), coordinates_of
    )


def _noise_growth(has_published_form: bool) -> Experiment:
    return _search(
        lambda num_arms: experiment.noise_growth_ratio(
            num_arms, has_published_form=has_published_form
        ),
        lambda num_arms: 2 * num_arms - 1,
    )


def _scaled(factor: float, of: Callable[[], np.ndarray]) -> Callable[[], np.ndarray]:
    return lambda: factor * of()


def _lojasiewicz() -> np.ndarray:
    return _each(lambda num_arms: bounds.predicted_lojasiewicz_ratio(num_arms))


def _smoothness() -> np.ndarray:
    return _each(lambda num_arms: bounds.predicted_smoothness())


def _nonuniform_smoothness() -> np.ndarray:
    return _each(lambda num_arms: bounds.predicted_nonuniform_smoothness(num_arms))


def _growth_constants() -> np.ndarray:
    return _each(lambda num_arms: bounds.predicted_noise_growth(num_arms))


BOUND_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P48-lojasiewicz",
        what="largest p gap/|gradient|, p = prob of the best arm, gap = V* - V",
        statement="|gradient| >= p (V* - V) (Lemma 3)",
        tags=("P48", "bound", "gradient", "exact"),
        source=_MEI_2020,
        theory=(bounds.published_constant,),
        predicted=lambda: _published("lojasiewicz"),
        experiment=_search(experiment.lojasiewicz_ratio),
        mutants=(
            Mutant("constant 1.1", _scaled(1.0 / 1.1, lambda: _published("lojasiewicz"))),
            Mutant(
                "sqrt(2), true of two arms", _scaled(0.5**0.5, lambda: _published("lojasiewicz"))
            ),
        ),
        size=_SEARCH_SIZE,
        **_BOUND,
    ),
    Claim(
        id="P48-lojasiewicz-sharp",
        what="largest p gap/|gradient| against its sharp bound",
        statement="|gradient| >= sqrt(K/(K - 1)) p (V* - V), attained at equal wrong arms",
        tags=("P48", "bound", "gradient", "exact"),
        source=_DERIVED,
        theory=(bounds.predicted_lojasiewicz_ratio,),
        predicted=_lojasiewicz,
        experiment=_search(experiment.lojasiewicz_ratio),
        mutants=(
            Mutant("1 % tighter", _scaled(0.99, _lojasiewicz)),
            Mutant("that of two arms", lambda: np.full(len(_NUM_ARMS), 0.5**0.5)),
        ),
        size=_SEARCH_SIZE,
        **_BOUND,
    ),
    Claim(
        id="P48-smoothness",
        what="largest |eigenvalue| of the Hessian, rewards in [0, 1]",
        statement="V is 5/2-smooth in the logits (Lemma 2)",
        tags=("P48", "bound", "smoothness", "exact"),
        source=_MEI_2020,
        theory=(bounds.published_constant,),
        predicted=lambda: _published("smoothness"),
        experiment=_search(experiment.smoothness_ratio),
        mutants=(
            Mutant("smoothness 0.19", lambda: np.full(len(_NUM_ARMS), 0.19)),
            Mutant("smoothness 1/6", lambda: np.full(len(_NUM_ARMS), 1.0 / 6.0)),
        ),
        size=_SEARCH_SIZE,
        **_BOUND,
    ),
    Claim(
        id="P48-smoothness-sharp",
        what="largest |eigenvalue| of the Hessian against its sharp bound",
        statement="V is 1/(3 sqrt(3))-smooth for any K, attained by two arms",
        tags=("P48", "bound", "smoothness", "exact"),
        source=_DERIVED,
        theory=(bounds.predicted_smoothness,),
        predicted=_smoothness,
        experiment=_search(experiment.smoothness_ratio),
        mutants=(
            Mutant("smoothness 0.19", lambda: np.full(len(_NUM_ARMS), 0.19)),
            Mutant("half of it, the curvature of p (1 - p)", _scaled(0.5, _smoothness)),
        ),
        size=_SEARCH_SIZE,
        **_BOUND,
    ),
    Claim(
        id="P48-nonuniform",
        what="largest |eigenvalue| of the Hessian over |gradient|",
        statement="|y' Hessian y| <= 3 |gradient| |y|^2",
        tags=("P48", "bound", "smoothness", "exact"),
        source="Mei et al. 2021, non-uniform smoothness, as the catalogue cites it",
        theory=(bounds.published_constant,),
        predicted=lambda: _published("nonuniform_smoothness"),
        experiment=_search(experiment.nonuniform_smoothness_ratio),
        mutants=(
            Mutant("sqrt(2), true of two arms", lambda: np.full(len(_NUM_ARMS), 2.0**0.5)),
            Mutant("half of it", _scaled(0.5, lambda: _published("nonuniform_smoothness"))),
        ),
        size=_SEARCH_SIZE,
        **_BOUND,
    ),
    Claim(
        id="P48-nonuniform-sharp",
        what="largest |eigenvalue| of the Hessian over |gradient| against its least upper bound",
        statement="|y' Hessian y| <= c_K |gradient| |y|^2, c_K = sqrt(2), 3/2, ... to 1.6445",
        tags=("P48", "bound", "smoothness", "exact"),
        source=_DERIVED,
        theory=(bounds.predicted_nonuniform_smoothness,),
        predicted=_nonuniform_smoothness,
        experiment=_search(experiment.nonuniform_smoothness_ratio),
        mutants=(
            Mutant("1 % tighter", _scaled(0.99, _nonuniform_smoothness)),
            Mutant("sqrt(2), true of two arms", lambda: np.full(len(_NUM_ARMS), 2.0**0.5)),
        ),
        size=_SEARCH_SIZE,
        **_BOUND,
    ),
    Claim(
        id="P49-noise",
        what="largest E|sampled gradient|^2 D^2/(R^3 K^(3/2) |gradient|)",
        statement="E|sampled gradient|^2 <= (8 R^3 K^(3/2)/D^2) |gradient|, D the least reward gap",
        tags=("P49", "bound", "noise", "exact", "raw_reward"),
        source="Mei et al. 2024, arXiv 2402.17235, as the catalogue cites it from memory",
        theory=(bounds.published_constant,),
        predicted=lambda: _published("noise_growth"),
        experiment=_noise_growth(has_published_form=True),
        mutants=(
            Mutant("a tenth", _scaled(0.1, lambda: _published("noise_growth"))),
            Mutant("0.646 in place of 8", lambda: np.full(len(_NUM_ARMS), 0.646)),
        ),
        size=_SEARCH_SIZE,
        **_BOUND,
    ),
    Claim(
        id="P49-noise-sharp",
        what="largest E|sampled gradient|^2 D/(R^2 |gradient|) against its least upper bound",
        statement=(
            "E|sampled gradient|^2 <= c_K (R^2/D) |gradient|, c_K = sqrt(2), 2 sqrt(2), 2.958, ... "
            "to 2 pi/sqrt(3): no growth with K, and 1/D for 1/D^2"
        ),
        tags=("P49", "bound", "noise", "exact", "raw_reward"),
        source=_DERIVED,
        theory=(bounds.predicted_noise_growth,),
        predicted=_growth_constants,
        experiment=_noise_growth(has_published_form=False),
        mutants=(
            Mutant("1 % tighter", _scaled(0.99, _growth_constants)),
            Mutant("sqrt(2), true of two arms", lambda: np.full(len(_NUM_ARMS), 2.0**0.5)),
        ),
        size=_SEARCH_SIZE,
        **_BOUND,
    ),
)
