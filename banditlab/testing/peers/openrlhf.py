"""OpenRLHF: PolicyLoss, and the advantages of RemoteExperienceMaker, unbound, on a stub.

The package's `__init__` files load models; they are left out (`bare_packages`), and ray,
deepspeed and the packages that start remote workers have stand-ins while the modules with the
losses and advantages are imported. The advantages are those of one token a response, without KL.

Shapes: [N, T], N responses of T tokens; [P, G], P prompts of a group of G rollouts.
"""

import importlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

from banditlab.advantages import batch_mean, group_mean, leave_one_out, standardized
from banditlab.testing.peers.peer import Peer, promised
from banditlab.testing.peers.stand_ins import bare_packages, stand_ins
from banditlab.testing.promises import Promises
from banditlab.weights import clipped_weight, dual_clipped_weight

Tensor = Any
_CLIP = {"clip_low": 0.2, "clip_high": 0.2}
_clipped = partial(clipped_weight, **_CLIP)
_dual_clipped = partial(dual_clipped_weight, **_CLIP, dual_clip=3.0)
_peer = partial(Peer, "openrlhf", "0.11.2")
_REMOTE = ("ray", "deepspeed", "openrlhf.trainer.ray", "openrlhf.utils.utils")


def _module(name: str) -> Any:
    parts = name.split(".")[:-1]
    packages = [".".join(parts[: end + 1]) for end in range(len(parts))]
    with bare_packages(*packages, "openrlhf.utils", "openrlhf.models"), stand_ins(*_REMOTE):
        return importlib.import_module(name)


def _load_loss(**hyper: Any) -> Callable[..., Tensor]:
    policy_loss = _module("openrlhf.models.loss").PolicyLoss(**hyper)

    def loss(log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, mask: Tensor) -> Tensor:
        return policy_loss(log_prob, old_log_prob, advantage, mask.to(log_prob.dtype))[0]

    return loss


def _load_advantage(estimator: str) -> Callable[..., Tensor]:
    import torch

    maker = _module("openrlhf.trainer.ppo_utils.experience_maker").RemoteExperienceMaker

    def advantage(reward: Tensor) -> Tensor:
        num, group_size = reward.numel(), reward.shape[-1]
        args = SimpleNamespace(
            algo=SimpleNamespace(
                advantage=SimpleNamespace(estimator=estimator, gamma=1.0, no_std_norm=False)
            ),
            rollout=SimpleNamespace(n_samples_per_prompt=group_size),
            reward=SimpleNamespace(
                clip_range=None, overlong_buffer_len=None, stop_properly_penalty_coef=None
            ),
        )
        stub = SimpleNamespace(
            strategy=SimpleNamespace(args=args),
            advantage_estimator=estimator,
            kl_ctl=SimpleNamespace(value=0.0),
        )
        stub.get_cumulative_returns = partial(maker.get_cumulative_returns, stub)
        experience = SimpleNamespace(
            index=list(range(num)),
            rewards=reward.reshape(-1).clone(),
            kl=torch.zeros(num, 1, dtype=reward.dtype),
            action_mask=torch.ones(num, 1, dtype=torch.bool),
            info={},
        )
        # `compute_reward` is compiled; eagerly it needs no C++ compiler.
        with torch.compiler.set_stance("force_eager"):
            maker.compute_advantages_and_returns(stub, [experience])
        return experience.advantages.reshape(reward.shape)

    return advantage


def _loss(name: str, promises: Promises, ours: Any = None, **hyper: Any) -> Peer:
    return _peer(name, "loss", partial(_load_loss, **hyper), promises, ours, "PolicyLoss")


def _advantage(estimator: str, promises: Promises, ours: Any = None) -> Peer:
    return _peer(
        f"advantage({estimator})",
        "advantage",
        partial(_load_advantage, estimator),
        promises,
        ours,
        "RemoteExperienceMaker.compute_advantages_and_returns",
    )


_WHITENED = Promises(
    expected_scale=None,
    reward_shift="ignored",
    reward_scale="ignored",
    reward_scale_error=1e-4,
    couples_groups=True,
)
_SELF_INCLUDING = Promises(expected_scale=lambda size: (size - 1) / size, reward_shift="ignored")

PEERS: tuple[Peer, ...] = (
    _loss("ppo", promised(_clipped), _clipped),
    _loss(
        "ppo(dual_clip=3)",
        promised(_dual_clipped),
        _dual_clipped,
        dual_clip=3.0,
    ),
    _loss(
        "ppo(token_level_loss=False)",
        promised(_clipped, averaging="sequence_mean"),
        _clipped,
        token_level_loss=False,
    ),
    _loss(
        "gspo",
        promised(_clipped, averaging="sequence_mean", level="sequence_geometric"),
        _clipped,
        policy_loss_type="gspo",
    ),
    _advantage("rloo", Promises(reward_shift="ignored"), leave_one_out),
    _advantage("reinforce_baseline", _WHITENED),
    _advantage("reinforce", _WHITENED),
    _advantage("dr_grpo", _SELF_INCLUDING, group_mean),
    _advantage(
        "group_norm",
        replace(_WHITENED, couples_groups=False),
        partial(standardized, ddof=1, eps=1e-9),
    ),
    _advantage(
        "flash_reinforce",
        replace(_SELF_INCLUDING, couples_groups=True),
        batch_mean,
    ),
)
