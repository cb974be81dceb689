"""Claims on the reference-KL term on fresh data: which divergence it descends, how fast (P53)."""

from collections.abc import Callable

import numpy as np
from scipy.special import logit

from banditlab.reference import ReferenceTerm
from banditlab.rules import UpdateRule, get_rule
from theory.predict import reference_curve, reference_term
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.experiments import reference_term as experiment
from theory.verify.measurement import Measurement

_SOURCE = (
    "derived in this project; coefficient 0.001 and k3 in the loss as in the released code of "
    "arXiv 2601.22532 (in digest)"
)
_EXACT = {"statistic": "difference", "tolerance": 1e-12, "mutant_tolerance": 1e-4}
_USUAL = 0.001

_LOGITS = experiment.base_policy(6, 0.5)
_REF_LOGITS = experiment.base_policy(6, 2.0)
_PRICE = 0.3
_NAMES = reference_term.REFERENCE_TERMS


def _term_updates(names: tuple[str, ...] = _NAMES) -> np.ndarray:
    prob, ref_prob = np.exp(_LOGITS), np.exp(_REF_LOGITS)
    return np.stack(
        [reference_term.predicted_reference_update(name, prob, ref_prob) for name in names]
    )


def _term_updates_with(name: str, instead: str) -> np.ndarray:
    return _term_updates(tuple(instead if one == name else one for one in _NAMES))


def _measure_terms(names: tuple[str, ...]) -> Experiment:
    return lambda rng, size: experiment.measure_term_updates(
        names, _LOGITS, _REF_LOGITS, coefficient=_PRICE
    )


_REWARD = np.array([1.0, 0.0, 0.3, 0.0, 0.7])
_BASE_LOGITS = experiment.base_policy(5, 1.0)


def _two_rounds(
    coefficient: float = _USUAL, first_term: Callable[[np.ndarray], float] = lambda score: 0.0
) -> np.ndarray:
    base = np.exp(_BASE_LOGITS)
    first, second = [], []
    for one in range(len(base)):
        for two in range(len(base)):
            how = {"coefficient": coefficient}
            change = reference_term.predicted_sample_update(
                base, base, one, advantage=_REWARD[one], **how
            )
            change = change + first_term((np.arange(len(base)) == one) - base)
            moved = base * np.exp(change)
            moved = moved / moved.sum()
            first.append(change)
            second.append(
                reference_term.predicted_sample_update(
                    moved, base, two, advantage=_REWARD[two], **how
                )
            )
    return np.stack([first, second])


def _measure_two_rounds(rule: UpdateRule) -> Experiment:
    return lambda rng, size: experiment.measure_two_rounds(rule, _BASE_LOGITS, _REWARD)


_POLICIES = experiment.uneven_policies(6, (0.5, 1.0, 3.0, 4.4))


def _weight_moments() -> np.ndarray:
    ref_prob = np.exp(_REF_LOGITS)
    return np.array([reference_term.predicted_weight_moment(prob, ref_prob) for prob in _POLICIES])


def _reverse_moments() -> np.ndarray:
    ref_prob = np.exp(_REF_LOGITS)
    return ((_POLICIES - ref_prob) ** 2 / ref_prob).sum(axis=1)


def _measure_weight_moments(estimator: str) -> Experiment:
    return lambda rng, size: experiment.measure_weight_moment(
        ReferenceTerm(_USUAL, estimator, "loss"), _POLICIES, np.exp(_REF_LOGITS)
    )


_START = float(logit(0.05))
_AT = np.array([-2.9, -1.0, 0.0, 2.0, 4.0, 6.0])
_DRIFTS = tuple((estimator, group) for estimator in ("k1", "k2", "k3") for group in (1, 8))
_DRIFT_PRICE = 0.05


def _drifts(estimators: dict[str, str] | None = None) -> np.ndarray:
    return np.stack(
        [
            reference_curve.predicted_reference_drift(
                (estimators or {}).get(estimator, estimator),
                _AT,
                _START,
                coefficient=_DRIFT_PRICE,
                group_size=group,
            )
            for estimator, group in _DRIFTS
        ]
    )


def _measure_drifts(rng: np.random.Generator, size: int) -> Measurement:
    return Measurement.joined(
        *[
            experiment.measure_drifts(
                experiment.rule_with(estimator, _DRIFT_PRICE), _AT, _START, group
            )
            for estimator, group in _DRIFTS
        ]
    )


_MOVED, _REF, _SAMPLED_PRICE = 1.0, -1.0, 0.2


def _sampled_drifts(*estimators: str) -> np.ndarray:
    return np.array(
        [
            float(
                reference_curve.predicted_reference_drift(
                    estimator, _MOVED, _REF, coefficient=_SAMPLED_PRICE
                )
            )
            for estimator in estimators
        ]
    )


def _measure_sampled(is_ratio_corrected: bool) -> Experiment:
    rules = [
        get_rule("raw_reward").with_reference(
            ReferenceTerm(_SAMPLED_PRICE, estimator, "loss", is_ratio_corrected)
        )
        for estimator in reference_curve.ESTIMATORS
    ]
    return lambda rng, size: experiment.measure_sampled_drifts(
        rng, rules, _MOVED, _REF, num_rollouts=400, num_runs=size
    )


REFERENCE_TERM_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P53-divergence",
        what="expected update of 6 logits by k1, k2, k3 in the loss, with ratio, in the reward",
        statement=(
            "fresh data, loss: k1 nothing, k2 -grad KL(prob, ref), k3 ref - prob = -grad KL(ref, "
            "prob); with ratio: KL(prob, ref), E[k1^2]/2, KL(prob, ref); in the reward: KL(prob, "
            "ref), E[k1^2]/2 - KL(prob, ref), KL(prob, ref) - KL(ref, prob)"
        ),
        tags=("P53", "reference", "exact", "raw_reward", "grpo_k3"),
        source=_SOURCE,
        theory=(reference_term.predicted_reference_update,),
        predicted=_term_updates,
        experiment=_measure_terms(_NAMES),
        mutants=(
            Mutant(
                "k3 in the loss descends KL(prob, ref)",
                lambda: _term_updates_with("k3 in the loss", "k2 in the loss"),
            ),
            Mutant(
                "k1 in the loss descends KL(prob, ref)",
                lambda: _term_updates_with("k1 in the loss", "k2 in the loss"),
            ),
            Mutant(
                "k3 in the reward descends KL(prob, ref)",
                lambda: _term_updates_with("k3 in the reward", "k1 in the reward"),
            ),
            Mutant(
                "the ratio forgotten", experiment=_measure_terms((*_NAMES[:3] * 2, *_NAMES[6:]))
            ),
        ),
        axis=Axis("term and logit (numbered)"),
        unit="change per unit of coefficient",
        **_EXACT,
    ),
    Claim(
        id="P53-first",
        what="changes of 5 logits in the first and in the second round, all 25 pairs of arms",
        statement=(
            "each sample changes the logits by (reward - coefficient (1 - ref/prob)) (e_arm - "
            "prob): at the base policy the term is exactly 0, sample by sample"
        ),
        tags=("P53", "reference", "exact", "grpo_k3"),
        source=_SOURCE,
        theory=(reference_term.predicted_sample_update,),
        predicted=lambda: _two_rounds(),
        experiment=_measure_two_rounds(get_rule("grpo_k3")),
        mutants=(
            Mutant("no term in the second round", lambda: _two_rounds(1e-12)),
            Mutant(
                "a term of slope -coefficient in the first round",
                lambda: _two_rounds(first_term=lambda score: -_USUAL * score),
            ),
            Mutant(
                "k1 for k3, whose mean alone is 0",
                experiment=_measure_two_rounds(experiment.rule_with("k1", _USUAL)),
            ),
            Mutant("k2 for k3", experiment=_measure_two_rounds(experiment.rule_with("k2", _USUAL))),
        ),
        axis=Axis("round, pair of arms, logit (numbered)"),
        unit="change of the logit (nats)",
        **_EXACT | {"mutant_tolerance": 1e-5},
    ),
    Claim(
        id="P53-noise",
        what="second moment of the weight of k3 in the loss, four policies",
        statement="E[(1 - ref/prob)^2] = sum (prob - ref)^2/prob, large where ref >> prob",
        tags=("P53", "reference", "exact", "grpo_k3"),
        source=_SOURCE,
        theory=(reference_term.predicted_weight_moment,),
        predicted=_weight_moments,
        experiment=_measure_weight_moments("k3"),
        mutants=(
            Mutant("chi-squared the other way round, over ref", _reverse_moments),
            Mutant("k2 for k3", experiment=_measure_weight_moments("k2")),
        ),
        axis=Axis("policy (numbered)"),
        unit="second moment of the weight",
        **_EXACT,
    ),
    Claim(
        id="P53-drift",
        what="class gradient along the way with k1, k2, k3 in the loss, raw reward and GRPO",
        statement=(
            "S(p) less 0 (k1), coefficient p q (z - z_ref) (k2), coefficient (p - p_ref) (k3)"
        ),
        tags=("P53", "reference", "exact", "grpo_k3"),
        source=_SOURCE,
        theory=(reference_curve.predicted_reference_drift,),
        predicted=_drifts,
        experiment=_measure_drifts,
        mutants=(
            Mutant("k3 as k2", lambda: _drifts({"k3": "k2"})),
            Mutant("without any term", lambda: _drifts({"k2": "k1", "k3": "k1"})),
        ),
        axis=Axis("estimator, group size and log-odds (numbered)"),
        unit="class gradient",
        **_EXACT,
    ),
    Claim(
        id="P53-sampled",
        what="class gradient of a drawn round with k1, k2, k3 in the loss, away from the reference",
        statement=(
            "p q less 0, coefficient p q (z - z_ref), coefficient (p - p_ref); z = 1, z_ref = -1, "
            "coefficient 0.2"
        ),
        tags=("P53", "reference", "sampled", "raw_reward", "grpo_k3"),
        source=_SOURCE,
        theory=(reference_curve.predicted_reference_drift,),
        predicted=lambda: _sampled_drifts("k1", "k2", "k3"),
        experiment=_measure_sampled(False),
        mutants=(
            Mutant("k3 as k2", lambda: _sampled_drifts("k1", "k2", "k2")),
            Mutant("k1 as k2", lambda: _sampled_drifts("k2", "k2", "k3")),
            Mutant("the ratio kept", experiment=_measure_sampled(True)),
        ),
        statistic="z",
        size={"quick": 300, "full": 1_500},
        axis=Axis("estimator", at=reference_curve.ESTIMATORS),
        unit="class gradient",
    ),
)
