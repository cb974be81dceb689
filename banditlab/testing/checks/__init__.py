"""Every check by name: `CHECKS`. Each module holds the checks of one idea."""

from collections.abc import Mapping
from types import MappingProxyType

from banditlab.testing.check import Check
from banditlab.testing.checks import (
    accuracy,
    arrays,
    bandits,
    batches,
    clipping,
    gradients,
    groups,
    masks,
    reward_units,
)

CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        entry.name: entry
        for module in (
            gradients,
            clipping,
            batches,
            masks,
            arrays,
            accuracy,
            groups,
            reward_units,
            bandits,
        )
        for entry in vars(module).values()
        if isinstance(entry, Check)
    }
)
