"""The suite's teeth: broken rules, each with the checks that must reject it.

Each module holds the mistakes of one kind; `python -m tests.banditlab.testing.teeth` writes
docs/checks.md.
"""

from tests.banditlab.testing.teeth import (
    advantages,
    arrays,
    averages,
    batches,
    clips,
    gradients,
    groups,
    losses,
    rules,
    slight,
)
from tests.banditlab.testing.teeth.record import Broken

BROKEN = {
    entry.name: entry
    for module in (
        gradients,
        clips,
        batches,
        arrays,
        losses,
        averages,
        advantages,
        groups,
        rules,
        slight,
    )
    for entry in vars(module).values()
    if isinstance(entry, Broken)
}
