"""Claims on reward -1 for failures: its gradient, its noise, and runs of many prompts (P57)."""

import numpy as np
from scipy.special import log_softmax

from banditlab.rules import get_rule
from theory.predict import batch_curves, negative_reward
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.experiments import negative_reward as experiment
from theory.verify.experiments.sampled_runs import measure_coupled_prompts
from theory.verify.measurement import Measurement

_DERIVED = "derived in this project; reward -1 as arXiv 2601.14599 tries it (read in digest)"
_TAGS = ("P57", "negative-reward")
_EXACT = {"statistic": "difference", "tolerance": 1e-12, "mutant_tolerance": 1e-3}

_SIGNED = get_rule("negative_reward")

_LOGITS = np.array([-1.5, -0.5, 1.0, 0.4, 0.0, -0.3])
_REWARD = np.array([1.0, 1.0, 0.0, 0.0, 0.0, 0.0])
_PROB = np.exp(log_softmax(_LOGITS))

# From hard to easy, over arms of which one or two are correct.
_POLICIES = tuple(_LOGITS + shift * _REWARD for shift in (-4.0, -2.0, 0.0, 2.0))


def _ratios(*signed: bool) -> np.ndarray:
    return np.array(
        [
            negative_reward.predicted_signal_to_noise(
                np.exp(log_softmax(logits)), _REWARD, is_signed=is_signed
            )
            for is_signed in signed
            for logits in _POLICIES
        ]
    )


def _measure_ratios(rng: np.random.Generator, size: int) -> Measurement:
    return Measurement.exact(
        [
            experiment.signal_to_noise(get_rule(name), log_softmax(logits), _REWARD)
            for name in ("raw_reward", "negative_reward")
            for logits in _POLICIES
        ]
    )


_RUN = {"num_updates": 18, "step_size": 0.3}
_BASE = -2.5


def _curve(factor: float = 2.0) -> np.ndarray:
    return batch_curves.predicted_pass_rates(
        "raw_reward",
        [_BASE],
        [_RUN["num_updates"]],
        learning_rate=factor * _RUN["step_size"],
        shared_kernel=1.0,
        group_size=1,
        is_flow=False,
    )


def _measure_curve(rule: str = "negative_reward") -> Experiment:
    return lambda rng, size: measure_coupled_prompts(
        rng,
        rule,
        train_log_odds=np.full(768, _BASE),
        heldout_log_odds=None,
        shared_kernel=1.0,
        group_size=1,
        num_runs=size,
        **_RUN,
    )


NEGATIVE_REWARD_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P57-update",
        what="expected change of 6 logits, reward 1 or -1",
        statement="2 prob (reward - p): twice that of the raw reward, on every logit",
        tags=(*_TAGS, "drift", "exact", "negative_reward", "raw_reward"),
        source=_DERIVED,
        theory=(negative_reward.predicted_signed_update,),
        predicted=lambda: negative_reward.predicted_signed_update(_PROB, _REWARD),
        experiment=lambda rng, size: experiment.measure_expected_update(_SIGNED, _LOGITS, _REWARD),
        mutants=(
            Mutant(
                "the raw reward",
                experiment=lambda rng, size: experiment.measure_expected_update(
                    get_rule("raw_reward"), _LOGITS, _REWARD
                ),
            ),
            Mutant(
                "failures alone",
                lambda: negative_reward.predicted_signed_update(_PROB, _REWARD) / 2.0,
            ),
        ),
        axis=Axis("arm", at=np.arange(len(_REWARD))),
        unit="change per unit step",
        **_EXACT,
    ),
    Claim(
        id="P57-noise",
        what="squared signal over second moment of one rollout, class part and all logits",
        statement=(
            "class gradient: p raw, 4 p (1 - p) signed; all logits: ||g||^2/sum_correct prob n raw "
            "and 4 ||g||^2/(1 - C) signed. The sign helps the one below p = 3/4, and drowns "
            "the other where 4 sum_correct prob n < 1 - C"
        ),
        tags=(*_TAGS, "variance", "exact", "negative_reward", "raw_reward"),
        source=_DERIVED,
        theory=(negative_reward.predicted_signal_to_noise,),
        predicted=lambda: _ratios(False, True),
        experiment=_measure_ratios,
        mutants=(
            Mutant("raw and signed alike", lambda: _ratios(False, False)),
            Mutant("the two exchanged", lambda: _ratios(True, False)),
        ),
        axis=Axis("rule, pass rate and part (numbered)"),
        unit="signal to noise of one rollout",
        **_EXACT,
    ),
    Claim(
        id="P57-curve",
        what="pass rate after 18 updates, reward 1 or -1, from p = 0.08",
        statement="the recursion of the raw reward with twice the step size",
        tags=(*_TAGS, "learning-curve", "sampled", "negative_reward"),
        source=_DERIVED,
        theory=(batch_curves.predicted_pass_rates,),
        predicted=_curve,
        experiment=_measure_curve(),
        mutants=(
            Mutant("the same step size", lambda: _curve(1.0)),
            Mutant("the raw reward", experiment=_measure_curve("raw_reward")),
        ),
        statistic="z",
        size={"quick": 24, "full": 96},
        axis=Axis("update", at=[float(_RUN["num_updates"])]),
        unit="pass rate",
    ),
    Claim(
        id="P57-fails",
        what="pass rate after 18 updates, reward 1 or -1, from p = 0.08",
        statement="with a negative reward training fails: the pass rate does not rise",
        tags=(*_TAGS, "learning-curve", "sampled", "negative_reward"),
        source="arXiv 2601.14599 as a digest has it: negative reward makes training fail",
        theory=(batch_curves.predicted_pass_rates,),
        predicted=lambda: _curve(1e-12),
        experiment=_measure_curve(),
        mutants=(
            Mutant("it falls to a half", lambda: 0.5 * _curve(1e-12)),
            Mutant("nor with the raw reward", experiment=_measure_curve("raw_reward")),
        ),
        statistic="expected_bound",
        size={"quick": 24, "full": 96},
        expected_verdict="rejected",
        evidence=(
            "Where answers share what they learn, or wrong answers are endless, a negative reward "
            "learns about twice as fast as the raw one (P57-curve, P57-take-off). It fails where "
            "few (K) wrong answers dominate and success is rarer than step_size (K - 1)/(4 K (K + "
            "1)), for small steps: a rollout then lowers the log-odds on average (P57-breakdown), "
            "and the first success takes of order 1/p0^2 rollouts, not 1/p0 (P57-discovery)."
        ),
        axis=Axis("update", at=[float(_RUN["num_updates"])]),
        unit="pass rate",
    ),
)
