"""Claims on running-mean baselines, of earlier rewards and with the present ones (P10)."""

import numpy as np
from scipy.special import logit

from theory.predict import running_baseline
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.experiments import running_baseline as histories
from theory.verify.measurement import Measurement

_SOURCE = "derived in this project (catalogue entry P10)"
_LOG_ODDS = float(logit(0.3))

# Group size, rounds, forgetting, initial baseline.
_CASES = ((1, 8, 0.25, 0.0), (1, 8, 0.0, 0.6), (2, 4, 0.4, 0.5))


def _gradients(is_included: bool) -> np.ndarray:
    return np.concatenate(
        [
            running_baseline.predicted_baseline_gradient(
                _LOG_ODDS,
                num_rounds,
                group_size=group_size,
                forgetting=forgetting,
                is_included=is_included,
            )
            for group_size, num_rounds, forgetting, _ in _CASES
        ]
    )


def _measure_gradients(is_included: bool) -> Experiment:
    def measure(rng: np.random.Generator, size: int) -> Measurement:
        parts = []
        for group_size, num_rounds, forgetting, initial in _CASES:
            rule = histories.baseline_rule(
                forgetting=forgetting, initial_baseline=initial, is_included=is_included
            )
            parts.append(
                histories.measure_history_gradients(
                    rule, _LOG_ODDS, group_size=group_size, num_rounds=num_rounds
                )
            )
        return Measurement.joined(*parts)

    return measure


def _constant_share() -> np.ndarray:
    """The factor 1 - forgetting from the first round on, whatever the group."""
    full = _gradients(is_included=False)
    share = [np.full(num_rounds, 1.0 - forgetting) for _, num_rounds, forgetting, _ in _CASES]
    return full * np.concatenate(share)


_RUN = {"group_size": 2, "num_rounds": 12}
_FORGETTING = 0.2
_KINDS = (False, True)


def _shares(kinds: tuple[bool, bool] = _KINDS) -> np.ndarray:
    return np.array(
        [
            running_baseline.predicted_kept_share(
                _RUN["num_rounds"],
                group_size=_RUN["group_size"],
                forgetting=_FORGETTING,
                is_included=is_included,
            ).mean()
            for is_included in kinds
        ]
    )


def _measure_shares(kinds: tuple[bool, bool] = _KINDS) -> Experiment:
    def measure(rng: np.random.Generator, num_runs: int) -> Measurement:
        parts = []
        for is_included in kinds:
            rule = histories.baseline_rule(forgetting=_FORGETTING, is_included=is_included)
            share = histories.kept_shares(
                rng, rule, _LOG_ODDS, step_size=0.3, num_runs=num_runs, **_RUN
            )
            parts.append(Measurement.mean_of_runs(share))
        return Measurement.joined(*parts)

    return measure


_ROUND_AXIS = Axis("case and round (numbered)")

RUNNING_BASELINE_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P10-earlier",
        what="mean class gradient over the mean of earlier rewards, all histories summed",
        statement="p q in every round, whatever forgetting, initial baseline and group size",
        tags=("P10", "baseline", "exact", "running_mean"),
        source=_SOURCE,
        theory=(
            running_baseline.predicted_baseline_gradient,
            running_baseline.predicted_kept_share,
        ),
        predicted=lambda: _gradients(is_included=False),
        experiment=_measure_gradients(is_included=False),
        mutants=(
            Mutant("the factor 1 - forgetting", _constant_share),
            Mutant("a baseline with the present rewards", experiment=_measure_gradients(True)),
        ),
        statistic="difference",
        tolerance=1e-12,
        mutant_tolerance=1e-2,
        axis=_ROUND_AXIS,
        unit="class gradient",
    ),
    Claim(
        id="P10-included",
        what="mean class gradient over a mean with the present rewards, all histories summed",
        statement=(
            "p q (1 - w_t/G), w_t = max(forgetting, 1/t): 1 - forgetting for G = 1 from round "
            "1/forgetting on, (G - 1)/G in round 1"
        ),
        tags=("P10", "baseline", "exact", "running_mean"),
        source=_SOURCE,
        theory=(
            running_baseline.predicted_baseline_gradient,
            running_baseline.predicted_kept_share,
        ),
        predicted=lambda: _gradients(is_included=True),
        experiment=_measure_gradients(is_included=True),
        mutants=(
            Mutant("factor 1", lambda: _gradients(is_included=False)),
            Mutant("the factor 1 - forgetting in every round, for every G", _constant_share),
            Mutant("a baseline of earlier rewards", experiment=_measure_gradients(False)),
        ),
        statistic="difference",
        tolerance=1e-12,
        mutant_tolerance=1e-2,
        axis=_ROUND_AXIS,
        unit="class gradient",
    ),
    Claim(
        id="P10-sampled",
        what="class gradient over p q along learning runs, both baselines",
        statement="1 over earlier rewards, the mean over rounds of 1 - w_t/G with the present ones",
        tags=("P10", "baseline", "sampled", "running_mean"),
        source=_SOURCE,
        theory=(running_baseline.predicted_kept_share,),
        predicted=_shares,
        experiment=_measure_shares(),
        mutants=(
            Mutant("1 for both", lambda: _shares((False, False))),
            Mutant("1 - w_t/G for both", lambda: _shares((True, True))),
            Mutant("the baselines exchanged", experiment=_measure_shares(_KINDS[::-1])),
        ),
        statistic="z",
        size={"quick": 5_000, "full": 30_000},
        axis=Axis("baseline", at=("earlier rewards", "with the present ones")),
        unit="share of the gradient",
    ),
)
