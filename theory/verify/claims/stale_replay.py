"""Claims on runs that train on stale rollouts only: who brakes, who waits (P54)."""

import numpy as np

from banditlab.rules import get_rule
from theory.predict import stale_replay
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.experiments import stale_data as experiment
from theory.verify.measurement import Measurement

_DERIVED = "derived in this project; the rules as in arXiv 1707.06347, 2601.03320 and 2503.14286"

_BATCH = {"learning_rate": 1.0, "group_size": 8}
_RUN = {"log_odds": -1.0, "num_updates": 20, "age": 6, **_BATCH}
_RULES = {
    "policy_gradient": "group_mean",
    "variance_penalty": "variance_penalty",
    "topr": "topr",
}


def _pass_rates(**how: float) -> np.ndarray:
    return np.array(
        [stale_replay.predicted_replay_pass_rate(rule, **_RUN | how) for rule in _RULES]
    )


def _measure_pass_rates(**how: int) -> Experiment:
    return lambda rng, size: experiment.measure_replay(
        rng,
        [get_rule(name) for name in _RULES.values()],
        num_prompts=256,
        num_runs=size,
        **_RUN | how,
    )


# From p = 0.12, and as many rounds of learning after the first data are old enough.
_LONG = {"log_odds": -2.0, "num_updates": 48, "age": 12, **_BATCH}
_SHORT = {"log_odds": -2.0, "num_updates": 37, "age": 1, **_BATCH}


def _slower_pass_rates(**how: float) -> np.ndarray:
    """Pass rates not to be exceeded: the penalty's on old data, the clip's on young data."""
    return np.array(
        [
            stale_replay.predicted_replay_pass_rate("variance_penalty", **_LONG, **how),
            stale_replay.predicted_replay_pass_rate("clip", **_SHORT),
        ]
    )


def _measure_slower(rng: np.random.Generator, size: int) -> Measurement:
    how = {"num_prompts": 128, "num_runs": size}
    return Measurement.joined(
        experiment.measure_replay(rng, [get_rule("clip")], **_LONG, **how),
        experiment.measure_replay(rng, [get_rule("variance_penalty")], **_SHORT, **how),
    )


STALE_REPLAY_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P54-replay",
        what="pass rate after 20 rounds on rollouts 6 rounds old, three rules",
        statement=(
            "z(n + 1) = z(n) + learning_rate (p_old w_c (1 - p) - (1 - p_old) w_w p), ratios "
            "between z(n - age) and z(n): the policy gradient learns as on fresh data, the penalty "
            "at about 1/(1 + 2 multiplier age learning_rate p (1 - p)) of that speed"
        ),
        tags=("P54", "stale-data", "learning-curve", "sampled", *_RULES.values()),
        source=_DERIVED,
        theory=(stale_replay.predicted_replay_pass_rate,),
        predicted=_pass_rates,
        experiment=_measure_pass_rates(),
        mutants=(
            Mutant("fresh rollouts", experiment=_measure_pass_rates(age=0, num_updates=14)),
            Mutant("rollouts younger by one round", lambda: _pass_rates(age=5, num_updates=19)),
            Mutant("the penalty without its factor 2", lambda: _pass_rates(multiplier=0.25)),
            Mutant("without (G - 1)/G", lambda: _pass_rates(group_size=1_000_000)),
        ),
        statistic="z",
        size={"quick": 24, "full": 96},
        axis=Axis("rule", at=tuple(_RULES.values())),
        unit="pass rate",
    ),
    Claim(
        id="P54-clip-waits",
        what="pass rate under the slower rule: clip on old data, penalty on young data",
        statement=(
            "after 36 updates from p = 0.12 at learning rate 1, the clip lags behind the penalty "
            "on rollouts 12 rounds old, which have moved further than log(1 + clip_high), and the "
            "penalty behind the clip on rollouts one round old, where the clip does not bind"
        ),
        tags=("P54", "stale-data", "learning-curve", "sampled", "clip", "variance_penalty"),
        source=_DERIVED,
        theory=(stale_replay.predicted_replay_pass_rate,),
        predicted=_slower_pass_rates,
        experiment=_measure_slower,
        mutants=(
            Mutant(
                "a penalty four times as strong is faster than the clip too",
                lambda: _slower_pass_rates(multiplier=2.0),
            ),
        ),
        statistic="expected_bound",
        size={"quick": 16, "full": 64},
        axis=Axis("rule", at=("clip, 12 rounds old", "variance_penalty, 1 round old")),
        unit="pass rate",
    ),
)
