"""Claims on mean and mean square of GRPO's class gradient (P8)."""

from collections.abc import Callable

import numpy as np
from scipy.special import expit, logit

from banditlab.rules import UpdateRule, get_rule
from theory.predict import drift, standardized_moments
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.experiments import group_moments as rounds

_SOURCE = "derived in this project (catalogue entry P8)"
_EXACT = {"statistic": "difference", "tolerance": 1e-12}


def population_grpo() -> UpdateRule:
    """Return GRPO with the population deviation and nothing added to it.

    Returns:
        The rule.
    """
    return get_rule("grpo", ddof=0, eps=0.0)


def sample_grpo() -> UpdateRule:
    """Return GRPO with the sample deviation and nothing added to it.

    Returns:
        The rule.
    """
    return get_rule("grpo", ddof=1, eps=0.0)


_DEVIATIONS = (population_grpo, sample_grpo)


_GRID = np.linspace(-5.0, 5.0, 11)
_SQUARE_GROUPS = (2, 5, 8)
# Pass rate and group size of drawn groups.
_DRAWN = ((0.3, 4), (0.1, 8), (0.7, 16))


def _squares(ddofs: tuple[int, int] = (0, 1)) -> np.ndarray:
    return np.array(
        [
            [
                standardized_moments.predicted_standardized_square(
                    _GRID, group_size=size, ddof=ddof
                )
                for size in _SQUARE_GROUPS
            ]
            for ddof in ddofs
        ]
    )


def _drawn_standardized() -> np.ndarray:
    return np.array(
        [
            drift.standardized_class_gradient(logit(p), group_size=size, ddof=0, eps=0.0)
            for p, size in _DRAWN
        ]
    )


def _drawn_squares() -> np.ndarray:
    return np.array(
        [
            standardized_moments.predicted_standardized_square(logit(p), group_size=size)
            for p, size in _DRAWN
        ]
    )


def _measure_drawn(
    rule: Callable[[], UpdateRule], value: Callable[[np.ndarray], np.ndarray] = np.positive
) -> Experiment:
    cases = [(rule(), float(logit(p)), size) for p, size in _DRAWN]
    return lambda rng, size: rounds.measure_sampled_class_moments(rng, cases, size, value)


_DRAWN_AXIS = Axis("case", at=[f"p = {p:g}, G = {g}" for p, g in _DRAWN])


STANDARDIZED_MOMENT_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P8-square",
        what="mean square of GRPO's class gradient, both deviations, all groups summed",
        statement="ddof = 0: (G - 1)/G p q; ddof = 1: ((G - 1)/G)^2 p q; eps = 0",
        tags=("P8", "moments", "variance", "exact", "grpo"),
        source=_SOURCE,
        theory=(standardized_moments.predicted_standardized_square,),
        predicted=_squares,
        experiment=lambda rng, size: rounds.measure_class_moments(
            [rule() for rule in _DEVIATIONS], _GRID, _SQUARE_GROUPS, is_centred=False
        ),
        mutants=(
            Mutant("ddof exchanged", lambda: _squares((1, 0))),
            Mutant(
                "p q", lambda: np.tile(expit(_GRID) * expit(-_GRID), (2, len(_SQUARE_GROUPS), 1))
            ),
            Mutant(
                "a deviation with 1e-3 added to it",
                experiment=lambda rng, size: rounds.measure_class_moments(
                    [get_rule("grpo", ddof=ddof, eps=1e-3) for ddof in (0, 1)],
                    _GRID,
                    _SQUARE_GROUPS,
                    is_centred=False,
                ),
            ),
        ),
        mutant_tolerance=1e-5,
        axis=Axis("deviation, group size and log-odds (numbered)"),
        unit="mean square",
        **_EXACT,
    ),
    Claim(
        id="P8-sampled",
        what="mean class gradient of drawn GRPO groups, population deviation",
        statement="S_G(p) = sum_k Binomial(k; G, p) sqrt(k (G - k))/G",
        tags=("P8", "moments", "sampled", "grpo"),
        source=_SOURCE,
        theory=(drift.standardized_class_gradient,),
        predicted=_drawn_standardized,
        experiment=_measure_drawn(population_grpo),
        mutants=(
            Mutant("sqrt(p q) at finite G", lambda: [np.sqrt(p * (1.0 - p)) for p, _ in _DRAWN]),
            Mutant("p sqrt(G), the rare limit", lambda: [p * np.sqrt(g) for p, g in _DRAWN]),
            Mutant("the sample deviation", experiment=_measure_drawn(sample_grpo)),
        ),
        statistic="z",
        size={"quick": 16_000, "full": 100_000},
        axis=_DRAWN_AXIS,
        unit="class gradient",
    ),
    Claim(
        id="P8-square-sampled",
        what="mean square of the class gradient of drawn GRPO groups, population deviation",
        statement="E[g^2] = (G - 1)/G p q",
        tags=("P8", "moments", "variance", "sampled", "grpo"),
        source=_SOURCE,
        theory=(standardized_moments.predicted_standardized_square,),
        predicted=_drawn_squares,
        experiment=_measure_drawn(population_grpo, np.square),
        mutants=(
            Mutant("p q", lambda: [p * (1.0 - p) for p, _ in _DRAWN]),
            Mutant("the square of the mean", lambda: _drawn_standardized() ** 2),
            Mutant("the sample deviation", experiment=_measure_drawn(sample_grpo, np.square)),
        ),
        statistic="z",
        size={"quick": 16_000, "full": 100_000},
        axis=_DRAWN_AXIS,
        unit="mean square",
    ),
)
