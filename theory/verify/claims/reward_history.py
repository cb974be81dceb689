"""Claims on the last rewards of a prompt for a baseline, against a group of rollouts (P55)."""

import numpy as np

from theory.predict import batch_curves, extra_rollouts, history_noise, reward_history
from theory.verify.claim import Axis, Claim, Mutant
from theory.verify.experiments import reward_history as experiment
from theory.verify.experiments.sampled_runs import measure_coupled_prompts
from theory.verify.measurement import Measurement

_SOURCE = "derived in this project; the last 8 rewards of a prompt as in arXiv 2601.22532"
_TAGS = ("P55", "reward-history")
_EXACT = {"statistic": "difference", "tolerance": 1e-10, "mutant_tolerance": 1e-3}

_NUM = 8
_GRID = np.array([-6.0, -2.5, -1.0, 0.0, 1.0, 2.5])


def _resting(num_rewards: int = _NUM, num_trained: int = 1) -> np.ndarray:
    return extra_rollouts.predicted_trained_moments(
        _GRID, num_trained=num_trained, num_rewards=num_rewards
    )


_SHORT = 5
_ROUNDS = 9
_START = -1.2


def _start(**how: int) -> np.ndarray:
    return reward_history.predicted_start(_START, _ROUNDS, history=_SHORT, **how)


# Policies that improve, waver and decline; the present log-odds come last.
_MOVING = (
    np.linspace(-3.5, -1.0, _NUM),
    np.linspace(0.0, 2.0, _NUM),
    np.array([-1.0, 0.5, -1.5, 0.0, -0.5, 1.0, -2.0, -0.7]),
    np.linspace(1.5, -1.5, _NUM),
)


def _moving(age: int = 0) -> np.ndarray:
    """Gradients with the present log-odds of each policy, and histories younger by some rounds."""
    return np.array(
        [
            reward_history.predicted_history_gradient(
                path[-1], np.append(path[age:-1], np.full(age, path[-1]))
            )
            for path in _MOVING
        ]
    )


def _slopes(rounds: float = 4.0) -> np.ndarray:
    return reward_history.predicted_lag_slope(_GRID, history=_NUM) * rounds / 4.0


_LAGS = np.arange(_NUM + 1)


def _autocovariances() -> np.ndarray:
    return np.array(
        [
            history_noise.predicted_autocovariance(_START, int(lag), history=_NUM, eps=0.0)
            for lag in _LAGS
        ]
    )


_NOISY = np.array([-5.0, -2.0, -0.8, 0.0])


def _noise_ratios() -> np.ndarray:
    return np.array(
        [history_noise.predicted_noise_ratio(float(value), history=_SHORT) for value in _NOISY]
    )


def _independent_noise_ratios() -> np.ndarray:
    """One trained rollout of N for a round of the history, without their covariances."""
    one, whole = (
        extra_rollouts.predicted_trained_moments(_NOISY, num_trained=count, num_rewards=_SHORT)[1]
        for count in (1, _SHORT)
    )
    return one / (_SHORT * whole)


_CURVE = {"num_updates": 18, "step_size": 0.4}
_BASE = -2.5


def _curve(history: int = _NUM) -> float:
    return reward_history.predicted_history_pass_rate(
        _BASE, _CURVE["num_updates"], learning_rate=_CURVE["step_size"], history=history
    )


def _group_curve() -> np.ndarray:
    return batch_curves.predicted_pass_rates(
        "grpo",
        [_BASE],
        [_CURVE["num_updates"]],
        learning_rate=_CURVE["step_size"],
        shared_kernel=1.0,
        group_size=_NUM,
        is_flow=False,
    )


REWARD_HISTORY_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P55-resting",
        what="mean and variance of one rollout over the last 8 rewards",
        statement=(
            "at a resting policy those of one trained rollout of a group of 8: mean S_8(p), second "
            "moment (7/8)(q^3 (1 - q^7) + p^3 (1 - p^7))"
        ),
        tags=(*_TAGS, "exact", "reward_history", "extra_rollouts"),
        source=_SOURCE,
        theory=(extra_rollouts.predicted_trained_moments,),
        predicted=_resting,
        experiment=lambda rng, size: experiment.measure_resting_moments(
            experiment.history_rule(_NUM, eps=0.0), _GRID, _NUM
        ),
        mutants=(
            Mutant("a group of 9, the present reward not counted", lambda: _resting(9)),
            Mutant("a group of 8 trained on as a whole", lambda: _resting(num_trained=_NUM)),
            Mutant(
                "statistics of the 8 rewards before the present one",
                experiment=lambda rng, size: experiment.measure_resting_moments(
                    experiment.without_present(experiment.history_rule(_NUM, eps=0.0)), _GRID, _NUM
                ),
            ),
        ),
        axis=Axis("moment and log-odds (numbered)"),
        unit="moment of the class gradient",
        **_EXACT,
    ),
    Claim(
        id="P55-start",
        what="class gradients of the first nine rounds, history of 5",
        statement="p (1 - p), S_2(p), S_3(p), S_4(p), and S_5(p) from the fifth round on",
        tags=(*_TAGS, "exact", "reward_history"),
        source=_SOURCE,
        theory=(reward_history.predicted_start,),
        predicted=_start,
        experiment=lambda rng, size: experiment.measure_start(
            experiment.history_rule(_SHORT), _START, _ROUNDS
        ),
        mutants=(
            Mutant("a full history from the start", lambda: np.full(_ROUNDS, _start()[-1])),
            Mutant("no gradient in the first round", lambda: np.append(0.0, _start()[1:])),
            Mutant("population standard deviation", lambda: _start(ddof=0)),
        ),
        axis=Axis("round", at=np.arange(1, _ROUNDS + 1)),
        unit="class gradient",
        **_EXACT,
    ),
    Claim(
        id="P55-lag",
        what="lag of the mean reward behind a pass rate that rises steadily",
        statement="(H - 1)/2 rounds, 3.5 for 8 rewards, of which the present one is one",
        tags=(*_TAGS, "exact", "reward_history"),
        source=_SOURCE,
        theory=(reward_history.predicted_mean_lag,),
        predicted=lambda: reward_history.predicted_mean_lag(_NUM),
        experiment=lambda rng, size: experiment.measure_lag(
            experiment.history_rule(_NUM), _NUM, 0.02
        ),
        mutants=(
            Mutant("4.5 rounds, without the present reward", lambda: np.array(4.5)),
            Mutant("4 rounds, the mean age of the earlier rewards", lambda: np.array(4.0)),
        ),
        unit="lag (rounds)",
        **_EXACT,
    ),
    Claim(
        id="P55-moving",
        what="class gradient over the history of a policy that moves",
        statement=(
            "p (1 - p) sum_k P(k) (A_right(k) - A_wrong(k)), P the law of the successes among the "
            "7 earlier rewards, each drawn at its own pass rate"
        ),
        tags=(*_TAGS, "drift", "exact", "reward_history"),
        source=_SOURCE,
        theory=(reward_history.predicted_history_gradient,),
        predicted=_moving,
        experiment=lambda rng, size: Measurement.exact(
            [experiment.moving_gradient(experiment.history_rule(_NUM), path) for path in _MOVING]
        ),
        mutants=(
            Mutant("no lag: a group of 8 of the present policy", lambda: _moving(age=_NUM - 1)),
            Mutant("a history younger by one round", lambda: _moving(age=1)),
        ),
        axis=Axis("policy", at=("improves", "improves above 1/2", "wavers", "declines")),
        unit="class gradient",
        **_EXACT,
    ),
    Claim(
        id="P55-lag-slope",
        what="change of the class gradient per dp/dt, history of 8",
        statement=(
            "-(H/2) p (1 - p) d/dp [S_H(p)/(p (1 - p))]: the lag acts through the deviation alone, "
            "upwards while p rises below 1/2 and downwards above"
        ),
        tags=(*_TAGS, "drift", "exact", "reward_history"),
        source=_SOURCE,
        theory=(reward_history.predicted_lag_slope,),
        predicted=_slopes,
        experiment=lambda rng, size: experiment.measure_lag_slopes(
            experiment.history_rule(_NUM), _GRID, _NUM
        ),
        mutants=(
            Mutant("3.5 rounds instead of 4", lambda: _slopes(3.5)),
            Mutant("4.5 rounds instead of 4", lambda: _slopes(4.5)),
            Mutant("no bias at all", lambda: np.zeros_like(_GRID)),
        ),
        axis=Axis("log-odds of success (nats)", at=_GRID),
        unit="slope (rounds)",
        **_EXACT,
    ),
    Claim(
        id="P55-autocovariance",
        what="covariance of the class gradients of two rounds, history of 8",
        statement=(
            "sums over the rewards that one or both rounds remember; negative up to lag 7, and 0 "
            "from lag 8 on"
        ),
        tags=(*_TAGS, "variance", "exact", "reward_history"),
        source=_SOURCE,
        theory=(history_noise.predicted_autocovariance,),
        predicted=_autocovariances,
        experiment=lambda rng, size: experiment.measure_autocovariances(
            experiment.history_rule(_NUM, eps=0.0), _START, _NUM
        ),
        mutants=(
            Mutant("independent rounds", lambda: np.where(_LAGS == 0, _autocovariances(), 0.0)),
            Mutant("lags one too large", lambda: np.roll(_autocovariances(), -1)),
        ),
        axis=Axis("lag (rounds)", at=_LAGS),
        unit="covariance of class gradients",
        **_EXACT,
    ),
    Claim(
        id="P55-noise",
        what="long-run noise per rollout, history of 5 over groups of 5",
        statement=(
            "(c_0 + 2 sum c_j)/(H Var_H): 1 for rare successes and below it everywhere, so that "
            "replayed rewards cost no noise for the rollouts that they save"
        ),
        tags=(*_TAGS, "variance", "exact", "reward_history", "grpo"),
        source=_SOURCE,
        theory=(history_noise.predicted_noise_ratio,),
        predicted=_noise_ratios,
        experiment=lambda rng, size: experiment.measure_noise_ratios(_NOISY, _SHORT),
        mutants=(
            Mutant("as noisy as groups", lambda: np.ones_like(_NOISY)),
            Mutant("successive rounds independent", _independent_noise_ratios),
        ),
        axis=Axis("log-odds of success (nats)", at=_NOISY),
        unit="ratio of variances per rollout",
        **_EXACT,
    ),
    Claim(
        id="P55-curve",
        what="pass rate after 18 updates of one rollout a prompt, history of 8",
        statement=(
            "z(n + 1) = z(n) + step_size times the class gradient of P55-moving at the log-odds of "
            "the last 8 rounds, from a history that is empty at first"
        ),
        tags=(*_TAGS, "learning-curve", "sampled", "reward_history"),
        source=_SOURCE,
        theory=(
            reward_history.predicted_history_gradient,
            reward_history.predicted_history_pass_rate,
        ),
        predicted=_curve,
        experiment=lambda rng, size: measure_coupled_prompts(
            rng,
            "reward_history",
            train_log_odds=np.full(768, _BASE),
            heldout_log_odds=None,
            shared_kernel=1.0,
            group_size=1,
            num_runs=size,
            **_CURVE,
        ),
        mutants=(
            Mutant("groups of 8 of the present policy", _group_curve),
            Mutant("a history of 6", lambda: _curve(6)),
            Mutant("a history of 10", lambda: _curve(10)),
        ),
        statistic="z",
        size={"quick": 24, "full": 144},
        axis=Axis("update", at=[float(_CURVE["num_updates"])]),
        unit="pass rate",
    ),
)
