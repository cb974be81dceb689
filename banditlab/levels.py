"""Maps between tokens and the unit whose ratio a rule looks at, and back.

`pool` takes one value per token to one value per unit, a linear map; `spread` is its transpose
and takes a weight per unit to a weight per token. With unit_log_prob = pool(log_prob), the chain
rule gives dJ/dlog_prob[token] = spread(dJ/dunit_log_prob). Masks live here and nowhere else.

Shapes: tokens last, [*, T]; a unit is a token ([*, T]) or a sequence ([*]).
"""

from typing import Any, Literal

from array_api_compat import array_namespace

from banditlab.validation import require_equal_shapes, require_known

Array = Any
Level = Literal["token", "sequence", "sequence_geometric"]
LEVELS: tuple[Level, ...] = ("token", "sequence", "sequence_geometric")


def _num_tokens(mask: Array) -> Array:
    xp = array_namespace(mask)
    count = xp.sum(xp.astype(mask, xp.int64), axis=-1)
    # An empty sequence pools to 0 whatever it is divided by.
    return xp.where(count == 0, xp.ones_like(count), count)


def pool(token_value: Array, mask: Array, level: Level) -> Array:
    """Pool token values to the unit of a level: themselves, their sum, or their mean.

    Args:
        token_value: one value per token, e.g. log-probabilities in nats, shape [*, T]; what
            stands where the mask is False has no influence, NaN included.
        mask: True where a token counts, shape [*, T].
        level: "token" (returns [*, T]); "sequence" (the sum: the log-probability of the whole
            response); "sequence_geometric" (the mean, as in GSPO).

    Returns:
        The pooled value, shape [*, T] for "token", else [*].

    Raises:
        ValueError: the shapes differ or the level is unknown.

    Examples:
        >>> import numpy as np
        >>> pool(np.array([-1.0, -2.0, np.nan]), np.array([True, True, False]), "sequence")
        np.float64(-3.0)
    """
    require_equal_shapes("pool", token_value=token_value, mask=mask)
    require_known("pool", "level", level, LEVELS, "level")
    xp = array_namespace(token_value, mask)
    kept = xp.where(mask, token_value, xp.zeros_like(token_value))
    if level == "token":
        return kept
    total = xp.sum(kept, axis=-1)
    if level == "sequence":
        return total
    return total / xp.astype(_num_tokens(mask), total.dtype)


def spread(unit_weight: Array, mask: Array, level: Level) -> Array:
    """Spread the weight of a unit over its tokens: the transpose of `pool`.

    Args:
        unit_weight: weight per unit, shape [*, T] for level "token", else [*].
        mask: True where a token counts, shape [*, T].
        level: as in `pool`.

    Returns:
        The weight per token, 0 where the mask is False, shape [*, T].

    Raises:
        ValueError: the shapes do not belong to the level, or the level is unknown.
    """
    require_known("spread", "level", level, LEVELS, "level")
    xp = array_namespace(unit_weight, mask)
    if level == "token":
        require_equal_shapes("spread", mask=mask, unit_weight=unit_weight)
        token_weight = unit_weight
    else:
        require_equal_shapes("spread", mask_without_tokens=mask[..., 0], unit_weight=unit_weight)
        if level == "sequence_geometric":
            unit_weight = unit_weight / xp.astype(_num_tokens(mask), unit_weight.dtype)
        token_weight = xp.broadcast_to(unit_weight[..., None], mask.shape)
    return xp.where(mask, token_weight, xp.zeros_like(token_weight))
