"""Whether prompts keep to the user's limit and leave room for a response in the model's context."""

from typing import Any

from banditlab.validation import require


def require_room(
    model: Any,
    prompts: list[list[int]],
    *,
    max_new_tokens: int,
    max_prompt_tokens: int | None = None,
    function: str = "train",
    kind: str = "training",
) -> None:
    """Demand that every prompt is short enough; nothing is cut, since a cut question is another.

    Args:
        model: a causal language model, whose configuration may name the most positions it has.
        prompts: P lists of token ids.
        max_new_tokens: limit of a response, tokens.
        max_prompt_tokens: limit of a prompt, tokens; None leaves it to the model.
        function: function that errors name.
        kind: what the prompts are, for the errors.

    Raises:
        ValueError: a prompt is longer than the limit, or leaves no room for a response.
    """
    longest = max(range(len(prompts)), key=lambda place: len(prompts[place]))
    length = len(prompts[longest])
    if max_prompt_tokens is not None:
        num_longer = sum(len(prompt) > max_prompt_tokens for prompt in prompts)
        require(
            num_longer == 0,
            function,
            "max_prompt_tokens",
            f"at least {length}, the tokens of the longest {kind} prompt (number "
            f"{longest}, from 0)",
            f"{max_prompt_tokens}, which {num_longer} of {len(prompts)} prompts exceed",
            "Raise --max-prompt-tokens, or leave these rows out of the dataset",
        )
    positions = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if positions is not None:
        require(
            length + max_new_tokens <= positions,
            function,
            "max_new_tokens",
            f"at most {positions - length}: the model has {positions} positions, and the longest "
            f"{kind} prompt (number {longest}, from 0) takes {length}",
            max_new_tokens,
            "Lower --max-new-tokens, or leave the longest rows out of the dataset",
        )
