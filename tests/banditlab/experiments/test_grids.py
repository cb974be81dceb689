import pytest

from banditlab.experiments.grids import read_sweep, sweep_cells

ARMS = {"kind": "rare_correct", "log10_arms": 50, "success_prob": 0.1}


def test_the_product_and_lists_that_go_together():
    table = {
        "rule.name": ["grpo", "clip"],
        "zip": {"run": {"seed": [1, 2]}, "optimizer.step_size": [0.1, 0.2]},
    }
    cells = sweep_cells({"problem": ARMS, "sweep": table})
    assert [cell.name for cell in cells] == [
        "seed=1,step_size=0.1,rule=grpo",
        "seed=1,step_size=0.1,rule=clip",
        "seed=2,step_size=0.2,rule=grpo",
        "seed=2,step_size=0.2,rule=clip",
    ]
    assert cells[2].experiment.run["seed"] == 2
    assert cells[2].experiment.optimizer["step_size"] == 0.2


def test_a_cell_of_another_rule_leaves_the_file_s_hyperparameters_out():
    tables = {
        "problem": ARMS,
        "rule": {"name": "clip", "clip_high": 0.3},
        "sweep": {"rule.name": ["clip", "grpo"]},
    }
    one, two = sweep_cells(tables)
    assert one.experiment.rule["clip_high"] == 0.3
    assert two.experiment.build()[1].name == "grpo"


def test_whole_tables_are_swept_under_short_and_different_names():
    rules = [{"name": "clip", "clip_high": 0.1 * n} for n in (1, 2)]
    laws = [{"kind": "bernoulli"}, {"kind": "deterministic"}]
    table = {"rule": rules, "problem.reward_law": laws, "run.rollout_ages": [[0], [0, 1]]}
    names = [cell.name for cell in sweep_cells({"problem": ARMS, "sweep": table})]
    assert len(set(names)) == 8
    assert all(name.startswith("rule=clip-") and "/" not in name for name in names)
    names = ("num_runs", "num_steps", "seed", "record_every", "batch_size", "inner_epochs")
    many = {f"run.{name}": [1] for name in names} | {"rule.name": ["raw_reward"]}
    many |= {"problem.success_prob": [0.1], "problem.log10_arms": [100], "run.group_size": [2]}
    (cell,) = sweep_cells({"problem": ARMS, "sweep": many})
    assert cell.name.startswith("cell-")


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        ({}, ValueError, "^sweep: `sweep` must be a table with at least one list, got nothing"),
        ({"rule.name": []}, ValueError, "`sweep.rule.name` must be a list of values, got none"),
        ({"rule.name": "grpo"}, TypeError, "`sweep.rule.name` must be a list of values, got str"),
        (
            {"ruel.name": ["grpo"]},
            ValueError,
            "`sweep.ruel.name` must be a known table of an experiment, .* mean 'rule'",
        ),
        (
            {"rule.name": ["grpo"], "zip": {"run.seed": [1, 2], "run.num_runs": [1]}},
            ValueError,
            "`sweep.zip` must be lists of one length, got run.seed of 2, run.num_runs of 1",
        ),
        (
            {"rule.name": ["grpo", "grpo"]},
            ValueError,
            "`sweep` must be such that no cell comes twice, got rule=grpo",
        ),
        (
            {"rule.name": ["grpo", "grop"]},
            ValueError,
            "^sweep, cell rule=grop: `rule.name` must be a known rule, got 'grop'",
        ),
        (
            {"rule.name": ["grpo"], "run.seed": ["a"]},
            TypeError,
            "^sweep, cell rule=grpo,seed=a: `run.seed` must be a whole number",
        ),
    ],
)
def test_grids_that_make_no_sense_are_refused(table, error, message):
    with pytest.raises(error, match=message):
        sweep_cells({"problem": ARMS, "sweep": table})


@pytest.mark.parametrize(
    ("swept", "changed"),
    [
        ('"run.group_size" = [2, 3]', "run.group_size"),
        ('zip = {"run.group_size" = [2, 3]}', "run.group_size"),
        ('rule = [{name = "grpo"}]', "rule.eps"),
    ],
)
def test_a_value_in_the_place_of_a_swept_one_is_refused(tmp_path, swept, changed):
    path = tmp_path / "grid.toml"
    path.write_text(
        'rule = {name = "grpo"}\n[problem]\nkind = "rare_correct"\nlog10_arms = 50\n'
        f"success_prob = 0.1\n[sweep]\n{swept}\n"
    )
    key = "rule" if changed == "rule.eps" else changed
    message = (
        rf"^grid.toml: `set` must be a key that is not swept, got {changed}\. `{key}` is swept"
    )
    with pytest.raises(ValueError, match=message + "; change the list in the file"):
        read_sweep(path, {changed: 1})
    assert read_sweep(path, {"run.seed": 7})[1][0].experiment.run["seed"] == 7
