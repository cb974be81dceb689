"""Claims on lumping: one logit and a count stand for all untouched arms, and the sum stays (P1)."""

from collections.abc import Sequence

import numpy as np

from banditlab.kernels import ClassKernel
from banditlab.problems import BanditProblem
from banditlab.reference import ReferenceTerm
from banditlab.rules import get_rule
from banditlab.softmax import DenseSoftmax
from theory.predict import invariances
from theory.predict.invariances import log_prob_of
from theory.verify.claim import Axis, Claim, Experiment, Mutant
from theory.verify.experiments import invariances as runs
from theory.verify.experiments.invariances import GivenRun
from theory.verify.measurement import Measurement

_SOURCE = "derived in this project (catalogue entry P1)"
_EXACT = {"statistic": "difference", "tolerance": 1e-12, "mutant_tolerance": 1e-4}

# 3000 arms in three classes; 29 of them are drawn, all others are three lumps.
_COUNT, _MASS = np.array([5, 40, 2955]), np.array([0.05, 0.25, 0.7])
_REWARD = np.array([1.0, 0.25, 0.0])
_ARM_CLASS = np.repeat([0, 1, 2], _COUNT)
_SPACE = BanditProblem(np.log(_COUNT)[None], np.log(_MASS)[None], _REWARD[None])
_TOUCHED = np.r_[0:3, 5:15, 45:61]
_LAST_UNTOUCHED = np.cumsum(_COUNT) - 1
_PROBES = np.r_[_TOUCHED, _LAST_UNTOUCHED]
_PROBE_CLASS = _ARM_CLASS[_PROBES]
_NUM_BEHIND = np.r_[np.ones(len(_TOUCHED)), _COUNT - np.bincount(_ARM_CLASS[_TOUCHED], minlength=3)]


_DRAWN = runs.scattered_rounds(40, 4, len(_TOUCHED))


def _lumped_log_probs(
    cases: Sequence[tuple[GivenRun, str, str]], num_behind: np.ndarray = _NUM_BEHIND
) -> np.ndarray:
    """Changes of log-probability of the probes, the same for both policies."""
    start = np.log(_MASS / _COUNT)[_PROBE_CLASS]
    # A wrong number of arms behind the lumps must not make the initial policy wrong, too.
    start = start - np.log((num_behind * np.exp(start)).sum())
    found = []
    for run, advantage, weight in cases:
        displacement = invariances.predicted_logit_changes(
            _DRAWN,
            invariances.predicted_group_advantage(advantage, _REWARD[_PROBE_CLASS[_DRAWN]]),
            start,
            num_behind,
            step_size=run.step_size,
            inner_epochs=run.inner_epochs,
            optimizer=run.optimizer,
            weight=weight,
            **run.rule.weight_hyper,
        )
        change = log_prob_of(start, displacement, np.log(num_behind)) - start
        found += [change, change]
    return np.array(found)


_GRADIENT = "policy_gradient"
_LINEAR_CASES = (
    (GivenRun(get_rule("raw_reward")), "raw_reward", _GRADIENT),
    (GivenRun(get_rule("leave_one_out"), "momentum"), "leave_one_out", _GRADIENT),
    (GivenRun(get_rule("grpo")), "grpo", _GRADIENT),
    (GivenRun(get_rule("clip"), step_size=1.0, inner_epochs=4), "group_mean", "clip"),
    (
        GivenRun(get_rule("variance_penalty"), "momentum", inner_epochs=3),
        "group_mean",
        "variance_penalty",
    ),
)
_ADAM_CASES = (
    (GivenRun(get_rule("raw_reward"), "adam", 0.03), "raw_reward", _GRADIENT),
    (GivenRun(get_rule("clip"), "adam", 0.03, inner_epochs=4), "group_mean", "clip"),
)


def _lumping_claim(
    name: str, cases: Sequence[tuple[GivenRun, str, str]], **tolerances: float
) -> Claim:
    played = [run for run, _, _ in cases]

    def measure(*policies: runs.MakePolicy) -> Measurement:
        arms = _TOUCHED[_DRAWN]
        return runs.measure_log_probs(played, _SPACE, arms, _PROBES, policies)

    return Claim(
        id=f"P1-{name}",
        what=f"log-probs of 29 drawn and 3 lumped arms of 3000, {name}, dense and lumped policy",
        statement=(
            "arms that start equal and are never drawn stay equal, so that one logit and a count "
            f"are exact; 40 rounds of {', '.join(run.rule.name for run in played)}"
        ),
        tags=("P1", "invariance", "lumping", "exact", *(run.rule.name for run in played)),
        source=_SOURCE,
        theory=(invariances.predicted_logit_changes, invariances.predicted_group_advantage),
        predicted=lambda: _lumped_log_probs(cases),
        experiment=lambda rng, size: measure(DenseSoftmax, runs.lumped),
        mutants=(
            Mutant(
                "arms that were not drawn do not give way",
                experiment=lambda rng, size: measure(runs.MovesDrawnArmsOnly, runs.lumped),
            ),
            Mutant(
                "a lump that counts as one arm",
                lambda: _lumped_log_probs(cases, np.ones_like(_NUM_BEHIND)),
            ),
        ),
        statistic="difference",
        axis=Axis("rule, policy and arm (numbered)"),
        unit="change of log-probability, nats",
        **tolerances,
    )


_KERNEL_SPACE = BanditProblem(
    np.log([[10.0, 50.0]]),
    np.log([[0.2, 0.8]]),
    np.array([[1.0, 0.0]]),
    kernel=ClassKernel(
        0.5, np.array([[0.6, -0.1], [-0.1, 0.3]]), np.array([[0.2, 0.0], [0.0, 0.1]])
    ),
)
_PLAIN_SPACE = BanditProblem(_KERNEL_SPACE.log_count, _KERNEL_SPACE.log_mass, _KERNEL_SPACE.reward)
_CONSERVING = (
    GivenRun(get_rule("raw_reward")),
    GivenRun(get_rule("running_mean"), "momentum"),
    GivenRun(get_rule("grpo"), decay=0.5),
    GivenRun(get_rule("clip").with_reference(ReferenceTerm(0.1, "k2", "loss")), inner_epochs=5),
    GivenRun(get_rule("variance_penalty_dual"), "momentum", inner_epochs=3, decay=0.2),
)


def _initial_logits(problem: BanditProblem) -> np.ndarray:
    per_arm = (problem.log_mass - problem.log_count)[0]
    return np.repeat(per_arm, problem.count()[0].astype(int))


def _conserved(problem: BanditProblem, kernel: np.ndarray | None = None) -> np.ndarray:
    mean = invariances.predicted_conserved_mean(_initial_logits(problem), kernel)
    return np.full(len(_CONSERVING), mean)


def _measure_means(
    problem: BanditProblem, played: Sequence[GivenRun] = _CONSERVING, **how: object
) -> Experiment:
    return lambda rng, num_rounds: runs.measure_conserved_means(
        rng, played, problem, group_size=4, num_rounds=num_rounds, **how
    )


_WITH_ADAM = tuple(GivenRun(run.rule, "adam", 0.02) for run in _CONSERVING)
_ROUNDS = {"quick": 50, "full": 400}

LUMPING_CLAIMS: tuple[Claim, ...] = (
    _lumping_claim("lumping", _LINEAR_CASES, tolerance=1e-12, mutant_tolerance=1e-3),
    # Adam divides by the root mean square of gradients, and what is rounding by what is rounding.
    _lumping_claim("lumping-adam", _ADAM_CASES, tolerance=1e-8, mutant_tolerance=1e-3),
    Claim(
        id="P1-sum",
        what="mean logit of 60 arms after rounds of five rules",
        statement=(
            "sum_a theta_a is conserved by every rule under SGD and momentum, inner epochs, a "
            "reference term and decay towards the initial logits included"
        ),
        tags=("P1", "invariance", "exact", *(run.rule.name for run in _CONSERVING)),
        source=_SOURCE,
        theory=(invariances.predicted_conserved_mean,),
        predicted=lambda: _conserved(_PLAIN_SPACE),
        experiment=_measure_means(_PLAIN_SPACE),
        mutants=(
            Mutant("Adam conserves it, too", experiment=_measure_means(_PLAIN_SPACE, _WITH_ADAM)),
            Mutant(
                "arms that were not drawn do not give way",
                experiment=_measure_means(_PLAIN_SPACE, make=runs.MovesDrawnArmsOnly),
            ),
        ),
        size=_ROUNDS,
        axis=Axis("rule", at=[run.rule.name for run in _CONSERVING]),
        unit="mean logit, nats",
        **_EXACT,
    ),
    Claim(
        id="P1-sum-lumped",
        what="mean logit of 3000 arms after rounds of five rules, lumped policy",
        statement="sum over lumps of count * theta is conserved, as the sum over all arms is",
        tags=("P1", "invariance", "lumping", "exact", *(run.rule.name for run in _CONSERVING)),
        source=_SOURCE,
        theory=(invariances.predicted_conserved_mean,),
        predicted=lambda: _conserved(_SPACE),
        experiment=lambda rng, num_rounds: runs.measure_lumped_means(
            rng, _CONSERVING, _SPACE, group_size=4, num_rounds=num_rounds
        ),
        mutants=(
            Mutant(
                "Adam conserves it, too",
                experiment=lambda rng, num_rounds: runs.measure_lumped_means(
                    rng, _WITH_ADAM, _SPACE, group_size=4, num_rounds=num_rounds
                ),
            ),
            Mutant(
                "each lump counts as one arm",
                lambda: np.full(len(_CONSERVING), np.log(_MASS / _COUNT).mean()),
            ),
        ),
        size=_ROUNDS,
        axis=Axis("rule", at=[run.rule.name for run in _CONSERVING]),
        unit="mean logit, nats",
        **_EXACT,
    ),
    Claim(
        id="P1-kernel",
        what="mean of K^-1 theta over 60 arms after rounds of five rules",
        statement="with a class kernel K between arms, 1^T K^-1 theta is conserved",
        tags=("P1", "invariance", "kernel", "exact", *(run.rule.name for run in _CONSERVING)),
        source=_SOURCE,
        theory=(invariances.predicted_conserved_mean,),
        predicted=lambda: _conserved(_KERNEL_SPACE, runs.kernel_matrix(_KERNEL_SPACE)),
        experiment=_measure_means(_KERNEL_SPACE),
        mutants=(
            Mutant("the plain sum is conserved", lambda: _conserved(_KERNEL_SPACE)),
            Mutant(
                "the plain sum of logits in place of K^-1",
                experiment=_measure_means(_KERNEL_SPACE, uses_kernel=False),
            ),
        ),
        size=_ROUNDS,
        axis=Axis("rule", at=[run.rule.name for run in _CONSERVING]),
        unit="mean of K^-1 theta, nats",
        **_EXACT,
    ),
)
