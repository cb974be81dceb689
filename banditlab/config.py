"""Configuration of a simulation: everything besides its problem and rule.

Shapes: R runs, P prompts (contexts), B prompts of a batch, G group.
"""

from dataclasses import dataclass, field

from banditlab.batches import Batches
from banditlab.levels import LEVELS
from banditlab.lumped.policy import LumpedSoftmax
from banditlab.optimizers import Optimizer, get_optimizer
from banditlab.policy import Policy
from banditlab.problems import BanditProblem
from banditlab.rules import UpdateRule
from banditlab.sequence.policy import SequenceSoftmax
from banditlab.sequence.problem import SequenceProblem
from banditlab.shared_shift.policy import SharedShift
from banditlab.shared_shift.problem import SharedShiftProblem
from banditlab.softmax import DenseSoftmax
from banditlab.validation import require, require_known

Problem = BanditProblem | SequenceProblem | SharedShiftProblem

# Steps of the event-driven mode are more than integers of 64 bits can count.
_ANY_SIZE = ("num_steps", "record_every")

POLICIES = ("lumped", "dense", "sequence", "shared_shift")


@dataclass(frozen=True)
class SimulationConfig:
    """What a simulation runs, besides its problem and rule.

    Attributes:
        num_runs: independent runs (seeds), R; run i is the same whatever their number.
        num_steps: rounds; for the event-driven mode a number of any size.
        group_size: rollouts per prompt, G.
        step_size: step size of the optimizer on the logits.
        batch_size: prompts per round, B; 0 takes all prompts trained on.
        batch_order: "subset", "replacement" or "epochs"; see `banditlab.batches.BATCH_ORDERS`.
        inner_epochs: steps per round.
        rollout_ages: which rounds' rollouts a round trains on, by age in rounds: (0,) the fresh
            ones, (0, 1, 2) with a replay buffer of two rounds, (4,) only ones four rounds old.
        level: what has a ratio, for sequences: "token", "sequence" or "sequence_geometric".
        optimizer: "sgd", "momentum" or "adam".
        optimizer_hyper: its further settings, e.g. {"momentum": 0.9}.
        record_every: rounds between recorded steps.
        num_log_records: if above 0, that many recorded steps at equal distance in log(step).
        seed: entropy of the one seed sequence, from which every run has its own stream.
        policy: "lumped"; "dense" for few arms; "sequence" for a `SequenceProblem`;
            "shared_shift" for a `SharedShiftProblem`.
    """

    num_runs: int
    num_steps: int | float
    group_size: int
    step_size: float
    batch_size: int = 0
    batch_order: str = "subset"
    inner_epochs: int = 1
    rollout_ages: tuple[int, ...] = (0,)
    level: str = "sequence"
    optimizer: str = "sgd"
    optimizer_hyper: dict[str, float] = field(default_factory=dict)
    record_every: int | float = 1
    num_log_records: int = 0
    seed: int = 0
    policy: str = "lumped"

    def __post_init__(self) -> None:
        object.__setattr__(self, "rollout_ages", tuple(self.rollout_ages))

    def build_optimizer(self) -> Optimizer:
        """Build the optimizer.

        Returns:
            The optimizer.

        Raises:
            ValueError: its name or a setting is out of range.
        """
        return get_optimizer(self.optimizer, step_size=self.step_size, **self.optimizer_hyper)

    def build_policy(self, problem: Problem) -> Policy:
        """Build the policy of all runs, at the base policy.

        Args:
            problem: the arm space.

        Returns:
            The policy.

        Raises:
            ValueError: the problem does not suit the policy or the optimizer.
        """
        suitable = ("lumped", "dense")
        for name, kind in (("sequence", SequenceProblem), ("shared_shift", SharedShiftProblem)):
            suitable = (name,) if isinstance(problem, kind) else suitable
        require(
            self.policy in suitable,
            "simulate",
            "policy",
            " or ".join(suitable),
            self.policy,
            f"The problem is a {type(problem).__name__}",
        )
        optimizer = self.build_optimizer()
        if self.policy == "sequence":
            return SequenceSoftmax(problem, self.num_runs, optimizer)
        if self.policy == "shared_shift":
            return SharedShift(problem, self.num_runs, optimizer)
        if self.policy == "dense":
            return DenseSoftmax(problem, self.num_runs, optimizer)
        keeps_draws = self.rollout_ages != (0,)
        return LumpedSoftmax(problem, self.num_runs, optimizer, keeps_draws=keeps_draws)

    def require_valid(self, problem: Problem, rule: UpdateRule) -> None:
        """Check the configuration against a problem and a rule.

        Args:
            problem: the arm space.
            rule: the update rule.

        Raises:
            ValueError: a value is out of range.
        """
        for name in ("num_runs", "num_steps", "group_size", "inner_epochs", "record_every"):
            value = getattr(self, name)
            require(
                value >= 1 and value % 1 == 0 and (isinstance(value, int) or name in _ANY_SIZE),
                "simulate",
                name,
                "a whole number of at least 1",
                value,
                "Give a positive count",
            )
        require(
            self.group_size >= rule.smallest_group,
            "simulate",
            "group_size",
            f"at least {rule.smallest_group} for {rule.name}",
            self.group_size,
            "A group baseline needs several rollouts per prompt; raise it or use raw_reward",
        )
        require(
            len(self.rollout_ages) > 0
            and len(set(self.rollout_ages)) == len(self.rollout_ages)
            and min(self.rollout_ages) >= 0
            and all(isinstance(age, int) for age in self.rollout_ages),
            "simulate",
            "rollout_ages",
            "different ages of 0 (fresh) or more, at least one",
            self.rollout_ages,
            "(0,) trains on fresh rollouts only",
        )
        require(
            self.num_log_records >= 0,
            "simulate",
            "num_log_records",
            "at least 0",
            self.num_log_records,
            "0 records every `record_every` rounds",
        )
        for name in ("seed", "batch_size", "num_log_records"):
            value = getattr(self, name)
            require(
                isinstance(value, int),
                "simulate",
                name,
                "a whole number",
                value,
                "Write it without a decimal point",
            )
        require(self.seed >= 0, "simulate", "seed", "at least 0", self.seed, "Give a whole number")
        require_known("simulate", "policy", self.policy, POLICIES, "policy")
        require_known("simulate", "level", self.level, LEVELS, "level")
        require(
            self.policy == "sequence" or self.level == "sequence",
            "simulate",
            "level",
            "sequence for arms, which have no tokens",
            self.level,
            "Give a problem of sequences, or leave the level out",
        )
        Batches(problem.num_train, 1, self.batch_size or problem.num_train, self.batch_order)
