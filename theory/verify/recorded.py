"""Results that ship with the package: those of a whole run at each budget.

`banditlab verify --budget full --json theory/verify/recorded/full.json` renews them.
"""

import json
from importlib.resources import files
from typing import Any


def recorded_results(budget: str) -> dict[str, Any]:
    """Results of the run that ships with the package.

    Args:
        budget: "quick" or "full".

    Returns:
        What `banditlab verify --json` wrote; without claims where no run was recorded.
    """
    source = files("theory.verify") / "recorded" / f"{budget}.json"
    if not source.is_file():
        return {"claims": []}
    return json.loads(source.read_text())


def recorded_seconds(budget: str) -> dict[str, float]:
    """Seconds that each claim took in that run, on one core.

    Args:
        budget: "quick" or "full".

    Returns:
        Id -> seconds.
    """
    return {claim["id"]: claim["seconds"] for claim in recorded_results(budget)["claims"]}
