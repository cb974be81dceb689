"""Which cell of a group is predicted to end best, and how sure the simulated seeds make that.

Shapes: R simulated runs, S points of a curve.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from llm_bridge.forecast.predict import Forecast


def ranking(forecasts: Sequence[Forecast]) -> list[dict[str, Any]]:
    """Rank the cells of each group by their predicted final pass rate.

    Args:
        forecasts: of the drifting kernel, one a cell.

    Returns:
        One line a cell, best first within its group: the probability that it is the best of its
        group and that it is better than the next one, over simulated runs of the same seeds.
    """
    lines = []
    groups: dict[str, list[Forecast]] = {}
    for forecast in forecasts:
        groups.setdefault(forecast.cell.comparison, []).append(forecast)
    for group, members in groups.items():
        members = sorted(members, key=lambda f: -f.target[:, -1].mean())
        final = np.stack([member.target[:, -1] for member in members])
        best = (final >= final.max(axis=0)).astype(float)
        best /= best.sum(axis=0)
        for place, member in enumerate(members):
            ahead = None
            if place + 1 < len(members):
                gap = final[place] - final[place + 1]
                ahead = float((gap > 0.0).mean() + 0.5 * (gap == 0.0).mean())
            lines.append(
                {
                    "group": group,
                    "cell": member.cell.name,
                    "predicted_final": float(final[place].mean()),
                    "probability_best": float(best[place].mean()),
                    "probability_ahead_of_next": ahead,
                }
            )
    return lines
