"""Claims on the gradient of a group over its mean (P7)."""

from collections.abc import Callable

import numpy as np
from scipy.special import expit, logit

from banditlab.rules import get_rule
from theory.predict import drift, group_moments
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.experiments import group_moments as rounds

_SOURCE = "derived in this project (catalogue entry P7)"
_PUBLISHED = "leave one out: arXiv 2402.14740; the mean: arXiv 2503.20783; derived"
_EXACT = {"statistic": "difference", "tolerance": 1e-12}

_LOGITS = np.array([0.7, 0.0, -0.5, 0.2, -1.2])
_PROB = np.exp(_LOGITS) / np.exp(_LOGITS).sum()
_REWARD = np.array([0.2, 1.0, 0.5, 0.0, 0.8])
_GROUPS = (2, 4, 8)
_CENTRED = group_moments.CENTRED_RULES
_ARM_AXIS = Axis("rule, group size and arm (numbered)")


def _group_gradients(swaps_rules: bool = False) -> np.ndarray:
    return np.array(
        [
            [
                group_moments.predicted_group_gradient(rule, _PROB, _REWARD, group_size=size)
                for size in _GROUPS
            ]
            for rule in (_CENTRED[::-1] if swaps_rules else _CENTRED)
        ]
    )


_GRID = np.linspace(-5.0, 5.0, 11)
_VARIED = ("raw_reward", *_CENTRED)
_VARIED_GROUPS = (2, 5, 8)


def _variances() -> np.ndarray:
    return np.array(
        [
            [
                group_moments.predicted_class_gradient_variance(rule, _GRID, group_size=size)
                for size in _VARIED_GROUPS
            ]
            for rule in _VARIED
        ]
    )


def _spread_over_group() -> np.ndarray:
    wrong = expit(_GRID) * expit(-_GRID) / np.array(_VARIED_GROUPS)[:, None]
    return np.array([_variances()[0], wrong, wrong])


def _measure_variances(rules: tuple[str, ...]) -> Experiment:
    return lambda rng, size: rounds.measure_class_moments(
        [get_rule(name) for name in rules], _GRID, _VARIED_GROUPS, is_centred=True
    )


# Pass rate and group size of drawn groups.
_DRAWN = ((0.3, 4), (0.1, 8), (0.7, 16))
_CENTRED_CASES = tuple((rule, p, size) for rule in _CENTRED for p, size in _DRAWN)
_CENTRED_AXIS = Axis("case", at=[f"{rule}, p = {p:g}, G = {g}" for rule, p, g in _CENTRED_CASES])


def _drawn_means() -> np.ndarray:
    return np.array(
        [
            drift.predicted_class_gradient(rule, logit(p), group_size=size)
            for rule, p, size in _CENTRED_CASES
        ]
    )


def _drawn_variances() -> np.ndarray:
    return np.array(
        [
            group_moments.predicted_class_gradient_variance(rule, logit(p), group_size=size)
            for rule, p, size in _CENTRED_CASES
        ]
    )


def _measure_drawn(
    value: Callable[[np.ndarray], np.ndarray] = np.positive, *, swaps_rules: bool = False
) -> Experiment:
    cases = [(get_rule(rule), float(logit(p)), size) for rule, p, size in _CENTRED_CASES]
    if swaps_rules:
        cases = cases[len(_DRAWN) :] + cases[: len(_DRAWN)]
    return lambda rng, size: rounds.measure_sampled_class_moments(rng, cases, size, value)


GROUP_MOMENT_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P7-mean",
        what="mean gradient of a group on five arms of five rewards, G = 2, 4, 8",
        statement="E[group_mean] = (G - 1)/G grad V and E[leave_one_out] = grad V, arm by arm",
        tags=("P7", "moments", "baseline", "exact", *_CENTRED),
        source=_PUBLISHED,
        theory=(group_moments.predicted_group_gradient,),
        predicted=_group_gradients,
        experiment=lambda rng, size: rounds.measure_mean_updates(
            [get_rule(name) for name in _CENTRED], _LOGITS, _REWARD, _GROUPS
        ),
        mutants=(
            Mutant("the factors of the two exchanged", lambda: _group_gradients(True)),
            Mutant(
                "rewards over their deviation",
                experiment=lambda rng, size: rounds.measure_mean_updates(
                    [get_rule("group_mean"), get_rule("grpo")], _LOGITS, _REWARD, _GROUPS
                ),
            ),
        ),
        mutant_tolerance=1e-3,
        axis=_ARM_AXIS,
        unit="gradient on the logit",
        **_EXACT,
    ),
    Claim(
        id="P7-variance",
        what="variance of the class gradient, G = 2, 5, 8, all groups summed",
        statement=(
            "leave_one_out: p q/G - p^2 q^2 (4 G - 6)/(G (G - 1)); group_mean: ((G - 1)/G)^2 of "
            "it; raw_reward: p q^3/G"
        ),
        tags=("P7", "moments", "variance", "exact", *_VARIED),
        source=_SOURCE,
        theory=(group_moments.predicted_class_gradient_variance,),
        predicted=_variances,
        experiment=_measure_variances(_VARIED),
        mutants=(
            Mutant("p q/G", _spread_over_group),
            Mutant(
                "one variance for both baselines",
                lambda: _variances()[[0, 2, 2]],
            ),
            Mutant(
                "leave_one_out in place of the mean",
                experiment=_measure_variances(("raw_reward", "leave_one_out", "leave_one_out")),
            ),
        ),
        mutant_tolerance=1e-3,
        axis=Axis("rule, group size and log-odds (numbered)"),
        unit="variance",
        **_EXACT,
    ),
    Claim(
        id="P7-mean-sampled",
        what="mean class gradient of drawn groups over their mean",
        statement="group_mean: (G - 1)/G p q; leave_one_out: p q",
        tags=("P7", "moments", "sampled", *_CENTRED),
        source=_PUBLISHED,
        theory=(drift.predicted_class_gradient,),
        predicted=_drawn_means,
        experiment=_measure_drawn(),
        mutants=(
            Mutant(
                "factor 1 under group_mean, too",
                lambda: [p * (1.0 - p) for _, p, _ in _CENTRED_CASES],
            ),
            Mutant(
                "the two rules exchanged",
                experiment=_measure_drawn(swaps_rules=True),
            ),
        ),
        statistic="z",
        size={"quick": 16_000, "full": 100_000},
        axis=_CENTRED_AXIS,
        unit="class gradient",
    ),
    Claim(
        id="P7-variance-sampled",
        what="variance of the class gradient of drawn groups over their mean",
        statement="leave_one_out: p q/G - p^2 q^2 (4 G - 6)/(G (G - 1)); group_mean: ((G - 1)/G)^2",
        tags=("P7", "moments", "variance", "sampled", *_CENTRED),
        source=_SOURCE,
        theory=(group_moments.predicted_class_gradient_variance,),
        predicted=_drawn_variances,
        experiment=_measure_drawn(rounds.squared_deviation),
        mutants=(
            Mutant(
                "p q/G",
                lambda: [p * (1.0 - p) / size for _, p, size in _CENTRED_CASES],
            ),
            Mutant(
                "the variance of raw_reward, p q^3/G",
                lambda: [p * (1.0 - p) ** 3 / size for _, p, size in _CENTRED_CASES],
            ),
        ),
        statistic="z",
        size={"quick": 20_000, "full": 250_000},
        axis=_CENTRED_AXIS,
        unit="variance",
    ),
)
