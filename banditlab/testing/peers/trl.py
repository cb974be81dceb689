"""TRL: the losses and advantages of GRPOTrainer and RLOOTrainer, unbound, on a stub.

`_compute_loss` and `_generate_and_score_completions` are called on a plain object that has the
attributes they read: one process, one microbatch, no vLLM, no reference model. Hyperparameters
are the library's defaults unless the peer's name gives another.

Shapes: [N, T], N responses of T tokens; [P, G], P prompts of a group of G rollouts.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

from banditlab.advantages import group_mean, leave_one_out, standardized
from banditlab.testing.peers.peer import Peer, promised
from banditlab.testing.promises import Promises
from banditlab.weights import cispo_weight, clipped_weight, dual_clipped_weight

Tensor = Any
_MAX_TOKENS = 8  # max_completion_length, which dr_grpo divides by
_CLIP = {"clip_low": 0.2, "clip_high": 0.2}
_clipped = partial(clipped_weight, **_CLIP)
_dual_clipped = partial(dual_clipped_weight, **_CLIP, dual_clip=4.0)
_cispo = partial(cispo_weight, clip_low=1.0, clip_high=4.0)
_peer = partial(Peer, "trl", "1.16.0")


def _accelerator() -> SimpleNamespace:
    return SimpleNamespace(
        device="cpu",
        num_processes=1,
        process_index=0,
        gather=lambda value: value,
        gather_for_metrics=lambda value: value,
        reduce=lambda value, reduction: value,
    )


def _defaults(config: type, changed: dict[str, Any]) -> SimpleNamespace:
    """The configuration's defaults, read off its fields: building it would look for a GPU."""
    values = {name: entry.default for name, entry in config.__dataclass_fields__.items()}
    return SimpleNamespace(**{**values, "steps_per_generation": 1, **changed})


def _stub(args: SimpleNamespace, **attributes: Any) -> SimpleNamespace:
    import torch

    model = torch.nn.Module()
    model.is_gradient_checkpointing = False
    return SimpleNamespace(
        args=args,
        model=model,
        accelerator=_accelerator(),
        aux_loss_enabled=False,
        beta=0.0,
        current_gradient_accumulation_steps=1,
        epsilon_low=args.epsilon,
        epsilon_high=args.epsilon if args.epsilon_high is None else args.epsilon_high,
        max_completion_length=_MAX_TOKENS,
        use_vllm=False,
        _entropy_bonus_enabled=False,
        _metrics=defaultdict(lambda: defaultdict(list)),
        **attributes,
    )


def _response_advantage(advantage: Tensor, mask: Tensor) -> Tensor:
    """One advantage a response, that of its first token in the mask, as the trainers take it."""
    first = mask.long().argmax(dim=1, keepdim=True)
    return advantage.gather(1, first).squeeze(1)


def _token_inputs(stub: SimpleNamespace, log_prob: Tensor, mask: Tensor) -> dict[str, Tensor]:
    import torch

    stub._get_per_token_logps_and_entropies = lambda *_, **__: (
        log_prob,
        torch.zeros_like(log_prob),
        None,
    )
    ids = torch.zeros(mask.shape, dtype=torch.long)
    return {
        "prompt_ids": ids[:, :1],
        "prompt_mask": torch.ones_like(ids[:, :1]),
        "completion_ids": ids,
        "completion_mask": mask.long(),
        "num_items_in_batch": mask.sum(),
    }


def _load_grpo(**changed: Any) -> Callable[..., Tensor]:
    from trl.trainer.grpo_config import GRPOConfig
    from trl.trainer.grpo_trainer import GRPOTrainer

    args = _defaults(GRPOConfig, changed)
    stub = _stub(
        args,
        get_gamma_weights=GRPOTrainer.get_gamma_weights,
        loss_type=args.loss_type,
        importance_sampling_level=args.importance_sampling_level,
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        vllm_importance_sampling_correction=False,
    )

    def loss(log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, mask: Tensor) -> Tensor:
        inputs = _token_inputs(stub, log_prob, mask)
        inputs["old_per_token_logps"] = old_log_prob
        inputs["advantages"] = _response_advantage(advantage, mask)
        return GRPOTrainer._compute_loss(stub, None, inputs)

    return loss


def _load_rloo() -> Callable[..., Tensor]:
    from trl.trainer.rloo_config import RLOOConfig
    from trl.trainer.rloo_trainer import RLOOTrainer

    stub = _stub(_defaults(RLOOConfig, {}))

    def loss(log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, mask: Tensor) -> Tensor:
        inputs = _token_inputs(stub, log_prob, mask)
        # As `_generate_and_score_completions` makes it, from log-probs without gradient.
        inputs["old_logps"] = (old_log_prob * inputs["completion_mask"]).sum(1)
        inputs["advantages"] = _response_advantage(advantage, mask)
        return RLOOTrainer._compute_loss(stub, None, inputs)

    return loss


def _advantage_of(trainer: type, stub: SimpleNamespace, generated: tuple) -> Callable[..., Tensor]:
    """The advantages that a trainer computes of rewards, all else being one token a response."""
    import torch

    def advantage(reward: Tensor) -> Tensor:
        num, group_size = reward.numel(), reward.shape[-1]
        stub.num_generations = stub.num_generations_eval = group_size
        token = [[0]] * num
        stub._generate = lambda prompts: tuple(
            token if part == "ids" else part for part in generated
        )
        stub._calculate_rewards = lambda *_: reward.reshape(-1, 1).clone()
        stub._get_per_token_logps_and_entropies = lambda *_, **__: (torch.zeros(num, 1), None, None)
        outputs = trainer._generate_and_score_completions(stub, [{"prompt": ""}] * num)
        return outputs["advantages"].reshape(reward.shape)

    return advantage


def _advantage_stub(args: SimpleNamespace, **attributes: Any) -> SimpleNamespace:
    import torch

    return _stub(
        args,
        environment_factories=None,
        environments=None,
        tools=None,
        pad_to_multiple_of=None,
        mask_truncated_completions=False,
        reward_weights=torch.ones(1),
        reward_func_names=["reward"],
        reward_funcs=[None],
        reward_clip_range=None,
        log_multimodal=False,
        _tokenizer=SimpleNamespace(pad_token_id=0),
        _is_vlm=False,
        _logs=defaultdict(list, rewards=defaultdict(list), extra=defaultdict(list)),
        _pending_extra_logs={},
        _pending_metrics={},
        **attributes,
    )


def _load_grpo_advantage(scale_rewards: str) -> Callable[..., Tensor]:
    from trl.trainer.grpo_config import GRPOConfig
    from trl.trainer.grpo_trainer import GRPOTrainer

    stub = _advantage_stub(
        _defaults(GRPOConfig, {}),
        scale_rewards=scale_rewards,
        multi_objective_aggregation="sum_then_normalize",
        num_iterations=1,
        off_policy_mask_threshold=None,
        vllm_importance_sampling_correction=False,
    )
    return _advantage_of(GRPOTrainer, stub, ("ids", "ids", None, "ids", None, {}, None, None))


def _load_rloo_advantage(normalize_advantages: bool) -> Callable[..., Tensor]:
    from trl.trainer.rloo_config import RLOOConfig
    from trl.trainer.rloo_trainer import RLOOTrainer

    stub = _advantage_stub(_defaults(RLOOConfig, {}), normalize_advantages=normalize_advantages)
    return _advantage_of(RLOOTrainer, stub, ("ids", "ids", "ids"))


def _loss(name: str, promises: Promises, ours: Any = None, **changed: Any) -> Peer:
    source = "GRPOTrainer._compute_loss"
    return _peer(name, "loss", partial(_load_grpo, **changed), promises, ours, source)


def _advantage(scale_rewards: str, promises: Promises, ours: Any = None) -> Peer:
    name = f"advantage(scale_rewards={scale_rewards})"
    source = "GRPOTrainer._generate_and_score_completions"
    load = partial(_load_grpo_advantage, scale_rewards)
    return _peer(name, "advantage", load, promises, ours, source)


_SEQUENCE_MEAN = promised(_clipped, averaging="sequence_mean")
_TOKEN_MEAN = promised(_clipped)
_STANDARDIZED = Promises(
    expected_scale=None,
    reward_shift="ignored",
    reward_scale="ignored",
    reward_scale_error=1e-2,
)
_WHITENED = replace(_STANDARDIZED, couples_groups=True)

PEERS: tuple[Peer, ...] = (
    _loss("grpo", _SEQUENCE_MEAN, _clipped, loss_type="grpo"),
    _loss("bnpo", _TOKEN_MEAN, _clipped, loss_type="bnpo"),
    _loss(
        f"dr_grpo(max_completion_length={_MAX_TOKENS})",
        promised(_clipped, averaging="constant_length", max_tokens=_MAX_TOKENS),
        _clipped,
        loss_type="dr_grpo",
    ),
    _loss("dapo", _TOKEN_MEAN, _clipped, loss_type="dapo"),
    _loss(
        "grpo(delta=4)",
        promised(_dual_clipped, averaging="sequence_mean"),
        _dual_clipped,
        loss_type="grpo",
        delta=4.0,
    ),
    _loss(
        "grpo(importance_sampling_level=sequence)",
        promised(_clipped, averaging="sequence_mean", level="sequence_geometric"),
        _clipped,
        loss_type="grpo",
        importance_sampling_level="sequence",
    ),
    _loss(
        "luspo(importance_sampling_level=sequence)",
        promised(_clipped, averaging="sequence_sum", level="sequence_geometric"),
        _clipped,
        loss_type="luspo",
        importance_sampling_level="sequence",
    ),
    _loss("cispo", Promises(), loss_type="cispo"),
    _loss(
        "cispo(epsilon_high=5)",
        promised(_cispo),
        _cispo,
        loss_type="cispo",
        epsilon_high=5.0,
    ),
    _loss("sapo", Promises(averaging="sequence_mean"), loss_type="sapo"),
    _loss("vespo", Promises(level="sequence"), loss_type="vespo"),
    _peer(
        "rloo_loss",
        "loss",
        _load_rloo,
        promised(_clipped, averaging="sequence_mean", level="sequence"),
        _clipped,
        "RLOOTrainer._compute_loss",
    ),
    _advantage("group", _STANDARDIZED, partial(standardized, ddof=1, eps=1e-4)),
    _advantage("batch", _WHITENED),
    _advantage(
        "none",
        Promises(expected_scale=lambda size: (size - 1) / size, reward_shift="ignored"),
        group_mean,
    ),
    _peer(
        "rloo_advantage",
        "advantage",
        partial(_load_rloo_advantage, False),
        Promises(reward_shift="ignored"),
        leave_one_out,
        "RLOOTrainer._generate_and_score_completions",
    ),
    _peer(
        "rloo_advantage(normalize_advantages=True)",
        "advantage",
        partial(_load_rloo_advantage, True),
        _WHITENED,
        None,
        "RLOOTrainer._generate_and_score_completions",
    ),
)
