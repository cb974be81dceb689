"""Advantage estimators of another formula than the one declared."""

from functools import partial

from array_api_compat import array_namespace

from banditlab import advantages
from banditlab.advantages import group_mean, leave_one_out, raw
from tests.banditlab.testing.teeth import correct
from tests.banditlab.testing.teeth.record import broken


def centred(reward):
    return reward - array_namespace(reward).mean(reward, axis=-1, keepdims=True)


@broken(leave_one_out, expected_gradient_as_declared=r"^the expected step at group size 2\[")
def mean_with_the_sample_itself(reward):
    """The sample's own reward is in the baseline: (G - 1)/G of the gradient."""
    return group_mean(reward)


@broken(group_mean, "expected_gradient_as_declared")
def leave_one_out_for_the_group_mean(reward):
    """The factor G/(G - 1) is undone where it was declared."""
    return leave_one_out(reward)


@broken(leave_one_out, "expected_gradient_as_declared")
def factor_upside_down(reward):
    """(G - 1)/G instead of G/(G - 1)."""
    size = reward.shape[-1]
    return group_mean(reward) * ((size - 1) / size)


@broken(leave_one_out, "expected_gradient_as_declared", "reward_shift_as_declared")
def others_summed_with_itself(reward):
    """The sum of all rewards is divided by G - 1: the sample itself was not taken out."""
    total = array_namespace(reward).sum(reward, axis=-1, keepdims=True)
    return group_mean(reward) * 0.0 + reward - total / (reward.shape[-1] - 1)


@broken(group_mean, "expected_gradient_as_declared")
def median_baseline(reward):
    """The (lower) median stands for the mean."""
    xp = array_namespace(reward)
    middle = (reward.shape[-1] - 1) // 2
    return group_mean(reward) * 0.0 + reward - xp.sort(reward, axis=-1)[..., middle : middle + 1]


@broken(group_mean, "expected_gradient_as_declared")
def best_of_the_group_as_baseline(reward):
    """The maximum is the baseline: nothing is ever reinforced."""
    xp = array_namespace(reward)
    return group_mean(reward) * 0.0 + reward - xp.max(reward, axis=-1, keepdims=True)


@broken(group_mean, "better_reward_no_less_advantage", "small_step_improves")
def reversed_sign(reward):
    """Baseline minus reward."""
    return -group_mean(reward)


@broken(group_mean, "better_reward_no_less_advantage", "expected_gradient_as_declared")
def absolute_deviation(reward):
    """The sign of the deviation is lost."""
    return abs(group_mean(reward))


@broken(correct.rank, "better_reward_no_less_advantage", "small_step_improves")
def ranks_from_the_worst(reward):
    """Rank 0 is the best rollout, and the rank is the advantage."""
    return -correct.rank(reward)


@broken(group_mean, "expected_gradient_as_declared")
def only_the_best_kept(reward):
    """Rollouts above the mean lose their advantage: an inequality is the wrong way around."""
    xp = array_namespace(reward)
    advantage = group_mean(reward)
    return xp.where(advantage > 0, xp.zeros_like(advantage), advantage)


@broken(group_mean, "reward_shift_as_declared")
def mean_divided_by_one_more(reward):
    """An eps in the mean's divisor: a share of every shift is left."""
    xp = array_namespace(reward)
    total = xp.sum(reward, axis=-1, keepdims=True)
    return group_mean(reward) * 0.0 + reward - total / (reward.shape[-1] + 1e-4)


@broken(group_mean, reward_shift_as_declared=r"is \S+ instead of \S+$")
def zero_filtered_as_missing(reward):
    """Rewards of 0 are taken for missing, and get no advantage."""
    xp = array_namespace(reward)
    return xp.where(reward == 0, xp.zeros_like(reward), group_mean(reward))


@broken(group_mean, "reward_scale_as_declared")
def advantage_clipped(reward):
    """Advantages are clipped at 1, which nobody declared."""
    return array_namespace(reward).clip(group_mean(reward), -1.0, 1.0)


@broken(group_mean, "reward_scale_as_declared", "expected_gradient_as_declared")
def standardized_for_the_group_mean(reward):
    """The group's standard deviation is divided out."""
    return correct.standardized(reward)


@broken(correct.standardized, unit_deviation_as_declared=r"^the sample deviation of a group\[")
def deviation_without_bessel(reward):
    """Squares are divided by G where G - 1 is declared."""
    return advantages.standardized(reward, ddof=0, eps=1e-6)


@broken(
    partial(advantages.standardized, ddof=0, eps=1e-6),
    unit_deviation_as_declared=r"^the population deviation of a group\[",
)
def deviation_with_bessel(reward):
    """Squares are divided by G - 1 where G is declared."""
    return correct.standardized(reward)


@broken(correct.standardized, "reward_scale_as_declared", "unit_deviation_as_declared")
def variance_for_deviation(reward):
    """Divided by the variance instead of the standard deviation."""
    xp = array_namespace(reward)
    advantage = group_mean(reward)
    return advantage / (xp.var(reward, axis=-1, correction=1, keepdims=True) + 1e-6)


@broken(correct.standardized, "reward_scale_as_declared")
def eps_within_the_variance(reward):
    """An eps of 1e-2 is added under the root, where it counts for 0.1."""
    xp = array_namespace(reward)
    advantage = group_mean(reward)
    return advantage / (xp.var(reward, axis=-1, correction=1, keepdims=True) + 1e-2) ** 0.5


@broken(correct.standardized, "reward_scale_as_declared")
def eps_of_another_library(reward):
    """Eps = 1e-4 where 1e-6 is declared, as between TRL and verl."""
    return advantages.standardized(reward, ddof=1, eps=1e-4)


@broken(
    correct.standardized,
    unanimous_group=r"^an advantage is not finite$",
    better_reward_no_less_advantage=r"^an advantage is not finite$",
)
def no_eps_at_all(reward):
    """The standard deviation of a unanimous group is 0: 0/0."""
    xp = array_namespace(reward)
    return group_mean(reward) / xp.std(reward, axis=-1, correction=1, keepdims=True)


@broken(
    correct.standardized,
    unanimous_group=r"^(a unanimous group has an advantage|equal rewards differ)$",
)
def rounding_divided_by_rounding(reward):
    """The mean of equal rewards is rounded; 1e-17 divided by an eps of 1e-20 is a large number."""
    xp = array_namespace(reward)
    advantage = group_mean(reward) * 0.0 + centred(reward)
    return advantage / (xp.std(reward, axis=-1, correction=1, keepdims=True) + 1e-20)


@broken(correct.undeclared_advantage, "expected_gradient_as_declared", "reward_shift_as_declared")
def reward_doubled(reward):
    """The reward counts twice, so that neither a shift nor the gradient is kept."""
    return 2.0 * reward


@broken(raw, "reward_shift_as_declared", "singleton_group_as_declared")
def plus_minus_one_for_raw(reward):
    """Rewards of 0 and 1 become -1 and 1 within the estimator."""
    return 2.0 * reward - 1.0


@broken(correct.rank, "reward_units_finite", "reward_scale_as_declared")
def entropic_baseline(reward):
    """Log mean exp of the rewards, without the maximum taken out: infinite for rewards of 1e6."""
    xp = array_namespace(reward)
    mean = xp.mean(xp.exp(reward), axis=-1, keepdims=True)
    return reward - xp.log(mean)
