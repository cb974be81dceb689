"""Correlated arms: learning curves under a class kernel, and help from one prompt to another.

In a tabular softmax an arm moves itself, so that the mass of a huge class hardly moves (P11). With
a class kernel a step on one arm moves the logits of its class and of other classes. All that the
learning curve sees of it is one number, the kernel of the log-odds (P43). Between prompts it is the
ratio of two such numbers (P45).
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, log_expit

from theory.predict.conditions import as_log_odds, as_time, require, require_positive
from theory.predict.learning_curves import predicted_raw_log_odds, tabular_kernel


def predicted_log_odds_kernel(
    num_correct: float,
    num_wrong: float,
    *,
    self_part: float,
    correct: float,
    wrong: float,
    between: float,
) -> float:
    """Kernel of the log-odds of success: correct + wrong - 2 between + self (1/g + 1/m).

    What the tabular 1/g + 1/m becomes in every learning curve (P15, P16).

    Assumes:
        Two classes of equally likely arms, g correct and m wrong ones; between arms a and b the
        kernel self [a = b] + correct, wrong or between, by their classes.

    Derivation:
        The classes' gradients are +D and -D. A correct arm's logit moves by self D/g + (correct -
        between) D, a wrong arm's by -self D/m + (between - wrong) D; subtract. With kernels (1 -
        rho) I + rho 1 1^T in each class this is the sum of rho + (1 - rho)/size, less 2 between.

    Args:
        num_correct: correct arms, g; infinity allowed.
        num_wrong: wrong arms, m; infinity allowed.
        self_part: an arm's effect on itself beyond that on its class.
        correct: effect on arms of the same class, within the correct one.
        wrong: the same within the wrong class.
        between: effect on arms of the other class.

    Returns:
        The kernel, nats per unit of class gradient.

    Raises:
        ValueError: a count is below 1, or the log-odds do not move with their gradient.

    References:
        Derived here.

    Examples:
        >>> kernel = {"self_part": 1.0, "correct": 0.5, "wrong": 0.25, "between": 0.125}
        >>> predicted_log_odds_kernel(np.inf, np.inf, **kernel)
        0.5
    """
    kernel = self_part * tabular_kernel(num_correct, num_wrong) + correct + wrong - 2.0 * between
    require(
        kernel > 0.0,
        "predicted_log_odds_kernel",
        "between",
        "below the mean kernel within the classes, as in every positive definite kernel",
        between,
        "Otherwise a success would lower the pass rate",
    )
    return kernel


def predicted_step_error(log_odds: ArrayLike, time: ArrayLike, *, kernel: float) -> np.ndarray:
    """First-order error of finite steps, per unit of step size: -(v/2) log(v/v0).

    v = kernel p (1 - p) is the speed at that time, v0 that at the start.

    Assumes:
        Plain steps along the expected gradient of raw_reward with 0/1 rewards, arms of a class
        equally likely; time = step_size * updates is kept fixed as the step size goes to 0.

    Derivation:
        Steps of size h follow z' = v - (h/2) v v' to second order, v' = dv/dz. Write the deviation
        as h v u: u' = -v'/2 along z' = v, so u = -log(v/v0)/2.

    Args:
        log_odds: initial log-odds, nats, shape [*].
        time: step_size * updates, broadcast against `log_odds`.
        kernel: nats per unit of class gradient.

    Returns:
        (log-odds of the steps less those of the flow)/step_size, nats.

    Raises:
        ValueError: an argument is out of range.

    References:
        Derived here (modified equation of Euler's method).
    """
    function = "predicted_step_error"
    start = as_log_odds(function, "log_odds", log_odds)
    end = predicted_raw_log_odds(start, time, kernel=kernel)
    log_growth = sum(
        sign * (log_expit(z) + log_expit(-z)) for sign, z in ((1.0, end), (-1.0, start))
    )
    return -0.5 * kernel * expit(end) * expit(-end) * log_growth


def predicted_single_moves(success_prob: ArrayLike, kernel: float, reward: float) -> np.ndarray:
    """Change of the log-odds per unit step by one rollout: kernel (1 - p) r or -kernel p r.

    For a correct rollout and for a wrong one. With r = -1 even failures that are certain to come
    move the log-odds by kernel p only: the kernel moves what is seen, it discovers nothing.

    Assumes:
        Classes of endless arms, so that only class parts of the kernel count; any step size.

    Derivation:
        A wrong member carries the class score e_w - (p, 1 - p) = (-p, p): the wrong class already
        has nearly all the probability, and pushing all of it down pushes all of it up.

    Args:
        success_prob: probability of the correct class, p, shape [*].
        kernel: kernel of the log-odds, nats per unit of class gradient.
        reward: advantage of the rollout, r.

    Returns:
        Changes, nats per unit step, shape [2, *]: by a correct rollout, by a wrong one.

    Raises:
        ValueError: a probability is out of range.

    References:
        Derived here.
    """
    success_prob = np.asarray(success_prob, dtype=np.float64)
    require(
        bool(((success_prob > 0.0) & (success_prob < 1.0)).all()),
        "predicted_single_moves",
        "success_prob",
        "strictly between 0 and 1",
        success_prob.tolist(),
        "At 0 or 1 one of the two is never drawn",
    )
    return kernel * reward * np.stack([1.0 - success_prob, -success_prob])


def predicted_help(own_kernel: float, shared_kernel: float) -> float:
    """Share of a prompt's progress that a hopeless one gets: shared/(own + shared).

    z_hard - z_hard(0) = share * (z_easy - z_easy(0)), on every path and not only on average.

    Assumes:
        Two prompts with the same log-odds kernels, endless classes; the hard prompt fails
        throughout and its p is so small that its failures move nothing (kernel p, see
        `predicted_single_moves`); any rule, any number of inner epochs, SGD or momentum.

    Derivation:
        Every step on the easy prompt has a class gradient D; it moves the easy prompt by (own +
        shared) D and the hard one by shared D. Sum over steps.

    Args:
        own_kernel: kernel of the log-odds within a prompt only, nats per unit.
        shared_kernel: kernel of the log-odds on all prompts, nats per unit.

    Returns:
        The share.

    Raises:
        ValueError: a kernel is not above 0.

    References:
        Derived here.
    """
    function = "predicted_help"
    require(own_kernel >= 0.0, function, "own_kernel", "at least 0", own_kernel, "It is a variance")
    require_positive(function, "shared_kernel", shared_kernel, "At 0 no prompt helps another")
    return shared_kernel / (own_kernel + shared_kernel)


def predicted_helped_log_odds(
    hard_log_odds: float,
    easy_log_odds: float,
    time: ArrayLike,
    *,
    own_kernel: float,
    shared_kernel: float,
) -> np.ndarray:
    """Log-odds of a hopeless prompt along the flow: z_hard + share (z_easy(t) - z_easy).

    Late it grows as share * log((own + shared) t): ever more slowly, but without end.

    Assumes:
        As `predicted_help`, with the expected gradient of raw_reward and small steps.

    Derivation:
        The easy prompt follows P15 with the kernel own + shared.

    Args:
        hard_log_odds: initial log-odds of the hard prompt, nats.
        easy_log_odds: initial log-odds of the easy prompt, nats.
        time: step_size * updates * share of the rollouts that the easy prompt has, shape [*].
        own_kernel: kernel of the log-odds within a prompt only, nats per unit.
        shared_kernel: kernel of the log-odds on all prompts, nats per unit.

    Returns:
        Log-odds, nats, shape [*].

    Raises:
        ValueError: an argument is out of range, or the hard prompt no longer hopeless.

    References:
        Derived here.
    """
    function = "predicted_helped_log_odds"
    time = as_time(function, "time", time)
    share = predicted_help(own_kernel, shared_kernel)
    easy = predicted_raw_log_odds(easy_log_odds, time, kernel=own_kernel + shared_kernel)
    hard = hard_log_odds + share * (easy - easy_log_odds)
    require(
        bool((hard < -25.0).all()),
        function,
        "hard_log_odds",
        "such that the hard prompt stays below log-odds -25, the regime of the formula",
        float(np.max(hard)),
        "Beyond it the prompt learns from its own successes; integrate both",
    )
    return hard
