"""Learning curves of a batch of prompts coupled by one shared kernel (P16 averaged over prompts).

Every prompt keeps its own log-odds, and all of them shift together: z_x(u) = z_x(0) + s(u). Each
update moves s by learning_rate * shared_kernel * the mean class gradient of the prompts trained on.
One prompt with the kernel of a tabular softmax is the plain P16.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import solve_ivp
from scipy.special import expit

from theory.predict.conditions import as_log_odds, as_time, require, require_positive
from theory.predict.drift import predicted_class_gradient, require_rule

RULES_WITHOUT_CLOSED_FORM = ("clip", "variance_penalty")
_RTOL = 1e-10
_ATOL = 1e-12


def predicted_shift(
    rule: str,
    train_log_odds: ArrayLike,
    updates: ArrayLike,
    *,
    learning_rate: float,
    shared_kernel: float | Callable[[float], float],
    group_size: int,
    inner_epochs: int = 1,
    ddof: int = 1,
    eps: float = 1e-6,
    is_flow: bool = True,
) -> np.ndarray:
    """Common shift of all log-odds after given numbers of updates.

    ds/du = learning_rate * inner_epochs * shared_kernel * mean over x of class gradient(z_x + s).

    Assumes:
        Rewards 0 or 1. A kernel that is the same between all prompts, constant or known at each
        mean pass rate. Many rollouts per update, so that the shift follows its mean; each prompt
        of the training set equally often. Several inner epochs count as so many updates, which is
        first order in the learning rate: the ratios must stay near 1.

    Derivation:
        P16 for one prompt, dz/du = learning_rate kernel S_G(p); with one kernel number between
        all prompts each prompt's class gradient moves all log-odds alike, and the batch averages.

    Args:
        rule: name of the update rule.
        train_log_odds: initial log-odds of the prompts trained on, nats, shape [P].
        updates: numbers of updates, any order, shape [S].
        learning_rate: step size of SGD.
        shared_kernel: shift of log-odds per unit of learning_rate * class gradient, nats; a
            number, or a function of the mean pass rate of the prompts trained on.
        group_size: rollouts per prompt, G.
        inner_epochs: steps per update on the same rollouts.
        ddof: of grpo: 0 for the population standard deviation, 1 for the sample one.
        eps: of grpo: added to the standard deviation, in units of reward.
        is_flow: whether to solve the differential equation, or to take one Euler step per
            update, which is the exact mean recursion where noise is averaged away.

    Returns:
        The shift, nats, shape [S]; that of the flow to about 1e-9 over the mean initial pass rate,
        the factor by which a relative error of the time grows.

    Raises:
        ValueError: an argument is out of range, or the rule has no closed form with these inner
            epochs.

    References:
        Derived here.
    """
    function = "predicted_shift"
    train_log_odds = as_log_odds(function, "train_log_odds", train_log_odds).ravel()
    updates = as_time(function, "updates", np.atleast_1d(updates))
    require_rule(function, rule, group_size)
    require(inner_epochs >= 1, function, "inner_epochs", "at least 1", inner_epochs, "Use 1")
    require(
        inner_epochs == 1 or rule not in RULES_WITHOUT_CLOSED_FORM,
        function,
        "inner_epochs",
        f"1 for {rule}",
        inner_epochs,
        "No closed form exists once the ratio has left 1, where the clip or the penalty acts; "
        "simulate the rule instead",
    )
    base_kernel = _kernel_at(shared_kernel, train_log_odds)
    for name, value in (("learning_rate", learning_rate), ("shared_kernel", base_kernel)):
        require_positive(function, name, value, "At 0 nothing is learned")

    def speed(shift: float) -> float:
        gradient = predicted_class_gradient(
            rule, train_log_odds + shift, group_size=group_size, ddof=ddof, eps=eps
        )
        kernel = _kernel_at(shared_kernel, train_log_odds + shift)
        return learning_rate * inner_epochs * kernel * float(gradient.mean())

    if is_flow:
        return _solve_flow(speed, updates)
    whole = np.rint(updates).astype(np.int64)
    require(
        bool((whole == updates).all()),
        function,
        "updates",
        "whole numbers where `is_flow` is False",
        updates.tolist(),
        "Round them, or solve the flow",
    )
    shift = np.zeros(int(whole.max()) + 1)
    for update in range(1, shift.size):
        shift[update] = shift[update - 1] + speed(shift[update - 1])
    return shift[whole]


def _kernel_at(kernel: float | Callable[[float], float], log_odds: np.ndarray) -> float:
    return float(kernel(float(expit(log_odds).mean()))) if callable(kernel) else kernel


def _solve_flow(speed: Callable[[float], float], updates: np.ndarray) -> np.ndarray:
    ordered, position = np.unique(updates, return_inverse=True)
    if ordered[-1] == 0.0:
        return np.zeros_like(updates)
    solution = solve_ivp(
        lambda _, shift: [speed(shift[0])],
        (0.0, ordered[-1]),
        [0.0],
        method="DOP853",
        t_eval=ordered,
        rtol=_RTOL,
        atol=_ATOL,
    )
    require(
        solution.success,
        "predicted_shift",
        "updates",
        "within reach of the integrator",
        float(ordered[-1]),
        f"It stopped with: {solution.message.rstrip('.')}",
    )
    return solution.y[0][position]


def predicted_pass_rates(
    rule: str,
    train_log_odds: ArrayLike,
    updates: ArrayLike,
    *,
    learning_rate: float,
    shared_kernel: float | Callable[[float], float],
    group_size: int,
    evaluated_log_odds: ArrayLike | None = None,
    inner_epochs: int = 1,
    ddof: int = 1,
    eps: float = 1e-6,
    is_flow: bool = True,
) -> np.ndarray:
    """Mean pass rate of a list of prompts, trained on or held out, along training.

    pass_rate(u) = mean over x of sigmoid(z_x(0) + s(u)), with the shift of `predicted_shift`.

    Assumes:
        As `predicted_shift`; held-out prompts share the kernel of those trained on.

    Derivation:
        See `predicted_shift`; nothing is fitted to a trained curve.

    Args:
        rule: name of the update rule.
        train_log_odds: initial log-odds of the prompts trained on, nats, shape [P].
        updates: numbers of updates, any order, shape [S].
        learning_rate: step size of SGD.
        shared_kernel: shift of log-odds per unit of learning_rate * class gradient, nats; a
            number, or a function of the mean pass rate of the prompts trained on.
        group_size: rollouts per prompt, G.
        evaluated_log_odds: initial log-odds of the prompts averaged over, nats; those trained on
            by default.
        inner_epochs: steps per update on the same rollouts.
        ddof: of grpo: 0 for the population standard deviation, 1 for the sample one.
        eps: of grpo: added to the standard deviation, in units of reward.
        is_flow: whether to solve the differential equation, or to take one Euler step per update.

    Returns:
        Mean pass rate, shape [S].

    Raises:
        ValueError: an argument is out of range, or the rule has no closed form with these inner
            epochs.

    References:
        Derived here.

    Examples:
        >>> import numpy as np
        >>> base = np.log([0.25, 1.0])
        >>> curve = predicted_pass_rates("group_mean", base, [0, 100], learning_rate=0.01,
        ...     shared_kernel=12.0, group_size=8)
        >>> curve.round(2).tolist()
        [0.35, 0.79]
    """
    evaluated = train_log_odds if evaluated_log_odds is None else evaluated_log_odds
    evaluated = as_log_odds("predicted_pass_rates", "evaluated_log_odds", evaluated).ravel()
    shift = predicted_shift(
        rule,
        train_log_odds,
        updates,
        learning_rate=learning_rate,
        shared_kernel=shared_kernel,
        group_size=group_size,
        inner_epochs=inner_epochs,
        ddof=ddof,
        eps=eps,
        is_flow=is_flow,
    )
    return expit(evaluated + shift[:, None]).mean(axis=1)
