"""Experiment files: what they say, and what they may not be."""

import numpy as np
import pytest

from banditlab.experiments.experiment import Experiment
from banditlab.experiments.run import run_experiment
from banditlab.experiments.table_files import read_tables

ARMS = {"kind": "rare_correct", "log10_arms": 100, "success_prob": 0.1}


def test_toml_and_yaml_say_the_same(tmp_path):
    (tmp_path / "one.toml").write_text(
        '[problem]\nkind = "rare_correct"\nlog10_arms = 1e2\nsuccess_prob = 1e-6\n'
        '[rule]\nname = "clip"\nclip_high = 0.28\n[run]\nrollout_ages = [0, 1]\n'
    )
    (tmp_path / "two.yaml").write_text(
        "problem: {kind: rare_correct, log10_arms: 1e2, success_prob: 1e-6}\n"
        "rule: {name: clip, clip_high: 0.28}\nrun:\n  rollout_ages: [0, 1]\n"
    )
    one, two = (Experiment.from_file(tmp_path / name) for name in ("one.toml", "two.yaml"))
    assert one == two
    assert one.problem["success_prob"] == 1e-6


def test_pass_rates_come_from_a_file_beside_the_experiment_and_stay_in_it(tmp_path):
    (tmp_path / "rates.csv").write_text("prompt,rate\na,0.25\nb,0.5\n")
    path = tmp_path / "one.toml"
    path.write_text(
        '[problem]\nkind = "pass_rates"\nshared_kernel = 1\n'
        'train_pass_rates = {csv = "rates.csv", column = "rate"}\n[rule]\nname = "grpo"\n'
    )
    found = Experiment.from_file(path)
    assert found.problem["train_pass_rates"] == [0.25, 0.5]
    (tmp_path / "rates.csv").unlink()
    assert Experiment.from_mapping(found.as_dict()) == found
    path.write_text(path.read_text().replace('"rate"', '"rote"'))
    (tmp_path / "rates.csv").write_text("prompt,rate\na,0.25\n")
    message = r"^one.toml \[problem.train_pass_rates\]: read_pass_rates: `column` must be one of"
    with pytest.raises(ValueError, match=message):
        Experiment.from_file(path)


def test_the_configuration_of_a_run_folder_is_an_experiment_file(tmp_path):
    tables = {"problem": ARMS, "rule": {"name": "variance_penalty_dual"}, "run": {"num_steps": 3}}
    first, _ = run_experiment(Experiment.from_mapping(tables), tmp_path / "one")
    again = Experiment.from_file(tmp_path / "one" / "config.json")
    assert again == Experiment.from_mapping(tables)
    second, _ = run_experiment(again, tmp_path / "two")
    for metric, curve in first.curves.items():
        np.testing.assert_array_equal(second.curves[metric], curve)
    (tmp_path / "foreign.json").write_text('{"kind": "train"}')
    with pytest.raises(
        ValueError, match=r"^foreign.json: `kind` must be a known table, got 'kind'"
    ):
        Experiment.from_file(tmp_path / "foreign.json")


def test_changes_replace_values_of_a_file(tmp_path):
    path = tmp_path / "one.toml"
    path.write_text('problem = {kind = "zipf"}\nrule = {name = "clip"}\n')
    changes = {"problem": ARMS, "rule.clip_high": 0.5}
    assert Experiment.from_file(path, changes).rule["clip_high"] == 0.5


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.toml", "[run\n", r"^a.toml: `path` must be well-formed TOML in UTF-8, got .*line 1"),
        ("a.yaml", "run: [\n", r"^a.yaml: `path` must be well-formed YAML in UTF-8, got .*line 2"),
        ("a.json", "{", r"^a.json: `path` must be well-formed JSON in UTF-8, got .*line 1"),
        ("a.csv", "", r"^a.csv: `path` must be a known ending of a file, got '.csv'"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        read_tables(tmp_path / name)


def test_a_file_without_tables_is_refused(tmp_path):
    (tmp_path / "a.yaml").write_text("- 1\n")
    with pytest.raises(TypeError, match=r"^a.yaml: `path` must be a table, got list"):
        read_tables(tmp_path / "a.yaml")


@pytest.mark.parametrize("ending", ["toml", "yaml", "json"])
def test_a_file_that_is_no_utf_8_or_not_there_is_named(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    path.write_bytes(b"# \xff\n")
    with pytest.raises(ValueError, match=rf"^a.{ending}: `path` must be well-formed .* in UTF-8, "):
        read_tables(path)
    path.unlink()
    message = rf"^a.{ending}: `path` must be an experiment file that can be read, got .* \(No such"
    with pytest.raises(FileNotFoundError, match=message):
        read_tables(path)


def test_a_column_that_is_no_utf_8_or_not_there_is_named(tmp_path):
    table = {"kind": "pass_rates", "shared_kernel": 1}
    table["train_pass_rates"] = {"csv": "rates.csv", "column": "rate"}
    tables = {"problem": table, "rule": {"name": "grpo"}}
    start = r"^Experiment: `problem.train_pass_rates.csv` must be a file "
    with pytest.raises(FileNotFoundError, match=rf"{start}that can be read, got rates.csv \(No"):
        Experiment.from_mapping(tables, folder=tmp_path)
    (tmp_path / "rates.csv").write_bytes(b"rate\n0.5\n\xff\n")
    with pytest.raises(ValueError, match=rf"{start}in UTF-8, got rates.csv \('utf-8' codec.*Save"):
        Experiment.from_mapping(tables, folder=tmp_path)
