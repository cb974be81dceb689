"""What an update trains on: rollouts with their advantages, fresh or stale.

Shapes: P prompts, G group (rollouts per prompt), T tokens of the longest response.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import pad

from llm_bridge.rollout import Rollout


@dataclass(frozen=True)
class Experience:
    """Rollouts of one or several updates, with what was recorded when they were drawn.

    Attributes:
        rollout: P prompts of G responses; its old_log_prob is that of the policy that drew them.
        advantage: advantage under the rule, when they were drawn, shape [P, G].
        born: update that drew each group, shape [P], int64.
        ref_log_prob: log-probability of each token under the reference policy, nats, shape
            [P, G, T]; None without a reference.
    """

    rollout: Rollout
    advantage: Tensor
    born: Tensor
    ref_log_prob: Tensor | None = None

    def __len__(self) -> int:
        """Number of prompts."""
        return len(self.advantage)

    def groups(self) -> list["Experience"]:
        """Each group by itself, without the padding that it does not need.

        Returns:
            P experiences of one prompt, on the CPU, that share no memory with this one.
        """
        return [self._group(place) for place in range(len(self))]

    def _group(self, place: int) -> "Experience":
        at = slice(place, place + 1)
        rollout = self.rollout
        start = rollout.prompt_mask.shape[1] - int(rollout.prompt_mask[place].sum())
        width = int(rollout.mask[place].sum(dim=-1).max())
        cut = {
            "prompt_tokens": rollout.prompt_tokens[at, start:],
            "prompt_mask": rollout.prompt_mask[at, start:],
            "response_tokens": rollout.response_tokens[at, :, :width],
            "mask": rollout.mask[at, :, :width],
            "old_log_prob": rollout.old_log_prob[at, :, :width],
            "is_truncated": rollout.is_truncated[at],
        }
        ref = self.ref_log_prob
        return Experience(
            rollout=Rollout(**{name: value.cpu().clone() for name, value in cut.items()}),
            advantage=self.advantage[at].cpu().clone(),
            born=self.born[at].cpu().clone(),
            ref_log_prob=None if ref is None else ref[at, :, :width].cpu().clone(),
        )


def first_rollouts(rollout: Rollout, group_size: int) -> Rollout:
    """The first responses to each prompt: those trained on, where others serve statistics only.

    Args:
        rollout: P prompts of G or more responses.
        group_size: G.

    Returns:
        P prompts of G responses.
    """
    names = ("response_tokens", "mask", "old_log_prob", "is_truncated")
    return replace(rollout, **{name: getattr(rollout, name)[:, :group_size] for name in names})


def _joined(values: Sequence[Tensor], padding: str, fill: int = 0) -> Tensor:
    """Stack along the first axis what may differ in the last: padded "left", "right" or "not"."""
    device = values[0].device
    if padding == "not":
        return torch.cat([value.to(device) for value in values])
    width = max(value.shape[-1] for value in values)
    rows = []
    for value in values:
        rest = width - value.shape[-1]
        rows.append(
            pad(value.to(device), (rest, 0) if padding == "left" else (0, rest), value=fill)
        )
    return torch.cat(rows)


def join_experience(parts: Sequence[Experience], pad_token_id: int) -> Experience:
    """Put several experiences of the same group size together.

    Args:
        parts: one or more, the first of which says on which device the result lies.
        pad_token_id: token that fills the rest of a row.

    Returns:
        All their groups, in order.
    """
    if len(parts) == 1:
        return parts[0]

    def rollouts(name: str, padding: str, fill: int = 0) -> Tensor:
        return _joined([getattr(part.rollout, name) for part in parts], padding, fill)

    has_reference = parts[0].ref_log_prob is not None
    return Experience(
        rollout=Rollout(
            prompt_tokens=rollouts("prompt_tokens", "left", pad_token_id),
            prompt_mask=rollouts("prompt_mask", "left"),
            response_tokens=rollouts("response_tokens", "right", pad_token_id),
            mask=rollouts("mask", "right"),
            old_log_prob=rollouts("old_log_prob", "right"),
            is_truncated=rollouts("is_truncated", "not"),
        ),
        advantage=_joined([part.advantage for part in parts], "not"),
        born=_joined([part.born for part in parts], "not"),
        ref_log_prob=_joined([part.ref_log_prob for part in parts], "right")
        if has_reference
        else None,
    )
