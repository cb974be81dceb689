"""Claims on baselines shared by a batch of different prompts (P41)."""

from dataclasses import replace

import numpy as np

from banditlab.advantages import batch_mean
from banditlab.rules import UpdateRule, get_rule
from theory.predict import prompt_batches
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.experiments import prompt_batches as experiment

_DERIVED = "derived in this project"
_MEAN, _STANDARDIZED = get_rule("batch_mean"), get_rule("batch_standardized")
_POPULATION = get_rule("batch_standardized", ddof=0, eps=0.0)
_EXACT = {"statistic": "difference", "tolerance": 1e-12, "mutant_tolerance": 1e-4}
_SIZE = {"quick": 40_000, "full": 160_000}

_FIVE = np.array([0.02, 0.2, 0.45, 0.7, 0.95])
_GROUPS = (1, 2)
_EIGHT = np.array([0.1, 0.2, 0.3, 0.45, 0.6, 0.7, 0.8, 0.9])


def _prompt_axis(success_prob: np.ndarray, repeats: int = 1) -> Axis:
    return Axis("pass rate of the prompt", at=np.tile(success_prob, repeats))


def _plain(success_prob: np.ndarray) -> np.ndarray:
    return success_prob * (1.0 - success_prob)


def _of_groups(function, **how: float) -> np.ndarray:
    return np.array([function(_FIVE, group_size, **how) for group_size in _GROUPS])


def _at_own_mean() -> np.ndarray:
    """Variance as if every other prompt had this prompt's pass rate."""
    num = len(_FIVE)
    return np.array(
        [prompt_batches.predicted_batch_mean_variance(np.full(num, p))[0] for p in _FIVE]
    )


def _standardized(**how: float) -> np.ndarray:
    return _of_groups(prompt_batches.predicted_batch_standardized_gradient, **how)


def _over_deviation_of_batch(success_prob: np.ndarray) -> np.ndarray:
    mean = success_prob.mean()
    return _plain(success_prob) / np.sqrt(mean * (1.0 - mean))


def _measure_exact(rule: UpdateRule) -> Experiment:
    return lambda rng, size: experiment.measure_mean_gradients(rule, _FIVE, _GROUPS)


def _measure_variance(rule: UpdateRule) -> Experiment:
    return lambda rng, size: experiment.measure_gradient_variances(rule, _FIVE)


def _measure_sampled(rule: UpdateRule) -> Experiment:
    return lambda rng, size: experiment.measure_sampled_gradients(rng, rule, _EIGHT, size)


def _mean_of_others(reward: np.ndarray) -> np.ndarray:
    """Leave-one-out over the batch."""
    num = reward.shape[-1] * reward.shape[-2]
    return batch_mean(reward) * num / (num - 1)


_LEAVE_ONE_OUT = replace(_MEAN, advantage=_mean_of_others)

PROMPT_BATCH_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P41-mean",
        what="class gradient of 5 prompts over the batch mean, 1 and 2 rollouts of each",
        statement="E[A ([correct] - p)] = (N - 1)/N p (1 - p), N rollouts in the batch",
        tags=("P41", "batch", "exact", "batch_mean"),
        source=_DERIVED,
        theory=(prompt_batches.predicted_batch_mean_gradient,),
        predicted=lambda: _of_groups(prompt_batches.predicted_batch_mean_gradient),
        experiment=_measure_exact(_MEAN),
        mutants=(
            Mutant("factor 1", lambda: np.tile(_plain(_FIVE), 2)),
            Mutant("the batch mean of the others", experiment=_measure_exact(_LEAVE_ONE_OUT)),
            Mutant(
                "(P - 1)/P, P prompts, whatever the group",
                lambda: np.tile(0.8 * _plain(_FIVE), 2),
            ),
        ),
        axis=_prompt_axis(_FIVE, 2),
        unit="class gradient",
        **_EXACT,
    ),
    Claim(
        id="P41-variance",
        what="variance of the class gradient of 5 prompts over the batch mean",
        statement=(
            "p q (q ((P - 1 - M)/P)^2 + p (M/P)^2 + V/P^2) - mean^2: the others add their "
            "variance V and serve, by their sum M, as this prompt's baseline"
        ),
        tags=("P41", "batch", "exact", "batch_mean"),
        source="derived in this project, beyond the catalogue",
        theory=(
            prompt_batches.predicted_batch_mean_variance,
            prompt_batches.predicted_batch_mean_gradient,
        ),
        predicted=lambda: prompt_batches.predicted_batch_mean_variance(_FIVE),
        experiment=_measure_variance(_MEAN),
        mutants=(
            Mutant("the others' pass rates are this prompt's", _at_own_mean),
            Mutant("the reward itself", experiment=_measure_variance(get_rule("raw_reward"))),
        ),
        axis=_prompt_axis(_FIVE),
        unit="variance of the class gradient",
        **_EXACT,
    ),
    Claim(
        id="P41-standardized",
        what="class gradient of 5 prompts standardized over the batch, 1 and 2 rollouts of each",
        statement=(
            "p q (E[sqrt((N - k)/k)], k = 1 + K) + p q E[sqrt(k/(N - k))], k = K, with the number "
            "K of successes among all other rollouts, a sum of different coins"
        ),
        tags=("P41", "batch", "exact", "batch_standardized"),
        source=_DERIVED,
        theory=(prompt_batches.predicted_batch_standardized_gradient,),
        predicted=_standardized,
        experiment=_measure_exact(_POPULATION),
        mutants=(
            Mutant("each prompt over its own deviation", lambda: np.tile(_plain(_FIVE) ** 0.5, 2)),
            Mutant(
                "the deviation of the mean pass rate",
                lambda: np.tile(_over_deviation_of_batch(_FIVE), 2),
            ),
            Mutant("ddof = 1", experiment=_measure_exact(get_rule("batch_standardized", eps=0.0))),
        ),
        axis=_prompt_axis(_FIVE, 2),
        unit="class gradient",
        **_EXACT,
    ),
    Claim(
        id="P41-library",
        what="class gradient of 5 prompts as libraries standardize, ddof 1 and eps 1e-6",
        statement="as P41-standardized, over the sample deviation + eps",
        tags=("P41", "batch", "exact", "batch_standardized"),
        source=_DERIVED,
        theory=(prompt_batches.predicted_batch_standardized_gradient,),
        predicted=lambda: _standardized(ddof=1, eps=1e-6),
        experiment=_measure_exact(_STANDARDIZED),
        mutants=(
            Mutant("ddof = 0", lambda: _standardized(ddof=0, eps=1e-6)),
            Mutant("no standardization", experiment=_measure_exact(_MEAN)),
        ),
        axis=_prompt_axis(_FIVE, 2),
        unit="class gradient",
        **_EXACT,
    ),
    Claim(
        id="P41-mean-sampled",
        what="class gradient of 8 prompts in drawn batches, over the batch mean",
        statement="the mean over batches of 8 different prompts is 7/8 p (1 - p)",
        tags=("P41", "batch", "sampled", "batch_mean"),
        source=_DERIVED,
        theory=(prompt_batches.predicted_batch_mean_gradient,),
        predicted=lambda: prompt_batches.predicted_batch_mean_gradient(_EIGHT),
        experiment=_measure_sampled(_MEAN),
        mutants=(
            Mutant("factor 1", lambda: _plain(_EIGHT)),
            Mutant("the batch mean of the others", experiment=_measure_sampled(_LEAVE_ONE_OUT)),
        ),
        statistic="z",
        size=_SIZE,
        axis=_prompt_axis(_EIGHT),
        unit="class gradient",
    ),
    Claim(
        id="P41-standardized-sampled",
        what="class gradient of 8 prompts in drawn batches, standardized over the batch",
        statement="the mean over batches of 8 different prompts is that of P41-library",
        tags=("P41", "batch", "sampled", "batch_standardized"),
        source=_DERIVED,
        theory=(prompt_batches.predicted_batch_standardized_gradient,),
        predicted=lambda: prompt_batches.predicted_batch_standardized_gradient(
            _EIGHT, ddof=1, eps=1e-6
        ),
        experiment=_measure_sampled(_STANDARDIZED),
        mutants=(
            Mutant(
                "each prompt over its own deviation",
                lambda: _plain(_EIGHT) ** 0.5,
            ),
            Mutant(
                "ddof = 0",
                lambda: prompt_batches.predicted_batch_standardized_gradient(_EIGHT),
            ),
        ),
        statistic="z",
        size=_SIZE,
        axis=_prompt_axis(_EIGHT),
        unit="class gradient",
    ),
)
