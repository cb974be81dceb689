import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from banditlab.arm_spaces import explicit_rewards, from_pass_rates, rare_correct, zipf
from banditlab.experiments.experiment import Experiment
from banditlab.experiments.overrides import with_changes
from banditlab.experiments.run import prepare
from banditlab.experiments.table_files import read_tables
from banditlab.kernels import ClassKernel, log_odds_kernel
from banditlab.reference import ReferenceTerm
from banditlab.reward_laws import Bernoulli, FixedPerArm, Gaussian, NoisyVerifier, Rademacher
from banditlab.rules import RULES, get_rule
from banditlab.sequence.problem import rare_prefix, uniform_sequences

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.*ml"))
ARMS = {"kind": "rare_correct", "log10_arms": 100, "success_prob": 0.1}
TWO_CLASSES = {"kind": "classes", "mass": [0.1, 0.9], "reward": [1, 0], "log10_count": [0, 9]}
VERIFIER = {"kind": "noisy_verifier", "true_positive_rate": 0.9, "false_positive_rate": 0.1}


def experiment(**tables):
    tables.setdefault("problem", ARMS)
    tables.setdefault("rule", {"name": "grpo"})
    return Experiment.from_mapping(tables)


def assert_same_problem(found, wanted):
    assert type(found) is type(wanted)
    for name, value in vars(wanted).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_allclose(getattr(found, name), value, rtol=1e-15)
        elif isinstance(value, ClassKernel):
            assert_same_problem(getattr(found, name), value)
        else:
            assert getattr(found, name) == value


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_reads_and_runs(path):
    tables = read_tables(path)
    swept = tables.pop("sweep", None)
    if swept is not None:
        tables["rule"] = {"name": "grpo"}
    found = Experiment.from_mapping(tables, source=path.name, folder=path.parent)
    prepare(found)
    assert Experiment.from_mapping(json.loads(json.dumps(found.as_dict()))) == found


@pytest.mark.parametrize(
    ("table", "wanted"),
    [
        (ARMS | {"num_correct": 3}, rare_correct(100.0, 0.1, 3)),
        (
            {"kind": "zipf", "log10_arms": 50, "exponent": 1, "correct_share": 0.01},
            zipf(50.0, 1.0, correct_share=0.01),
        ),
        ({"kind": "rewards", "reward": [1, 0.5]}, explicit_rewards(np.array([1.0, 0.5]))),
        (
            {
                "kind": "pass_rates",
                "train_pass_rates": [0.2, 0.4],
                "heldout_pass_rates": [0.3],
                "shared_kernel": 2,
            },
            from_pass_rates(np.array([0.2, 0.4]), np.array([0.3]), shared_kernel=2.0),
        ),
        (TWO_CLASSES, rare_correct(9.0, 0.1)),
        (
            {
                "kind": "classes",
                "mass": [[0.1, 0.9], [0.2, 0.8]],
                "reward": [[1, 0], [1, 0]],
                "count": [[2, 98], [2, 98]],
                "num_train": 1,
            },
            None,
        ),
        (
            {
                "kind": "sequence",
                "vocabulary_size": 5,
                "sequence_length": 3,
                "targets": [[[1, 2], [3]]],
            },
            uniform_sequences(5, 3, [[[1, 2], [3]]]),
        ),
        (
            {
                "kind": "rare_prefix",
                "vocabulary_size": 5,
                "sequence_length": 3,
                "success_prob": 0.01,
                "prefix": [1, 2],
            },
            rare_prefix(5, 3, 0.01, [1, 2]),
        ),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_a_table_builds_what_its_constructor_builds(table, wanted):
    found = experiment(problem=table)
    problem, _, config = prepare(found)
    if wanted is not None:
        assert_same_problem(problem, wanted)
    else:
        assert (problem.num_contexts, problem.num_train) == (2, 1)
        assert problem.count().tolist() == [[2, 98], [2, 98]]
    assert config.policy == ("sequence" if hasattr(problem, "targets") else "lumped")
    assert Experiment.from_mapping(json.loads(json.dumps(found.as_dict()))) == found


@pytest.mark.parametrize(
    ("table", "law"),
    [
        ({"kind": "bernoulli"}, Bernoulli()),
        ({"kind": "gaussian", "sd": 2}, Gaussian(2.0)),
        ({"kind": "gaussian"}, Gaussian(1.0)),
        ({"kind": "rademacher"}, Rademacher()),
        (VERIFIER, NoisyVerifier(0.9, 0.1)),
        (
            {"kind": "fixed_per_arm", "law": {"kind": "gaussian", "sd": 0.5}},
            FixedPerArm(Gaussian(0.5)),
        ),
    ],
)
def test_reward_laws(table, law):
    found = experiment(problem=ARMS | {"reward_law": table})
    problem, _, _ = prepare(found)
    assert problem.reward_law == (law, law)
    assert Experiment.from_mapping(json.loads(json.dumps(found.as_dict()))) == found


def test_a_reward_law_per_class():
    laws = [{"kind": "bernoulli"}, {"kind": "deterministic"}]
    problem = experiment(problem=ARMS | {"reward_law": laws}).build()[0]
    assert [law.is_random for law in problem.reward_law] == [True, False]


def test_a_shared_kernel_is_that_of_pass_rates():
    table = {"kind": "pass_rates", "train_pass_rates": [0.2, 0.4]}
    by_argument = experiment(problem=table | {"shared_kernel": 3}).build()[0]
    kernel = {"self_part": 0, "shared": 3}
    by_table = experiment(problem=table | {"kernel": kernel}).build()[0]
    assert_same_problem(by_table, by_argument)
    np.testing.assert_array_equal(by_table.kernel.across_contexts, log_odds_kernel(3.0))


def test_a_kernel_that_is_not_semi_definite_is_refused_or_projected_on_request():
    kernel = {"self_part": 0.0, "within_context": [[1.0, 1.1], [1.1, 1.0]]}
    table = TWO_CLASSES | {"kernel": kernel}
    with pytest.raises(ValueError, match=r"^Experiment \[problem\]: .*smallest eigenvalue -0\.1"):
        experiment(problem=table).build()
    table["kernel"] = kernel | {"project": True}
    distances = []
    problem, _, _ = experiment(problem=table).build(distances.append)
    assert distances == [pytest.approx(0.1)]
    np.testing.assert_allclose(problem.kernel.within_context, 1.05, rtol=1e-12)


@pytest.mark.parametrize("name", RULES)
def test_every_rule_survives_the_way_through_json(name):
    found = experiment(rule={"name": name})
    again = Experiment.from_mapping(json.loads(json.dumps(found.as_dict())))
    assert again == found
    assert again.build()[1] == RULES[name]


def test_hyperparameters_reference_and_dual_are_the_rule_s():
    rule = {
        "name": "variance_penalty_dual",
        "dual": {"bound": 0.2},
        "reference": {"coefficient": 0.1, "estimator": "k2", "place": "loss"},
        "extra_rollouts": 3,
    }
    found = experiment(rule=rule).build()[1]
    wanted = get_rule("variance_penalty_dual", bound=0.2, extra_rollouts=3)
    assert found == wanted.with_reference(ReferenceTerm(0.1, "k2", "loss"))
    flat = experiment(rule={"name": "grpo_k3", "coefficient": 0.5, "eps": 1e-3}).build()[1]
    assert flat == get_rule("grpo_k3", coefficient=0.5, eps=1e-3)


def test_optimizer_and_run_become_the_configuration():
    config = experiment(
        optimizer={"name": "momentum", "step_size": 1, "momentum": 0.5},
        run={"num_runs": 3, "num_steps": 1e3, "rollout_ages": [0, 1], "num_log_records": 5},
    ).build()[2]
    assert config.build_optimizer().momentum == 0.5
    assert (config.step_size, config.num_steps, type(config.num_steps)) == (1.0, 1000, int)
    assert (config.num_runs, config.rollout_ages, config.num_log_records) == (3, (0, 1), 5)


def test_long_event_driven_runs_have_a_grid_in_log_step_and_a_stop():
    rule = {"name": "raw_reward"}
    run = experiment(rule=rule, run={"events": True, "num_steps": 1e100}).run
    assert (run["num_steps"], run["num_log_records"], run["stop_success_prob"]) == (
        1e100,
        200,
        0.99,
    )
    chosen = {"events": True, "num_steps": 1e100, "num_log_records": 7, "stop_success_prob": 0.5}
    run = experiment(rule=rule, run=chosen).run
    assert (run["num_log_records"], run["stop_success_prob"]) == (7, 0.5)
    assert "stop_success_prob" not in experiment(rule=rule, run={"events": True}).run


@given(
    num_runs=st.integers(1, 10**7),
    num_steps=st.integers(1, 2**53),
    step_size=st.floats(0, 1e6),
    decay=st.floats(0, 1e-6),
    ages=st.lists(st.integers(0, 9), min_size=1, unique=True),
)
def test_numbers_keep_their_bits_through_json(num_runs, num_steps, step_size, decay, ages):
    found = experiment(
        optimizer={"step_size": step_size, "decay": decay},
        run={
            "num_runs": num_runs,
            "num_steps": num_steps,
            "rollout_ages": ages,
            "num_log_records": 9,
        },
    )
    again = Experiment.from_mapping(json.loads(json.dumps(found.as_dict(), allow_nan=False)))
    assert again == found
    config = again.build()[2]
    assert (config.step_size, config.num_steps) == (step_size, num_steps)
    assert replace(config) == found.build()[2]


def test_another_rule_problem_or_optimizer_starts_its_table_anew():
    tables = {
        "problem": {"kind": "zipf", "exponent": 1},
        "rule": {"name": "clip", "clip_high": 0.3},
        "optimizer": {"name": "momentum", "momentum": 0.5, "step_size": 0.2},
    }
    changes = {"optimizer.beta1": 0.8, "optimizer.name": "adam", "rule.name": "clip"}
    new = with_changes(tables, changes)
    assert new["optimizer"] == {"name": "adam", "beta1": 0.8, "step_size": 0.2}
    assert new["rule"] == tables["rule"]
    assert with_changes(tables, {"rule.name": "grpo"})["rule"] == {"name": "grpo"}
    whole = {"rule": {"name": "grpo"}, "rule.eps": 0.1}
    assert with_changes(tables, whole)["rule"] == {"name": "grpo", "eps": 0.1}
    assert tables["rule"] == {"name": "clip", "clip_high": 0.3}


def test_counts_stay_whole_and_horizons_become_floats():
    run = experiment(run={"seed": 2**60, "group_size": 1e19}).run
    assert (run["seed"], run["group_size"]) == (2**60, 10**19)
    assert type(run["group_size"]) is int
    long = experiment(run={"num_steps": 10**100, "events": True}).run["num_steps"]
    assert (long, type(long)) == (1e100, float)
