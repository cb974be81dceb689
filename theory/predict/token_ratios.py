"""Moments of the ratio at the levels of tokens and sequences, and what a clip cuts (P52).

For T tokens drawn independently from one old law the log-ratio of a sequence is a random walk. Its
exponential, the ratio, has a second moment that grows as (1 + chi2)^T; a token's has that of one
step; the geometric mean is the exponential of the walk's slope and settles at exp(-KL). So with
growing length a clip cuts nearly all sequence ratios, a fixed share of tokens, and none or all of
the geometric means.

Shapes: V vocabulary; laws are of shape [V].
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom

from theory.predict.conditions import require
from theory.predict.token_levels import require_level


def _require_laws(function: str, **laws: ArrayLike) -> list[np.ndarray]:
    found = []
    for argument, law in laws.items():
        law = np.asarray(law, dtype=np.float64)
        require(
            law.ndim == 1 and law.size >= 2 and bool((law > 0.0).all()),
            function,
            argument,
            "positive probabilities of at least two tokens",
            law.tolist(),
            "Leave tokens that never come out of the vocabulary",
        )
        is_sum = abs(float(law.sum()) - 1.0) < 1e-9
        require(is_sum, function, argument, "of sum 1", float(law.sum()), "Normalise it")
        found.append(law)
    require(
        len({law.size for law in found}) == 1,
        function,
        "law",
        "over the vocabulary of old_law",
        [law.size for law in found],
        "Give both laws for the same tokens",
    )
    return found


def _as_lengths(function: str, num_tokens: ArrayLike) -> np.ndarray:
    length = np.asarray(num_tokens, dtype=np.float64)
    is_met = bool(np.isfinite(length).all() and (length >= 1.0).all() and (length % 1 == 0).all())
    condition = "whole numbers of at least 1"
    require(is_met, function, "num_tokens", condition, num_tokens, "A sequence has tokens")
    return length


def predicted_ratio_moment(
    level: str, law: ArrayLike, old_law: ArrayLike, num_tokens: ArrayLike, power: float
) -> np.ndarray:
    """Moment of the ratio under the old law: E[ratio^power].

    With M(k) = sum old_law (law/old_law)^k: M(power) at "token", M(power)^T at "sequence", and
    M(power/T)^T at "sequence_geometric".

    Assumes:
        T tokens drawn independently from old_law, whatever came before.

    Derivation:
        The ratio of a sequence is a product of independent factors. M(1) = 1 and M(2) = 1 + chi2:
        the sequence ratio has mean 1 and second moment (1 + chi2)^T. M(k/T)^T tends to exp(-k KL),
        KL that of old_law from law, as T grows: the geometric mean settles below 1.

    Args:
        level: "token", "sequence" or "sequence_geometric".
        law: present probability of each token, shape [V].
        old_law: probability at sampling, shape [V].
        num_tokens: T, shape [*].
        power: order of the moment.

    Returns:
        Moments, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.

    Examples:
        >>> predicted_ratio_moment("sequence", [0.6, 0.4], [0.5, 0.5], [1, 100], 2.0).round(3)
        array([ 1.04 , 50.505])
    """
    function = "predicted_ratio_moment"
    require_level(function, level)
    law, old_law = _require_laws(function, law=law, old_law=old_law)
    length = _as_lengths(function, num_tokens)
    per_token = power / length if level == "sequence_geometric" else np.full_like(length, power)
    moment = (old_law * (law / old_law) ** per_token[..., None]).sum(axis=-1)
    return moment if level == "token" else moment**length


def predicted_log_ratio(
    level: str, law: ArrayLike, old_law: ArrayLike, num_tokens: ArrayLike
) -> np.ndarray:
    """Mean and variance of the log-ratio under the old law.

    (-KL, s2) at "token", (-T KL, T s2) at "sequence", (-KL, s2/T) at "sequence_geometric", with
    KL = sum old_law log(old_law/law) and s2 the variance of one token's log-ratio.

    Assumes:
        As `predicted_ratio_moment`.

    Derivation:
        A sum of T independent terms, and its T-th part.

    Args:
        level: "token", "sequence" or "sequence_geometric".
        law: present probability of each token, shape [V].
        old_law: probability at sampling, shape [V].
        num_tokens: T, shape [*].

    Returns:
        Mean (nats) and variance (nats^2), shape [2, *].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_log_ratio"
    require_level(function, level)
    law, old_law = _require_laws(function, law=law, old_law=old_law)
    length = _as_lengths(function, num_tokens)
    log_ratio = np.log(law / old_law)
    mean = float(old_law @ log_ratio)
    variance = float(old_law @ (log_ratio - mean) ** 2)
    on_mean = length if level == "sequence" else np.ones_like(length)
    on_variance = {"token": np.ones_like(length), "sequence": length}.get(level, 1.0 / length)
    return np.stack([mean * on_mean, variance * on_variance])


def predicted_gradient_moment(
    level: str, law: ArrayLike, old_law: ArrayLike, num_tokens: ArrayLike
) -> np.ndarray:
    """Second moment of the gradient of one stale sequence: E||gradient||^2.

    With N(k) = sum old_law (law/old_law)^k (1 - 2 law + sum law^2) and M as in
    `predicted_ratio_moment`: T N(2) at "token", T N(2) M(2)^(T - 1) at "sequence", and
    N(2/T) M(2/T)^(T - 1)/T at "sequence_geometric".

    Assumes:
        As `predicted_ratio_moment`; advantage 1 or -1; weight ratio * advantage on each token, a
        T-th of it for the geometric mean.

    Derivation:
        Tokens of one sequence belong to different prefixes, whose logits are different, so that
        squared norms add up; ||e_v - law||^2 = 1 - 2 law_v + sum law^2. On fresh data all but the
        geometric mean give T (1 - sum law^2). So staleness multiplies the token level's noise by
        N(2)/N(1), whatever the length, and the sequence level's by (1 + chi2)^(T - 1) besides.

    Args:
        level: "token", "sequence" or "sequence_geometric".
        law: present probability of each token, shape [V].
        old_law: probability at sampling, shape [V].
        num_tokens: T, shape [*].

    Returns:
        Second moments, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here.
    """
    function = "predicted_gradient_moment"
    require_level(function, level)
    law, old_law = _require_laws(function, law=law, old_law=old_law)
    length = _as_lengths(function, num_tokens)
    power = 2.0 / length if level == "sequence_geometric" else np.full_like(length, 2.0)
    weighted = old_law * (law / old_law) ** power[..., None]
    score = (weighted * (1.0 - 2.0 * law + law @ law)).sum(axis=-1)
    others = np.ones_like(length) if level == "token" else weighted.sum(axis=-1) ** (length - 1.0)
    scale = 1.0 / length if level == "sequence_geometric" else length
    return scale * score * others


def predicted_clipped_share(
    level: str,
    law: ArrayLike,
    old_law: ArrayLike,
    num_tokens: ArrayLike,
    *,
    clip_low: float,
    clip_high: float,
    is_success: bool,
) -> np.ndarray:
    """Share of tokens or sequences that the clip silences.

    P(ratio > 1 + clip_high) for a positive advantage, P(ratio < 1 - clip_low) for a negative one,
    with ratio = exp(k l_0 + (n - k) l_1), k ~ Binomial(n, old_law[0]), l the log-ratios; n = 1 at
    "token", n = T at the others, with l/T in place of l for the geometric mean.

    Assumes:
        As `predicted_ratio_moment`, with a vocabulary of two tokens.

    Derivation:
        The ratio depends on the number k of the first token alone. By the central limit theorem
        log(ratio) is about normal with `predicted_log_ratio`: for long sequences the share tends
        to 0 (success) or 1 (failure) at "sequence", and at "sequence_geometric" to 0 or 1 as KL is
        below or above -log(1 - clip_low).

    Args:
        level: "token", "sequence" or "sequence_geometric".
        law: present probability of both tokens, shape [2].
        old_law: probability at sampling, shape [2].
        num_tokens: T, shape [*].
        clip_low: width below 1.
        clip_high: width above 1.
        is_success: whether the advantage is positive.

    Returns:
        Shares, shape [*].

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here; the clip as in arXiv 1707.06347.
    """
    function = "predicted_clipped_share"
    require_level(function, level)
    law, old_law = _require_laws(function, law=law, old_law=old_law)
    require(law.size == 2, function, "law", "over two tokens", law.size, "Merge the others")
    for name, value in (("clip_low", clip_low), ("clip_high", clip_high)):
        require(0.0 < value < 1.0, function, name, "in (0, 1)", value, "0.2 is usual")
    log_ratio = np.log(law / old_law)
    share = []
    for length in _as_lengths(function, num_tokens).ravel().astype(int):
        num = 1 if level == "token" else length
        count = np.arange(num + 1)
        total = count * log_ratio[0] + (num - count) * log_ratio[1]
        unit = total / num if level == "sequence_geometric" else total
        is_out = unit > np.log1p(clip_high) if is_success else unit < np.log1p(-clip_low)
        share.append(binom.pmf(count, num, old_law[0])[is_out].sum())
    return np.array(share).reshape(np.shape(num_tokens))
