"""Claims on groups that teach nothing: how many there are, and how many more are drawn (P4)."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.special import expit, logit

from banditlab.rules import UpdateRule, get_rule
from theory.predict import signal
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.experiments import signal as rounds

_SOURCE = "derived; the catalogue finds the same statement in arXiv 2607.00152"

_GRID = np.linspace(-6.0, 6.0, 7)
_GROUP = 7
_RULES = tuple(signal.SILENT_GROUPS)


def _shares() -> np.ndarray:
    return np.array(
        [signal.predicted_silent_share(rule, _GRID, group_size=_GROUP) for rule in _RULES]
    )


def _wrong_shares(wrong: np.ndarray) -> np.ndarray:
    """Another share for the rules with a group baseline."""
    is_group = [signal.SILENT_GROUPS[rule] == "unanimous" for rule in _RULES]
    return np.where(np.array(is_group)[:, None], wrong, _shares())


def _rule(name: str) -> UpdateRule:
    # 0.3 is the baseline of no outcome, neither of 0 nor of the success's reward.
    return get_rule(name, baseline=0.3) if name == "constant_baseline" else get_rule(name)


def _rounded_mean(reward: np.ndarray) -> np.ndarray:
    """Reward less the mean as it is rounded: equal rewards do not give 0."""
    return reward - reward.sum(axis=-1, keepdims=True) / reward.shape[-1]


def _measure_probs(**changed: UpdateRule) -> Experiment:
    rules = [changed.get(name, _rule(name)) for name in _RULES]
    return lambda rng, size: rounds.measure_silent_probs(rules, _GRID, _GROUP)


_CASES = (
    ("group_mean", 0.3, 2),
    ("grpo", 0.02, 16),
    ("leave_one_out", 0.9, 8),
    ("raw_reward", 0.5, 2),
)


def _case_shares() -> np.ndarray:
    return np.array(
        [
            signal.predicted_silent_share(rule, logit(prob), group_size=size)
            for rule, prob, size in _CASES
        ]
    )


_DYNAMIC = ((0.02, 16), (0.3, 4), (0.9, 4))


def _groups_per_used() -> np.ndarray:
    return np.array(
        [
            signal.predicted_groups_per_used_group(logit(prob), group_size=size)
            for prob, size in _DYNAMIC
        ]
    )


def _measure_dynamic(**how: Callable[[np.ndarray], np.ndarray]) -> Experiment:
    cases = [(float(logit(prob)), size) for prob, size in _DYNAMIC]
    return lambda rng, size: rounds.measure_groups_per_used_group(
        rng, get_rule("grpo"), cases, size, **how
    )


SIGNAL_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P4-exact",
        what="probability that a round of 7 rollouts changes no logit at all, eight rules",
        statement=(
            "p^G + q^G under every group baseline, since all advantages of a unanimous group are "
            "exactly 0; q^G under raw_reward; 0 where failures have an advantage of their own"
        ),
        tags=("P4", "signal", "exact", *_RULES),
        source=_SOURCE,
        theory=(signal.predicted_silent_share,),
        predicted=_shares,
        experiment=_measure_probs(),
        mutants=(
            Mutant("p^G only", lambda: _wrong_shares(expit(_GRID) ** _GROUP)),
            Mutant("q^G only", lambda: _wrong_shares(expit(-_GRID) ** _GROUP)),
            Mutant(
                "(p^2 + q^2)^(G/2)",
                lambda: _wrong_shares((expit(_GRID) ** 2 + expit(-_GRID) ** 2) ** (_GROUP / 2)),
            ),
            Mutant(
                "a mean that is rounded, so that equal rewards differ from it",
                experiment=_measure_probs(
                    group_mean=replace(get_rule("group_mean"), advantage=_rounded_mean)
                ),
            ),
        ),
        statistic="difference",
        tolerance=1e-12,
        mutant_tolerance=1e-2,
        axis=Axis("rule and log-odds (numbered)"),
        unit="probability",
    ),
    Claim(
        id="P4-sampled",
        what="share of drawn rounds that change no logit at all",
        statement=(
            "p^G + q^G: group_mean at p = .3, G = 2; grpo at .02, 16; leave_one_out at .9, 8; and "
            "q^G: raw_reward at .5, 2"
        ),
        tags=("P4", "signal", "sampled", *(rule for rule, _, _ in _CASES)),
        source=_SOURCE,
        theory=(signal.predicted_silent_share,),
        predicted=_case_shares,
        experiment=lambda rng, size: rounds.measure_silent_shares(
            rng, [(get_rule(rule), float(logit(p)), g) for rule, p, g in _CASES], size
        ),
        mutants=(
            Mutant("p^G only", lambda: [p**g for _, p, g in _CASES]),
            Mutant(
                "(p^2 + q^2)^(G/2)",
                lambda: [(p * p + (1 - p) ** 2) ** (g / 2) for _, p, g in _CASES],
            ),
            Mutant(
                "raw_reward is silent in unanimous groups, too",
                lambda: np.r_[_case_shares()[:-1], 0.5**2 + 0.5**2],
            ),
        ),
        statistic="z",
        size={"quick": 40_000, "full": 240_000},
        axis=Axis("rule", at=[rule for rule, _, _ in _CASES]),
        unit="share of rounds",
    ),
    Claim(
        id="P4-dynamic",
        what="groups drawn per group used, where unanimous groups are drawn again",
        statement="1/(1 - p^G - q^G); p = .02, G = 16; p = .3, G = 4; p = .9, G = 4",
        tags=("P4", "signal", "dynamic-sampling", "sampled", "grpo"),
        source=_SOURCE,
        theory=(signal.predicted_groups_per_used_group,),
        predicted=_groups_per_used,
        experiment=_measure_dynamic(),
        mutants=(
            Mutant(
                "only all-wrong groups are drawn again, 1/(1 - q^G)",
                lambda: [1.0 / (1.0 - (1.0 - p) ** g) for p, g in _DYNAMIC],
            ),
            Mutant(
                "(p^2 + q^2)^(G/2) unanimous",
                lambda: [1.0 / (1.0 - (p * p + (1 - p) ** 2) ** (g / 2)) for p, g in _DYNAMIC],
            ),
            Mutant(
                "groups without a failure are used, too",
                experiment=_measure_dynamic(is_used=lambda reward: reward.max(axis=1) > 0.0),
            ),
        ),
        statistic="z",
        size={"quick": 16_000, "full": 60_000},
        axis=Axis("case", at=[f"p = {p:g}, G = {g}" for p, g in _DYNAMIC]),
        unit="groups drawn per group used",
    ),
)
