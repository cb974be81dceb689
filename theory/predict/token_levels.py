"""Ratios of tokens, of sequences, and their geometric mean: what each makes of the gradient (P52).

A policy over T tokens is a tree of softmaxes, one per prefix. A level decides where the ratio of
the present policy to the one that drew the tokens enters the gradient at a prefix: before it, at
the next token, and after it. The sequence level has it in all three places and is unbiased; the
token level has it at the token alone; the geometric mean has its T-th root in all three. On fresh
data all agree, up to the 1/T of the geometric mean.

Shapes: V vocabulary, T tokens. A policy is T tables, that of position t of shape [V] * (t + 1):
the probability of the last index after the prefix of the others.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from theory.predict.conditions import require, require_known

LEVELS = ("token", "sequence", "sequence_geometric")

Tables = Sequence[np.ndarray]


def require_level(function: str, level: str) -> None:
    """Demand a known level.

    Args:
        function: public function that was called.
        level: the name.

    Raises:
        ValueError: it is unknown.
    """
    require_known(function, "level", level, LEVELS, "level")


def _require_tables(function: str, argument: str, tables: Tables) -> list[np.ndarray]:
    tables = [np.asarray(table, dtype=np.float64) for table in tables]
    is_met = all(
        table.ndim == index + 1
        and len(set(table.shape)) == 1
        and bool((table > 0.0).all())
        and bool(np.allclose(table.sum(axis=-1), 1.0, atol=1e-9))
        for index, table in enumerate(tables)
    )
    require(
        is_met and bool(tables),
        function,
        argument,
        "positive conditional probabilities of shapes [V], [V, V], ...",
        f"shapes {[table.shape for table in tables]}",
        "Give the probability of each token after each prefix",
    )
    return tables


def _prefix_measures(tables: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Product of the tables along each prefix, from the empty one on."""
    measure = [np.ones(())]
    for table in tables[:-1]:
        measure.append(measure[-1][..., None] * table)
    return measure


def _continuations(tables: Sequence[np.ndarray], advantage: np.ndarray) -> list[np.ndarray]:
    """Sum of the advantage over all continuations of each prefix and token, weighted by tables."""
    value = [advantage]
    for table in reversed(tables[1:]):
        value.append((table * value[-1]).sum(axis=-1))
    return value[::-1]


def predicted_update(
    level: str, prob: Tables, old_prob: Tables, advantage: ArrayLike
) -> tuple[np.ndarray, ...]:
    """Expected gradient on the logits of every prefix from sequences of an old policy.

    gradient[h, v] = before(h) (at(v after h) after(h v) - prob(v after h) sum_w at(w after h)
    after(h w)), with `before` the product of a table along h, `after` the advantage summed over
    continuations with that table, and (before and after, at) = (prob, prob) for "sequence",
    (old_prob, prob) for "token", both old_prob^(1 - 1/T) prob^(1/T), and 1/T in front, for
    "sequence_geometric".

    Assumes:
        Every sequence is drawn from the old policy, its advantage a function of the sequence; the
        weight of a token is ratio * advantage, of the geometric mean a T-th of it.

    Derivation:
        Sum old_prob(y) weight(y) (e_v - prob) over the sequences y through h. The weight is a
        product over tokens, so that the sum factorises into what comes before h, at its token and
        after. With prob = old_prob all are prob(h) prob(v after h) (Q(h v) - V(h)), the policy
        gradient, times 1/T for the geometric mean. Else the token level sees the prefixes and the
        values of the old policy: it climbs sum_h old(h) sum_v prob(v after h) Q_old(h v).

    Args:
        level: "token", "sequence" or "sequence_geometric".
        prob: tables of the present policy.
        old_prob: tables of the policy that drew the sequences.
        advantage: advantage of each sequence, shape [V] * T.

    Returns:
        Gradients, of the shapes of the tables.

    Raises:
        ValueError: an argument is out of range.

    References:
        The levels: token as in PPO, arXiv 1707.06347; geometric mean as in GSPO, arXiv 2507.18071
        (read in reviews). The factorisation is derived here.

    Examples:
        >>> fresh = [np.full(2, 0.5), np.full((2, 2), 0.5)]
        >>> first, second = predicted_update("token", fresh, fresh, np.array([[1, 0], [0, 0]]))
        >>> first, second[0], second[1]
        (array([ 0.125, -0.125]), array([ 0.125, -0.125]), array([0., 0.]))
    """
    function = "predicted_update"
    require_level(function, level)
    prob = _require_tables(function, "prob", prob)
    old_prob = _require_tables(function, "old_prob", old_prob)
    advantage = np.asarray(advantage, dtype=np.float64)
    require(
        len(prob) == len(old_prob) and advantage.shape == prob[-1].shape == old_prob[-1].shape,
        function,
        "advantage",
        "of the shape of the last table of both policies",
        advantage.shape,
        "Give one advantage per sequence",
    )
    num_tokens = len(prob)
    if level == "sequence":
        around, at, scale = prob, prob, 1.0
    elif level == "token":
        around, at, scale = old_prob, prob, 1.0
    else:
        root = 1.0 / num_tokens
        around = [old ** (1.0 - root) * new**root for old, new in zip(old_prob, prob, strict=True)]
        at, scale = around, root
    gradients = []
    parts = zip(_prefix_measures(around), at, _continuations(around, advantage), prob, strict=True)
    for before, here, after, policy in parts:
        pull = here * after
        centred = pull - policy * pull.sum(axis=-1, keepdims=True)
        gradients.append(scale * before[..., None] * centred)
    return tuple(gradients)
