"""Claims on committing to one arm: softmax and natural policy gradient (P35, P36)."""

import numpy as np

from banditlab.rules import get_rule
from theory.predict import committal
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.experiments import committal as experiment

_DERIVED = "derived in this project; committal rate as in Mei et al. 2021 (as the catalogue cites)"

_FORCED_STEP = 0.7
_FORCED = ((2, 1.0), (2, 0.3), (5, 0.8), (20, 0.8))
_FORCED_ODDS = 1e5


def _constants() -> np.ndarray:
    value = [
        float(committal.predicted_committal_constant(_FORCED_STEP, reward, num_arms))
        for num_arms, reward in _FORCED
    ]
    return np.tile(value, 2)


def _constants_of_one_logit() -> np.ndarray:
    return np.tile([1.0 / (_FORCED_STEP * reward) for _, reward in _FORCED], 2)


def _measure_forced(rule: str) -> Experiment:
    return lambda rng, size: experiment.measure_forced_draws(
        get_rule(rule),
        _FORCED,
        step_size=_FORCED_STEP,
        odds=_FORCED_ODDS,
        num_rounds=size,
    )


_REWARD = (1.0, 0.8)
_STEPS = (0.5, 0.2)
_NATURAL = (experiment.importance_weighted, experiment.unweighted)
_CASES = [
    (is_weighted, step_size, reward)
    for is_weighted in (True, False)
    for step_size in _STEPS
    for reward in _REWARD
]
_CASE_NAMES = [
    f"{'weighted' if is_weighted else 'plain'}, step {step_size}, r = {reward:g}"
    for is_weighted, step_size, reward in _CASES
]


def _forever() -> np.ndarray:
    return np.array(
        [
            committal.predicted_forever_log_prob(step_size, reward, is_weighted=is_weighted)
            for is_weighted, step_size, reward in _CASES
        ]
    )


def _measure_forever(*gains: experiment.NaturalGain) -> Experiment:
    return lambda rng, size: experiment.measure_forever(gains, _REWARD, _STEPS, size)


def _commitments(step_size: float = 0.5, is_weighted: bool = True) -> np.ndarray:
    only = [
        np.exp(committal.predicted_forever_log_prob(step_size, reward, is_weighted=is_weighted))
        for reward in _REWARD
    ]
    return np.array([*only, 1.0 - sum(only)])


def _measure_commitments(gain: experiment.NaturalGain) -> Experiment:
    return lambda rng, size: experiment.measure_commitments(
        rng, gain, _REWARD, step_size=0.5, num_rounds=50, num_runs=size
    )


_LOG_ODDS = np.linspace(-4.0, 4.0, 9)


def _rises() -> np.ndarray:
    gap = _REWARD[0] - _REWARD[1]
    return np.array(committal.predicted_baselined_move(0.5, gap, _LOG_ODDS))


def _measure_rises(gain: experiment.NaturalGain) -> Experiment:
    return lambda rng, size: experiment.measure_moves(gain, _REWARD, _LOG_ODDS, 0.5)


COMMITTAL_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P35-rate",
        what="t (1 - prob), and decay of the draws' probability, one arm drawn every time",
        statement=(
            "1 - prob -> (K - 1)/(K step reward t), and the probability of having drawn nothing "
            "else falls like t^-((K - 1)/(K step reward)): to 0, unlike natural gradient's"
        ),
        tags=("P35", "committal", "exact", "raw_reward"),
        source=_DERIVED,
        theory=(committal.predicted_committal_constant,),
        predicted=_constants,
        experiment=_measure_forced("raw_reward"),
        mutants=(
            Mutant("1/(step reward), without (K - 1)/K", _constants_of_one_logit),
            Mutant(
                "a baseline of one half subtracted",
                experiment=_measure_forced("constant_baseline"),
            ),
        ),
        statistic="difference",
        tolerance=2e-4,
        mutant_tolerance=1e-1,
        size={"quick": 400, "full": 4_000},
        axis=Axis(
            "arms K, reward; rate, then decay",
            at=[f"{kind} K = {k}, r = {r:g}" for kind in ("rate", "decay") for k, r in _FORCED],
        ),
        unit="rounds, then exponent",
    ),
    Claim(
        id="P36-product",
        what="log-probability of drawing one arm forever, natural gradient, eight cases",
        statement=(
            "sum_t log prob_t > -infinity along log-odds += step reward/prob (importance-weighted) "
            "or += step reward: it commits to either arm with positive probability"
        ),
        tags=("P36", "committal", "exact"),
        source=_DERIVED,
        theory=(committal.predicted_forever_log_prob,),
        predicted=_forever,
        experiment=_measure_forever(*_NATURAL),
        mutants=(
            Mutant(
                "softmax policy gradient for both",
                experiment=_measure_forever(
                    experiment.softmax_gradient, experiment.softmax_gradient
                ),
            ),
            Mutant(
                "the importance weights swapped",
                experiment=_measure_forever(*reversed(_NATURAL)),
            ),
        ),
        statistic="difference",
        tolerance=1e-10,
        mutant_tolerance=1e-2,
        size={"quick": 250, "full": 1_000},
        axis=Axis("estimate, step size, reward", at=_CASE_NAMES),
        unit="log-probability (nats)",
    ),
    Claim(
        id="P36-sampled",
        what="shares of runs that draw only the better arm, only the worse, both",
        statement=(
            "importance-weighted natural gradient at step 0.5, rewards 1 and 0.8, equal logits: "
            "0.2422, 0.1823 and the rest"
        ),
        tags=("P36", "committal", "sampled"),
        source=_DERIVED,
        theory=(committal.predicted_forever_log_prob,),
        predicted=_commitments,
        experiment=_measure_commitments(experiment.importance_weighted),
        mutants=(
            Mutant("without importance weights", lambda: _commitments(is_weighted=False)),
            Mutant("a step size of 0.1", lambda: _commitments(0.1)),
            Mutant(
                "the exact value as baseline",
                experiment=_measure_commitments(experiment.value_baselined),
            ),
        ),
        statistic="shares",
        size={"quick": 8_000, "full": 100_000},
        axis=Axis("arms drawn", at=("better only", "worse only", "both")),
        unit="share of runs",
    ),
    Claim(
        id="P36-baseline",
        what="rise of the better arm's log-odds at a draw of either arm, exact value baseline",
        statement=(
            "step gap (1 - p)/p at a draw of the better arm, step gap p/(1 - p) at one of the "
            "worse: every draw favours the better arm, and no run commits to the worse one"
        ),
        tags=("P36", "committal", "exact"),
        source=_DERIVED,
        theory=(committal.predicted_baselined_move,),
        predicted=_rises,
        experiment=_measure_rises(experiment.value_baselined),
        mutants=(
            Mutant("no baseline", experiment=_measure_rises(experiment.importance_weighted)),
            Mutant("the two arms swapped", lambda: _rises()[::-1]),
        ),
        statistic="difference",
        tolerance=1e-10,
        mutant_tolerance=1e-2,
        axis=Axis(
            "log-odds (nats) and arm drawn",
            at=[f"{z:g}, {name}" for name in ("better", "worse") for z in _LOG_ODDS],
        ),
        unit="rise of the log-odds (nats)",
    ),
)
