"""The command `banditlab check`: its words, its output and its exit codes."""

import json
import os
import signal
import subprocess
import sys

import pytest

from banditlab.cli import main
from banditlab.commands import check as command
from banditlab.testing.check import CheckFailure
from banditlab.testing.checks import CHECKS
from banditlab.testing.run import PROFILES
from banditlab.testing.subject import KINDS

ON_POLICY = "on_policy_weight_is_advantage"
PROMISED = ("--promise", "on_policy_scale=3", "--promise", "objective=mine.py:objective")
MINE = """
from banditlab.weights import policy_gradient_weight

def scaled_weight(log_prob, old_log_prob, advantage, *, scale=0.2):
    return scale * policy_gradient_weight(log_prob, old_log_prob, advantage)

def objective(log_prob, old_log_prob, advantage):
    return 0.2 * (log_prob - old_log_prob).exp() * advantage

def signs(reward):
    return 2.0 * reward - 1.0
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "mine.py").write_text(MINE)
    return tmp_path


def check(*words):
    return main(["check", *words])


def example_of(shown):
    """The minimal example as code, from the report."""
    lines = shown.partition("  Minimal example:\n")[2].splitlines()
    return "\n".join(line[4:] for line in lines)


def test_a_rule_that_keeps_its_promises_passes(capsys):
    assert check("clip", "--checks", f"{ON_POLICY},determinism") == 0
    assert capsys.readouterr().out == (
        "clip (rule): 2 passed, 0 failed, 0 skipped, 0 expected failure, 0 unexpected pass\n"
    )


def test_a_failure_comes_with_code_that_fails_alike(folder, capsys):
    assert check("mine.py:scaled_weight", "--checks", ON_POLICY) == 1
    shown = capsys.readouterr().out
    assert "0 passed, 1 failed" in shown
    assert f"In training: {CHECKS[ON_POLICY].consequence}" in shown
    assert "rule = find_rule('mine.py:scaled_weight')" in shown
    with pytest.raises(CheckFailure, match=r"is 0\.2 instead of 1"):
        exec(example_of(shown), {})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["mine.py:scaled_weight", "--promise", "on_policy_scale=3"], "0.2 instead of 3"),
        (["mine.py:scaled_weight", "--set", "scale=2"], "2 instead of 1"),
        (
            ["mine.py:scaled_weight", "--set", "scale=2", *PROMISED, "--kind", "weight"],
            "2 instead of 3",
        ),
        (["variance_penalty", "--set", "multiplier=0", "--promise", "on_policy_scale=2"], "1 inst"),
    ],
)
def test_the_code_knows_the_flags(folder, capsys, words, message):
    assert check(*words, "--checks", ON_POLICY) == 1
    with pytest.raises(CheckFailure, match=message):
        exec(example_of(capsys.readouterr().out), {})


def test_a_promise_changes_what_is_demanded(folder, capsys):
    words = ["mine.py:scaled_weight", "--checks", f"{ON_POLICY},gradient_of_objective"]
    promised = ["--promise", "on_policy_scale=0.2", "--promise", "objective=mine.py:objective"]
    assert check(*words, *promised) == 0
    assert "2 passed" in capsys.readouterr().out
    assert check(*words, "--promise", "on_policy_scale=none", "--promise", "objective=none") == 0
    assert "0 passed, 0 failed, 2 skipped" in capsys.readouterr().out


def test_switches_and_namespaces_can_be_promised(capsys):
    words = ["--promise", "couples_samples=true", "--promise", "namespaces=numpy,torch"]
    assert check("clip", "--checks", "batch_independence,namespace_kept", *words) == 0
    assert "1 passed, 0 failed, 1 skipped" in capsys.readouterr().out


def test_hyperparameters_of_a_function_are_set(folder, capsys):
    assert check("mine.py:scaled_weight", "--set", "scale=1", "--checks", ON_POLICY) == 0
    assert capsys.readouterr().out.startswith("scaled_weight(scale=1) (weight): 1 passed")


def test_an_expected_failure_is_no_error_and_one_that_passes_is(folder, capsys):
    words = ["mine.py:scaled_weight", "--checks", f"{ON_POLICY},determinism"]
    assert check(*words, "--expect-fail", f"{ON_POLICY}=scaled = on purpose") == 0
    assert "(expected: scaled = on purpose)" in capsys.readouterr().out
    assert check(*words, "--expect-fail", "determinism=why") == 1
    assert "1 unexpected pass" in capsys.readouterr().out


def test_several_rules_are_counted_together_and_written(folder, capsys):
    words = ["clip", "mine.py:scaled_weight", "--checks", ON_POLICY, "--json", "out/report.json"]
    assert check(*words) == 1
    counted = "1 passed, 1 failed, 0 skipped, 0 expected failure, 0 unexpected pass"
    assert f"\n2 rules: {counted}\n" in capsys.readouterr().out
    written = json.loads((folder / "out" / "report.json").read_text())
    assert written["counts"]["failed"] == 1
    assert [report["rule"] for report in written["rules"]] == ["clip", "scaled_weight"]
    with pytest.raises(CheckFailure, match="instead of"):
        exec(written["rules"][1]["checks"][0]["example"], {})


def test_all_checks_the_whole_registry(capsys):
    assert check("--all", "--checks", "determinism") == 0
    shown = capsys.readouterr().out
    assert shown.count("1 passed") == 23
    assert "\n23 rules: 23 passed" in shown


def test_verbose_lists_what_passed_or_was_skipped(capsys):
    assert check("clip", "--checks", "determinism,padding_width", "--verbose") == 0
    shown = capsys.readouterr().out
    assert "determinism    passed" in shown
    assert "it takes no mask" in shown


def test_the_search_goes_on_with_fresh_seeds(folder, capsys, monkeypatch):
    seeds = []
    from banditlab.commands import check_rounds

    def recorded(*arguments, seed, checks, **options):
        seeds.append((seed, tuple(checks)))
        return run(*arguments, seed=seed, checks=checks, **options)

    run = check_rounds.check_update_rule
    monkeypatch.setattr(check_rounds, "check_update_rule", recorded)
    monkeypatch.setattr(check_rounds, "monotonic", iter(range(100)).__next__)
    words = ["mine.py:scaled_weight", "--seconds", "3", "--seed", "7"]
    assert check(*words, "--checks", f"{ON_POLICY},determinism,rewards_untouched") == 1
    shown = capsys.readouterr().out
    assert "searched with 3 seeds, 7 to 9" in shown
    assert "1 passed, 1 failed, 1 skipped" in shown
    # What failed has its example, and what was skipped says nothing of other draws.
    assert seeds[0] == (7, (ON_POLICY, "determinism", "rewards_untouched"))
    assert seeds[1:] == [(8, ("determinism",)), (9, ("determinism",))]


def test_an_interrupted_search_tells_what_it_found(folder, capsys):
    (folder / "impatient.py").write_text(
        "import itertools, os, signal\ncalls = itertools.count()\n"
        "def weight(log_prob, old_log_prob, advantage):\n"
        "    if next(calls) == 200: os.kill(os.getpid(), signal.SIGINT)\n"
        "    return 1.0 * advantage\n"
    )
    words = ["impatient.py:weight", "clip", "--checks", "determinism", "--seconds", "300"]
    assert check(*words) == 130
    shown = capsys.readouterr()
    assert shown.out.startswith("weight (weight): 1 passed")
    assert "searched with" in shown.out
    assert shown.err.splitlines()[-1] == (
        "banditlab: interrupted; 0 of 2 rules were finished, and what was found so far is told "
        "above. A check begins anew at the next call"
    )


def test_an_interrupt_that_a_callback_swallows_is_not_lost():
    before = signal.getsignal(signal.SIGINT)
    with command._interruptible() as require_going_on:
        require_going_on()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            require_going_on()
    assert signal.getsignal(signal.SIGINT) is before


def test_list_explains_every_check_and_one(capsys):
    assert check("--list") == 0
    shown = " ".join(capsys.readouterr().out.split())
    for entry in CHECKS.values():
        assert f"property: {entry.reason} catches: {entry.catches} in training: " in shown
        assert entry.consequence in shown
    assert check("--list", "determinism") == 0
    assert capsys.readouterr().out.startswith("determinism  (weight)\n    property: ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "`RULE` must be given, or else --all, got neither. For example: banditlab check clip"),
        (["clip", "--all"], "got both"),
        (["clp"], "`RULE` must be a known rule, got 'clp'. Did you mean 'clip'?"),
        (["mine.py:signz"], "`RULE` must be an object that mine.py has, got 'mine.py:signz'. Did"),
        (["clip", "--set", "clip_hgh=1"], "`clip_hgh` must be a hyperparameter of clip"),
        (["clip", "--set", "clip_high=x"], "`set` must be NAME=NUMBER, got 'clip_high=x'"),
        (["clip", "--set", "clip_high"], "`set` must be NAME=NUMBER, got 'clip_high'"),
        (
            ["mine.py:scaled_weight", "--set", "scal=1"],
            "known argument of scaled_weight, got 'scal'",
        ),
        (["clip", "--promise", "scale=1"], "`promise` must be a known promise, got 'scale'"),
        (["clip", "--promise", "multiplier=x"], "`promise multiplier` must be a number or none"),
        (
            ["clip", "--promise", "couples_groups=1"],
            "`promise couples_groups` must be true or false",
        ),
        (["clip", "--promise", "objective=1"], "`promise objective` must be file.py:function"),
        (["clip", "--promise", "level=tokn"], "`level` must be a known word, got 'tokn'. Did you"),
        (["clip", "--expect-fail", "determinism"], "`expect-fail` must be CHECK=REASON, got"),
        (["clip", "--expect-fail", "determinsm=x"], "Did you mean 'determinism'?"),
        (
            ["clip", "--checks", ON_POLICY, "--expect-fail", "determinism=x"],
            "`expect-fail` must be a known check of this run, got 'determinism'",
        ),
        (["clip", "--checks", "determinsm"], "`checks` must be a known check, got 'determinsm'"),
        (["clip", "--checks", ","], "`checks` must be names of checks, got none"),
        (["clip", "--seconds", "-1"], "`seconds` must be a finite number in [0, inf], got -1"),
        (["clip", "--seed", "-1"], "`seed` must be at least 0, got -1"),
        (["--list", "determinsm"], "`list` must be a known check, got 'determinsm'"),
        (["clip", "--kind", "loss"], "must be a callable for kind 'loss', got UpdateRule"),
    ],
)
def test_bad_words_are_answered(folder, capsys, words, message):
    assert check(*words) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("banditlab: ")
    assert message in shown


def test_a_missing_hypothesis_is_answered_with_its_extra():
    code = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "from banditlab.cli import main\nsys.exit(main(['check', 'clip']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        'banditlab: hypothesis is not installed. Remedy: pip install "banditlab[testing]".\n'
    )


def test_the_words_of_the_help_are_those_of_the_suite():
    assert tuple(KINDS) == command._KINDS
    assert tuple(PROFILES) == command._PROFILES
