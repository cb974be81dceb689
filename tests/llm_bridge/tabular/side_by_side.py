"""The bridge on a table of logits and the NumPy simulator, round by round on the same draws.

The bridge samples. The simulator is given what it drew and nothing else: rewards, advantages,
ratios, weights, steps and multipliers are its own.

Where the two worlds name or scale things differently:

    bridge                          simulator        why it is the same
    descends the loss               ascends          the loss is minus the objective
    learning_rate, sequence_sum     step_size        both follow the mean over the rollouts that
                                                     are trained on, and the sum over tokens
    adam_eps                        eps              both add it to the root of the bias-corrected
                                                     mean square
    weight_decay                    decay            the parameter of the table is the displacement
                                                     from the base logits
    log-probs                       less those of    ratios and reference terms are differences of
                                    the base policy  log-probs
    replay of all groups of age 1   stale rollouts   both take one mean over fresh and stale ones

Shapes: P prompts (contexts), B prompts of a batch, G group, T tokens, V vocabulary.
"""

import itertools
from collections import defaultdict
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from banditlab import rounds as simulator_module
from banditlab.optimizers import SGD, Adam
from banditlab.rounds import Memory, step
from banditlab.sequence.policy import SequenceSoftmax
from banditlab.sequence.problem import SequenceProblem
from banditlab.softmax import DenseSoftmax
from llm_bridge import surrogate as bridge_module
from llm_bridge import update as update_module
from llm_bridge.tabular.run import tabular_run

KINK_WIDTH = 1e-9


def simulator_optimizer(config):
    if config.optimizer == "sgd":
        return SGD(config.learning_rate, decay=config.weight_decay)
    return Adam(
        config.learning_rate,
        beta1=config.adam_beta1,
        beta2=config.adam_beta2,
        eps=config.adam_eps,
        decay=config.weight_decay,
    )


def kinks(rule):
    """Ratios at which the weight jumps; those of `cispo` and `topr` only bend there."""
    if rule.name == "cispo":
        return []
    places = {"clip_low": -1.0, "clip_high": 1.0}
    hyper = rule.weight_hyper
    jumps = [1.0 + side * hyper[name] for name, side in places.items() if name in hyper]
    return [*jumps, hyper["dual_clip"]] if "dual_clip" in hyper else jumps


@dataclass(frozen=True)
class Weighing:
    """The arrays of one call of `score_weight`, [B, G] or [B, G, T], in any leading shape."""

    log_ratio: np.ndarray
    advantage: np.ndarray
    weight: np.ndarray

    @classmethod
    def joined(cls, parts, group_size):
        """Calls of the simulator as one of the bridge, which has no extra rollouts in it."""
        names = ("log_ratio", "advantage", "weight")
        columns = ([getattr(part, name)[0, :, :group_size] for part in parts] for name in names)
        return cls(*(np.concatenate(column) for column in columns))

    @property
    def ratio(self):
        return np.exp(self.log_ratio)

    @property
    def is_silenced(self):
        return (self.weight == 0) & (self.advantage != 0)

    def statistics(self):
        """What the log says of these ratios."""
        ratio = self.ratio
        return {
            "ratio_mean": ratio.mean(),
            "ratio_variance": ((ratio - 1.0) ** 2).mean(),
            "ratio_max": ratio.max(),
            "max_abs_log_ratio": np.abs(self.log_ratio).max(),
            "clip_low_fraction": (self.is_silenced & (ratio < 1.0)).mean(),
            "clip_high_fraction": (self.is_silenced & (ratio > 1.0)).mean(),
        }


@dataclass
class Comparison:
    """What was compared over all rounds, and what happened in them.

    Attributes:
        error: largest |bridge - simulator| of each quantity.
        largest_log_ratio: largest |log-ratio| that an inner epoch met, nats.
        num_silenced: samples of inner epochs that had an advantage and weight 0.
        num_near_kinks: samples of inner epochs within 1e-9 of a ratio at which the weight jumps.
        signals: of each round, whether any group, and whether every group, had an advantage.
    """

    error: dict = field(default_factory=lambda: defaultdict(float))
    largest_log_ratio: float = 0.0
    num_silenced: int = 0
    num_near_kinks: int = 0
    signals: list = field(default_factory=list)

    @property
    def worst(self):
        return max(self.error.values())

    def compare(self, name, bridge, simulator):
        difference = np.abs(bridge - simulator).max()
        # A NaN would hide from max().
        assert np.isfinite(difference), f"{name} is not finite"
        self.error[name] = max(self.error[name], float(difference))

    def compare_epochs(self, bridge, simulator, jumps):
        """Weights, inner epoch by inner epoch; the bridge leaves out steps that move nothing."""
        for epoch, theirs in enumerate(simulator):
            for name in ("log_ratio", "weight", "advantage"):
                expected = getattr(theirs, name)
                found = getattr(bridge[epoch], name) if bridge else np.zeros_like(expected)
                self.compare(name, found.reshape(expected.shape), expected)
            here = float(np.abs(theirs.log_ratio).max())
            self.largest_log_ratio = max(self.largest_log_ratio, here)
            self.num_silenced += int(theirs.is_silenced.sum())
            distance = [np.abs(theirs.ratio - jump) for jump in jumps]
            self.num_near_kinks += sum(int((each < KINK_WIDTH).sum()) for each in distance)
        assert len(bridge) in (0, len(simulator))


class Simulator:
    """A policy of the simulator, and its logits beside those of a table."""

    def __init__(self, problem, config):
        self.has_tokens = isinstance(problem, SequenceProblem)
        kind = SequenceSoftmax if self.has_tokens else DenseSoftmax
        self.policy = kind(problem, 1, simulator_optimizer(config))
        self.memory = Memory.start(config.update_rule, 1, problem.num_contexts)
        self.stale = []
        if self.has_tokens:
            self._list_sequences(problem)

    def _list_sequences(self, problem):
        """Every sequence, and where its tokens stand in a table of prefixes."""
        vocabulary, length = range(problem.vocabulary_size), problem.sequence_length
        tokens = np.array(list(itertools.product(vocabulary, repeat=length)))
        contexts = np.arange(problem.num_contexts)
        arms = np.broadcast_to(tokens, (1, len(contexts), *tokens.shape))
        self._every_sequence = self.policy.place(contexts[None], arms)
        path = [np.zeros(len(tokens), dtype=int)]
        for token in tokens.T[:-1]:
            path.append(len(vocabulary) * path[-1] + 1 + token)
        self._places = (contexts[:, None, None], np.stack(path, axis=-1), tokens)

    def step(self, config, drawn):
        arms = drawn.response_tokens.numpy()[None]
        outcome = step(
            self.policy,
            config.update_rule,
            drawn.prompt_tokens.numpy()[None, :, 0],
            group_size=config.group_size,
            inner_epochs=config.inner_epochs,
            arms=arms if self.has_tokens else arms[..., 0],
            memory=self.memory,
            level=config.level,
            stale=self.stale,
            keeps_rollouts=True,
        )
        num_parts = 1 + len(self.stale)
        if config.replay_groups:
            self.stale = [outcome.rollouts]
        return outcome, num_parts

    @torch.no_grad()
    def compare_policy(self, comparison, model):
        logits = model.logits()
        log_prob = torch.log_softmax(logits, dim=-1).numpy()
        if self.has_tokens:
            base = torch.log_softmax(model.base_logits, dim=-1).numpy()
            relative = self.policy.relative_log_prob(self._every_sequence)[0]
            comparison.compare("log_prob", (log_prob - base)[self._places], relative)
            return
        # Both begin alike and step alike, so that not even the constant may differ.
        comparison.compare("logits", logits[:, 0].numpy(), self.policy.logits[0])
        comparison.compare("log_prob", log_prob[:, 0], self.policy.log_probs()[0])


def _listen(patch, module, copy):
    """Every call of `score_weight` that a world makes in training, as it comes."""
    calls, original = [], module.score_weight

    def listening(rule, log_prob, old_log_prob, advantage, **options):
        weight = original(rule, log_prob, old_log_prob, advantage, **options)
        calls.append(Weighing(*map(copy, (log_prob - old_log_prob, advantage, weight))))
        return weight

    patch.setattr(module, "score_weight", listening)
    return calls


def _record_rollouts(patch):
    drawn, original = [], update_module.sample_rollouts

    def recording(*words, **options):
        drawn.append(original(*words, **options))
        return drawn[-1]

    patch.setattr(update_module, "sample_rollouts", recording)
    return drawn


def run_both(problem, config, monkeypatch, *, turns=({},), num_rounds=50, break_bridge=None):
    """Train both worlds for some rounds.

    Args:
        problem: the arm space.
        config: settings of the bridge; the simulator gets the same ones under its own names.
        monkeypatch: to listen to what is drawn and weighed.
        turns: settings that differ from round to round, in turn and again from the first.
        num_rounds: rounds.
        break_bridge: given the run and a patch before the first round, to plant a mutant.
    """
    run, comparison = tabular_run(problem, config), Comparison()
    configs = [replace(run.config, **changes) for changes in turns]
    simulator, rule = Simulator(problem, run.config), run.config.update_rule
    with monkeypatch.context() as patch:
        drawn = _record_rollouts(patch)
        if break_bridge is not None:
            break_bridge(run, patch)
        ours = _listen(patch, bridge_module, lambda value: value.numpy())
        # Copies, since the simulator sets the weights of extra rollouts to 0 in place.
        theirs = _listen(patch, simulator_module, np.copy)
        for update in range(1, num_rounds + 1):
            config = run.config = configs[(update - 1) % len(configs)]
            ours.clear()
            theirs.clear()
            line = update_module.run_update(run, update)
            outcome, num_parts = simulator.step(config, drawn[-1])
            comparison.compare("reward", line["reward_mean"], outcome.rollouts.reward.mean())
            epochs = [
                Weighing.joined(theirs[start : start + num_parts], config.group_size)
                for start in range(0, len(theirs), num_parts)
            ]
            comparison.compare_epochs(ours, epochs, kinks(rule))
            for name, value in epochs[-1].statistics().items():
                comparison.compare(name, line[f"last_forward_{name}"], value)
            if rule.dual is not None:
                found, expected = run.memory.multiplier, simulator.memory.multiplier[0]
                comparison.compare("multiplier", found, expected)
            simulator.compare_policy(comparison, run.policy.model)
            has_signal = (outcome.advantage != 0).any(axis=-1)
            comparison.signals.append((bool(has_signal.any()), bool(has_signal.all())))
    return comparison
