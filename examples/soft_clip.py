"""A soft clip: the gate of SAPO (arXiv 2511.20347), with one temperature, 2 / WIDTH."""

from array_api_compat import array_namespace

from banditlab import UpdateRule, group_mean
from banditlab.testing import promises

WIDTH = 0.2


def objective(log_prob, old_log_prob, advantage):
    """What is maximised, per sample, in torch."""
    ratio = (log_prob - old_log_prob).exp()
    return WIDTH * ((ratio - 1) / WIDTH).tanh() * advantage


@promises(objective=objective)
def soft_clip_weight(log_prob, old_log_prob, advantage):
    """Its derivative with respect to log_prob, in any array library."""
    xp = array_namespace(log_prob)
    ratio = xp.exp(log_prob - old_log_prob)
    return ratio * (1 - xp.tanh((ratio - 1) / WIDTH) ** 2) * advantage


soft_clip = UpdateRule(
    name="soft_clip",
    advantage=group_mean,
    weight=soft_clip_weight,
    formula="WIDTH * tanh((ratio - 1) / WIDTH) * A, A = group mean",
    source="SAPO (arXiv 2511.20347), with one temperature",
    smallest_draw=2,
)
