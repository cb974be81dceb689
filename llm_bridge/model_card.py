"""The card of a trained model: what it is made of, how, and how good it is."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCardData

from banditlab.records import without_path
from llm_bridge.config import TrainConfig
from llm_bridge.hub import is_path_like
from llm_bridge.tasks import is_embedded

# What the sections above the settings say already.
_TOLD = ("model", "dataset", "rule", "hyper", "reference")
_PACKAGES = ("python", "torch", "transformers", "tokenizers", "banditlab")

_LOADING = """\
## Loading

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

folder = "model"  # the folder of this card
model = AutoModelForCausalLM.from_pretrained(folder)
tokenizer = AutoTokenizer.from_pretrained(folder)
```
"""


def _published(value: Any) -> Any:
    """A setting without the path of a machine."""
    if not isinstance(value, str):
        return value
    return Path(value).name if ".py:" in value else without_path(value)


def _hub_name(name: str) -> str | None:
    return None if is_embedded(name) or is_path_like(name) else name


def _header(config: TrainConfig) -> str:
    dataset = _hub_name(config.dataset)
    data = ModelCardData(
        base_model=_hub_name(config.model),
        datasets=None if dataset is None else [dataset.partition(":")[0]],
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=["reinforcement-learning", "banditlab", Path(config.rule).name.replace(":", "-")],
    )
    return f"---\n{data.to_yaml()}\n---\n"


def _pass_rates(config: TrainConfig, summary: Mapping[str, Any]) -> Iterator[str]:
    last = summary["last_evaluation"]
    yield "| responses | prompts | samples | measure | before | after | 95 % interval |"
    yield "|---|---|---|---|---|---|---|"
    for prefix in ("heldout", "train", "heldout_greedy", "train_greedy"):
        if f"{prefix}_pass_rate" not in last:
            continue
        for k in (1,) if prefix.endswith("greedy") else config.pass_at:
            name = f"{prefix}_pass_at_{k}"
            yield (
                f"| {prefix.replace('_', ', ')} | {last[f'{prefix}_num_prompts']:,} "
                f"| {last[f'{prefix}_num_samples']:,} | Pass@{k} "
                f"| {summary['first_evaluation'][name]:.4f} | {last[name]:.4f} "
                f"| {last[f'{name}_low']:.4f} to {last[f'{name}_high']:.4f} |"
            )


def model_card(
    config: TrainConfig, summary: Mapping[str, Any], provenance: Mapping[str, Any]
) -> str:
    """The README.md of a trained model.

    Args:
        config: the resolved configuration.
        summary: as in summary.json.
        provenance: as in provenance.json.

    Returns:
        Markdown below a YAML header, as the hub reads it. Of a path only the last part is told.
    """
    rule = config.update_rule
    settings = {
        name: value
        for name, value in config.as_dict().items()
        if name not in _TOLD and value is not None
    }
    versions = provenance["versions"]
    made_with = [f"{name} {versions[name]}" for name in _PACKAGES if name in versions]
    lines = [
        _header(config),
        f"# {_published(config.model)}, trained with {_published(repr(rule))}",
        "",
        f"A causal language model whose base is `{_published(config.model)}`, trained on the rows "
        f"of `{_published(config.dataset)}` over {summary['num_updates']:,} updates of "
        f"{config.num_prompts} prompts x {config.group_size} rollouts.",
        "",
        "## Update rule",
        "",
        f"`{_published(repr(rule))}`, ratio of the {config.level.replace('_', ' ')}. "
        "Objective per sample (A: advantage):",
        "",
        f"    {rule.formula}",
        "",
        f"Source: {rule.source}.",
        "",
        "## Pass rates",
        "",
        *_pass_rates(config, summary),
        "",
        f"Responses at temperature {config.temperature:g} with at most {config.max_new_tokens} "
        "tokens. Intervals: percentile bootstrap over prompts, of this one seed; what another seed "
        "of the training would give is not in them.",
        "",
        "## Settings",
        "",
        "| setting | value |",
        "|---|---|",
        *(f"| {name} | `{_published(value)}` |" for name, value in settings.items()),
        "",
        f"Made with {', '.join(made_with)}; threads: {provenance['num_threads']}.",
        "",
        _LOADING,
    ]
    return "\n".join(lines)
