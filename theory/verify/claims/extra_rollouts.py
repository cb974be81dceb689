"""Claims on rollouts drawn for statistics only against a group trained on as a whole (P56)."""

import numpy as np

from banditlab.rules import get_rule
from theory.predict import batch_curves, drift, extra_rollouts
from theory.verify.claim import Axis, Claim, Mutant
from theory.verify.experiments import extra_rollouts as experiment
from theory.verify.experiments.sampled_runs import measure_coupled_prompts
from theory.verify.measurement import Measurement

_SOURCE = "derived in this project; 1 trained and 7 extra rollouts as in arXiv 2601.22532"
_TAGS = ("P56", "extra-rollouts")

_NUM = 8
_TRAINED = (1, 2, 4, 8)
_GRID = np.array([-12.0, -4.0, -2.0, -0.8, 0.0, 1.5])


def _moments(**how: int) -> np.ndarray:
    return np.stack(
        [
            extra_rollouts.predicted_trained_moments(
                _GRID, num_trained=count, num_rewards=_NUM, **how
            )
            for count in _TRAINED
        ]
    )


def _independent() -> np.ndarray:
    """The variance of one trained rollout over their number."""
    moments = _moments()
    moments[:, 1] = moments[0, 1] / np.array(_TRAINED)[:, None]
    return moments


def _measure_moments(rng: np.random.Generator, size: int) -> Measurement:
    return experiment.measure_trained_moments(_GRID, _NUM, _TRAINED, eps=0.0)


def _measure_all_trained(rng: np.random.Generator, size: int) -> Measurement:
    return experiment.measure_trained_moments(_GRID, _NUM, (_NUM,) * len(_TRAINED), eps=0.0)


def _measure_registered(rng: np.random.Generator, size: int) -> Measurement:
    rule = get_rule("extra_rollouts")
    return Measurement.exact(experiment.trained_moments(rule, _GRID, 1, _NUM)[0])


def _ratio_of(num_rewards: int, log_odds: np.ndarray) -> np.ndarray:
    one, whole = (
        experiment.trained_moments(
            experiment.rule_with_extra(num_rewards - count, eps=0.0), log_odds, count, num_rewards
        )[1]
        for count in (1, num_rewards)
    )
    return one / whole


_SIZES = (2, 4, 8, 10)
_RATES = np.array([-9.0, -2.2, -1.4, -0.8, 0.0])


def _ratios() -> np.ndarray:
    return np.stack(
        [extra_rollouts.predicted_variance_ratio(_RATES, num_rewards=size) for size in _SIZES]
    )


def _measure_ratios(rng: np.random.Generator, size: int) -> Measurement:
    return Measurement.exact([_ratio_of(count, _RATES) for count in _SIZES])


def _ratio_of_second_moments() -> np.ndarray:
    ratios = []
    for size in _SIZES:
        one, whole = (
            extra_rollouts.predicted_trained_moments(_RATES, num_trained=n, num_rewards=size)
            for n in (1, size)
        )
        ratios.append((one[1] + one[0] ** 2) / (whole[1] + whole[0] ** 2))
    return np.stack(ratios)


_FINE = np.linspace(-14.0, 0.0, 29)


def _variance_bound(num: float = _NUM) -> np.ndarray:
    moments = extra_rollouts.predicted_trained_moments(_FINE, num_trained=1, num_rewards=_NUM)
    return moments[1] / num


def _measure_whole_group(rng: np.random.Generator, size: int) -> Measurement:
    rule = experiment.rule_with_extra(0, eps=0.0)
    return Measurement.exact(experiment.trained_moments(rule, _FINE, _NUM, _NUM)[1])


_DRAWN = -1.2


def _drawn_moments(num_trained: int) -> np.ndarray:
    mean, variance = extra_rollouts.predicted_trained_moments(
        _DRAWN, num_trained=num_trained, num_rewards=_NUM
    )
    return np.array([mean, variance + mean**2])


def _drawn_claim(num_trained: int) -> Claim:
    others = [count for count in (1, _NUM) if count != num_trained]
    return Claim(
        id=f"P56-sampled-{num_trained}",
        what=f"mean and second moment, {num_trained} trained of 8 drawn, p = 0.23",
        statement="mean S_8(p) and second moment M_n of P56-moments",
        tags=(*_TAGS, "sampled", "extra_rollouts", "grpo"),
        source=_SOURCE,
        theory=(extra_rollouts.predicted_trained_moments,),
        predicted=lambda: _drawn_moments(num_trained),
        experiment=lambda rng, size: experiment.measure_drawn_moments(
            rng, _DRAWN, num_trained=num_trained, num_rewards=_NUM, num_runs=size
        ),
        mutants=(
            *(
                Mutant(f"{count} trained rollouts", lambda count=count: _drawn_moments(count))
                for count in others
            ),
            Mutant(
                "population standard deviation", lambda: _drawn_moments(num_trained) * (8.0 / 7.0)
            ),
        ),
        statistic="z",
        size={"quick": 24_000, "full": 250_000},
        axis=Axis("moment", at=("mean", "second moment")),
        unit="moment of the class gradient",
    )


_CURVE = {"num_updates": 18, "group_size": 1, "step_size": 0.4}
_START = np.full(768, -2.5)


def _curve(rule: str = "grpo", group_size: int = _NUM) -> np.ndarray:
    return batch_curves.predicted_pass_rates(
        rule,
        _START[:1],
        [_CURVE["num_updates"]],
        learning_rate=_CURVE["step_size"],
        shared_kernel=1.0,
        group_size=group_size,
        is_flow=False,
    )


EXTRA_ROLLOUTS_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P56-moments",
        what="mean and variance of 1, 2, 4 and 8 trained rollouts of 8",
        statement=(
            "mean S_8(p) whatever n; second moment M_n = M_1/n + (1 - 1/n)(8 M_8 - M_1)/7, M_1 = "
            "(7/8)(q^3 (1 - q^7) + p^3 (1 - p^7)), M_8 = (7/8)^2 p q"
        ),
        tags=(*_TAGS, "exact", "extra_rollouts", "grpo"),
        source=_SOURCE,
        theory=(extra_rollouts.predicted_trained_moments,),
        predicted=_moments,
        experiment=_measure_moments,
        mutants=(
            Mutant("independent rollouts: variance M_1/n", _independent),
            Mutant("population standard deviation", lambda: _moments(ddof=0)),
            Mutant("the extra rollouts trained on too", experiment=_measure_all_trained),
        ),
        statistic="difference",
        tolerance=1e-12,
        mutant_tolerance=1e-3,
        axis=Axis("trained rollouts, moment and log-odds (numbered)"),
        unit="moment of the class gradient",
    ),
    Claim(
        id="P56-registered",
        what="class gradient of one trained and 7 extra rollouts",
        statement="expected class gradient S_8(p), that of GRPO with groups of 8 (eps = 1e-6)",
        tags=(*_TAGS, "drift", "exact", "extra_rollouts"),
        source=_SOURCE,
        theory=(drift.standardized_class_gradient,),
        predicted=lambda: drift.standardized_class_gradient(_GRID, group_size=_NUM),
        experiment=_measure_registered,
        mutants=(
            Mutant(
                "a group of 7, the extra rollouts alone",
                lambda: drift.standardized_class_gradient(_GRID, group_size=7),
            ),
            Mutant(
                "raw reward, as of one rollout alone",
                lambda: drift.predicted_class_gradient("raw_reward", _GRID),
            ),
            Mutant(
                "nothing added to the deviation",
                lambda: drift.standardized_class_gradient(_GRID, group_size=_NUM, eps=0.0),
            ),
        ),
        statistic="difference",
        tolerance=1e-13,
        mutant_tolerance=1e-8,
        axis=Axis("log-odds of success (nats)", at=_GRID),
        unit="class gradient",
    ),
    Claim(
        id="P56-equal-rollouts",
        what="variance of one trained of N over that of N trained of N",
        statement=(
            "(M_1 - S_N^2)/(M_N - S_N^2): N for rare successes, 12.4 at p = 0.3 for N = 8, and "
            "below N for N up to 4"
        ),
        tags=(*_TAGS, "exact", "extra_rollouts", "grpo"),
        source=_SOURCE,
        theory=(extra_rollouts.predicted_variance_ratio,),
        predicted=_ratios,
        experiment=_measure_ratios,
        mutants=(
            Mutant(
                "N, as of independent rollouts",
                lambda: np.repeat(np.array(_SIZES, dtype=float), len(_RATES)),
            ),
            Mutant("M_1/M_N, second moments for variances", _ratio_of_second_moments),
        ),
        statistic="difference",
        tolerance=1e-9,
        mutant_tolerance=1e-1,
        axis=Axis("group size and log-odds (numbered)"),
        unit="ratio of variances",
    ),
    Claim(
        id="P56-equal-trained",
        what="variance of a group of 8 trained on as a whole",
        statement=(
            "at most that of 8 rollouts trained on alone, each with 7 extra ones, which cost 64 "
            "rollouts: statistics of one's own do not pay"
        ),
        tags=(*_TAGS, "exact", "extra_rollouts", "grpo"),
        source=_SOURCE,
        theory=(extra_rollouts.predicted_trained_moments,),
        predicted=_variance_bound,
        experiment=_measure_whole_group,
        mutants=(
            Mutant("a bound lower by 1 %", lambda: 0.99 * _variance_bound()),
            Mutant("the variance of 9 rollouts trained on alone", lambda: _variance_bound(9)),
        ),
        statistic="bound",
        tolerance=1e-9,
        mutant_tolerance=1e-3,
        axis=Axis("log-odds of success (nats)", at=_FINE),
        unit="variance of the class gradient",
    ),
    _drawn_claim(1),
    _drawn_claim(8),
    Claim(
        id="P56-curve",
        what="pass rate after 18 updates, one trained and 7 extra rollouts a prompt",
        statement="z(n + 1) = z(n) + step_size S_8(p(n)), the recursion of GRPO with groups of 8",
        tags=(*_TAGS, "learning-curve", "sampled", "extra_rollouts"),
        source=_SOURCE,
        theory=(batch_curves.predicted_pass_rates,),
        predicted=_curve,
        experiment=lambda rng, size: measure_coupled_prompts(
            rng,
            "extra_rollouts",
            train_log_odds=_START,
            heldout_log_odds=None,
            shared_kernel=1.0,
            num_runs=size,
            **_CURVE,
        ),
        mutants=(
            Mutant("raw reward, as of one rollout alone", lambda: _curve("raw_reward", 1)),
            Mutant("groups of 7", lambda: _curve(group_size=7)),
            Mutant("no division by the deviation", lambda: _curve("group_mean")),
        ),
        statistic="z",
        size={"quick": 24, "full": 144},
        axis=Axis("update", at=[float(_CURVE["num_updates"])]),
        unit="pass rate",
    ),
)
