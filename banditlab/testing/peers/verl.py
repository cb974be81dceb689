"""verl: the registered policy losses and advantage estimators of verl.trainer.ppo.core_algos.

verl asks for another transformers than TRL; its core algorithms use none of it, and load with a
stand-in for ray. Configurations are ActorConfig and AlgoConfig with their defaults unless the
peer's name gives another value. The advantages are those of one token a response.

Shapes: [N, T], N responses of T tokens; [P, G], P prompts of a group of G rollouts.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from banditlab.advantages import group_mean, leave_one_out, standardized
from banditlab.testing.peers.peer import Peer, promised
from banditlab.testing.peers.stand_ins import stand_ins
from banditlab.testing.promises import Promises
from banditlab.weights import cispo_weight, clipped_weight, dual_clipped_weight

Tensor = Any
_CLIP = {"clip_low": 0.2, "clip_high": 0.2}
_clipped = partial(clipped_weight, **_CLIP)
_dual_clipped = partial(dual_clipped_weight, **_CLIP, dual_clip=3.0)
_cispo = partial(cispo_weight, **_CLIP)
_peer = partial(Peer, "verl", "0.9.1")


def _algorithms() -> Any:
    with stand_ins("ray"):
        import verl.trainer.ppo.core_algos as algorithms
    return algorithms


def _load_loss(mode: str, averaging: str, **hyper: Any) -> Callable[..., Tensor]:
    algorithms = _algorithms()
    with stand_ins("ray"):
        from verl.workers.config import ActorConfig
        from verl.workers.config.actor import PolicyLossConfig
    policy_loss = PolicyLossConfig(loss_mode=mode, **hyper)
    config = ActorConfig(
        strategy="fsdp", rollout_n=1, ppo_micro_batch_size_per_gpu=1, policy_loss=policy_loss
    )
    function = algorithms.get_policy_loss_fn(mode)

    def loss(log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, mask: Tensor) -> Tensor:
        return function(
            old_log_prob, log_prob, advantage, mask.to(log_prob.dtype), averaging, config
        )[0]

    return loss


def _load_advantage(name: str, **hyper: Any) -> Callable[..., Tensor]:
    import numpy as np
    import torch

    function = _algorithms().get_adv_estimator_fn(name)
    with stand_ins("ray"):
        from verl.trainer.config import AlgoConfig
    config = AlgoConfig()

    def advantage(reward: Tensor) -> Tensor:
        num, group_size = reward.numel(), reward.shape[-1]
        given = {
            "token_level_rewards": reward.reshape(-1, 1).clone(),
            "response_mask": torch.ones(num, 1, dtype=reward.dtype),
            "config": config,
            "index": np.repeat(np.arange(num // group_size), group_size),
            **hyper,
        }
        if name == "remax":
            # Its baseline is the reward of a greedy rollout; here each prompt's is 0.
            given["reward_baselines"] = torch.zeros(num, dtype=reward.dtype)
        return function(**given)[0].reshape(reward.shape)

    return advantage


def _loss(
    mode: str, promises: Promises, ours: Any = None, averaging: str = "token-mean", **hyper: Any
) -> Peer:
    shown = [*([] if averaging == "token-mean" else [averaging])]
    shown += [f"{name}={value:g}" for name, value in hyper.items()]
    name = f"{mode}({', '.join(shown)})" if shown else mode
    load = partial(_load_loss, mode, averaging, **hyper)
    return _peer(name, "loss", load, promises, ours, f"core_algos, policy loss {mode!r}")


def _advantage(name: str, promises: Promises, ours: Any = None, **hyper: Any) -> Peer:
    shown = ", ".join(f"{key}={value}" for key, value in hyper.items())
    return _peer(
        f"advantage({', '.join(filter(None, (name, shown)))})",
        "advantage",
        partial(_load_advantage, name, **hyper),
        promises,
        ours,
        f"core_algos, advantage estimator {name!r}",
    )


_STANDARDIZED = Promises(
    expected_scale=None, reward_shift="ignored", reward_scale="ignored", reward_scale_error=1e-4
)
_WHITENED = replace(_STANDARDIZED, couples_groups=True)
_LEAVE_ONE_OUT = Promises(reward_shift="ignored")
_SELF_INCLUDING = Promises(expected_scale=lambda size: (size - 1) / size, reward_shift="ignored")

PEERS: tuple[Peer, ...] = (
    _loss("vanilla", promised(_dual_clipped), _dual_clipped),
    _loss(
        "vanilla",
        promised(_dual_clipped, averaging="sequence_mean"),
        _dual_clipped,
        "seq-mean-token-mean",
    ),
    _loss(
        "vanilla",
        promised(_dual_clipped, averaging="sequence_sum"),
        _dual_clipped,
        "seq-mean-token-sum",
    ),
    # It divides by the padded length of the batch, which no constant can promise.
    _loss(
        "vanilla",
        Promises(**_CLIP, dual_clip=3.0, averaging="sequence_sum", on_policy_scale=None),
        None,
        "seq-mean-token-sum-norm",
    ),
    _loss("dppo_tv", Promises()),
    _loss("dppo_kl", Promises()),
    _loss(
        "gspo",
        promised(_clipped, averaging="sequence_mean", level="sequence_geometric"),
        _clipped,
        "seq-mean-token-mean",
    ),
    _loss("sapo", Promises(averaging="sequence_mean")),
    _loss("gpg", Promises()),
    _loss("clip_cov", promised(_clipped)),
    _loss("kl_cov", Promises()),
    _loss("geo_mean", Promises(averaging="sequence_mean")),
    _loss("dro", Promises(), None, dro_beta=0.1),
    _loss("cispo", promised(_cispo), _cispo),
    _advantage("grpo", _STANDARDIZED, partial(standardized, ddof=1, eps=1e-6)),
    _advantage("grpo", _SELF_INCLUDING, group_mean, norm_adv_by_std_in_grpo=False),
    _advantage("grpo_vectorized", _STANDARDIZED),
    _advantage("grpo_passk", _STANDARDIZED),
    _advantage("reinforce_plus_plus_baseline", _WHITENED),
    _advantage("reinforce_plus_plus", _WHITENED),
    _advantage("rloo", _LEAVE_ONE_OUT, leave_one_out),
    _advantage("rloo_vectorized", _LEAVE_ONE_OUT, leave_one_out),
    _advantage("opo", _SELF_INCLUDING, group_mean),
    _advantage("remax", Promises(reward_shift="followed")),
    _advantage("gpg", Promises(expected_scale=None, reward_shift="ignored", couples_groups=True)),
)
