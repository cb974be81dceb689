"""Which simulations may jump from one round with a success to the next.

A round in which every rollout fails must change nothing at all: neither the policy nor anything
that the rule or the optimizer remembers. Whether it does is asked of the rule and the optimizer
themselves, on a round of failures, so that a rule of one's own is judged like a registered one.

Shapes: R runs, B prompts of a batch, G group.
"""

import numpy as np

from banditlab.config import Problem, SimulationConfig
from banditlab.problems import BanditProblem
from banditlab.rules import UpdateRule, group_advantage, score_weight
from banditlab.validation import require, require_finite_number

LARGEST_HORIZON = 1e300
_STEP_BY_STEP = "Use `simulate`, which goes step by step"


def require_event_driven(problem: Problem, rule: UpdateRule, config: SimulationConfig) -> None:
    """Demand that a round in which every rollout fails changes nothing.

    Args:
        problem: the arm space.
        rule: the update rule.
        config: runs, steps, sizes, seed; `num_steps` may be a float up to 1e300.

    Raises:
        TypeError: `num_steps` is not a real number.
        ValueError: such a round changes something, or a value is out of range.
    """
    require_finite_number(
        "simulate_events",
        "num_steps",
        config.num_steps,
        low=1.0,
        high=LARGEST_HORIZON,
        remedy="Give the horizon in rounds, e.g. 1e101",
    )
    config.require_valid(problem, rule)
    _require_settings(problem, config)
    _require_rewards(problem)
    _require_rule(rule, (config.batch_size or problem.num_train, config.group_size))


def _require(is_met: bool, argument: str, condition: str, got: object, remedy: str) -> None:
    require(is_met, "simulate_events", argument, condition, got, remedy)


def _require_settings(problem: Problem, config: SimulationConfig) -> None:
    _require(
        config.policy == "lumped" and isinstance(problem, BanditProblem),
        "policy",
        "lumped, which can draw a group that is known to succeed",
        f"{config.policy} on a {type(problem).__name__}",
        _STEP_BY_STEP,
    )
    optimizer = config.build_optimizer()
    _require(
        not optimizer.init((1,)),
        "optimizer",
        "without memory (sgd), so that a step without gradient moves nothing",
        config.optimizer,
        _STEP_BY_STEP,
    )
    _require(
        optimizer.decay == 0.0,
        "decay",
        "0, since decay moves the logits in every round",
        optimizer.decay,
        _STEP_BY_STEP,
    )
    _require(
        config.rollout_ages == (0,),
        "rollout_ages",
        "(0,), since stale rollouts move the policy in a round of failures too",
        config.rollout_ages,
        _STEP_BY_STEP,
    )
    _require(
        config.batch_size in (0, problem.num_train) and config.batch_order != "replacement",
        "batch_size",
        f"0 or {problem.num_train}, all prompts in every round",
        f"{config.batch_size} in the order {config.batch_order!r}",
        "Set batch_size=0 and another order, or use `simulate`",
    )


def _require_rewards(problem: Problem) -> None:
    random = [repr(law) for law in problem.reward_law if law.is_random]
    _require(
        not random,
        "reward_law",
        "Deterministic() for every class",
        ", ".join(dict.fromkeys(random)),
        "Noise gives failures a reward now and then; use `simulate`",
    )
    reward = problem.reward[: problem.num_train]
    _require(
        bool((reward >= 0.0).all()),
        "reward",
        "at least 0 in every class, 0 being failure",
        reward.min(),
        "Shift the rewards so that failure pays 0, or use `simulate`",
    )


def _require_rule(rule: UpdateRule, shape: tuple[int, int]) -> None:
    for is_met, condition in (
        (rule.initial_state is None, "one without memory of earlier rewards"),
        (rule.dual is None, "one without a dual, whose multiplier moves in every round"),
        (rule.reference is None, "one without a reference term, which pulls in every round"),
        (rule.extra_rollouts == 0, "one without extra rollouts"),
    ):
        _require(is_met, "rule", condition, rule.name, _STEP_BY_STEP)
    failures = np.zeros((1, *shape))
    one_success = failures.copy()
    one_success[:, 0] = 1.0
    pays_nothing = "one that gives a group of failures the advantage 0"
    moved = group_advantage(rule, failures)
    _require(not moved.any(), "rule", pays_nothing, rule.name, _STEP_BY_STEP)
    moved = group_advantage(rule, one_success)[:, 1:]
    got = f"{rule.name}, where it has another one once another prompt succeeds"
    _require(not moved.any(), "rule", pays_nothing, got, _STEP_BY_STEP)
    weight = score_weight(rule, failures, failures, failures)
    _require(
        not weight.any(),
        "rule",
        "one of score weight 0 at ratio 1 and advantage 0",
        rule.name,
        _STEP_BY_STEP,
    )
