"""A small RuleTrainer, and its gradients beside ours on the very rollouts that it stepped on."""

from contextlib import contextmanager

import pytest
import torch
from datasets import Dataset
from torch.nn.functional import pad
from transformers import TrainerCallback
from trl import GRPOConfig

from llm_bridge import surrogate
from llm_bridge.models import load_policy
from llm_bridge.rollout import Rollout
from llm_bridge.surrogate import accumulate_gradient
from llm_bridge.tasks import load_task
from llm_bridge.trl import RuleTrainer
from tests.llm_bridge.by_hand import OddsGrader

# Of the relative error of a gradient: where both read TRL's log-probs, and where ours are our own.
SAME_PASS, OWN_PASS = 1e-6, 1e-4


def grade(completions, **_):
    return OddsGrader().grade(completions, completions).tolist()


def make_trainer(
    folder, rule, level="sequence", averaging="sequence_sum", *, kind=RuleTrainer, **settings
):
    """Two prompts of four rollouts, each in two minibatches of two parts, for two inner epochs."""
    options = {name: settings.pop(name) for name in ("peft_config",) if name in settings}
    policy = load_policy("embedded")
    task = load_task("embedded", tokenizer=policy.tokenizer, take=settings.pop("take", 8))
    values = {
        "output_dir": str(folder),
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 2,
        "steps_per_generation": 4,
        "num_generations": 4,
        "num_iterations": 2,
        "max_completion_length": 12,
        "max_steps": 4,
        "temperature": 0.9,
        "optim": "sgd",
        "learning_rate": 0.003,
        "lr_scheduler_type": "constant",
        "max_grad_norm": 0.0,
        "bf16": False,
        "use_cpu": True,
        "gradient_checkpointing": False,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
    }
    return kind(
        policy.model,
        grade,
        GRPOConfig(**{**values, **settings}),
        Dataset.from_dict({"prompt": list(task.prompts)}),
        processing_class=policy.tokenizer,
        rule=rule,
        level=level,
        averaging=averaging,
        **options,
    )


def _stacked(batches, name, *, is_left=False):
    width = max(batch[name].shape[1] for batch in batches)
    return torch.cat(
        [
            pad(batch[name], (rest, 0) if is_left else (0, rest))
            for batch in batches
            for rest in [width - batch[name].shape[1]]
        ]
    )


def as_rollout(batches):
    """Parts of a step as a rollout of groups of one; advantage [n, 1], reference or None."""
    mask = _stacked(batches, "completion_mask").bool()[:, None]

    def recorded(name):
        return torch.where(mask, _stacked(batches, name)[:, None], 0.0)

    rollout = Rollout(
        prompt_tokens=_stacked(batches, "prompt_ids", is_left=True),
        prompt_mask=_stacked(batches, "prompt_mask", is_left=True).bool(),
        response_tokens=_stacked(batches, "completion_ids")[:, None],
        mask=mask,
        old_log_prob=recorded("old_per_token_logps"),
        is_truncated=torch.zeros(len(mask), 1, dtype=torch.bool),
    )
    advantage = torch.cat([batch["advantages"] for batch in batches])[:, None]
    has_reference = "ref_per_token_logps" in batches[0]
    return rollout, advantage, recorded("ref_per_token_logps") if has_reference else None


@contextmanager
def passes_of(trainer):
    """Let our gradient read the log-probs that TRL's pass gives, which it rounds to float32."""

    def token_log_prob(model, part, *, temperature):
        del temperature
        return trainer._log_prob(
            model,
            {
                "prompt_ids": part.prompt_tokens[part.prompt_of_row],
                "prompt_mask": part.prompt_mask[part.prompt_of_row].long(),
                "completion_ids": part.response_tokens,
                "completion_mask": part.mask.long(),
            },
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(surrogate, "token_log_prob", token_log_prob)
        yield


def _gradients(model):
    trained = [value for value in model.parameters() if value.requires_grad]
    return torch.cat([value.grad.flatten().double() for value in trained])


class Comparison(TrainerCallback):
    """Before each optimizer step, the relative distance of the gradient from ours.

    gather gives the parts of a step on all processes. Where there are several, the model's own
    parameters have hooks, and another pass through them cannot be made; our own pass knows no
    adapters.
    """

    def __init__(self, trainer, *, gather=list, has_own_pass=True):
        self.trainer, self.gather = trainer, gather
        self.has_same_pass, self.has_own_pass = gather is list, has_own_pass
        self.same_pass, self.own_pass, self.ratio_variances = [], [], []
        trainer.add_callback(self)

    def _ours(self, model):
        trainer = self.trainer
        num_parts = trainer.args.gradient_accumulation_steps
        place = (trainer._step - 1) % trainer.args.steps_per_generation
        first = place - place % num_parts
        batches = self.gather(trainer._buffered_inputs[first : first + num_parts])
        rollout, advantage, ref_log_prob = as_rollout(batches)
        model.zero_grad()
        stats = accumulate_gradient(
            model,
            rollout,
            advantage,
            trainer.rule,
            level=trainer.level,
            averaging=trainer.averaging,
            temperature=trainer.args.temperature,
            max_new_tokens=trainer.args.max_completion_length,
            ref_log_prob=ref_log_prob,
            multiplier=trainer.memory.multiplier,
        )
        self.ratio_variances.append(stats.ratio_variance)
        return _gradients(model)

    def on_pre_optimizer_step(self, *_, **__):
        model = self.trainer.model
        found = _gradients(model)
        if self.has_own_pass:
            expected = self._ours(copy_of(model))
            self.own_pass.append(float((found - expected).norm() / expected.norm()))
        if self.has_same_pass:
            trained = [value for value in model.parameters() if value.requires_grad]
            kept = [value.grad.clone() for value in trained]
            with passes_of(self.trainer):
                expected = self._ours(model)
            self.same_pass.append(float((found - expected).norm() / expected.norm()))
            for value, gradient in zip(trained, kept, strict=True):
                value.grad = gradient


def copy_of(model):
    """The embedded model with the weights of another one, and its own forward pass."""
    copy = load_policy("embedded").model
    copy.load_state_dict(model.state_dict())
    return copy
