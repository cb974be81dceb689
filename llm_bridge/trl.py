"""Any update rule inside TRL's GRPOTrainer, and so with its vLLM, DeepSpeed, FSDP and PEFT.

TRL generates, grades, passes tokens through the model and steps. What the update is comes from the
functions that `banditlab train` calls: `RuleMemory.advantage` in place of TRL's advantages, and in
place of its loss the surrogate whose gradient is minus the averaged weight times grad log_prob.

Words of TRL for ours: num_generations is the group size, generation_batch_size / num_generations
the prompts of an update, num_iterations the inner epochs, and steps_per_generation /
gradient_accumulation_steps the minibatches of each.

Shapes: n rollouts of one pass, T tokens, P prompts of an update, G group (rollouts per prompt).
"""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

try:
    from trl import GRPOConfig, GRPOTrainer
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "llm_bridge.trl: RuleTrainer needs the library trl, which is not installed. Install it "
        "with pip install -c constraints.txt '.[llm,trl]'.",
        name=error.name,
    ) from error
from accelerate.utils import gather_object
from datasets import Dataset
from transformers import TrainerCallback

from banditlab.levels import Level
from banditlab.rules import UpdateRule, get_rule, shaped_reward
from banditlab.validation import require
from llm_bridge.averaging import Averaging, averaged_weight
from llm_bridge.memory import RuleMemory
from llm_bridge.ratios import RatioTally, log_ratio_of_units
from llm_bridge.surrogate import weigh_tokens
from llm_bridge.trl_settings import require_supported

MEMORY_FILE = "rule_memory.pt"
ROW_COLUMN = "rule_memory_row"
_LOGGED = ("ratio_mean", "ratio_variance", "ratio_max", "clip_low_fraction", "clip_high_fraction")

Batch = dict[str, Any]


class _InnerLoopEnd(TrainerCallback):
    """Tells a trainer when an optimizer step is done, before a checkpoint is written."""

    def __init__(self, trainer: "RuleTrainer") -> None:
        self._trainer = trainer

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self._trainer.take_dual_step()


def _response_mask(batch: Batch) -> Tensor:
    """True for sampled tokens, shape [n, T]; what a tool answered was not sampled."""
    mask = batch["completion_mask"].bool()
    return mask & batch["tool_mask"].bool() if "tool_mask" in batch else mask


class RuleTrainer(GRPOTrainer):
    """GRPOTrainer whose advantages and gradient are those of an update rule.

    The loss that TRL logs has that gradient; its value means nothing. Evaluations report rewards,
    and a loss without advantage.

    Args:
        model: as GRPOTrainer takes it: a name, a folder, or a model.
        reward_funcs: as GRPOTrainer takes them.
        args: TRL's settings; those that say what the rule says must be left at their defaults.
        train_dataset: rows with a column "prompt".
        rule: name of the update rule, or the rule.
        level: unit of the ratio: "token", "sequence" or "sequence_geometric".
        averaging: how the loss averages over the rollouts of an optimizer step, as
            `llm_bridge.averaging` says; "constant_length" divides by max_completion_length.
        **options: further arguments of GRPOTrainer, such as peft_config.

    Attributes:
        rule: the update rule.
        memory: what the rule carries from update to update; checkpoints hold it.

    Raises:
        ValueError: TRL cannot run the rule, or a setting asks for something else.
    """

    def __init__(
        self,
        model: Any,
        reward_funcs: Any,
        args: GRPOConfig,
        train_dataset: Any,
        *,
        rule: str | UpdateRule,
        level: Level = "sequence",
        averaging: Averaging = "sequence_sum",
        **options: Any,
    ) -> None:
        self.rule = get_rule(rule) if isinstance(rule, str) else rule
        require_supported(self.rule, level, averaging, args)
        self.level, self.averaging = level, averaging
        if self.rule.initial_state is not None:
            require(
                isinstance(train_dataset, Dataset),
                "RuleTrainer",
                "train_dataset",
                f"a Dataset for {self.rule.name}, which remembers rewards by row",
                type(train_dataset).__name__,
                "Load it whole, without streaming",
            )
            rows = list(range(len(train_dataset)))
            train_dataset = train_dataset.add_column(ROW_COLUMN, rows)
        args = copy.copy(args)
        # Dropout would make the log-probability of a response a random number.
        args.disable_dropout = True
        if self.rule.reference is not None:
            # To TRL a sign that a reference is to be kept and read; its own term is not used.
            args.beta = self.rule.reference.coefficient or 1.0
        super().__init__(model, reward_funcs, args, train_dataset, **options)
        require(
            not self._is_vlm and not self.aux_loss_enabled,
            "RuleTrainer",
            "model",
            "one of text whose loss has no part for its experts",
            type(self.model).__name__,
            "Set router_aux_loss_coef=0 where that part is not wanted",
        )
        num_rows = len(train_dataset) if self.rule.initial_state is not None else 0
        self.memory = RuleMemory.start(self.rule, num_rows)
        if self.rule.dual is not None:
            self.add_callback(_InnerLoopEnd(self))

    @property
    def _is_training(self) -> bool:
        return self.model.training

    def _log_prob(self, model: Any, batch: Batch) -> Tensor:
        """Log-probability of each response token, 0 where none was sampled, shape [n, T]."""
        tokens, mask = (
            torch.cat([batch[f"prompt_{kind}"], batch[f"completion_{kind}"]], dim=1)
            for kind in ("ids", "mask")
        )
        log_prob, _, _ = self._get_per_token_logps_and_entropies(
            model,
            tokens,
            mask,
            batch["completion_ids"].shape[1],
            batch_size=self.args.per_device_train_batch_size,
        )
        return torch.where(_response_mask(batch), log_prob, 0.0)

    # Advantages.

    def _calculate_rewards(self, *arguments: Any, **options: Any) -> Tensor:
        self._rewards_per_function = super()._calculate_rewards(*arguments, **options)
        return self._rewards_per_function

    def _reward(self) -> np.ndarray:
        """Weighted sum of the reward functions, over all processes, shape [P, G]."""
        per_function = self._rewards_per_function.double().cpu()
        is_graded = ~per_function.isnan()
        require(
            bool(is_graded.any(dim=1).all()),
            "RuleTrainer",
            "reward_funcs",
            "functions of which one at least grades each response",
            "None from all of them",
            "Return a number, such as 0.0 for a response that cannot be read",
        )
        weighted = per_function * self.reward_weights.double().cpu()
        reward = torch.where(is_graded, weighted, 0.0).sum(dim=1)
        return reward.view(-1, self.num_generations).numpy()

    def _response_log_prob(self, log_prob: Tensor, batch: Batch) -> np.ndarray:
        """Log-probability of whole responses, over all processes, shape [P, G]."""
        total = torch.where(_response_mask(batch), log_prob.double(), 0.0).sum(dim=1)
        return self.accelerator.gather(total).view(-1, self.num_generations).cpu().numpy()

    def _generate_and_score_completions(self, inputs: list[Batch]) -> Batch:
        batch = super()._generate_and_score_completions(inputs)
        if not self._is_training:
            batch["advantages"] = torch.zeros_like(batch["advantages"])
            return batch
        term, reward = self.rule.reference, self._reward()
        is_shaped = term is not None and term.place == "reward"
        if (is_shaped or self.rule.dual is not None) and "old_per_token_logps" not in batch:
            # Where one step follows a batch, TRL takes what that step's pass finds.
            with torch.no_grad():
                batch["old_per_token_logps"] = self._log_prob(self.model, batch)
        if is_shaped:
            both = (batch["old_per_token_logps"], batch["ref_per_token_logps"])
            both = (self._response_log_prob(values, batch) for values in both)
            reward = shaped_reward(self.rule, reward, *both)
        rows = gather_object([row.get(ROW_COLUMN) for row in inputs])[:: self.num_generations]
        advantage = torch.from_numpy(self.memory.advantage(self.rule, reward, rows)).flatten()
        for place, value in enumerate(advantage.tolist(), start=-len(advantage)):
            self._logs["advantages"][place] = value
        first = self.accelerator.process_index * len(inputs)
        batch["advantages"] = advantage[first : first + len(inputs)].to(batch["advantages"])
        return batch

    # The surrogate.

    def _num_tokens(self, batch: Batch) -> int:
        """Sampled tokens of the optimizer step that this pass is a part of, on all processes."""
        parts = [batch]
        if self._is_training:
            num_parts = self.args.gradient_accumulation_steps
            place = self._step % self.args.steps_per_generation
            first = place - place % num_parts
            parts = self._buffered_inputs[first : first + num_parts]
        own = sum(_response_mask(part).sum() for part in parts)
        return int(self.accelerator.reduce(own, reduction="sum"))

    def _compute_loss(self, model: Any, inputs: Batch) -> Tensor:
        mask, log_prob = _response_mask(inputs), self._log_prob(model, inputs)
        detached = log_prob.detach()
        detached = detached.to(torch.promote_types(detached.dtype, torch.float32))
        weight, *units = weigh_tokens(
            self.rule,
            self.level,
            detached,
            inputs.get("old_per_token_logps", detached).to(detached),
            inputs["advantages"].to(detached),
            mask,
            inputs.get("ref_per_token_logps"),
            self.memory.multiplier,
        )
        self._log_ratios(*units)
        if "importance_sampling_ratio" in inputs:
            # From the engine that sampled to the model that trains; 1 but for rounding.
            weight = torch.where(mask, weight * inputs["importance_sampling_ratio"], 0.0)
        num_parts = self.current_gradient_accumulation_steps if self._is_training else 1
        num_processes = self.accelerator.num_processes
        weight = averaged_weight(
            weight,
            mask,
            self.averaging,
            num_rollouts=len(mask) * num_parts * num_processes,
            num_tokens=self._num_tokens(inputs) if self.averaging == "token_mean" else 0,
            max_new_tokens=self.max_completion_length,
        )
        # The gradients of the processes are averaged, and their sum is wanted.
        return -(weight * log_prob).sum() * num_processes

    def _log_ratios(self, log_ratio: Tensor, weight: Tensor, advantage: Tensor) -> None:
        tally = RatioTally()
        tally.add(log_ratio, weight, advantage, log_ratio[:0])
        stats = RatioTally.merged(gather_object([tally])).result()
        metrics = self._metrics["train" if self._is_training else "eval"]
        for name in _LOGGED:
            metrics[f"rule/{name}"].append(getattr(stats, name))

    # What the rule carries on.

    @torch.no_grad()
    def take_dual_step(self) -> None:
        """Move the multiplier where the step just done was the last one on its rollouts."""
        if self._step % (self.args.steps_per_generation * self.num_iterations) != 0:
            return
        tally = RatioTally()
        for batch in self._buffered_inputs:
            log_ratio = log_ratio_of_units(
                self._log_prob(self.model, batch),
                batch["old_per_token_logps"],
                _response_mask(batch),
                self.level,
            )
            nothing = torch.zeros_like(log_ratio)
            tally.add(log_ratio, nothing, nothing, log_ratio[:0])
        stats = RatioTally.merged(gather_object([tally])).result()
        self.memory.move_multiplier(self.rule, stats.ratio_variance)
        self._metrics["train"]["rule/final_ratio_variance"].append(stats.ratio_variance)
        self._metrics["train"]["rule/multiplier"].append(self.memory.multiplier)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        if self.args.should_save:
            folder = Path(self._get_output_dir(trial=trial), f"checkpoint-{self.state.global_step}")
            torch.save(self.memory.state_dict(), folder / MEMORY_FILE)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is not None and (path := Path(checkpoint, MEMORY_FILE)).exists():
            self.memory.load_state_dict(torch.load(path, weights_only=True))
