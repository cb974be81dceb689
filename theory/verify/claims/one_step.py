"""Claims on the pass rate after one step of any size (P12)."""

from collections.abc import Sequence

import numpy as np
from scipy.special import expit, logit

from banditlab.rules import UpdateRule, get_rule
from theory.predict import drift, one_step
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.experiments import one_step as steps
from theory.verify.measurement import Measurement

_SOURCE = "derived in this project (catalogue entry P12)"
_EXACT = {"statistic": "difference", "mutant_tolerance": 1e-4}

_GRID = np.linspace(-6.0, 4.0, 6)
_STEPS = (0.5, 2.0, 20.0)
_GROUP = 4
_NUM_WRONG = (1, 3, 1000, 10_000_000)


def _single(num_wrong: float = np.inf) -> np.ndarray:
    return np.array(
        [
            one_step.predicted_next_pass_rate(
                "raw_reward", _GRID, step_size=size, num_wrong=num_wrong
            )
            for size in _STEPS
        ]
    )


def _first_order(drift_of_log_odds: np.ndarray) -> np.ndarray:
    """Pass rate after a small step: p + step_size * p q * (class gradient)."""
    moved = np.array(_STEPS)[:, None] * expit(_GRID) * expit(-_GRID) * drift_of_log_odds
    return expit(_GRID) + moved


def _sigmoid_of_mean_step() -> np.ndarray:
    """As if the log-odds moved by their mean: no spread."""
    return expit(_GRID + np.array(_STEPS)[:, None] * expit(_GRID) * expit(-_GRID))


def _measure_single(rule: UpdateRule, log10_wrong: float = steps.ENDLESS_LOG10_ARMS) -> Experiment:
    return lambda rng, size: steps.measure_mean_pass_rates(
        [rule], _GRID, _STEPS, group_size=1, log10_wrong=log10_wrong
    )


def _finite(counts: Sequence[float] = _NUM_WRONG) -> np.ndarray:
    return np.array([_single(count) for count in counts])


def _measure_finite(rng: np.random.Generator, size: int) -> Measurement:
    parts = [
        _measure_single(get_rule("raw_reward"), float(np.log10(count)))(rng, size)
        for count in _NUM_WRONG
    ]
    return Measurement.joined(*parts)


def _groups() -> np.ndarray:
    return np.array(
        [
            [
                one_step.predicted_next_pass_rate(rule, _GRID, step_size=size, group_size=_GROUP)
                for size in _STEPS
            ]
            for rule in one_step.RULES
        ]
    )


def _groups_to_first_order() -> np.ndarray:
    gradients = [
        drift.predicted_class_gradient(rule, _GRID, group_size=_GROUP)
        for rule in one_step.RULES
        if rule != "negative_reward"
    ]
    # A reward of -1 for failures doubles the gradient of the raw reward.
    gradients.insert(1, 2.0 * gradients[0])
    return np.array([_first_order(gradient) for gradient in gradients])


def _measure_groups(
    *, step_factor: float = 1.0, rules: Sequence[str] = one_step.RULES
) -> Experiment:
    sizes = [step_factor * size for size in _STEPS]
    return lambda rng, size: steps.measure_mean_pass_rates(
        [get_rule(rule) for rule in rules], _GRID, sizes, group_size=_GROUP
    )


# Rule, pass rate, step size, group size.
_DRAWN = (
    ("raw_reward", 0.3, 2.0, 1),
    ("negative_reward", 0.3, 2.0, 1),
    ("group_mean", 0.2, 6.0, 4),
    ("grpo", 0.1, 4.0, 8),
)


def _drawn() -> np.ndarray:
    return np.array(
        [
            one_step.predicted_next_pass_rate(rule, logit(p), step_size=eta, group_size=size)
            for rule, p, eta, size in _DRAWN
        ]
    )


def _drawn_to_first_order() -> np.ndarray:
    found = []
    for rule, p, eta, size in _DRAWN:
        known = "raw_reward" if rule == "negative_reward" else rule
        gradient = drift.predicted_class_gradient(known, logit(p), group_size=size)
        found.append(p + eta * p * (1.0 - p) * gradient * (2.0 if rule != known else 1.0))
    return np.array(found)


def _measure_drawn(step_factor: float = 1.0) -> Experiment:
    cases = [
        (get_rule(rule), float(logit(p)), step_factor * eta, size) for rule, p, eta, size in _DRAWN
    ]
    return lambda rng, size: steps.measure_drawn_pass_rates(rng, cases, size)


_GRID_AXIS = Axis("step size and log-odds (numbered)")

ONE_STEP_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P12-endless",
        what="mean pass rate after one step, raw reward, one rollout, 10^100000 wrong arms",
        statement="E[p'] = p expit(z + eta (1 - p)) + (1 - p) p; eta = .5, 2, 20",
        tags=("P12", "one-step", "exact", "raw_reward"),
        source=_SOURCE,
        theory=(one_step.predicted_next_pass_rate,),
        predicted=_single,
        experiment=_measure_single(get_rule("raw_reward")),
        mutants=(
            Mutant(
                "first order, p + eta (p q)^2",
                lambda: _first_order(expit(_GRID) * expit(-_GRID)),
            ),
            Mutant("the sigmoid of the mean step", _sigmoid_of_mean_step),
            Mutant("one wrong arm, eta (1 - p) twice", lambda: _single(1)),
            Mutant("failures punished", experiment=_measure_single(get_rule("negative_reward"))),
        ),
        tolerance=1e-12,
        axis=_GRID_AXIS,
        unit="pass rate",
        **_EXACT,
    ),
    Claim(
        id="P12-finite",
        what="mean pass rate after one step, raw reward, one rollout, 1 to 10^7 wrong arms",
        statement="E[p'] = p expit(z + eta (1 - p)(1 + 1/M)) + (1 - p) p for M wrong arms",
        tags=("P12", "one-step", "exact", "raw_reward"),
        source="derived in this project, beyond the catalogue",
        theory=(one_step.predicted_next_pass_rate,),
        predicted=_finite,
        experiment=_measure_finite,
        mutants=(
            Mutant("endless wrong arms", lambda: np.array([_single()] * len(_NUM_WRONG))),
            Mutant(
                "1/(M + 1), all arms counted",
                lambda: _finite(tuple(count + 1 for count in _NUM_WRONG)),
            ),
        ),
        tolerance=1e-12,
        axis=Axis("wrong arms, step size and log-odds (numbered)"),
        unit="pass rate",
        **_EXACT,
    ),
    Claim(
        id="P12-groups",
        what="mean pass rate after one step, five rules, G = 4, 10^100000 wrong arms",
        statement="E[p'] = sum_k Binomial(k; G, p) expit(z + eta g_k), g_k the class gradient at k",
        tags=("P12", "one-step", "exact", *one_step.RULES),
        source="derived in this project, beyond the catalogue",
        theory=(one_step.predicted_next_pass_rate,),
        predicted=_groups,
        experiment=_measure_groups(),
        mutants=(
            Mutant("first order in the mean class gradient", _groups_to_first_order),
            Mutant(
                "the sum over the group instead of its mean",
                experiment=_measure_groups(step_factor=_GROUP),
            ),
            Mutant(
                "group_mean and leave_one_out exchanged",
                experiment=_measure_groups(
                    rules=("raw_reward", "negative_reward", "leave_one_out", "group_mean", "grpo")
                ),
            ),
        ),
        tolerance=1e-12,
        axis=Axis("rule, step size and log-odds (numbered)"),
        unit="pass rate",
        **_EXACT,
    ),
    Claim(
        id="P12-sampled",
        what="mean pass rate after one step on drawn rollouts",
        statement=(
            "sum_k Binomial(k; G, p) expit(z + eta g_k): raw_reward and negative_reward at p = .3, "
            "eta = 2, G = 1; group_mean at .2, 6, 4; grpo at .1, 4, 8"
        ),
        tags=("P12", "one-step", "sampled", *(rule for rule, *_ in _DRAWN)),
        source=_SOURCE,
        theory=(one_step.predicted_next_pass_rate,),
        predicted=_drawn,
        experiment=_measure_drawn(),
        mutants=(
            Mutant("first order in the mean class gradient", _drawn_to_first_order),
            Mutant(
                "twice the step size",
                experiment=_measure_drawn(2.0),
            ),
        ),
        statistic="z",
        size={"quick": 16_000, "full": 100_000},
        axis=Axis("rule", at=[rule for rule, *_ in _DRAWN]),
        unit="pass rate",
    ),
)
