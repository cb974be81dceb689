"""docs/simulate.md: its calls run, and it names what an experiment file may hold."""

import re
from pathlib import Path

import pytest

from banditlab.experiments.experiment import Experiment
from banditlab.experiments.problem_tables import PROBLEM_KINDS

DOCUMENT = (Path(__file__).parents[3] / "docs" / "simulate.md").read_text()
CALLS = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
SHOWN = (
    r"take off within \S+ rounds",
    r"falls as t\^-\S+ \(0\.\d+\); exact in law\n.*asymptotic",
    r"groups; exact in law",
    r"mean \S+; .*asymptotic",
)


@pytest.mark.parametrize(("call", "shown"), list(zip(CALLS, SHOWN, strict=True)))
def test_its_calls_run_and_say_what_is_exact(call, shown, capsys):
    exec(compile(call, "docs/simulate.md", "exec"), {})
    assert re.search(shown, capsys.readouterr().out)


def test_it_names_every_key_of_a_run_and_every_kind_of_problem():
    arms = {"kind": "rare_correct", "log10_arms": 9, "success_prob": 0.1}
    tables = {"problem": arms, "rule": {"name": "raw_reward"}}
    run = Experiment.from_mapping(tables | {"run": {"events": True, "num_steps": 1e30}}).run
    rows = [line.split("|")[2].strip() for line in DOCUMENT.splitlines() if line.startswith("|")]
    assert {f"`{key}`" for key in [*run, *PROBLEM_KINDS]} <= set(rows)
