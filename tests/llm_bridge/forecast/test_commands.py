"""The commands calibrate and predict, and compare --study, as they are typed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from banditlab.cli import main
from llm_bridge.forecast import compare_command
from llm_bridge.forecast.observed import read_points, write_points
from tests.llm_bridge.forecast.made import CALIBRATION, SGD
from tests.llm_bridge.forecast.test_observed import points_of

ROOT = Path(__file__).resolve().parents[3]
TEXT = """
[study]
num_seeds = 2
eval_samples = 64
[[cells]]
name = "mean"
rule = "group_mean"
learning_rate = 0.05
num_prompts = 4
group_size = 4
num_updates = 12
eval_every = 4
"""


@pytest.fixture
def planned(tmp_path, monkeypatch):
    """A study file and a calibration written by hand; words that name both."""
    monkeypatch.setattr(compare_command, "_SIMULATED_RUNS", 4)
    (tmp_path / "study.toml").write_text(TEXT)
    folder = tmp_path / "calibration" / "all-prompts"
    folder.mkdir(parents=True)
    CALIBRATION.save(folder)
    study, calibration = str(tmp_path / "study.toml"), str(tmp_path / "calibration")
    return ["--study", study, "--calibration", calibration]


def shown(capsys):
    captured = capsys.readouterr()
    return captured.out + captured.err


@pytest.mark.parametrize("command", ["calibrate", "predict", "compare"])
def test_help_loads_no_torch(command):
    code = (
        "import sys\nfrom banditlab.cli import main\n"
        f"try:\n    main([{command!r}, '--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'transformers', 'matplotlib', 'scipy'} & set(sys.modules)\n"
        "print('heavy:', sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert "heavy: []" in done.stdout, done.stdout + done.stderr
    assert "example: banditlab" in done.stdout
    assert "--study" in done.stdout


def test_calibrate_reports_resumes_and_refuses(small_study, quick, tmp_path, capsys):
    data = ["--dataset", small_study.dataset, "--eval-dataset", small_study.eval_dataset]
    sizes = ["--prompts", "4", "--group-size", "4", "--updates", "2", "--eval-every", "1"]
    measured = ["--responses", "64", "--probe-steps", "0"]
    out = tmp_path / "calibration"
    words = ["calibrate", *data, *sizes, *measured, "--out", str(out)]
    assert main(words) == 0
    text = shown(capsys)
    assert "embedded: all prompts" in text
    assert "The kernel is taken as constant" in text
    names = {path.name for path in (out / "all-prompts").iterdir()}
    assert names == {"calibration.json", "report.txt", "kernel.png", "kernel.svg"} | {
        "group_mean.toml"
    }
    for name in names - {"calibration.json"}:
        assert name == "report.txt" or str(out / "all-prompts" / name) in text

    path = out / "all-prompts" / "calibration.json"
    before = path.stat().st_mtime_ns
    assert main([*words, "--quiet"]) == 0
    assert path.stat().st_mtime_ns == before
    assert "embedded: all prompts" not in shown(capsys)
    assert main([*words, "--learning-rate", "0.5"]) == 2
    assert "the folder of another run (it differs in study)" in shown(capsys)
    assert main([*words, "--responses", "0"]) == 2
    assert "`responses` must be at least 2, got 0" in shown(capsys)

    # What was calibrated by these flags is predicted by them.
    forecast = ["predict", *data, *sizes, "--calibration", str(out), "--simulated-runs", "3"]
    assert main([*forecast, "--out", str(tmp_path / "forecast")]) == 0
    assert "group_mean" in shown(capsys)
    assert (tmp_path / "forecast" / "forecast.csv").exists()


def test_predict_shows_curves_and_a_ranking(planned, tmp_path, capsys):
    out = tmp_path / "forecast"
    assert main(["predict", *planned, "--simulated-runs", "4", "--out", str(out)]) == 0
    text = shown(capsys)
    assert "0.406 -> " in text
    assert "P(best)" in text
    assert str(out / "forecast.png") in text
    table = (out / "forecast.csv").read_bytes()
    # Runs beside the calibration and in the folder change nothing.
    write_points(out / "study.csv", points_of(SGD, 0, [0.9] * 4))
    write_points(tmp_path / "calibration" / "study.csv", points_of(SGD, 0, [0.9] * 4))
    assert main(["predict", *planned, "--simulated-runs", "4", "--out", str(out)]) == 0
    assert (out / "forecast.csv").read_bytes() == table
    shown(capsys)
    assert main(["predict", *planned, "--simulated-runs", "1", "--out", str(out)]) == 2
    assert "`simulated_runs` must be at least 2, got 1" in shown(capsys)


def test_predict_from_pass_rates_alone(tmp_path, capsys):
    (tmp_path / "rates.csv").write_text("pass_rate\n0.2\n0.5\n0.4\n0.3\n")
    words = ["predict", "--pass-rates", str(tmp_path / "rates.csv"), "--kernels", "5,15"]
    words += ["--prompts", "2", "--updates", "4", "--eval-every", "2", "--simulated-runs", "3"]
    assert main([*words, "--out", str(tmp_path / "forecast")]) == 0
    text = shown(capsys)
    assert "The kernel is unknown: each cell stands at the strengths 5,15" in text
    assert "group_mean, kernel 5" in text
    assert "group_mean, kernel 15" in text
    for wrong, message in (
        (["--kernels", "5,x"], "`kernels` must be numbers with commas between, got '5,x'"),
        (["--kernels", "-1"], "`kernels` must be one or more different numbers above 0"),
        (["--column", "rate"], "`column` must be one of pass_rate, got 'rate'"),
        (["--optimizer", "adamw"], "`pass_rates` must be used with optimizer sgd"),
    ):
        assert main([*words, *wrong, "--out", str(tmp_path / "other")]) == 2
        assert message in shown(capsys)


def test_predict_needs_its_calibration(planned, tmp_path, capsys):
    assert main(["predict", *planned[:2], "--calibration", str(tmp_path / "none")]) == 2
    assert "Run banditlab calibrate with the same study first" in shown(capsys)


def test_compare_reads_runs_from_a_table(planned, tmp_path, capsys):
    points = points_of(SGD, 0, [0.4, 0.45, 0.5, 0.6]) + points_of(SGD, 1, [0.4, 0.5, 0.5, 0.5])
    write_points(tmp_path / "runs.csv", points)
    words = ["compare", *planned, "--runs", str(tmp_path / "runs.csv")]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    text = shown(capsys)
    assert "0.400 -> 0.550" in text
    assert "of 1 cells" in text
    assert str(tmp_path / "out" / "study.png") in text
    assert read_points(tmp_path / "out" / "study.csv") == points


def test_compare_lays_logs_over_the_forecast(planned, tmp_path, capsys):
    lines = [{"step": u, "data": {"reward": 0.4 + 0.01 * u}} for u in (0, 4, 8, 12, 16)]
    (tmp_path / "verl.jsonl").write_text("\n".join(map(json.dumps, lines)))
    rows = "".join(f"{u},{0.4 + 0.02 * u}\n" for u in (0, 4, 8, 12))
    (tmp_path / "log.csv").write_text("iteration,reward\n" + rows)
    words = ["compare", *planned, "--out", str(tmp_path / "out"), "--log"]
    assert main([*words, str(tmp_path / "verl.jsonl")]) == 0
    # Cut at the end of the cell.
    assert "0.400 -> 0.520" in shown(capsys)
    own = [*words, str(tmp_path / "log.csv"), "--log-update", "iteration"]
    assert main(own) == 0
    assert "0.400 -> 0.640" in shown(capsys)
    assert main([*words, str(tmp_path / "log.csv")]) == 2
    assert "`log_update` must be a column of log.csv: iteration, reward" in shown(capsys)
    (tmp_path / "short.csv").write_text("step,reward\n0,0.4\n8,0.5\n")
    assert main([*words, str(tmp_path / "short.csv")]) == 2
    assert "at least as long as the cell, 12 updates, got short.csv, which ends" in shown(capsys)


def test_compare_s_arguments_exclude_each_other(planned, tmp_path, capsys):
    (tmp_path / "log.csv").write_text("step,reward\n0,0.4\n12,0.5\n")
    log = ["--log", str(tmp_path / "log.csv")]
    out = ["--out", str(tmp_path / "out")]
    two = TEXT + TEXT[TEXT.index("[[cells]]") :].replace('"mean"', '"other"')
    (tmp_path / "two.toml").write_text(two)
    for words, message in (
        ([*planned, *log, "--runs", "x.csv"], "`runs` must be left out where --log gives the runs"),
        (log, "`log` must be given with --study FILE"),
        ([*planned, "--workers", "0"], "`workers` must be at least 1, got 0"),
        (
            ["--study", str(tmp_path / "two.toml"), *planned[2:], *log],
            "`log` must be given with a study of one cell, got 2 cells",
        ),
    ):
        assert main(["compare", *words, *out]) == 2
        assert message in shown(capsys)
    assert main(["compare", *planned, "--dry-run", *out]) == 0
    assert "2 runs of 24 updates in all; nothing written" in shown(capsys)
    assert not (tmp_path / "out").exists()


def test_compare_trains_what_it_predicted(small_study, calibrated, tmp_path, capsys, monkeypatch):
    """Two real runs of two updates, in a process of their own; a second call reuses them."""
    monkeypatch.setattr(compare_command, "_SIMULATED_RUNS", 4)
    text = TEXT.replace("= 12", "= 2").replace("eval_every = 4", "eval_every = 1")
    names = f'dataset = "{small_study.dataset}"\neval_dataset = "{small_study.eval_dataset}"\n'
    text = text.replace("[study]\n", "[study]\n" + names).replace("= 64", "= 32")
    (tmp_path / "study.toml").write_text(text)
    out = tmp_path / "out"
    words = ["compare", "--study", str(tmp_path / "study.toml"), "--calibration", str(calibrated)]
    words += ["--workers", "1", "--out", str(out)]
    assert main(words) == 0
    assert "of 1 cells" in shown(capsys)
    runs = sorted(path.name for path in (out / "runs").iterdir())
    assert runs == ["mean-lr0.05-seed0", "mean-lr0.05-seed1"]
    points = read_points(out / "study.csv")
    assert len(points) == 2 * 2 * 3
    assert {point.num_samples for point in points} == {32}
    forecast, table = ((out / name).read_bytes() for name in ("forecast.csv", "study.csv"))
    assert main(words) == 0
    assert (out / "forecast.csv").read_bytes() == forecast
    assert (out / "study.csv").read_bytes() == table
