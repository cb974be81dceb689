"""What a configuration names, loaded: the policy, its reference, the rows, the grader."""

import copy
from typing import Any

from banditlab.validation import require
from llm_bridge.adapters import add_lora
from llm_bridge.config import TrainConfig
from llm_bridge.graders import AnyGrader, make_grader
from llm_bridge.model_modes import enable_autocast, enable_gradient_checkpointing, weight_dtype
from llm_bridge.models import Policy, load_policy
from llm_bridge.tasks import Task, default_eval_split, load_task


def task_options(config: TrainConfig) -> dict[str, Any]:
    """What a configuration says of its training rows.

    Args:
        config: the resolved configuration.

    Returns:
        Arguments of `load_task` beside the dataset and the tokenizer.
    """
    names = ("task", "split", "take", "shuffle_seed", "row")
    names += ("prompt_format", "question_column", "answer_column")
    options = {name: getattr(config, name) for name in names}
    return {**options, "has_reward_function": config.reward is not None}


def load_run_policy(config: TrainConfig) -> Policy:
    """The model that a configuration asks for, computing as it says.

    Args:
        config: the resolved configuration.

    Returns:
        The policy.

    Raises:
        ModuleNotFoundError: adapters are asked for and peft is not installed.
        ValueError: the model cannot be loaded, or cannot do what is asked of it.
    """
    policy = load_policy(
        config.model,
        device=config.device,
        dtype=weight_dtype(config.dtype),
        attn_implementation=config.attn_implementation,
        trust_remote_code=config.trust_remote_code,
    )
    if config.lora_rank is not None:
        policy = add_lora(
            policy,
            rank=config.lora_rank,
            alpha=config.lora_alpha,
            targets=config.lora_targets,
            seed=config.seed,
        )
    if config.dtype == "autocast":
        enable_autocast(policy)
    if config.gradient_checkpointing:
        enable_gradient_checkpointing(policy)
    return policy


def make_run_grader(config: TrainConfig) -> AnyGrader:
    """The grader that a configuration asks for.

    Args:
        config: the configuration.

    Returns:
        The grader, to be closed.

    Raises:
        ValueError: there is no such grader, task or reward function.
    """
    return make_grader(config.grader, task=config.task, reward=config.reward)


def load_reference(config: TrainConfig, policy: Policy) -> Any:
    """The reference model, frozen, where the rule has a reference term.

    Args:
        config: the resolved configuration.
        policy: the policy before its first update.

    Returns:
        The model; None where the rule has no such term.

    Raises:
        ValueError: the reference cannot be loaded, or has another tokenizer.
    """
    if config.update_rule.reference is None:
        return None
    if config.reference_model is None:
        model = copy.deepcopy(policy.model)
    else:
        dtype = weight_dtype(config.dtype)
        other = load_policy(config.reference_model, device=config.device, dtype=dtype)
        if config.dtype == "autocast":
            enable_autocast(other)
        require(
            other.tokenizer.get_vocab() == policy.tokenizer.get_vocab(),
            "train",
            "reference_model",
            "a model with the tokenizer of the policy",
            repr(config.reference_model),
            "Log-probabilities of tokens compare only then",
        )
        model = other.model
    return model.requires_grad_(False).eval()


def load_eval_task(config: TrainConfig, tokenizer: Any) -> Task | None:
    """The held-out prompts.

    Args:
        config: the resolved configuration.
        tokenizer: the policy's.

    Returns:
        The task; None where there are no held-out rows and none are asked for.

    Raises:
        ValueError: the dataset is not as described, or rows are to be taken where there are none.
    """
    dataset = config.eval_dataset or config.dataset
    split = config.eval_split
    if split is None:
        is_other = config.eval_dataset is not None
        split = default_eval_split(dataset, None if is_other else config.split)
        if split is None and not is_other:
            require(
                config.eval_take is None,
                "train",
                "eval_take",
                "left out where there are no held-out rows",
                config.eval_take,
                "Name held-out rows with --eval-dataset or --eval-split",
            )
            return None
    options = task_options(config) | {"split": split, "take": config.eval_take, "row": None}
    return load_task(dataset, tokenizer=tokenizer, **options)
