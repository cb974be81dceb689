"""Claims on sampled batches of prompts coupled by one kernel number (P16)."""

from collections.abc import Callable
from functools import partial

import numpy as np
from scipy.special import expit, logit

from theory.predict import batch_curves
from theory.verify.claim import Claim, Mutant
from theory.verify.experiments import sampled_runs
from theory.verify.measurement import Measurement

_DERIVED = "derived in this project (catalogue entry P16)"
_Z = {"statistic": "z"}

# A batch like that of a language model: pass rates from hard to easy, prompts held out as well.
_TRAIN = np.linspace(-4.0, 1.5, 96)
_HELDOUT = np.linspace(-6.0, 0.0, 64)
_SAME = np.full(384, -3.0)
_BATCHES = {
    "raw_reward": {"group_size": 1, "step_size": 0.2, "num_updates": 100},
    "group_mean": {"group_size": 8, "step_size": 0.4, "num_updates": 50},
    "grpo": {"group_size": 8, "step_size": 0.2, "num_updates": 50},
}
_SAME_BATCH = {"group_size": 4, "step_size": 0.25, "num_updates": 60}


def _recursion(
    rule: str,
    train: np.ndarray,
    heldout: np.ndarray | None,
    *,
    step_size: float,
    num_updates: int,
    group_size: int,
    **how: float,
) -> np.ndarray:
    return batch_curves.predicted_pass_rates(
        rule,
        train,
        [num_updates],
        learning_rate=step_size,
        shared_kernel=1.0,
        group_size=group_size,
        evaluated_log_odds=heldout,
        is_flow=False,
        **how,
    )


def _population_recursion() -> np.ndarray:
    """GRPO with sqrt(p (1 - p)) in place of the finite sum."""
    log_odds = float(_SAME[0])
    for _ in range(_SAME_BATCH["num_updates"]):
        log_odds += _SAME_BATCH["step_size"] * np.sqrt(expit(log_odds) * expit(-log_odds))
    return expit(np.array([log_odds]))


def _mean_prompt(log_odds: np.ndarray) -> np.ndarray:
    return logit(expit(log_odds).mean(keepdims=True))


def _experiment(
    rule: str, train: np.ndarray, heldout: np.ndarray | None, batch: dict[str, float]
) -> Callable[[np.random.Generator, int], Measurement]:
    def experiment(rng: np.random.Generator, num_runs: int) -> Measurement:
        return sampled_runs.measure_coupled_prompts(
            rng,
            rule,
            train_log_odds=train,
            heldout_log_odds=heldout,
            shared_kernel=1.0,
            num_runs=num_runs,
            **batch,
        )

    return experiment


def _batch_claim(rule: str, *mutants: Mutant) -> Claim:
    batch = _BATCHES[rule]
    return Claim(
        id=f"P16-batch-{rule.replace('_', '-')}",
        what=f"held-out pass rate of 64 prompts, {rule}",
        statement=(
            f"{rule}, 96 prompts x {batch['group_size']}: all log-odds shift together by "
            "learning_rate * shared_kernel * mean class gradient of the prompts trained on, and "
            "the held-out pass rate is the mean of sigmoid(z_x + shift)."
        ),
        tags=("P16", "learning-curve", "batch", "sampled", rule),
        source=_DERIVED,
        theory=(batch_curves.predicted_pass_rates, batch_curves.predicted_shift),
        predicted=partial(_recursion, rule, _TRAIN, _HELDOUT, **batch),
        experiment=_experiment(rule, _TRAIN, _HELDOUT, batch),
        mutants=(
            *mutants,
            Mutant(
                "one prompt at the mean pass rate instead of all of them",
                partial(_recursion, rule, _mean_prompt(_TRAIN), _HELDOUT, **batch),
            ),
            Mutant(
                "the gradient of the held-out prompts",
                partial(_recursion, rule, _HELDOUT, _HELDOUT, **batch),
            ),
        ),
        size={"quick": 32, "full": 800},
        **_Z,
    )


BATCH_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P16-sampled",
        what="pass rate after 60 updates, GRPO, G = 4",
        statement="z(n + 1) = z(n) + step_size * kernel * S_4(p(n)) on average over many groups",
        tags=("P16", "learning-curve", "sampled", "grpo"),
        source=_DERIVED,
        theory=(batch_curves.predicted_pass_rates, batch_curves.predicted_shift),
        predicted=partial(_recursion, "grpo", _SAME, None, **_SAME_BATCH),
        experiment=_experiment("grpo", _SAME, None, _SAME_BATCH),
        mutants=(
            Mutant("sqrt(p (1 - p)) instead of S_4(p)", _population_recursion),
            Mutant("ddof = 0", partial(_recursion, "grpo", _SAME, None, **_SAME_BATCH, ddof=0)),
            Mutant(
                "no division by the deviation",
                partial(_recursion, "group_mean", _SAME, None, **_SAME_BATCH),
            ),
        ),
        size={"quick": 32, "full": 200},
        **_Z,
    ),
    _batch_claim("raw_reward"),
    _batch_claim(
        "group_mean",
        Mutant(
            "factor 1 instead of (G - 1)/G",
            partial(_recursion, "leave_one_out", _TRAIN, _HELDOUT, **_BATCHES["group_mean"]),
        ),
    ),
    _batch_claim(
        "grpo",
        Mutant(
            "ddof = 0",
            partial(_recursion, "grpo", _TRAIN, _HELDOUT, **_BATCHES["grpo"], ddof=0),
        ),
    ),
)
