"""Claims on baseline and advantage in groups that have a signal (P9)."""

import numpy as np
from scipy.special import expit, logit

from banditlab.rules import get_rule
from theory.predict import conditional_advantage as theory
from theory.verify.claim import Axis, Claim, Mutant
from theory.verify.experiments import conditional_advantage as groups
from theory.verify.measurement import Measurement

_DERIVED = "derived in this project (catalogue entry P9)"
_EXACT = {"statistic": "difference", "tolerance": 1e-12}

_GRID = np.linspace(-4.0, 4.0, 9)
_GROUPS = (2, 4, 8)
_MEAN = get_rule("group_mean")
_TRUE = np.stack([expit(-_GRID), -expit(_GRID)])


def _biases() -> np.ndarray:
    return np.array(
        [theory.predicted_mixed_baseline_bias(_GRID, group_size=size) for size in _GROUPS]
    )


def _biases_of_unlucky_groups_only() -> np.ndarray:
    """Only groups without a success left out: E[mean | k >= 1] - p."""
    passing, failing = expit(_GRID), expit(-_GRID)
    return np.array([passing / (1.0 - failing**size) - passing for size in _GROUPS])


def _advantages() -> np.ndarray:
    return np.array(
        [
            [theory.predicted_mixed_advantage(rule, _GRID, group_size=size) for size in _GROUPS]
            for rule in theory.RULES
        ]
    )


def _advantages_over_independent_baseline() -> np.ndarray:
    """As if reward and baseline were independent given S: the reward less E[mean | S]."""
    mean = expit(_GRID) + _biases()
    one = np.stack([1.0 - mean, -mean], axis=1)
    return np.array([one, one])


def _advantages_of_all_groups() -> np.ndarray:
    share = np.array([(size - 1) / size for size in _GROUPS])[:, None, None]
    return np.array([share * _TRUE, np.broadcast_to(_TRUE, (len(_GROUPS), *_TRUE.shape))])


_DRAWN_GROUP = 8
_DRAWN = (0.2, 0.6, 0.743, 0.9)


def _drawn_advantages() -> np.ndarray:
    return theory.predicted_mixed_advantage("group_mean", logit(_DRAWN), group_size=_DRAWN_GROUP).T


def _drawn_baselines() -> np.ndarray:
    bias = theory.predicted_mixed_baseline_bias(logit(_DRAWN), group_size=_DRAWN_GROUP)
    return np.array(_DRAWN) + bias


_DRAWN_AXIS = Axis(
    "pass rate and reward", at=[f"p = {p:g}, r = {r}" for p in _DRAWN for r in (1, 0)]
)
_THRESHOLD = {
    "what": "pass rate at which a success in a mixed group has its true advantage, G = 2, 4, 8",
    "axis": Axis("group size, rollouts", at=_GROUPS),
    "unit": "pass rate",
    "tags": ("P9", "conditional-advantage", "exact", "group_mean"),
    "tolerance": 1e-10,
    "mutant_tolerance": 1e-2,
}


def _measure_thresholds(rng: np.random.Generator, size: int) -> Measurement:
    return groups.measure_exact_pass_rates(_MEAN, _GROUPS)


CONDITIONAL_ADVANTAGE_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P9-baseline",
        what="bias of the mean reward of mixed groups, G = 2, 4, 8, all groups summed",
        statement="E[mean | S] - p = (p q^G + p^(G + 1) - p^G)/(1 - q^G - p^G)",
        tags=("P9", "conditional-advantage", "baseline", "exact", "group_mean"),
        source="arXiv 2601.08521, Lemma 2 (as the catalogue cites it); derived here",
        theory=(theory.predicted_mixed_baseline_bias,),
        predicted=_biases,
        experiment=lambda rng, size: groups.measure_baseline_bias(_MEAN, _GRID, _GROUPS),
        mutants=(
            Mutant("only groups without a success left out", _biases_of_unlucky_groups_only),
            Mutant("the sign of p - 1/2", lambda: -_biases()),
        ),
        mutant_tolerance=1e-3,
        axis=Axis("group size and log-odds (numbered)"),
        unit="bias, units of reward",
        **_EXACT,
    ),
    Claim(
        id="P9-advantage",
        what="mean advantage of a success and of a failure in mixed groups, all groups summed",
        statement=(
            "group_mean: (G - 1)/G q/(1 - p^(G - 1)) and -(G - 1)/G p/(1 - q^(G - 1)); "
            "leave_one_out: G/(G - 1) times these, always more than q and p; G = 2, 4, 8"
        ),
        tags=("P9", "conditional-advantage", "exact", *theory.RULES),
        source=_DERIVED,
        theory=(theory.predicted_mixed_advantage,),
        predicted=_advantages,
        experiment=lambda rng, size: groups.measure_mixed_advantages(
            [get_rule(rule) for rule in theory.RULES], _GRID, _GROUPS
        ),
        mutants=(
            Mutant("a baseline independent of the sample", _advantages_over_independent_baseline),
            Mutant("no condition on the group", _advantages_of_all_groups),
            Mutant(
                "the two rules exchanged",
                experiment=lambda rng, size: groups.measure_mixed_advantages(
                    [get_rule(rule) for rule in theory.RULES[::-1]], _GRID, _GROUPS
                ),
            ),
        ),
        mutant_tolerance=1e-3,
        axis=Axis("rule, group size, reward and log-odds (numbered)"),
        unit="advantage, units of reward",
        **_EXACT,
    ),
    Claim(
        id="P9-sampled",
        what="advantage of a success and of a failure in drawn mixed groups, G = 8",
        statement="(G - 1)/G q/(1 - p^(G - 1)) and -(G - 1)/G p/(1 - q^(G - 1))",
        tags=("P9", "conditional-advantage", "sampled", "group_mean"),
        source=_DERIVED,
        theory=(theory.predicted_mixed_advantage,),
        predicted=_drawn_advantages,
        experiment=lambda rng, size: groups.measure_drawn_groups(
            rng, _MEAN, logit(_DRAWN), _DRAWN_GROUP, size
        ),
        mutants=(
            Mutant("the true advantages", lambda: [(1.0 - p, -p) for p in _DRAWN]),
            Mutant(
                "a baseline independent of the sample",
                lambda: np.stack([1.0 - _drawn_baselines(), -_drawn_baselines()], axis=1),
            ),
            Mutant(
                "leave_one_out",
                experiment=lambda rng, size: groups.measure_drawn_groups(
                    rng, get_rule("leave_one_out"), logit(_DRAWN), _DRAWN_GROUP, size
                ),
            ),
        ),
        statistic="z",
        size={"quick": 16_000, "full": 150_000},
        axis=_DRAWN_AXIS,
        unit="advantage, units of reward",
    ),
    Claim(
        id="P9-baseline-sampled",
        what="mean reward of drawn mixed groups, G = 8",
        statement="E[mean | S] = p + (p q^G + p^(G + 1) - p^G)/(1 - q^G - p^G)",
        tags=("P9", "conditional-advantage", "baseline", "sampled", "group_mean"),
        source="arXiv 2601.08521, Lemma 2 (as the catalogue cites it); derived here",
        theory=(theory.predicted_mixed_baseline_bias,),
        predicted=_drawn_baselines,
        experiment=lambda rng, size: groups.measure_drawn_baselines(
            rng, _MEAN, logit(_DRAWN), _DRAWN_GROUP, size
        ),
        mutants=(
            Mutant("the pass rate", lambda: _DRAWN),
            Mutant("the sign of p - 1/2", lambda: 2.0 * np.array(_DRAWN) - _drawn_baselines()),
        ),
        statistic="z",
        size={"quick": 16_000, "full": 100_000},
        axis=Axis("p", at=_DRAWN),
        unit="mean reward",
    ),
    Claim(
        id="P9-threshold",
        statement=(
            "E[A | success, S] = q at p = G^(-1/(G - 1)): 1/2 at G = 2, .743 at G = 8; below it "
            "the advantage is underestimated, above it overestimated"
        ),
        source=_DERIVED,
        theory=(theory.predicted_exact_pass_rate,),
        predicted=lambda: [theory.predicted_exact_pass_rate(size) for size in _GROUPS],
        experiment=_measure_thresholds,
        mutants=(
            Mutant("1/2 at every group size", lambda: np.full(len(_GROUPS), 0.5)),
            Mutant("1 - 1/G", lambda: 1.0 - 1.0 / np.array(_GROUPS)),
        ),
        statistic="difference",
        **_THRESHOLD,
    ),
    Claim(
        id="P9-threshold-half",
        statement=(
            "sample by sample, group-relative advantages are underestimated for p < 1/2 and "
            "overestimated for p > 1/2"
        ),
        source=(
            "arXiv 2601.08521 as its abstract and summaries put it; whether the paper means single "
            "samples or averages over a group was not seen"
        ),
        theory=(theory.published_exact_pass_rate,),
        predicted=lambda: [theory.published_exact_pass_rate(size) for size in _GROUPS],
        experiment=_measure_thresholds,
        mutants=(Mutant("1 - 1/G", lambda: 1.0 - 1.0 / np.array(_GROUPS)),),
        statistic="difference",
        expected_verdict="rejected",
        evidence=(
            "The advantage of a success is right at p = G^(-1/(G - 1)), .630 at G = 4 and .743 at "
            "G = 8 (P9-threshold, by enumeration): at G = 8 and p = .6 it is .360 in place of .4, "
            "underestimated although p > 1/2 (P9-advantage). 1/2 is where the bias of the baseline "
            "alone changes its sign (P9-baseline), and of the advantage only at G = 2."
        ),
        **_THRESHOLD,
    ),
)
