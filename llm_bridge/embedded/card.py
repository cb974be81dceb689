"""Text of the embedded model's card, from the numbers of recipe.json."""

from __future__ import annotations

from typing import Any

_TEMPLATE = """---
license: mit
library_name: transformers
pipeline_tag: text-generation
language: en
---

# A small language model of arithmetic word problems

A Llama-configured causal language model with {num_parameters:,} parameters in float32 and a
byte-level BPE tokenizer of {vocab_size} tokens, one token a digit. It answers one- and two-step
word problems of nine kinds in GSM8K's row format and is right about one time in three, so that a
policy gradient has something to raise. It is a test bed for update rules, of no other use.

| | |
|---|---|
| command | `{command}` |
| seed | {seed} |
| SHA-256 of the pre-training corpus ({num_pretraining:,} rows) | `{corpus_sha256}` |
| parameters | {num_parameters:,} |
| base pass rate, {num_prompts} held-out prompts, temperature 1 | {pass_rate:.4f} |
| its standard error (these prompts, {num_samples:,} samples) | {standard_error:.4f} |
| entropy of a response | {entropy_nats:.2f} nats |
| mean length of a response, end token included | {mean_length:.1f} tokens |
| responses that end within {max_new_tokens} tokens | {share_finished:.2%} |
| pre-training | {num_steps:,} steps, last losses {last_losses_mean:.4f} nats a token |
| wall time on one thread | {wall_seconds:.0f} s, pre-training {pretraining_seconds:.0f} s of it |
| first losses | {losses} |
| versions | {versions} |

## Spread over prompts

{diversity_prompts} held-out prompts, {diversity_samples} samples each; quantiles over prompts.

| quantile | {levels} |
|---|{rule}|
| pass rate | {rates} |
| distinct responses | {distinct} |

## Prompt and response

The prompt is the question and a line break (`llm_bridge.embedded.corpus.format_prompt`); the
response is a few short steps, then `#### n` and the end token. Sample from the full softmax:
`generation_config.json` switches top-k and top-p off.

## Training data

Answers by five writers: careful (right steps), direct (the right number alone), slip (a result a
little off, carried forward), wrong operation, stops early. The share of careful writers falls from
0.60 to 0.05 over the kinds. Train and held-out questions occur nowhere in this corpus, and no
question is in both.
"""


def write_card(numbers: dict[str, Any]) -> str:
    """Model card in Markdown.

    Args:
        numbers: content of recipe.json.

    Returns:
        The text of README.md.
    """
    recipe, base = numbers["recipe"], numbers["base"]
    diversity = base["diversity"]
    return _TEMPLATE.format(
        **{key: value for key, value in numbers.items() if key not in ("versions", "base")},
        **{key: recipe[key] for key in ("seed", "num_pretraining", "num_steps")},
        **{key: value for key, value in base.items() if key != "diversity"},
        losses=", ".join(f"{loss:.5f}" for loss in numbers["first_losses"][:5]),
        versions=", ".join(f"{name} {text}" for name, text in numbers["versions"].items()),
        diversity_prompts=diversity["num_prompts"],
        diversity_samples=diversity["samples_per_prompt"],
        levels=" | ".join(f"{level:.0%}" for level in diversity["levels"]),
        rule="|".join("---" for _ in diversity["levels"]),
        rates=" | ".join(f"{rate:.3f}" for rate in diversity["pass_rate"]),
        distinct=" | ".join(f"{count:.0f}" for count in diversity["num_distinct"]),
    )
