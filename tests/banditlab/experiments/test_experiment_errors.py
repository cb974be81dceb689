"""What an experiment may not hold, each answered with its place and a remedy."""

from pathlib import Path

import pytest

from banditlab.experiments.experiment import Experiment
from banditlab.experiments.overrides import read_assignment, with_changes
from banditlab.experiments.run import prepare
from banditlab.experiments.settings import Place

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*"))
ARMS = {"kind": "rare_correct", "log10_arms": 100, "success_prob": 0.1}
TWO_CLASSES = {"kind": "classes", "mass": [0.1, 0.9], "reward": [1, 0], "log10_count": [0, 9]}
VERIFIER = {"kind": "noisy_verifier", "true_positive_rate": 0.9, "false_positive_rate": 0.1}


def experiment(**tables):
    tables.setdefault("problem", ARMS)
    tables.setdefault("rule", {"name": "grpo"})
    return Experiment.from_mapping(tables)


@pytest.mark.parametrize(
    ("tables", "error", "message"),
    [
        (
            {"sweep": {}},
            ValueError,
            "`sweep` must be left out of a single experiment, got a grid. This is a grid: "
            "banditlab sweep Experiment --out DIR",
        ),
        ({"problems": {}}, ValueError, r"`problems` must be a known table, .* mean 'problem'\?"),
        ({"run": 3}, TypeError, "`run` must be a table, got int 3"),
        ({"problem": {}}, ValueError, "`problem.kind` must be given, got nothing. There are: rare"),
        (
            {"problem": ARMS | {"log10_arm": 3}},
            ValueError,
            r"`problem.log10_arm` must be a known key of \[problem\], got 'log10_arm'. Did you "
            "mean 'log10_arms'",
        ),
        (
            {"problem": {"kind": "zipf", "exponent": 1}},
            ValueError,
            "`problem.log10_arms` must be given, got nothing. Set log10_arms",
        ),
        (
            {"problem": ARMS | {"success_prob": "0.1"}},
            TypeError,
            "`problem.success_prob` must be a number, got str '0.1'. Write it without quotes",
        ),
        (
            {"problem": ARMS | {"success_prob": float("nan")}},
            ValueError,
            "`problem.success_prob` must be finite, got nan",
        ),
        (
            {"problem": {"kind": "rewards", "reward": 3}},
            TypeError,
            "`problem.reward` must be a list of numbers, got int 3",
        ),
        (
            {"problem": ARMS | {"reward_law": {"kind": "gausian"}}},
            ValueError,
            "`problem.reward_law.kind` must be a known reward law, .* mean 'gaussian'",
        ),
        (
            {"problem": ARMS | {"kernel": {"shared": 1, "across_contexts": [[1, 0], [0, 1]]}}},
            ValueError,
            "`problem.kernel.shared` must be given without across_contexts",
        ),
        (
            {"problem": {"kind": "pass_rates", "train_pass_rates": [0.5]}},
            ValueError,
            "`problem.shared_kernel` must be given and not 0, or else a table",
        ),
        ({"rule": {}}, ValueError, "`rule.name` must be given, got nothing. See `banditlab rules`"),
        ({"rule": {"name": "grop"}}, ValueError, "`rule.name` must be a known rule, got 'grop'"),
        (
            {"rule": {"name": "clip", "clip_hi": 0.3}},
            ValueError,
            "`rule.clip_hi` must be a known hyperparameter of clip, .* mean 'clip_high'[?] There "
            r"are: clip_low, clip_high, extra_rollouts\.$",
        ),
        (
            {"rule": {"name": "grpo", "ddof": 1.5}},
            TypeError,
            "`rule.ddof` must be a whole number, got float 1.5. Round it",
        ),
        (
            {"rule": {"name": "clip", "referense": {}}},
            ValueError,
            "`rule.referense` must be a known hyperparameter of clip, .* mean 'reference'",
        ),
        (
            {"rule": {"name": "clip", "dual": {}}},
            ValueError,
            "`rule.dual` must be a known hyperparameter of clip",
        ),
        (
            {"rule": {"name": "clip", "reference": {"coefficient": 1, "estimator": "k2"}}},
            ValueError,
            "`rule.reference.place` must be given",
        ),
        (
            {
                "rule": {
                    "name": "clip",
                    "reference": {"coefficient": -1, "estimator": "k2", "place": "loss"},
                }
            },
            ValueError,
            r"^Experiment \[rule.reference\]: ReferenceTerm: `coefficient` must be a finite",
        ),
        (
            {"optimizer": {"name": "adam", "momentum": 0.9}},
            ValueError,
            r"`optimizer.momentum` must be a known key of \[optimizer\]",
        ),
        (
            {"run": {"num_step": 3}},
            ValueError,
            r"`run.num_step` must be a known key of \[run\], .* mean 'num_steps'\?",
        ),
        (
            {"run": {"num_runs": True}},
            TypeError,
            "`run.num_runs` must be a whole number, got bool True",
        ),
        (
            {"run": {"rollout_ages": 2}},
            TypeError,
            "`run.rollout_ages` must be a list, got int 2",
        ),
        ({"run": {"level": 2}}, TypeError, "`run.level` must be a word, got int 2"),
        ({"run": {"events": 1}}, TypeError, "`run.events` must be true or false, got int 1"),
        (
            {"run": {"num_steps": 1e100}},
            ValueError,
            r"`run.num_steps` must be at most 2\^53 round by round, got 1e\+100. Set events = true",
        ),
        (
            {"run": {"stop_success_prob": 0.5}},
            ValueError,
            r"`run.stop_success_prob` must be in \(0, 1\], with events = true, got 0.5",
        ),
    ],
)
def test_what_a_table_may_not_hold(tables, error, message):
    with pytest.raises(error, match=f"^Experiment.*{message}" if message[0] != "^" else message):
        experiment(**tables)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        (
            {"problem": ARMS | {"success_prob": 0}},
            r"^Experiment \[problem\]: rare_correct: `success_prob` must be in \(0, 1\), got 0",
        ),
        (
            {"problem": TWO_CLASSES | {"count": [1, 9]}},
            "from_classes: `count, log10_count` must be given, one of the two, got both",
        ),
        (
            {"problem": {"kind": "classes", "mass": [0.5, 0.5], "reward": [1, 0], "count": [0, 9]}},
            "from_classes: `count` must be at least 1 in every class, got 0",
        ),
        (
            {"problem": TWO_CLASSES | {"mass": [0, 1]}},
            r"from_classes: `mass` must be in \(0, 1\] in every class, got values from 0 to 1",
        ),
        (
            {"problem": TWO_CLASSES | {"reward": [[1, 0], [1]]}},
            "from_classes: `reward` must be a list, or a list of lists of equal length",
        ),
        (
            {"problem": ARMS | {"reward_law": VERIFIER | {"true_positive_rate": 2}}},
            r"\[problem\]: NoisyVerifier: `true_positive_rate` must be a finite number",
        ),
        ({"optimizer": {"step_size": -1}}, r"\[optimizer\]: SGD: `step_size` must be a finite"),
        ({"run": {"group_size": 1}}, "^Experiment: `group_size` must be at least 2"),
        ({"run": {"policy": "sequence"}}, "`policy` must be lumped or dense, got sequence"),
        (
            {"run": {"num_runs": 1e10}},
            r"^Experiment: `run.num_log_records` must be such that the curves of all runs hold at "
            r"most 1e\+09 values, 8 GB, got 7e\+12 of them \(1e\+10 runs, 100 records, 7 metrics\)"
            r"\. Set num_log_records",
        ),
        (
            {"run": {"num_steps": 1e15, "num_log_records": 1e12}},
            "`run.num_log_records` must be such that .* got 3.5e",
        ),
        (
            {"run": {"group_size": 1e19}},
            r"`run.group_size` must be such that a round of all runs has at most 1e\+09 rollouts, "
            r"got 5e\+21 of them\. Take smaller groups",
        ),
        (
            {"run": {"events": True}, "optimizer": {"name": "adam"}},
            r"^Experiment: `optimizer` must be without memory",
        ),
    ],
)
def test_values_out_of_range_are_told_with_their_place(tables, message):
    with pytest.raises(ValueError, match=message):
        prepare(experiment(**tables))


def test_changes_that_lead_nowhere_are_refused():
    with pytest.raises(ValueError, match=r"`run.seed.x` must be a key of a table, got seed = 3"):
        with_changes({"run": {"seed": 3}}, {"run.seed.x": 1})
    with pytest.raises(ValueError, match=r"simulate: `set` must be TABLE.KEY=VALUE, got 'seed=3'"):
        read_assignment("seed=3", "simulate")


def test_errors_keep_whether_they_are_of_kind_or_of_value():
    with (
        pytest.raises(ValueError, match=r"^a.toml \[rule\]: 'utf-8' codec"),
        Place("a.toml", "rule").named(),
    ):
        raise UnicodeDecodeError("utf-8", b"a", 0, 1, "odd")
    with pytest.raises(TypeError, match=r"^a.toml: `x` must"), Place("a.toml").named():
        raise TypeError("function: `x` must be a number")
