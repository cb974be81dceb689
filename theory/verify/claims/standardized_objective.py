"""Claims on what GRPO climbs: updates arm by arm, the rare limit, the objective (P8)."""

from collections.abc import Mapping, Sequence

import numpy as np

from banditlab.rules import UpdateRule, get_rule
from theory.predict import drift, standardized_moments
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.claims.standardized_moments import population_grpo, sample_grpo
from theory.verify.experiments import group_moments as rounds

_SOURCE = "derived in this project (catalogue entry P8)"
_EXACT = {"statistic": "difference", "tolerance": 1e-12}
_DEVIATIONS = (population_grpo, sample_grpo)

_LOGITS = np.array([0.7, 0.0, -0.5, 0.2, -1.2])
_PROB = np.exp(_LOGITS) / np.exp(_LOGITS).sum()
_IS_CORRECT = np.array([0.0, 1.0, 0.0, 0.0, 1.0])
_GROUPS = (2, 4, 8)


def _pair_updates(ddofs: tuple[int, int] = (0, 1)) -> np.ndarray:
    return np.array(
        [
            standardized_moments.predicted_pair_update(_PROB, _IS_CORRECT, ddof=ddof)
            for ddof in ddofs
        ]
    )


def _measure_pairs(*rules: UpdateRule, reward: np.ndarray = _IS_CORRECT) -> Experiment:
    return lambda rng, size: rounds.measure_mean_updates(rules, _LOGITS, reward, (2,))


_HOW = ({"ddof": 0, "eps": 0.0}, {"ddof": 1, "eps": 1e-6})


def _vector_updates(how: Sequence[Mapping[str, float]] = _HOW) -> np.ndarray:
    return np.array(
        [
            [
                standardized_moments.predicted_standardized_update(
                    _PROB, _IS_CORRECT, group_size=size, **each
                )
                for size in _GROUPS
            ]
            for each in how
        ]
    )


def _vector_updates_at_infinity() -> np.ndarray:
    pass_rate = _PROB @ _IS_CORRECT
    update = _PROB * (_IS_CORRECT - pass_rate) / np.sqrt(pass_rate * (1.0 - pass_rate))
    return np.tile(update, (2, len(_GROUPS), 1))


_RARE = 1e-13
_GAIN_GROUPS = (2, 4, 16, 64)


def _gains(ddofs: tuple[int, int] = (0, 1)) -> np.ndarray:
    return np.array(
        [
            [
                standardized_moments.predicted_largest_amplification(g, ddof=ddof)
                for g in _GAIN_GROUPS
            ]
            for ddof in ddofs
        ]
    )


_PASS_RATES = np.linspace(0.1, 1.0, 10)
_OBJECTIVE_GROUP = 8


def _objectives(ddofs: tuple[int, int] = (0, 1)) -> np.ndarray:
    return np.array(
        [
            standardized_moments.predicted_standardized_objective(
                _PASS_RATES, group_size=_OBJECTIVE_GROUP, ddof=ddof
            )
            for ddof in ddofs
        ]
    )


STANDARDIZED_OBJECTIVE_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P8-pair",
        what="mean update of GRPO with G = 2 on five arms, both deviations",
        statement=(
            "ddof = 0: pi_a (r_a - V), GRPO with G = 2 is leave_one_out; ddof = 1: 1/sqrt(2) "
            "of it; for rewards 0 or 1"
        ),
        tags=("P8", "moments", "exact", "grpo", "leave_one_out"),
        source="G = 2: arXiv 2510.00977 (as the catalogue cites it); ddof = 1 derived",
        theory=(standardized_moments.predicted_pair_update,),
        predicted=_pair_updates,
        experiment=_measure_pairs(population_grpo(), sample_grpo()),
        mutants=(
            Mutant("ddof = 1 is leave_one_out, too", lambda: _pair_updates((0, 0))),
            Mutant(
                "group_mean in place of leave_one_out",
                experiment=_measure_pairs(get_rule("group_mean"), sample_grpo()),
            ),
            Mutant(
                "rewards of three values",
                experiment=_measure_pairs(
                    population_grpo(), sample_grpo(), reward=np.array([0.5, 1.0, 0.0, 0.0, 1.0])
                ),
            ),
        ),
        mutant_tolerance=1e-3,
        axis=Axis("deviation and arm (numbered)"),
        unit="update of the logit",
        **_EXACT,
    ),
    Claim(
        id="P8-vector",
        what="mean update of GRPO on five arms, two of them correct, G = 2, 4, 8",
        statement="pi_a (r_a - V) S_G(V)/(V (1 - V)); ddof = 0, eps = 0 and ddof = 1, eps = 1e-6",
        tags=("P8", "moments", "exact", "grpo"),
        source=_SOURCE,
        theory=(
            standardized_moments.predicted_standardized_update,
            drift.standardized_class_gradient,
        ),
        predicted=_vector_updates,
        experiment=lambda rng, size: rounds.measure_mean_updates(
            [population_grpo(), get_rule("grpo")], _LOGITS, _IS_CORRECT, _GROUPS
        ),
        mutants=(
            Mutant("an infinite group, 1/sqrt(V (1 - V))", _vector_updates_at_infinity),
            Mutant("ddof exchanged", lambda: _vector_updates(_HOW[::-1])),
            Mutant(
                "eps = 0 under both deviations",
                lambda: _vector_updates((_HOW[0], {"ddof": 1, "eps": 0.0})),
            ),
        ),
        mutant_tolerance=1e-8,
        axis=Axis("deviation, group size and arm (numbered)"),
        unit="update of the logit",
        **_EXACT,
    ),
    Claim(
        id="P8-amplification",
        what="GRPO's mean class gradient over p q at p = 1e-13, G = 2 to 64",
        statement="S_G/(p q) -> sqrt(G - 1) (ddof = 0) or (G - 1)/sqrt(G) (ddof = 1) as p -> 0",
        tags=("P8", "moments", "exact", "grpo"),
        source=_SOURCE,
        theory=(standardized_moments.predicted_largest_amplification,),
        predicted=_gains,
        experiment=lambda rng, size: rounds.measure_amplifications(
            [rule() for rule in _DEVIATIONS], _RARE, _GAIN_GROUPS
        ),
        mutants=(
            Mutant("sqrt(G)", lambda: np.tile(np.sqrt(_GAIN_GROUPS), (2, 1))),
            Mutant("1/sqrt(p q), without end", lambda: np.full((2, 4), _RARE**-0.5)),
            Mutant("ddof exchanged", lambda: _gains((1, 0))),
        ),
        statistic="difference",
        tolerance=1e-9,
        mutant_tolerance=1e-2,
        axis=Axis("deviation and group size (numbered)"),
        unit="amplification",
    ),
    Claim(
        id="P8-objective",
        what="integral of GRPO's amplification from 0 to p, G = 8, both deviations",
        statement=(
            "GRPO climbs h(p) = sum_k I_p(k, G - k)/sqrt(k (G - k)), which tends to 2 arcsin(sqrt(p"
            ")) for G -> infinity; ddof = 1: times sqrt((G - 1)/G)"
        ),
        tags=("P8", "moments", "objective", "exact", "grpo"),
        source="limit: arXiv 2510.13651 (as the catalogue cites it); finite G derived",
        theory=(standardized_moments.predicted_standardized_objective,),
        predicted=_objectives,
        experiment=lambda rng, size: rounds.measure_objective(
            [rule() for rule in _DEVIATIONS], _PASS_RATES, _OBJECTIVE_GROUP
        ),
        mutants=(
            Mutant(
                "2 arcsin(sqrt(p)) at finite G",
                lambda: np.tile(2.0 * np.arcsin(np.sqrt(_PASS_RATES)), (2, 1)),
            ),
            Mutant("ddof exchanged", lambda: _objectives((1, 0))),
            Mutant(
                "the objective p of leave_one_out",
                experiment=lambda rng, size: rounds.measure_objective(
                    [get_rule("leave_one_out")] * 2, _PASS_RATES, _OBJECTIVE_GROUP
                ),
            ),
        ),
        mutant_tolerance=1e-2,
        axis=Axis("deviation and p (numbered)"),
        unit="objective",
        **_EXACT,
    ),
)
