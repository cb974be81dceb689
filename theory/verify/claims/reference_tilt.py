"""Claims on rounds held to a reference policy, as a recursion on the pass rate (P47)."""

from dataclasses import replace

import numpy as np
from scipy.special import logit

from banditlab.rules import get_rule
from theory.predict import reference_tilt
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.experiments import reference_tilt as experiment

_DERIVED = "derived in this project; the recursion as arXiv 2503.06639 states it (not read)"
_TAGS = ("P47", "reference", "exact", "grpo_k3_corrected")
_EXACT = {"statistic": "difference"}

_START, _NUM_ROUNDS = float(logit(0.2)), 8
_HOLD = {"coefficient": 3.0, "smoothing": 0.01}


def _rounds(is_mirror: bool = False, **changes: float) -> np.ndarray:
    path = [_START]
    for _ in range(_NUM_ROUNDS):
        reference = path[-1] if is_mirror else _START
        path.append(
            float(reference_tilt.predicted_tilted_log_odds(path[-1], reference, **_HOLD | changes))
        )
    return np.array(path[1:])


def _mean_only() -> np.ndarray:
    """Advantages less the mean but not divided: 1/coefficient each round."""
    return np.full(_NUM_ROUNDS, _START + 1.0 / _HOLD["coefficient"])


def _measure_rounds(**changes: bool) -> Experiment:
    return lambda rng, size: experiment.measure_rounds(_START, _NUM_ROUNDS, **_HOLD | changes)


_GROUP = {"num_correct": 3, "group_size": 16}
_PRICE = 0.8


def _measure_group(corrected: bool = True) -> Experiment:
    term = replace(
        get_rule("grpo_k3_corrected").reference, coefficient=_PRICE, is_ratio_corrected=corrected
    )
    rule = get_rule("grpo_k3_corrected").with_reference(term)
    return lambda rng, size: experiment.measure_group_tilt(
        rule, **_GROUP, step_size=0.5, inner_epochs=size
    )


_ROUND_AXIS = Axis("round", at=np.arange(1, _NUM_ROUNDS + 1))

REFERENCE_TILT_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P47-rounds",
        what="log-odds after each of 8 exact rounds held to the base policy",
        statement="z = z_ref + 1/(coefficient sqrt(p (1 - p) + smoothing)), p of the round before",
        tags=_TAGS,
        source=_DERIVED,
        theory=(
            reference_tilt.predicted_tilted_log_odds,
            reference_tilt.predicted_advantage_gap,
        ),
        predicted=_rounds,
        experiment=_measure_rounds(),
        mutants=(
            Mutant("1/coefficient, advantages not divided", _mean_only),
            Mutant(
                "times sqrt(p (1 - p))",
                lambda: np.full(_NUM_ROUNDS, _START + 0.4 / _HOLD["coefficient"]),
            ),
            Mutant("without smoothing", lambda: _rounds(smoothing=0.0)),
        ),
        tolerance=1e-12,
        mutant_tolerance=1e-3,
        axis=_ROUND_AXIS,
        unit="log-odds of success, nats",
        **_EXACT,
    ),
    Claim(
        id="P47-mirror",
        what="log-odds after each of 8 exact rounds held to the policy before them",
        statement="z = z_before + 1/(coefficient sqrt(p (1 - p) + smoothing))",
        tags=_TAGS,
        source=_DERIVED,
        theory=(
            reference_tilt.predicted_tilted_log_odds,
            reference_tilt.predicted_advantage_gap,
        ),
        predicted=lambda: _rounds(is_mirror=True),
        experiment=_measure_rounds(is_mirror=True),
        mutants=(
            Mutant("held to the base policy", _rounds),
            Mutant(
                "1/coefficient per round",
                lambda: _START + np.arange(1.0, _NUM_ROUNDS + 1.0) / _HOLD["coefficient"],
            ),
        ),
        tolerance=1e-12,
        mutant_tolerance=1e-3,
        axis=_ROUND_AXIS,
        unit="log-odds of success, nats",
        **_EXACT,
    ),
    Claim(
        id="P47-group",
        what="change of the log-odds in one round of inner epochs on 3 successes of 16",
        statement="the round ends at the tilt: 1/(coefficient (std + eps)), std with ddof = 1",
        tags=(*_TAGS, "inner-epochs"),
        source=_DERIVED,
        theory=(reference_tilt.predicted_group_tilt,),
        predicted=lambda: reference_tilt.predicted_group_tilt(**_GROUP, coefficient=_PRICE),
        experiment=_measure_group(),
        mutants=(
            Mutant(
                "ddof = 0",
                lambda: reference_tilt.predicted_group_tilt(**_GROUP, coefficient=_PRICE, ddof=0),
            ),
            Mutant(
                "k3 without the ratio, as in GRPO's loss",
                experiment=_measure_group(corrected=False),
            ),
        ),
        tolerance=1e-9,
        mutant_tolerance=1e-2,
        size={"quick": 600, "full": 1200},
        axis=Axis("quantity", at=["change of the log-odds"]),
        unit="log-odds, nats",
        **_EXACT,
    ),
)
