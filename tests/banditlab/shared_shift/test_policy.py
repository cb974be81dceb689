"""One shift for all prompts: the lumped policy's exact twin, and what it has beyond it."""

import dataclasses

import numpy as np
import pytest
from scipy.special import expit, logit

from banditlab.arm_spaces import from_pass_rates
from banditlab.config import SimulationConfig
from banditlab.optimizers import SGD, Adam, Momentum
from banditlab.rules import RULES, get_rule
from banditlab.shared_shift.law import KernelLaw
from banditlab.shared_shift.policy import SharedShift
from banditlab.shared_shift.problem import SharedShiftProblem, shared_shift
from banditlab.simulate import Simulation, simulate

TRAIN, HELDOUT, KERNEL = np.linspace(0.1, 0.8, 9), np.array([0.3, 0.55]), 5.0
SIZES = {"num_runs": 3, "num_steps": 12, "group_size": 4, "step_size": 0.06, "batch_size": 4}


def config_of(**changes) -> SimulationConfig:
    return SimulationConfig(**{**SIZES, "policy": "shared_shift", "seed": 5, **changes})


@pytest.mark.parametrize("name", RULES)
def test_a_constant_kernel_is_the_lumped_policy_to_rounding(name):
    rule = RULES[name]
    sizes = {"inner_epochs": 3, "rollout_ages": (0, 2)}
    ours = simulate(shared_shift(TRAIN, KERNEL, HELDOUT), rule, config_of(**sizes))
    lumped = simulate(
        from_pass_rates(TRAIN, HELDOUT, shared_kernel=KERNEL),
        rule,
        config_of(policy="lumped", **sizes),
    )
    for metric in ("pass_rate", "heldout_pass_rate", "ratio_variance", "signal_share"):
        np.testing.assert_allclose(
            ours.curves[metric], lumped.curves[metric], rtol=1e-10, atol=1e-13, err_msg=metric
        )


def test_a_wrong_kernel_is_told_from_the_lumped_policy():
    ours = simulate(shared_shift(TRAIN, 1.001 * KERNEL), RULES["grpo"], config_of())
    lumped = simulate(
        from_pass_rates(TRAIN, shared_kernel=KERNEL), RULES["grpo"], config_of(policy="lumped")
    )
    gap = np.abs(ours.curves["pass_rate"] - lumped.curves["pass_rate"])[:, -1]
    assert (gap > 1e-5).all()


def one_step(policy: SharedShift, coefficient: np.ndarray, arms: np.ndarray):
    draw = policy.place(np.zeros((1, 1), dtype=int), arms)
    policy.accumulate(draw, coefficient)
    policy.move()
    return draw


def test_the_kernel_is_that_of_the_present_pass_rate():
    problem = shared_shift([0.3], 8.0, form="ceiling", ceiling=0.7)
    policy = SharedShift(problem, 1, SGD(0.1))
    right = np.zeros((1, 1, 1), dtype=int)
    expected = 0.0
    for _ in range(3):
        pass_rate = expit(logit(0.3) + expected)
        expected += 0.1 * 8.0 * (0.7 - pass_rate) / 0.4 * 2.0 * (1.0 - pass_rate)
        one_step(policy, np.full((1, 1, 1), 2.0), right)
        assert policy.shift[0] == pytest.approx(expected, rel=1e-13)


def test_the_pass_rate_of_the_law_counts_every_prompt_that_is_trained_on():
    rates, heldout = np.array([0.2, 0.2, 0.2, 0.6]), [0.9]
    problem = shared_shift(rates, 8.0, heldout, form="power", exponent=1.0, base_pass_rate=0.4)
    policy = SharedShift(problem, 1, SGD(0.1))
    one_step(policy, np.ones((1, 1, 1)), np.zeros((1, 1, 1), dtype=int))
    assert policy.shift[0] == pytest.approx(0.1 * 8.0 * 0.4 / rates.mean() * (1.0 - 0.2), rel=1e-13)


@pytest.mark.parametrize("share", [0.25, 0.0, -0.5])
def test_held_out_prompts_go_a_share_of_the_way_on_every_path(share):
    # P45-paths; the rates are in part the same, so that prompts of both kinds share a level.
    problem = shared_shift([0.3], KERNEL, [0.3, 0.55], heldout_share=share)
    record = simulate(problem, RULES["negative_reward"], config_of(batch_size=1))
    moved = logit(record.curves["pass_rate"]) - logit(0.3)
    heldout = expit(logit(np.array([0.3, 0.55])) + share * moved[..., None]).mean(axis=-1)
    np.testing.assert_allclose(record.curves["heldout_pass_rate"], heldout, rtol=1e-12)
    whole = simulate(
        shared_shift([0.3], KERNEL, [0.3, 0.55]), RULES["negative_reward"], config_of(batch_size=1)
    )
    np.testing.assert_array_equal(whole.curves["pass_rate"], record.curves["pass_rate"])
    gap = np.abs(whole.curves["heldout_pass_rate"] - record.curves["heldout_pass_rate"])
    assert (gap[:, -1] > 1e-3).all()


def test_decay_pulls_the_shift_back_to_the_base_policy():
    policy = SharedShift(shared_shift([0.4], 5.0), 1, SGD(0.1, decay=2.0))
    one_step(policy, np.ones((1, 1, 1)), np.zeros((1, 1, 1), dtype=int))
    moved = policy.shift[0]
    assert moved == pytest.approx(0.1 * 5.0 * 0.6, rel=1e-13)
    one_step(policy, np.zeros((1, 1, 1)), np.zeros((1, 1, 1), dtype=int))
    assert policy.shift[0] == pytest.approx(moved * (1.0 - 0.1 * 2.0), rel=1e-13)


def test_a_response_moves_itself_more_by_its_own_kernel():
    both = np.array([[[0, 1]]])
    coefficient = np.array([[[0.5, -0.25]]])
    plain, own = (
        SharedShift(shared_shift([0.4], 3.0, own_kernel=value), 1, SGD(0.1)) for value in (0.0, 7.0)
    )
    gain = own.relative_log_prob(one_step(own, coefficient, both)) - plain.relative_log_prob(
        one_step(plain, coefficient, both)
    )
    np.testing.assert_allclose(gain, 0.1 * 7.0 * coefficient, rtol=1e-12)
    assert own.shift == plain.shift


@pytest.mark.parametrize("exponents", [(0.0, 0.0), (1.5, -0.5)])
def test_adam_follows_the_model_s_optimizer(exponents):
    kernel, own, beta1, beta2, square = 4.0, 6.0, 0.9, 0.99, 0.5
    problem = shared_shift(
        [0.4],
        kernel,
        own_kernel=own,
        base_weight_square=square,
        right_score_exponent=exponents[0],
        wrong_score_exponent=exponents[1],
    )
    policy = SharedShift(problem, 1, Adam(0.01, beta1=beta1, beta2=beta2))
    draw = policy.place(np.zeros((1, 1), dtype=int), np.array([[[0, 1]]]))
    mean = mean_square = shift = 0.0
    own_mean, gained = np.zeros(2), np.zeros(2)
    for count, weight in enumerate(np.array([[1.0, -0.5], [0.2, 0.3], [0.0, 0.0]]), start=1):
        pass_rate = expit(logit(0.4) + shift)
        policy.accumulate(draw, weight[None, None] / 2)
        policy.move()
        gradient = (weight * (np.array([1.0, 0.0]) - pass_rate)).mean()
        mean = beta1 * mean + (1 - beta1) * gradient
        # Right first, then wrong: scores that shrink or grow with the pass rate.
        score_square = (pass_rate / 0.4) ** -np.array(exponents)
        mean_square = beta2 * mean_square + (1 - beta2) * (weight**2 * score_square).mean() / square
        own_mean = beta1 * own_mean + (1 - beta1) * weight / 2
        rate = 0.01 / np.sqrt(mean_square / (1 - beta2**count)) / (1 - beta1**count)
        shift += rate * kernel * mean
        gained += rate * own * own_mean
        assert policy.shift[0] == pytest.approx(shift, rel=1e-12)
        np.testing.assert_allclose(draw.own[0, 0], gained, rtol=1e-12)


def test_adam_stands_still_before_any_weight():
    problem = shared_shift([0.4], 4.0, base_weight_square=1.0)
    policy = SharedShift(problem, 1, Adam(0.01))
    one_step(policy, np.zeros((1, 1, 1)), np.zeros((1, 1, 1), dtype=int))
    assert policy.shift[0] == 0.0


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_resumed_run_gives_the_same_bits(optimizer):
    square = 0.3 if optimizer == "adam" else None
    problem = shared_shift(
        TRAIN,
        KERNEL,
        HELDOUT,
        form="power",
        exponent=1.5,
        own_kernel=9.0,
        base_weight_square=square,
    )
    config = config_of(optimizer=optimizer, rollout_ages=(0, 1, 3), inner_epochs=2)
    whole = Simulation(problem, get_rule("clip"), config)
    for _ in range(8):
        whole.advance()
    first = Simulation(problem, get_rule("clip"), config)
    for _ in range(4):
        first.advance()
    second = Simulation(problem, get_rule("clip"), config)
    second.restore({name: array.copy() for name, array in first.arrays().items()})
    for _ in range(4):
        second.advance()
    np.testing.assert_array_equal(whole.policy.shift, second.policy.shift)


def test_readings_of_two_endless_classes():
    policy = SharedShift(shared_shift([0.5, 0.2], 1.0), 2, SGD(0.1))
    np.testing.assert_allclose(policy.entropy()[0], [np.log(2.0), 0.5004024235], rtol=1e-9)
    assert not policy.collision().any()
    assert policy.collision().shape == (2, 2)


@pytest.mark.parametrize(
    ("problem", "optimizer", "match"),
    [
        (shared_shift([0.5], 1.0), Momentum(0.1), "`optimizer` must be sgd or adam, got momentum"),
        (shared_shift([0.5], 1.0), Adam(0.1), "`base_weight_square` must be given where"),
        (shared_shift([0.5], 1.0, base_weight_square=1.0), SGD(0.1), "`base_weight_square` must"),
    ],
)
def test_a_kernel_of_another_optimizer_is_refused(problem, optimizer, match):
    with pytest.raises(ValueError, match=match):
        SharedShift(problem, 1, optimizer)


def test_arms_are_right_or_wrong():
    policy = SharedShift(shared_shift([0.5], 1.0), 1, SGD(0.1))
    with pytest.raises(ValueError, match=r"`arms` must be 0 \(right\) or 1 \(wrong\), got values"):
        policy.place(np.zeros((1, 1), dtype=int), np.full((1, 1, 1), 2))


def test_the_problem_asks_for_its_own_policy():
    with pytest.raises(ValueError, match="`policy` must be shared_shift, got lumped"):
        config_of(policy="lumped").build_policy(shared_shift([0.5], 1.0))
    with pytest.raises(ValueError, match="`policy` must be lumped or dense, got shared_shift"):
        config_of().build_policy(from_pass_rates([0.5], shared_kernel=1.0))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"pass_rate": [0.0, 0.5]}, "`pass_rate` must be a list of one or more rates"),
        ({"num_train": 3}, "`num_train` must be between 1 and the number of prompts, 2"),
        ({"own_kernel": -1.0}, "`own_kernel` must be"),
        ({"base_weight_square": 0.0}, "`base_weight_square` must be"),
    ],
)
def test_a_problem_that_cannot_be_is_refused(changes, match):
    problem = SharedShiftProblem(np.array([0.2, 0.5]), KernelLaw(1.0))
    with pytest.raises(ValueError, match=match):
        dataclasses.replace(problem, **changes)
