import pytest

from llm_bridge.compare.plan import CELLS, ComparePlan


def test_cells_differ_only_where_they_should():
    plan = ComparePlan()
    configs = {name: plan.run_config(CELLS[name], 0.01, 0).as_dict() for name in plan.cells}
    allowed = {"rule", "inner_epochs", "hyper"}
    for name in ("clip", "variance_penalty"):
        differing = {k for k in configs[name] if configs[name][k] != configs["no_clip"][k]}
        assert differing == {"rule"}
    for config in configs.values():
        differing = {k for k in config if config[k] != configs["raw_reward"][k]}
        assert differing <= allowed
    assert configs["clip"]["level"] == "sequence"
    assert configs["clip"]["optimizer"] == "sgd"


def test_every_cell_rate_and_seed_is_run_once_under_its_own_name():
    plan = ComparePlan(num_seeds=3, learning_rates=(0.01, 0.1))
    names = [name for name, _ in plan.runs()]
    assert len(names) == len(set(names)) == 5 * 2 * 3
    assert names[0] == "raw_reward-lr0.01-seed0"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cells": ("klip",)}, r"`cells` must be a known cell, got 'klip'. Did you mean 'clip'\?"),
        ({"cells": ()}, r"`cells` must be not empty"),
        ({"learning_rates": (0.0,)}, r"`learning_rates` must be a finite number in \(0, inf\]"),
        ({"learning_rates": ()}, r"`learning_rates` must be not empty"),
        ({"num_seeds": 1}, r"`num_seeds` must be at least 2, got 1"),
        ({"group_size": 1}, r"`group_size` must be at least 2 for group_mean"),
        ({"cells": ("clip", "clip")}, r"`cells, learning_rates` must be distinct"),
        ({"learning_rates": (0.01, 0.01)}, r"`cells, learning_rates` must be distinct"),
        ({"num_updates": 0}, r"`num_updates` must be at least 1"),
    ],
)
def test_impossible_plans_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        ComparePlan(**changes)
