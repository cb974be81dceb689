"""One update of a rule on a bandit, and the run loop, vectorised over runs.

A round reads as on a language model: roll out under the old policy, reward, advantage; then
inner_epochs times: fresh log-probs, score weight, step.

Shapes: R runs, P prompts (contexts), B prompts of a batch, G group, S recorded steps.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from banditlab.lumped import LumpedSoftmax
from banditlab.problems import BanditProblem
from banditlab.records import Record, provenance
from banditlab.rules import UpdateRule, group_advantage, score_weight
from banditlab.softmax import DenseSoftmax, Draw
from banditlab.validation import require, require_finite_number, require_known


class Policy(Protocol):
    """What the run loop asks of a policy; the shapes stand at `LumpedSoftmax`."""

    problem: BanditProblem

    def sample(self, contexts: np.ndarray, group_size: int, rng: np.random.Generator) -> Draw:
        """Draw a group of arms for each prompt of the batch."""

    def place(self, contexts: np.ndarray, arms: np.ndarray) -> Draw:
        """Take given arms instead of drawing them."""

    def relative_log_prob(self, draw: Draw) -> np.ndarray:
        """Log-probability of the drawn arms, less that under the base policy."""

    def apply(self, draw: Draw, coefficient: np.ndarray, step_size: float) -> None:
        """Move the logits by one step."""

    def release(self, draw: Draw) -> None:
        """End the round."""

    def class_mass(self) -> np.ndarray:
        """Probability of each class."""


POLICIES: dict[str, Callable[[BanditProblem, int], Policy]] = {
    "lumped": LumpedSoftmax,
    "dense": DenseSoftmax,
}


@dataclass(frozen=True)
class Round:
    """What one round measured.

    Attributes:
        reward: reward of each rollout, shape [R, B, G].
        log_ratio: log_prob - old_log_prob after the last inner step, nats, shape [R, B, G].
    """

    reward: np.ndarray
    log_ratio: np.ndarray


def step(
    policy: Policy,
    rule: UpdateRule,
    contexts: np.ndarray,
    *,
    group_size: int,
    step_size: float,
    inner_epochs: int = 1,
    rng: np.random.Generator | None = None,
    arms: np.ndarray | None = None,
) -> Round:
    """Run one round: roll out, reward, advantage, then inner_epochs steps with fresh ratios.

    Coefficients are weights divided by B * G, the mean over the round's rollouts.

    Args:
        policy: the policy, moved in place.
        rule: the update rule.
        contexts: prompts of the batch, distinct within a run, shape [R, B].
        group_size: rollouts per prompt, G.
        step_size: step size of SGD on the logits.
        inner_epochs: steps per round.
        rng: source of randomness; not needed where `arms` are given.
        arms: arms to take instead of drawing them, dense numbers, shape [R, B, G].

    Returns:
        Rewards and final log-ratios of the round.

    Raises:
        ValueError: a prompt comes twice in a run's batch, or neither `rng` nor `arms` is given.
        FloatingPointError: a score weight is not finite.
    """
    require(
        bool((np.diff(np.sort(contexts, axis=1), axis=1) > 0).all()),
        "step",
        "contexts",
        "distinct within a run",
        "a prompt that comes twice in a batch",
        "Draw the prompts of a batch without replacement",
    )
    if arms is not None:
        draw = policy.place(contexts, arms)
    else:
        require(
            rng is not None,
            "step",
            "rng",
            "given where `arms` are not",
            None,
            "Pass numpy.random.default_rng(seed)",
        )
        draw = policy.sample(contexts, group_size, rng)
    reward = np.take_along_axis(policy.problem.reward[contexts], draw.arm_class, axis=-1)
    advantage = group_advantage(rule, reward)
    old_log_prob = log_prob = policy.relative_log_prob(draw)
    scale = 1.0 / (contexts.shape[1] * reward.shape[-1])
    for _ in range(inner_epochs):
        with np.errstate(over="ignore", invalid="ignore"):
            weight = score_weight(rule, log_prob, old_log_prob, advantage)
        if not np.isfinite(weight).all():
            raise FloatingPointError(
                f"step: a score weight of {rule!r} is not finite (largest log-ratio "
                f"{np.abs(log_prob - old_log_prob).max():.4g} nats). Lower the step size or the "
                "number of inner epochs."
            )
        policy.apply(draw, scale * weight, step_size)
        log_prob = policy.relative_log_prob(draw)
    policy.release(draw)
    return Round(reward, log_prob - old_log_prob)


@dataclass(frozen=True)
class SimulationConfig:
    """What a simulation runs, besides its problem and rule.

    Attributes:
        num_runs: independent runs (seeds), R.
        num_steps: rounds.
        group_size: rollouts per prompt, G.
        step_size: step size of SGD on the logits.
        batch_size: prompts per round, B; 0 takes all prompts trained on.
        inner_epochs: steps per round.
        record_every: rounds between recorded steps.
        seed: seed of the one generator.
        policy: "lumped", or "dense" for few arms.
    """

    num_runs: int
    num_steps: int
    group_size: int
    step_size: float
    batch_size: int = 0
    inner_epochs: int = 1
    record_every: int = 1
    seed: int = 0
    policy: str = "lumped"

    def require_valid(self, problem: BanditProblem, rule: UpdateRule) -> None:
        """Check the configuration against a problem and a rule.

        Args:
            problem: the arm space.
            rule: the update rule.

        Raises:
            ValueError: a value is out of range.
        """
        for name in ("num_runs", "num_steps", "group_size", "inner_epochs", "record_every"):
            value = getattr(self, name)
            require(value >= 1, "simulate", name, "at least 1", value, "Give a positive count")
        require(
            self.group_size >= rule.smallest_group,
            "simulate",
            "group_size",
            f"at least {rule.smallest_group} for {rule.name}",
            self.group_size,
            "A group baseline needs several rollouts per prompt; raise it or use raw_reward",
        )
        require(
            0 <= self.batch_size <= problem.num_train,
            "simulate",
            "batch_size",
            f"between 0 (all) and the {problem.num_train} prompts trained on",
            self.batch_size,
            "A round takes each prompt at most once",
        )
        require_finite_number("simulate", "step_size", self.step_size, low=0.0, remedy="Try 0.1")
        require(self.seed >= 0, "simulate", "seed", "at least 0", self.seed, "Give a whole number")
        require_known("simulate", "policy", self.policy, POLICIES, "policy")
        if self.policy == "dense":
            # Refuses arm spaces that cannot be numbered.
            problem.arm_class()
        # The rule itself knows which hyperparameters are possible.
        group_advantage(rule, np.zeros((1, self.group_size)))
        score_weight(rule, np.zeros(1), np.zeros(1), np.zeros(1))


def simulate(
    problem: BanditProblem,
    rule: UpdateRule,
    config: SimulationConfig,
    *,
    on_step: Callable[[int], Any] | None = None,
) -> Record:
    """Simulate R independent runs of a rule on a bandit.

    Recorded per run: `pass_rate` (probability of reward 1, or mean reward, averaged over the
    prompts trained on; exact, not sampled), `heldout_pass_rate` where prompts are held out,
    `ratio_variance` (mean of (ratio - 1)^2 over the round's rollouts after its last inner step)
    and `signal_share` (share of prompts of the round whose advantages are not all zero).

    Args:
        problem: the arm space.
        rule: the update rule.
        config: runs, steps, sizes, seed.
        on_step: called after each round with the number of rounds done.

    Returns:
        The record; step 0 is the base policy.

    Raises:
        ValueError: the configuration is out of range.
        FloatingPointError: a run blew up; the message names the round.

    Examples:
        >>> from banditlab.problems import rare_correct
        >>> from banditlab.rules import RULES
        >>> config = SimulationConfig(num_runs=4, num_steps=50, group_size=8, step_size=1.0)
        >>> record = simulate(rare_correct(100_000, 0.05), RULES["grpo"], config)
        >>> bool((record.curves["pass_rate"][:, -1] > 0.9).all())
        True
    """
    config.require_valid(problem, rule)
    rng = np.random.default_rng(config.seed)
    policy = POLICIES[config.policy](problem, config.num_runs)
    batch_size = config.batch_size or problem.num_train
    recorded: dict[str, list[np.ndarray]] = {}
    steps = [0]
    _append(recorded, _pass_rates(policy))
    for count in range(1, config.num_steps + 1):
        contexts = _draw_batch(problem.num_train, config.num_runs, batch_size, rng)
        try:
            outcome = step(
                policy,
                rule,
                contexts,
                group_size=config.group_size,
                step_size=config.step_size,
                inner_epochs=config.inner_epochs,
                rng=rng,
            )
        except FloatingPointError as error:
            raise FloatingPointError(f"simulate: stopped at step {count}. {error}") from error
        if count % config.record_every == 0 or count == config.num_steps:
            steps.append(count)
            _append(recorded, {**_pass_rates(policy), **_round_metrics(rule, outcome)})
        if on_step is not None:
            on_step(count)
    return Record(
        curves={name: np.stack(values, axis=1) for name, values in recorded.items()},
        step=np.array(steps),
        config={"rule": rule.name, "hyper": rule.hyper, **asdict(config)},
        provenance=provenance(),
    )


def _draw_batch(
    num_train: int, num_runs: int, batch_size: int, rng: np.random.Generator
) -> np.ndarray:
    if batch_size == num_train:
        return np.broadcast_to(np.arange(num_train), (num_runs, num_train))
    order = rng.random((num_runs, num_train))
    return np.argpartition(order, batch_size - 1, axis=1)[:, :batch_size]


def _pass_rates(policy: Policy) -> dict[str, np.ndarray]:
    problem = policy.problem
    reward = (policy.class_mass() * problem.reward).sum(axis=-1)
    rates = {"pass_rate": reward[:, : problem.num_train].mean(axis=1)}
    if problem.num_train < problem.num_contexts:
        rates["heldout_pass_rate"] = reward[:, problem.num_train :].mean(axis=1)
    return rates


def _round_metrics(rule: UpdateRule, outcome: Round) -> dict[str, np.ndarray]:
    advantage = group_advantage(rule, outcome.reward)
    return {
        "ratio_variance": (np.expm1(outcome.log_ratio) ** 2).mean(axis=(1, 2)),
        "signal_share": (advantage != 0.0).any(axis=-1).mean(axis=1),
    }


def _append(recorded: dict[str, list[np.ndarray]], values: dict[str, np.ndarray]) -> None:
    missing = {"ratio_variance", "signal_share"} - values.keys()
    for name, value in values.items():
        recorded.setdefault(name, []).append(value)
    for name in missing:
        # No round precedes step 0: there the policy is the base policy itself.
        recorded.setdefault(name, []).append(np.zeros_like(values["pass_rate"]))
