"""Claims on ratios of tokens, of sequences and on their geometric mean, and on their clip (P52)."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from banditlab.rules import UpdateRule, get_rule
from banditlab.weights import clipped_weight
from theory.predict import token_ratios
from theory.predict.token_levels import LEVELS
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.experiments import token_ratios as experiment

_SOURCE = "derived in this project; levels as in PPO and GSPO (arXiv 2507.18071, in reviews)"
_EXACT = {"statistic": "difference", "tolerance": 1e-11, "mutant_tolerance": 1e-4}
_SIGNED = get_rule("negative_reward")

_LAW = np.array([0.55, 0.3, 0.15])
_OLD_LAW = np.array([0.35, 0.4, 0.25])
_LENGTHS = np.array([1, 2, 3, 4, 5, 6, 7])


def _ratio_moments() -> np.ndarray:
    found = []
    for level in LEVELS:
        moments = [
            token_ratios.predicted_ratio_moment(level, _LAW, _OLD_LAW, _LENGTHS, power)
            for power in (1.0, 2.0)
        ]
        logs = token_ratios.predicted_log_ratio(level, _LAW, _OLD_LAW, _LENGTHS)
        found.append(np.concatenate([moments, logs]))
    return np.stack(found)


def _ratio_moments_of(change: dict[str, str]) -> np.ndarray:
    rows = dict(zip(LEVELS, _ratio_moments(), strict=True))
    return np.stack([rows[change.get(level, level)] for level in LEVELS])


def _unbiased_geometric_mean() -> np.ndarray:
    moments = _ratio_moments()
    moments[LEVELS.index("sequence_geometric"), 0] = 1.0
    return moments


def _gradient_moments(levels: Sequence[str] = LEVELS) -> np.ndarray:
    return np.stack(
        [
            token_ratios.predicted_gradient_moment(level, _LAW, _OLD_LAW, _LENGTHS[:5])
            for level in levels
        ]
    )


_FAIR = np.array([0.5, 0.5])
_NEAR = np.array([0.63, 0.37])
_FAR = np.array([0.85, 0.15])
_WIDTHS = {"clip_low": 0.2, "clip_high": 0.2}
_SHORT_LENGTHS = np.arange(1, 11)
_LONG_LENGTHS = np.array([8, 32, 128])


def _clipped(law: np.ndarray, levels: Sequence[str] = LEVELS) -> np.ndarray:
    return np.stack(
        [
            token_ratios.predicted_clipped_share(
                level, law, _FAIR, _SHORT_LENGTHS, is_success=is_success, **_WIDTHS
            )
            for level in levels
            for is_success in (True, False)
        ]
    )


def _clipped_failures(level: str, law: np.ndarray) -> np.ndarray:
    return token_ratios.predicted_clipped_share(
        level, law, _FAIR, _LONG_LENGTHS, is_success=False, **_WIDTHS
    )


def _clip_on_both_sides(log_prob, old_log_prob, advantage, **widths):
    """Clip whatever the sign of the advantage."""
    good, bad = (
        clipped_weight(log_prob, old_log_prob, sign * np.ones_like(log_prob), **widths)
        for sign in (1.0, -1.0)
    )
    return np.where((good == 0.0) | (bad == 0.0), 0.0, good * advantage)


def _measure_clipped(law: np.ndarray, rule: UpdateRule | None = None) -> Experiment:
    return lambda rng, size: experiment.measure_clipped_shares(
        law, _FAIR, _SHORT_LENGTHS, LEVELS, rule
    )


def _clip_claim(name: str, law: np.ndarray, what: str) -> Claim:
    return Claim(
        id=f"P52-clip-{name}",
        what=f"share silenced by the clip for T = 1 to 10, three levels, {what}",
        statement=(
            "success: P(ratio > 1 + clip_high), failure: P(ratio < 1 - clip_low), with log(ratio) "
            "= k l_0 + (n - k) l_1, k ~ Binomial(n, old_law[0]); n = 1, T, and T with l/T"
        ),
        tags=("P52", "levels", "exact", "clip"),
        source=_SOURCE,
        theory=(token_ratios.predicted_clipped_share,),
        predicted=lambda: _clipped(law),
        experiment=_measure_clipped(law),
        mutants=(
            Mutant(
                "every level as the token's", lambda: np.tile(_clipped(law)[:2], (len(LEVELS), 1))
            ),
            Mutant(
                "the geometric mean as the sequence's ratio",
                lambda: _clipped(law, ("token", "sequence", "sequence")),
            ),
            Mutant(
                "the clip on both sides, whatever the sign of the advantage",
                experiment=_measure_clipped(
                    law, replace(get_rule("clip"), weight=_clip_on_both_sides)
                ),
            ),
        ),
        axis=Axis("level, success or failure, and T (numbered)"),
        unit="share silenced",
        **_EXACT,
    )


def _drawn_clip_claim(name: str, level: str, law: np.ndarray, what: str) -> Claim:
    other = "sequence_geometric" if level == "sequence" else "sequence"
    return Claim(
        id=f"P52-clip-{name}",
        what=f"share of drawn failures silenced by the clip at T = 8, 32, 128, {what}",
        statement=(
            "P(ratio < 1 - clip_low) tends to 1 with T for the sequence's ratio, and for the "
            "geometric mean where KL(old_law, law) > -log(1 - clip_low)"
        ),
        tags=("P52", "levels", "sampled", "clip"),
        source=_SOURCE,
        theory=(token_ratios.predicted_clipped_share,),
        predicted=lambda: _clipped_failures(level, law),
        experiment=lambda rng, size: experiment.measure_drawn_clipped_shares(
            rng, law, _FAIR, _LONG_LENGTHS, level, size
        ),
        mutants=(
            Mutant("a token's share at any length", lambda: _clipped_failures("token", law)),
            Mutant(f"that of the level {other}", lambda: _clipped_failures(other, law)),
        ),
        statistic="z",
        size={"quick": 8_000, "full": 40_000},
        axis=Axis("tokens of a sequence", at=_LONG_LENGTHS, is_log=True),
        unit="share silenced",
    )


TOKEN_RATIO_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P52-ratio",
        what="moments of the ratio and of its log, T = 1 to 7, three levels",
        statement=(
            "E[ratio^k] = M(k), M(k)^T, M(k/T)^T for token, sequence, geometric mean, M(k) = sum "
            "old (law/old)^k, M(2) = 1 + chi2; mean and variance of the log: (-KL, s2) times (1, "
            "1), (T, T), (1, 1/T)"
        ),
        tags=("P52", "levels", "stale-data", "exact"),
        source=_SOURCE,
        theory=(token_ratios.predicted_ratio_moment, token_ratios.predicted_log_ratio),
        predicted=_ratio_moments,
        experiment=lambda rng, size: experiment.measure_ratio_moments(
            _LAW, _OLD_LAW, _LENGTHS, LEVELS
        ),
        mutants=(
            Mutant(
                "the sequence's ratio like a token's",
                lambda: _ratio_moments_of({"sequence": "token"}),
            ),
            Mutant(
                "the geometric mean like a token's ratio",
                lambda: _ratio_moments_of({"sequence_geometric": "token"}),
            ),
            Mutant("the geometric mean of mean 1", _unbiased_geometric_mean),
        ),
        axis=Axis("level, moment and T (numbered)"),
        unit="moment",
        **_EXACT,
    ),
    Claim(
        id="P52-noise",
        what="E||gradient||^2 of one stale sequence, T = 1 to 5, three levels",
        statement=(
            "T N(2), T N(2) (1 + chi2)^(T - 1), N(2/T) M(2/T)^(T - 1)/T, N(k) = sum old (law/old)^k"
            " ||score||^2: stale tokens raise the noise by a factor that does not know T"
        ),
        tags=("P52", "levels", "stale-data", "exact", "negative_reward"),
        source=_SOURCE,
        theory=(token_ratios.predicted_gradient_moment,),
        predicted=_gradient_moments,
        experiment=lambda rng, size: experiment.measure_gradient_moments(
            _LAW, _OLD_LAW, _LENGTHS[:5], LEVELS, _SIGNED
        ),
        mutants=(
            Mutant(
                "the token level's noise grows like the sequence's",
                lambda: _gradient_moments(("sequence", "sequence", "sequence_geometric")),
            ),
            Mutant(
                "the sequence level's does not grow",
                lambda: _gradient_moments(("token", "token", "sequence_geometric")),
            ),
            Mutant(
                "the ratio dropped",
                experiment=lambda rng, size: experiment.measure_gradient_moments(
                    _LAW,
                    _OLD_LAW,
                    _LENGTHS[:5],
                    LEVELS,
                    replace(_SIGNED, weight=lambda log_prob, old, advantage: advantage),
                ),
            ),
        ),
        axis=Axis("level and T (numbered)"),
        unit="E||gradient||^2",
        **_EXACT,
    ),
    _clip_claim("near", _NEAR, "laws 0.035 nats apart"),
    _clip_claim("far", _FAR, "laws 0.34 nats apart"),
    _drawn_clip_claim("sequence", "sequence", _NEAR, "sequence's ratio"),
    _drawn_clip_claim("geometric", "sequence_geometric", _FAR, "geometric mean"),
)
