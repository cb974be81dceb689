"""Claims on correlated arms: learning curves under a class kernel, help to a prompt (P43, P45)."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from banditlab.rules import RULES, UpdateRule, get_rule
from theory.predict import kernels, learning_curves
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.experiments import kernels as experiment
from theory.verify.measurement import Measurement

_DERIVED = "derived in this project"
_EXACT = {"statistic": "difference"}
_INF = float("inf")

_START = -2.0
_TIMES = np.arange(8.0, 41.0, 8.0)
# Similar arms in both classes, and something in common between the classes.
_KERNEL = {"self_part": 0.7, "correct": 0.3, "wrong": 0.5, "between": 0.1}
_COUNTS = ((3, 7), (_INF, _INF))


def _kernel_number(counts: tuple[float, float], **changes: float) -> float:
    return kernels.predicted_log_odds_kernel(*counts, **_KERNEL | changes)


def _flow(**changes: float) -> np.ndarray:
    return np.array(
        [
            learning_curves.predicted_raw_log_odds(
                _START, _TIMES, kernel=_kernel_number(counts, **changes)
            )
            for counts in _COUNTS
        ]
    )


def _tabular_flow() -> np.ndarray:
    """Without class parts, where endless arms learn nothing."""
    finite = learning_curves.predicted_raw_log_odds(
        _START, _TIMES, kernel=learning_curves.tabular_kernel(*_COUNTS[0])
    )
    return np.array([finite, np.full(len(_TIMES), _START)])


def _step_errors(half: float = 1.0) -> np.ndarray:
    return np.array(
        [
            half * kernels.predicted_step_error(_START, _TIMES, kernel=_kernel_number(counts))
            for counts in _COUNTS
        ]
    )


def _measure_flow(row: int) -> Experiment:
    """The flow (row 0) or the error of finite steps (row 1), for both pairs of counts."""

    def measure(rng: np.random.Generator, size: int) -> Measurement:
        kernel = experiment.class_kernel(**_KERNEL)
        parts = [
            experiment.measure_kernel_flow(_START, counts, kernel, _TIMES, size)
            for counts in _COUNTS
        ]
        return Measurement.exact([part.value.reshape(2, -1)[row] for part in parts])

    return measure


_LOG_ODDS = np.array([-20.0, -8.0, -3.0, 0.0, 2.0])


def _moves(reward: float) -> np.ndarray:
    kernel = _kernel_number((_INF, _INF))
    return kernels.predicted_single_moves(expit(_LOG_ODDS), kernel, reward)


def _all_probability_moves() -> np.ndarray:
    """A failure pushes the dominant class down at full strength."""
    kernel = _kernel_number((_INF, _INF))
    return kernel * np.stack([-expit(-_LOG_ODDS), np.ones(len(_LOG_ODDS))])


def _measure_moves(between: float = _KERNEL["between"]) -> Experiment:
    kernel = experiment.class_kernel(**_KERNEL | {"between": between})
    return lambda rng, size: experiment.measure_single_moves(
        _LOG_ODDS, kernel, get_rule("raw_reward"), (-1.0, -1.0)
    )


@dataclass(frozen=True)
class _Path:
    """A rule and how it is run."""

    rule: UpdateRule
    group_size: int
    inner_epochs: int = 1


_OWN, _SHARED = 0.7, 0.3
_EASY, _HARD = -1.0, -60.0
_PATHS = (
    _Path(RULES["raw_reward"], 4),
    _Path(RULES["negative_reward"], 1),
    _Path(RULES["grpo"], 4),
    _Path(RULES["clip"], 8, 4),
    _Path(get_rule("variance_penalty", multiplier=1.0), 8, 4),
)


def _measure_help(own: float = _OWN, shared: float = _SHARED) -> Experiment:
    def measure(rng: np.random.Generator, size: int) -> Measurement:
        kernel = experiment.prompt_kernel(own, shared)
        return Measurement.exact(
            [
                experiment.measure_help(
                    rng,
                    path.rule,
                    kernel,
                    (_EASY, _HARD),
                    step_size=0.5,
                    group_size=path.group_size,
                    inner_epochs=path.inner_epochs,
                    num_rounds=size,
                )
                for path in _PATHS
            ]
        )

    return measure


_LONG = np.array([20.0, 40.0, 60.0, 80.0, 100.0])


def _helped() -> np.ndarray:
    return kernels.predicted_helped_log_odds(
        _HARD, _EASY, _LONG, own_kernel=_OWN, shared_kernel=_SHARED
    )


def _by_pass_rate() -> np.ndarray:
    easy = learning_curves.predicted_raw_log_odds(_EASY, _LONG, kernel=_OWN + _SHARED)
    return _HARD + _SHARED * expit(easy)


def _measure_helped(rng: np.random.Generator, size: int) -> Measurement:
    kernel = experiment.prompt_kernel(_OWN, _SHARED)
    return experiment.measure_helped_flow((_EASY, _HARD), kernel, _LONG, size)


_CURVE_AXIS = Axis(
    "step_size * updates: of 3 and 7 arms, then of endless ones", at=np.tile(_TIMES, 2)
)

KERNEL_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P43-flow",
        what="log-odds along the flow under a class kernel, 3 and 7 arms and endless ones",
        statement=(
            "z + sinh z = z0 + sinh z0 + kernel t/2 with kernel = correct + wrong - 2 between + "
            "self (1/g + 1/m), so that endless classes learn as well"
        ),
        tags=("P43", "kernel", "learning-curve", "exact", "raw_reward"),
        source=_DERIVED,
        theory=(kernels.predicted_log_odds_kernel, learning_curves.predicted_raw_log_odds),
        predicted=_flow,
        experiment=_measure_flow(0),
        mutants=(
            Mutant("the tabular kernel", _tabular_flow),
            Mutant("without the part between the classes", lambda: _flow(between=0.0)),
            Mutant("the part between the classes once", lambda: _flow(between=0.05)),
        ),
        tolerance=1e-5,
        mutant_tolerance=1e-2,
        size={"quick": 20, "full": 80},
        axis=_CURVE_AXIS,
        unit="log-odds of success, nats",
        **_EXACT,
    ),
    Claim(
        id="P43-error",
        what="error of finite steps per unit of step size, 3 and 7 arms and endless ones",
        statement="z of steps less that of the flow = -(step_size v/2) log(v/v0), v = kernel p q",
        tags=("P43", "kernel", "learning-curve", "exact", "raw_reward"),
        source="derived in this project, beyond the catalogue",
        theory=(kernels.predicted_step_error, kernels.predicted_log_odds_kernel),
        predicted=_step_errors,
        experiment=_measure_flow(1),
        mutants=(
            Mutant("without the 1/2", lambda: _step_errors(2.0)),
            Mutant("of the other sign", lambda: _step_errors(-1.0)),
        ),
        tolerance=1e-3,
        mutant_tolerance=2e-2,
        size={"quick": 20, "full": 80},
        axis=_CURVE_AXIS,
        unit="error of the log-odds over step size, nats",
        **_EXACT,
    ),
    Claim(
        id="P43-moves",
        what="change of the log-odds by one rollout of reward -1, five pass rates from 2e-9",
        statement=(
            "a failure moves the log-odds by kernel p, a success by kernel (1 - p) times its "
            "advantage: what fails for certain teaches next to nothing, the kernel discovers "
            "nothing"
        ),
        tags=("P43", "kernel", "discovery", "exact", "raw_reward"),
        source=_DERIVED,
        theory=(kernels.predicted_single_moves, kernels.predicted_log_odds_kernel),
        predicted=lambda: _moves(-1.0),
        experiment=_measure_moves(),
        mutants=(
            Mutant("failures push at full strength", _all_probability_moves),
            Mutant("reward +1", lambda: _moves(1.0)),
            Mutant("no kernel between the classes", experiment=_measure_moves(0.0)),
        ),
        tolerance=1e-12,
        mutant_tolerance=1e-3,
        axis=Axis("log-odds: by a success, then by a failure", at=np.tile(_LOG_ODDS, 2)),
        unit="change of the log-odds per unit step, nats",
        **_EXACT,
    ),
    Claim(
        id="P45-paths",
        what="progress of a hopeless prompt over that of an easy one, paths of five rules",
        statement=(
            "z_hard - z_hard(0) = shared/(own + shared) (z_easy - z_easy(0)) on every sampled "
            "path, whatever the rule"
        ),
        tags=("P45", "kernel", "prompts", "exact", *(path.rule.name for path in _PATHS)),
        source=_DERIVED,
        theory=(kernels.predicted_help,),
        predicted=lambda: np.full(2 * len(_PATHS), kernels.predicted_help(_OWN, _SHARED)),
        experiment=_measure_help(),
        mutants=(
            Mutant("shared over own", lambda: np.full(2 * len(_PATHS), _SHARED / _OWN)),
            Mutant("all of it shared", experiment=_measure_help(0.0, _OWN + _SHARED)),
        ),
        tolerance=1e-11,
        mutant_tolerance=1e-2,
        size={"quick": 100, "full": 1000},
        axis=Axis("rule", at=np.repeat([path.rule.name for path in _PATHS], 2)),
        unit="change of log-odds, hard over easy",
        **_EXACT,
    ),
    Claim(
        id="P45-flow",
        what="log-odds of a hopeless prompt while an easy one is trained on",
        statement=(
            "z_hard = z_hard(0) + share (z_easy - z_easy(0)) with z_easy of P15: late, share * "
            "log((own + shared) t), ever slower but without end"
        ),
        tags=("P45", "kernel", "prompts", "learning-curve", "exact", "raw_reward"),
        source=_DERIVED,
        theory=(kernels.predicted_helped_log_odds, kernels.predicted_help),
        predicted=_helped,
        experiment=_measure_helped,
        mutants=(
            Mutant("share times the easy prompt's pass rate", _by_pass_rate),
            Mutant("no help", lambda: np.full(len(_LONG), _HARD)),
        ),
        tolerance=1e-5,
        mutant_tolerance=1e-2,
        size={"quick": 40, "full": 160},
        axis=Axis("step_size * updates", at=_LONG),
        unit="log-odds of the hard prompt, nats",
        **_EXACT,
    ),
)
