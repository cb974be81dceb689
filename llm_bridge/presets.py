"""Configurations of the papers by name, each field with where it is known from.

How a field is known: [P] the paper's own words, [C] its released code, [D] a second-hand digest,
[X] derived here, [ours] not known to us: our choice stands in. The bodies of the papers were not
read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from banditlab.validation import require_known


class Setting(NamedTuple):
    """Value of one field of a configuration, and its source."""

    value: Any
    source: str


@dataclass(frozen=True)
class Preset:
    """A configuration of a paper.

    Attributes:
        paper: where it is from.
        summary: what it is, one sentence.
        settings: fields of `TrainConfig` that differ from its defaults or are named by the paper.
        unknown: what is not known, and what to do about it.
    """

    paper: str
    summary: str
    settings: Mapping[str, Setting]
    unknown: str

    @property
    def values(self) -> dict[str, Any]:
        """Fields of `TrainConfig`."""
        return {name: setting.value for name, setting in self.settings.items()}


_CODE = "[C]"
_STAND_IN = "[ours] that of paper B's code stands in"
_B_OPTIMIZER = {
    "optimizer": Setting("adamw", _CODE),
    "learning_rate": Setting(1e-6, _CODE),
    "schedule": Setting("constant", _CODE),
    "weight_decay": Setting(0.01, _CODE),
    "max_gradient_norm": Setting(1.0, _CODE),
    "adam_beta1": Setting(0.9, "[ours] torch's default; not in our notes on the code"),
    "adam_beta2": Setting(0.999, "[ours] torch's default; not in our notes on the code"),
    "adam_eps": Setting(1e-8, "[ours] torch's default; not in our notes on the code"),
}
_B_LIKE = {
    name: setting if setting.source.startswith("[ours]") else Setting(setting.value, _STAND_IN)
    for name, setting in _B_OPTIMIZER.items()
}
_B = {
    "num_prompts": Setting(32, "[P] batch size 32"),
    "inner_epochs": Setting(1, "[C] one step a round: the ratio is 1, so that clip 0.2 is inert"),
    "level": Setting("token", "[X] from the mean over tokens; inert at ratio 1 but for the KL"),
    "averaging": Setting("token_mean", _CODE),
    **_B_OPTIMIZER,
    "temperature": Setting(1.0, _CODE),
    "max_new_tokens": Setting(1024, "[C] 1024 tokens, after prompts of at most 512"),
    "eval_every": Setting(100, "[C] greedy there, sampled here"),
}
_R2VPO = {
    "rule": Setting("variance_penalty_dual", "[P] primal-dual ratio variance; weight [X]"),
    "num_prompts": Setting(32, "[ours]"),
    "group_size": Setting(8, "[ours]"),
    "inner_epochs": Setting(4, "[ours] above 1: the penalty has no gradient at ratio 1 [X]"),
    "level": Setting("token", "[ours]"),
    "averaging": Setting("token_mean", "[ours]"),
    **_B_LIKE,
}
_R2VPO_UNKNOWN = (
    "The numbers of the papers: bound, dual step, first multiplier, batch, group, learning rate, "
    "ratio level. The rule's own defaults hold for the first three; set them with --hyper bound=, "
    "dual_step_size=, initial=. On the embedded model, one seed, 20 updates at --learning-rate "
    "1e-4 take the held-out pass rate from .33 to .66, with replay to .68."
)

PAPER_B_GRID: Mapping[str, tuple[tuple[int, int], ...]] = {
    "rollouts": tuple((32, group) for group in (1, 8, 16, 32, 64)),
    "batch": tuple((prompts, 8) for prompts in (32, 64, 128)),
    "budget of 256": tuple((256 // group, group) for group in (256, 128, 64, 32, 16, 8, 4, 2, 1)),
}
"""(prompts, rollouts) of paper B's grid [C]; of the budget's series the ends are known, and [X]
that it goes by powers of two."""

PRESETS: Mapping[str, Preset] = {
    "paper-a-minimalist": Preset(
        paper="arXiv 2601.14599",
        summary="One training prompt, one rollout a round, the 0/1 reward itself as signal.",
        settings={
            "rule": Setting("raw_reward", "[P]; clipped in the digest [D], inert on fresh data"),
            "take": Setting(1, "[P] one training prompt: here the first row"),
            "num_prompts": Setting(1, "[P]"),
            "group_size": Setting(1, "[P]"),
            "inner_epochs": Setting(1, "[ours]"),
            **_B_LIKE,
        },
        unknown="Optimizer, learning rate, ratio level, averaging, length of the run, and which "
        "prompt: it was picked by difficulty [D]. On the embedded model, one seed, 200 updates "
        "take its prompt from .22 to .25 at 1e-6 and to 1.00 at --learning-rate 1e-4.",
    ),
    "paper-b-baseline": Preset(
        paper="arXiv 2601.22532",
        summary="32 prompts, one rollout each, the outcome reward without any advantage.",
        settings={
            "rule": Setting("grpo_k3", "[C] a group of one has advantage = reward; k3 loss 0.001"),
            "group_size": Setting(1, "[P]"),
            **_B,
        },
        unknown="Length of the run. On the embedded model, one seed, 60 updates take the held-out "
        "pass rate from .32 to .32 at 1e-6, .55 at --learning-rate 1e-4 and .81 at 5e-4.",
    ),
    "paper-b-grid": Preset(
        paper="arXiv 2601.22532",
        summary="GRPO at (32 prompts, 8 rollouts), the best cell of the grid at a budget of 256.",
        settings={
            "rule": Setting("grpo_k3", "[C] (R - mean)/(std + 1e-6), unbiased std; k3 loss 0.001"),
            "group_size": Setting(8, "[C]; [D] best at this budget"),
            **_B,
        },
        unknown="Length of the run. Other cells by --prompts and --group-size. One trained "
        "rollout and 7 for statistics: --rule extra_rollouts --group-size 1; replayed reward "
        "statistics: --rule reward_history --group-size 1 (8 rewards); both with --kl k3 "
        "--kl-coefficient 0.001.",
    ),
    "r2vpo-on": Preset(
        paper="arXiv 2601.03320, 2605.26784",
        summary="Ratio variance held below a bound by dual ascent, on fresh rollouts.",
        settings=_R2VPO,
        unknown=_R2VPO_UNKNOWN,
    ),
    "r2vpo-off": Preset(
        paper="arXiv 2601.03320, 2605.26784",
        summary="The same with a replay buffer: stale rollouts are weighed anew, not discarded.",
        settings={
            **_R2VPO,
            "replay_groups": Setting(32, "[ours] a replay buffer [P]; half of what is trained on"),
            "replay_max_age": Setting(4, "[ours]"),
        },
        unknown=f"Size of the buffer, and how stale it gets. {_R2VPO_UNKNOWN}",
    ),
}


def get_preset(name: str) -> Preset:
    """Find a preset.

    Args:
        name: a key of `PRESETS`.

    Returns:
        The preset.

    Raises:
        ValueError: there is none of that name.
    """
    require_known("train", "preset", name, PRESETS, "preset")
    return PRESETS[name]


def overridden(preset: Preset, given: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a preset with others laid over them.

    Args:
        preset: the preset.
        given: fields of `TrainConfig`. Another rule brings its own hyperparameters; those of the
            preset's rule are laid over the preset's.

    Returns:
        Fields of `TrainConfig`.

    Examples:
        >>> overridden(PRESETS["paper-a-minimalist"], {"group_size": 4})["group_size"]
        4
    """
    return {**preset.values, **given}


def describe_presets() -> str:
    """All presets with the source of every field, as text."""
    blocks = []
    for name, preset in PRESETS.items():
        width = max(map(len, preset.settings))
        values = {field: str(setting.value) for field, setting in preset.settings.items()}
        widest = max(map(len, values.values()))
        lines = [f"{name} ({preset.paper})", f"  {preset.summary}"]
        lines += [
            f"  {field:{width}}  {values[field]:{widest}}  {setting.source}"
            for field, setting in preset.settings.items()
        ]
        if name == "paper-b-grid":
            lines += [
                f"  grid, {series}: " + " ".join(f"{p}x{g}" for p, g in cells)
                for series, cells in PAPER_B_GRID.items()
            ]
        blocks.append("\n".join([*lines, f"  not known: {preset.unknown}"]))
    return "\n\n".join(blocks)
