"""Claims on the expected gradient at the levels of tokens and sequences (P52)."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from banditlab.rules import UpdateRule, get_rule
from theory.predict import token_levels
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.experiments import token_levels as experiment

_SOURCE = "derived in this project; levels as in PPO and GSPO (arXiv 2507.18071, in reviews)"
_EXACT = {"statistic": "difference", "tolerance": 1e-10, "mutant_tolerance": 1e-4}
_LEVELS = token_levels.LEVELS


def _shifts(size: float, phase: float) -> list[np.ndarray]:
    """Some shifts of logits, different after every prefix, of sum 0 over the next token."""
    shifts = []
    for position in range(3):
        shift = np.sin(phase + 1.7 * np.arange(3 ** (position + 1))).reshape((3,) * (position + 1))
        shifts.append(size * (shift - shift.mean(axis=-1, keepdims=True)))
    return shifts


_TREE = experiment.Tree(
    base_law=np.array([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6], [0.4, 0.35, 0.25]]),
    targets=np.array([[0, 1, -1], [2, 0, 2], [1, 2, 1], [1, 0, 0]]),
    shifts=_shifts(0.6, 0.3),
    old_shifts=_shifts(0.5, 2.0),
)
_FRESH_TREE = replace(_TREE, old_shifts=_TREE.shifts)
_SIGNED = get_rule("negative_reward")


def _updates(tree: experiment.Tree, levels: Sequence[str] = _LEVELS) -> np.ndarray:
    prob, old_prob = (
        experiment.softmax_tables(tree.base_law, shifts)
        for shifts in (tree.shifts, tree.old_shifts)
    )
    advantage = 2.0 * tree.reward() - 1.0
    tables = [
        table
        for level in levels
        for table in token_levels.predicted_update(level, prob, old_prob, advantage)
    ]
    return np.concatenate([table.ravel() for table in tables])


def _with_scales(tree: experiment.Tree, scale: Sequence[float]) -> np.ndarray:
    return (_updates(tree).reshape(len(_LEVELS), -1) * np.array(scale)[:, None]).ravel()


def _measure_updates(tree: experiment.Tree, rule: UpdateRule = _SIGNED) -> Experiment:
    return lambda rng, size: experiment.measure_updates(tree, rule, _LEVELS)


TOKEN_LEVEL_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P52-fresh",
        what="expected gradient on 39 logits of 13 prefixes, fresh data, three levels",
        statement=(
            "gradient[h, v] = prob(h) prob(v after h) (Q(h v) - V(h)) at the token and the "
            "sequence level, and a T-th of it for the geometric mean"
        ),
        tags=("P52", "levels", "exact", "negative_reward"),
        source=_SOURCE,
        theory=(token_levels.predicted_update,),
        predicted=lambda: _updates(_FRESH_TREE),
        experiment=_measure_updates(_FRESH_TREE),
        mutants=(
            Mutant(
                "the geometric mean without 1/T", lambda: _with_scales(_FRESH_TREE, (1.0, 1.0, 3.0))
            ),
            Mutant(
                "token level averaged over tokens",
                lambda: _with_scales(_FRESH_TREE, (1.0 / 3.0, 1.0, 1.0)),
            ),
            Mutant("sequences of the older policy", experiment=_measure_updates(_TREE)),
        ),
        axis=Axis("level and logit (numbered)"),
        unit="expected gradient",
        **_EXACT,
    ),
    Claim(
        id="P52-stale",
        what="expected gradient on 39 logits of 13 prefixes, stale data, three levels",
        statement=(
            "sequence: the policy gradient at any age; token: old(h) prob(v after h) (Q_old(h v) - "
            "mean), prefixes and values of the old policy; geometric mean: both of old^(1 - 1/T) "
            "prob^(1/T)"
        ),
        tags=("P52", "levels", "stale-data", "exact", "negative_reward"),
        source=_SOURCE,
        theory=(token_levels.predicted_update,),
        predicted=lambda: _updates(_TREE),
        experiment=_measure_updates(_TREE),
        mutants=(
            Mutant(
                "the token level unbiased too",
                lambda: _updates(_TREE, ("sequence", "sequence", "sequence_geometric")),
            ),
            Mutant(
                "the geometric mean a T-th of the sequence level",
                lambda: np.concatenate(
                    [
                        _updates(_TREE, ("token", "sequence")),
                        _updates(_TREE, ("sequence",)) / 3.0,
                    ]
                ),
            ),
            Mutant("as on fresh data", lambda: _updates(_FRESH_TREE)),
            Mutant(
                "the ratio dropped",
                experiment=_measure_updates(
                    _TREE, replace(_SIGNED, weight=lambda log_prob, old, advantage: advantage)
                ),
            ),
        ),
        axis=Axis("level and logit (numbered)"),
        unit="expected gradient",
        **_EXACT,
    ),
)
