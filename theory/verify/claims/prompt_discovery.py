"""Claims on how prompts are discovered, each at its first success (P42)."""

import numpy as np
from scipy.special import logit

from banditlab.rules import get_rule
from theory.predict import prompt_discovery
from theory.verify.claim import Axis, Claim, Mutant
from theory.verify.experiments import prompt_discovery as prompts
from theory.verify.measurement import Measurement

_SOURCE = "derived in this project (catalogue entry P42)"
_RAW = get_rule("raw_reward")

_PRIOR = (0.4, 30.0)
_VISITS = np.array([10, 100, 1000])


def _discovery_cells(prior: tuple[float, float] = _PRIOR) -> np.ndarray:
    share = prompt_discovery.predicted_undiscovered_share(_VISITS, *prior)
    return -np.diff([1.0, *share, 0.0])


def _cells_of_mean_rate() -> np.ndarray:
    share = np.exp(-_VISITS * _PRIOR[0] / sum(_PRIOR))
    return -np.diff([1.0, *share, 0.0])


_LOG_ODDS = logit(np.array([0.02, 0.05, 0.1, 0.2, 0.3, 0.5]))
_NUM_VISITS = 4


def _count_law(visits: int = _NUM_VISITS) -> np.ndarray:
    return prompt_discovery.predicted_discovery_counts(_LOG_ODDS, visits)


def _binomial_law() -> np.ndarray:
    """Every prompt with the same chance, of the right mean number of discoveries."""
    mean = np.arange(_LOG_ODDS.size + 1.0) @ _count_law()
    share = mean / _LOG_ODDS.size
    law = np.ones(1)
    for _ in _LOG_ODDS:
        law = np.convolve(law, [1.0 - share, share])
    return law


def _measure_counts(
    rng: np.random.Generator, num_runs: int, shared_kernel: float = 0.0
) -> Measurement:
    first = prompts.discovery_rounds(
        rng,
        _RAW,
        prompts.prompts_with_rare_arms(_LOG_ODDS, shared_kernel),
        step_size=1.0,
        num_rounds=_NUM_VISITS,
        num_runs=num_runs,
    )
    count = (first <= _NUM_VISITS).sum(axis=1)
    return Measurement.shares(np.bincount(count, minlength=_LOG_ODDS.size + 1))


PROMPT_DISCOVERY_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P42-prior",
        what="visits until a prompt is discovered: 10, 100, 1000, more; Beta(0.4, 30) prior",
        statement=(
            "undiscovered share after e visits = B(a, b + e)/B(a, b), a power law e^-a for many "
            "visits; a = 0.4, b = 30"
        ),
        tags=("P42", "discovery", "batch", "sampled", "raw_reward"),
        source=_SOURCE,
        theory=(prompt_discovery.predicted_undiscovered_share,),
        predicted=_discovery_cells,
        experiment=lambda rng, size: prompts.measure_discovery_shares(
            rng, _RAW, _PRIOR, _VISITS, num_prompts=size
        ),
        mutants=(
            Mutant("exp(-e * mean pass rate)", _cells_of_mean_rate),
            Mutant("an exponent a fifth larger", lambda: _discovery_cells((0.48, 30.0))),
            Mutant("twice the exponent", lambda: _discovery_cells((0.8, 30.0))),
        ),
        statistic="shares",
        size={"quick": 8_000, "full": 80_000},
        axis=Axis("visits at the start of the cell", at=(0.0, *_VISITS)),
        unit="share of prompts",
    ),
    Claim(
        id="P42-independent",
        what="number of six prompts discovered in 4 rounds of all of them",
        statement=(
            "prompts are discovered independently, each with probability 1 - (1 - p_i)^e: variance "
            "sum s_i (1 - s_i); p from 0.02 to 0.5"
        ),
        tags=("P42", "discovery", "batch", "sampled", "raw_reward"),
        source=_SOURCE,
        theory=(prompt_discovery.predicted_discovery_counts,),
        predicted=_count_law,
        experiment=_measure_counts,
        mutants=(
            Mutant("equal prompts of the same mean", _binomial_law),
            Mutant("one visit fewer", lambda: _count_law(_NUM_VISITS - 1)),
            Mutant(
                "prompts coupled by a shared kernel",
                experiment=lambda rng, size: _measure_counts(rng, size, 1.0),
            ),
        ),
        statistic="shares",
        size={"quick": 20_000, "full": 120_000},
        axis=Axis("prompts discovered", at=np.arange(_LOG_ODDS.size + 1.0)),
        unit="share of runs",
    ),
)
