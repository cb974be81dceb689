"""Claims on rounds of several inner epochs: no clip, clip and penalty on two classes (P16)."""

from scipy.special import logit

from banditlab.rules import UpdateRule, get_rule
from theory.predict import inner_loop
from theory.verify.claim import Axis, Claim, Mutant
from theory.verify.experiments import expected_flow
from theory.verify.experiments.inner_loop import measure_mean_rounds

_START = float(logit(0.1))
_NUM_ROUNDS = 30
_RUN = {"step_size": 1.5, "group_size": 8, "inner_epochs": 6}
_KERNEL = 1.0 / expected_flow.NUM_CORRECT + 1.0 / expected_flow.NUM_WRONG
_HYPER = {
    "group_mean": {},
    "clip": {"clip_low": 0.1, "clip_high": 0.15},
    "variance_penalty": {"multiplier": 2.0},
}


def _predicted(rule: str, **changes: float):
    how = {**_RUN, "kernel": _KERNEL, **_HYPER[rule], **changes}
    return inner_loop.predicted_round_log_odds(rule, _START, num_rounds=_NUM_ROUNDS, **how)


def _measured(rule: UpdateRule, **changes: int):
    how = {**_RUN, **changes}
    return lambda rng, size: measure_mean_rounds(rule, _START, num_rounds=_NUM_ROUNDS, **how)


def _claim(rule: str, pull: str, *mutants: Mutant) -> Claim:
    return Claim(
        id=f"P16-inner-{rule.replace('_', '-')}",
        what=f"log-odds after each of 30 rounds x 6 inner epochs, {rule}",
        statement=f"per inner epoch z <- z + step kernel p q D with D = {pull}, c = (G - 1)/G",
        tags=("P16", "inner-epochs", "learning-curve", "exact", rule),
        source="derived in this project, beyond the catalogue",
        theory=(inner_loop.predicted_inner_log_odds, inner_loop.predicted_round_log_odds),
        predicted=lambda: _predicted(rule),
        experiment=_measured(get_rule(rule, **_HYPER[rule])),
        mutants=(
            *mutants,
            Mutant("kernel 1, as of one correct arm", lambda: _predicted(rule, kernel=1.0)),
            Mutant(
                "ratios not refreshed: one step of six times the size",
                experiment=lambda rng, size: measure_mean_rounds(
                    get_rule(rule, **_HYPER[rule]),
                    _START,
                    num_rounds=_NUM_ROUNDS,
                    **_RUN | {"inner_epochs": 1, "step_size": 6 * _RUN["step_size"]},
                ),
            ),
        ),
        statistic="difference",
        tolerance=1e-10,
        mutant_tolerance=1e-2,
        axis=Axis("round", range(1, _NUM_ROUNDS + 1)),
        unit="log-odds of success, nats",
    )


INNER_LOOP_CLAIMS: tuple[Claim, ...] = (
    _claim("group_mean", "c"),
    _claim(
        "clip",
        "c (q0 [p/p0 <= 1 + clip_high] + p0 [q/q0 >= 1 - clip_low])",
        Mutant(
            "the two sides of the clip exchanged",
            lambda: _predicted("clip", clip_low=0.15, clip_high=0.1),
        ),
        Mutant("a clip that ignores the wrong arms", lambda: _predicted("clip", clip_low=0.999)),
    ),
    _claim(
        "variance_penalty",
        "c - 2 multiplier (p/p0 - q/q0)",
        Mutant(
            "multiplier in place of 2 multiplier",
            lambda: _predicted("variance_penalty", multiplier=1.0),
        ),
    ),
)
