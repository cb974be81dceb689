"""The arguments of `banditlab train` by topic; what is not given stays out of the namespace.

Only the standard library is imported here.
"""

from argparse import SUPPRESS
from collections.abc import Callable, Mapping
from typing import Any


def add_open(
    group: Any,
    flag: str,
    metavar: str,
    text: str,
    kind: Callable[[str], Any] = str,
    **options: str,
) -> None:
    """Add an argument without a default of its own.

    Args:
        group: group of the parser.
        flag: the word.
        metavar: what stands for its value.
        text: its help.
        kind: reads the value.
        **options: e.g. dest.
    """
    group.add_argument(flag, metavar=metavar, type=kind, default=SUPPRESS, help=text, **options)


def add_default(
    group: Any, flag: str, metavar: str, default: Any, text: str, **options: str
) -> None:
    """Add an argument whose default is only told, so that a preset can tell what was given.

    Args:
        group: group of the parser.
        flag: the word.
        metavar: what stands for its value.
        default: the default of `TrainConfig`; its type reads the value.
        text: its help.
        **options: e.g. dest.
    """
    add_open(group, flag, metavar, f"{text} (default: {default})", type(default), **options)


def add_switch(group: Any, flag: str, text: str) -> None:
    """Add an argument that is off unless given.

    Args:
        group: group of the parser.
        flag: the word.
        text: its help.
    """
    group.add_argument(flag, action="store_true", default=SUPPRESS, help=text)


def add_reference_arguments(group: Any) -> None:
    """Add what keeps the policy near a reference.

    Args:
        group: group of the parser.
    """
    add_open(
        group,
        "--kl",
        "ESTIMATOR",
        "k1, k2 or k3 of the divergence from a reference, instead of the rule's own; or none",
    )
    add_open(group, "--kl-coefficient", "PRICE", "price of one nat, in units of reward", float)
    add_open(
        group, "--kl-place", "PLACE", "loss (by default, unless the rule says reward) or reward"
    )
    group.add_argument(
        "--kl-ratio-corrected",
        action="store_true",
        default=SUPPRESS,
        help="multiply the estimate in the loss by the ratio",
    )
    add_open(
        group,
        "--reference",
        "NAME_OR_PATH",
        "model to stay near to; by default the model as it was",
        dest="reference_model",
    )


def parse_reference(given: Mapping[str, Any]) -> dict[str, Any]:
    """Put the --kl words together.

    Args:
        given: arguments by name.

    Returns:
        The field `reference` of `TrainConfig`, if any word was given, and nothing else.

    Raises:
        ValueError: no term is wanted, and yet a field of it is given.
    """
    from banditlab.validation import require

    words = {
        "kl": "estimator",
        "kl_coefficient": "coefficient",
        "kl_place": "place",
        "kl_ratio_corrected": "is_ratio_corrected",
    }
    term = {field: given[word] for word, field in words.items() if word in given}
    if not term:
        return {}
    if term.get("estimator") != "none":
        return {"reference": term}
    require(
        len(term) == 1,
        "train",
        "kl",
        "other than none where its coefficient, place or correction is given",
        "none",
        "Leave the others out",
    )
    return {"reference": {}}


def add_step_arguments(group: Any) -> None:
    """Add what the gradient steps are.

    Args:
        group: group of the parser.
    """
    add_default(group, "--inner-epochs", "N", 1, "passes over the rollouts of an update")
    add_default(
        group, "--minibatches", "N", 1, "steps of a pass, over disjoint parts of the rollouts"
    )
    add_open(
        group,
        "--microbatch-tokens",
        "N",
        "most tokens, padding included, at once; changes memory, not the step",
        int,
    )
    add_default(
        group,
        "--averaging",
        "NAME",
        "sequence_sum",
        "of the loss: sequence_sum (over tokens, mean over rollouts), token_mean, sequence_mean, "
        "or constant_length (sequence_sum divided by --max-new-tokens)",
    )
    add_default(group, "--optimizer", "NAME", "sgd", "sgd (no momentum) or adamw")
    add_default(group, "--learning-rate", "RATE", 0.01, "step on the loss as --averaging says")
    add_default(
        group, "--schedule", "NAME", "constant", "of the rate, by updates: constant, linear, cosine"
    )
    add_default(
        group,
        "--warmup",
        "N",
        0,
        "updates in which the rate rises from 0; the first one stands still",
        dest="warmup_updates",
    )
    add_default(group, "--weight-decay", "RATE", 0.0, "decoupled decay, times the learning rate")
    add_default(group, "--adam-beta1", "B", 0.9, "decay of the mean of gradients")
    add_default(group, "--adam-beta2", "B", 0.999, "decay of the mean of squared gradients")
    add_default(group, "--adam-eps", "EPS", 1e-08, "added to the root of the mean square")
    add_open(
        group,
        "--max-gradient-norm",
        "NORM",
        "scale larger gradients down to this Euclidean norm",
        float,
    )


def add_replay_arguments(group: Any) -> None:
    """Add what is trained on again.

    Args:
        group: group of the parser.
    """
    add_default(
        group,
        "--replay-groups",
        "N",
        0,
        "stale groups (a prompt with its rollouts) that an update also trains on, with the "
        "log-probs and advantages of their time",
    )
    add_default(group, "--replay-max-age", "N", 4, "greatest age of a stale group, in updates")
    add_open(
        group,
        "--replay-capacity",
        "N",
        "most stale groups kept; by default all that are young enough",
        int,
    )
