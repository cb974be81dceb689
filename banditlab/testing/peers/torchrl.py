"""torchrl: ClipPPOLoss, its losses for language models, and the advantage MCAdvantage.

The losses for language models get an actor whose distribution gives the log-probabilities and
the mask back. ClipPPOLoss takes no mask: its peer is a weight, of one sample per entry, and its
log-probabilities come by `_get_cur_log_prob`, the method that torchrl says to override.

Shapes: [N, T], N responses of T tokens; [P, G], P prompts of a group of G rollouts; [*] any.
"""

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

from banditlab.testing.peers.peer import Peer, promised
from banditlab.testing.promises import Promises
from banditlab.weights import cispo_weight, clipped_weight

Array = Any
Tensor = Any
_CLIP = {"clip_low": 0.2, "clip_high": 0.2}
_clipped = partial(clipped_weight, **_CLIP)
_clipped_higher = partial(clipped_weight, clip_low=0.2, clip_high=0.28)
_peer = partial(Peer, "torchrl", "0.14.1")


def _load_llm_loss(class_name: str, **hyper: Any) -> Callable[..., Tensor]:
    import torch
    from tensordict import TensorDict
    from torchrl.objectives.llm import grpo

    class Actor(torch.nn.Module):
        def get_dist(self, tensordict: Any, logits_key: str) -> SimpleNamespace:
            return SimpleNamespace(
                mask=tensordict["mask"], log_prob=lambda action: tensordict["log_prob"]
            )

    policy_loss = getattr(grpo, class_name)(Actor(), entropy_bonus=False, **hyper)

    def loss(log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, mask: Tensor) -> Tensor:
        values = {
            ("tokens", "full"): mask.long(),
            ("log_probs", "full"): old_log_prob,
            "advantage": advantage.unsqueeze(-1),
            "mask": mask.bool(),
            "log_prob": log_prob,
        }
        return policy_loss(TensorDict(values, batch_size=mask.shape[:1])).loss_objective.sum()

    return loss


def _load_clip_ppo() -> Callable[..., Array]:
    import numpy as np
    import torch
    from tensordict import TensorDict
    from tensordict.nn import ProbabilisticTensorDictModule, ProbabilisticTensorDictSequential
    from torchrl.objectives import ClipPPOLoss

    class Loss(ClipPPOLoss):
        def _get_cur_log_prob(self, tensordict: Any) -> tuple[Tensor, Any, bool]:
            return tensordict["log_prob"], None, False

    module = ProbabilisticTensorDictModule(["loc"], ["action"], distribution_class=torch.nn.Module)
    actor = ProbabilisticTensorDictSequential(module)
    policy_loss = Loss(actor, None, entropy_bonus=False, critic_coeff=None)

    def weight(log_prob: Array, old_log_prob: Array, advantage: Array) -> Array:
        leaf, old, scaled = (
            torch.as_tensor(np.ascontiguousarray(array)).reshape(-1)
            for array in (log_prob, old_log_prob, advantage)
        )
        leaf = leaf.clone().requires_grad_(True)
        values = {
            "action": torch.zeros_like(old),
            "action_log_prob": old,
            "advantage": scaled.unsqueeze(-1),
            "log_prob": leaf,
        }
        loss = policy_loss(TensorDict(values, batch_size=old.shape))["loss_objective"]
        (gradient,) = torch.autograd.grad(loss, leaf)
        return (-gradient * gradient.numel()).reshape(log_prob.shape).numpy()

    return weight


def _load_advantage() -> Callable[..., Tensor]:
    import torch
    from tensordict import TensorDict
    from torchrl.objectives.llm import MCAdvantage

    def advantage(reward: Tensor) -> Tensor:
        num, group_size = reward.numel(), reward.shape[-1]
        done = torch.ones(num, 1, 1, dtype=torch.bool)
        group = torch.arange(num // group_size).repeat_interleave(group_size)
        values = {
            "query": group.reshape(num, 1),
            ("next", "reward"): reward.reshape(num, 1, 1).clone(),
            ("next", "done"): done,
        }
        transform = MCAdvantage(grpo_size=group_size)
        written = transform._inv_call(TensorDict(values, batch_size=[num, 1]))
        # Groups are written one after the other, each in the order in which it came.
        return written["advantage"].reshape(reward.shape)

    return advantage


def _loss(name: str, class_name: str, promises: Promises, ours: Any = None, **hyper: Any) -> Peer:
    load = partial(_load_llm_loss, class_name, **hyper)
    return _peer(name, "loss", load, promises, ours, f"torchrl.objectives.llm.{class_name}")


PEERS: tuple[Peer, ...] = (
    _loss("GRPOLoss", "GRPOLoss", promised(_clipped), _clipped),
    _loss(
        "GRPOLoss(aggregation=prompt_mean)",
        "GRPOLoss",
        promised(_clipped, averaging="sequence_mean"),
        _clipped,
        aggregation="prompt_mean",
    ),
    _loss(
        "DAPO(clip_epsilon=(0.2, 0.28))",
        "DAPO",
        promised(_clipped_higher),
        _clipped_higher,
        clip_epsilon=(0.2, 0.28),
    ),
    # Of the paper that its docstring refers to.
    _loss("CISPOLoss", "CISPOLoss", promised(partial(cispo_weight, **_CLIP))),
    _peer(
        "ClipPPOLoss",
        "weight",
        _load_clip_ppo,
        promised(_clipped, namespaces=("numpy",)),
        _clipped,
        "torchrl.objectives.ClipPPOLoss",
    ),
    _peer(
        "MCAdvantage",
        "advantage",
        _load_advantage,
        Promises(
            expected_scale=None,
            reward_shift="ignored",
            reward_scale="ignored",
            reward_scale_error=1e-4,
        ),
        None,
        "torchrl.objectives.llm.MCAdvantage",
    ),
)
