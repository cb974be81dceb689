"""Experiments as data: arm space, rule, optimizer and run, from a TOML or YAML file or a mapping.

An experiment has four tables, [problem], [rule], [optimizer] and [run]; docs/simulate.md lists
what they may hold. It keeps them resolved, with every default filled in, as JSON can write them.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from banditlab.config import Problem, SimulationConfig
from banditlab.dual import DualAscent
from banditlab.experiments.overrides import with_changes
from banditlab.experiments.problem_tables import POLICY_OF_KIND, build_problem, read_problem
from banditlab.experiments.settings import Place, read_arguments, read_value, require_table
from banditlab.experiments.table_files import read_tables
from banditlab.find import find_update_rule
from banditlab.metrics import LARGEST_COUNT, METRICS
from banditlab.optimizers import OPTIMIZERS
from banditlab.reference import ReferenceTerm
from banditlab.references import file_digest
from banditlab.update_rule import UpdateRule
from banditlab.validation import require, require_known

TABLES = ("problem", "rule", "optimizer", "run")
RUN_DEFAULTS = {"num_runs": 500, "num_steps": 1000, "group_size": 8, "record_every": 10}
OPTIMIZER_DEFAULTS = {"name": "sgd", "step_size": 0.1}
_OF_OPTIMIZER = ("step_size", "optimizer", "optimizer_hyper")
_OF_EVENTS = ("events", "stop_success_prob")
_MOST_NUMBERS = 10**9
_LONG_RUN = {"num_log_records": 200, "stop_success_prob": 0.99}
"""Defaults of the event-driven mode over more rounds than float64 can count."""


@dataclass(frozen=True)
class Experiment:
    """One simulation as data; every table is resolved.

    Attributes:
        problem: arm space, reward law, kernel.
        rule: name, hyperparameters, reference, dual.
        optimizer: name and hyperparameters.
        run: the other fields of `SimulationConfig`; `events`, whether only rounds with a success
            are simulated (`banditlab.events.run`), and then `stop_success_prob`.
        source: name of the file, for errors.
    """

    problem: Mapping[str, Any]
    rule: Mapping[str, Any]
    optimizer: Mapping[str, Any]
    run: Mapping[str, Any]
    source: str = field(default="Experiment", compare=False)

    @classmethod
    def from_mapping(
        cls, tables: Mapping[str, Any], *, source: str = "Experiment", folder: Path | None = None
    ) -> "Experiment":
        """Check tables and fill their defaults in; values are checked for their kind only.

        Args:
            tables: table -> key -> value, as a file holds them.
            source: name of the file, for errors.
            folder: folder that paths of CSV files are relative to, and that of a rule's file
                which is not found from the present one; the present one by default.

        Returns:
            The experiment.

        Raises:
            TypeError: a value is of the wrong kind.
            ValueError: a key is unknown or missing.
            ModuleNotFoundError: a rule's module is not installed.
            OSError: a CSV file cannot be read.

        Examples:
            >>> arms = {"kind": "rare_correct", "log10_arms": 100, "success_prob": 0.1}
            >>> experiment = Experiment.from_mapping({"problem": arms, "rule": {"name": "grpo"}})
            >>> problem, rule, config = experiment.build()
            >>> rule, config.num_runs
            (grpo(ddof=1, eps=1e-06), 500)
        """
        place = Place(source)
        require(
            "sweep" not in tables,
            source,
            "sweep",
            "left out of a single experiment",
            "a grid",
            f"This is a grid: banditlab sweep {source} --out DIR",
        )
        for name in tables:
            require_known(source, name, name, TABLES, "table")
        given = {name: require_table(tables.get(name, {}), place / name) for name in TABLES}
        problem = read_problem(given["problem"], place / "problem", folder or Path())
        policy = POLICY_OF_KIND.get(problem["kind"])
        return cls(
            problem=problem,
            rule=_rule_table(_build_rule(given["rule"], place / "rule", folder)),
            optimizer=_read_optimizer(given["optimizer"], place / "optimizer"),
            run=_read_run(given["run"], place / "run", policy),
            source=source,
        )

    @classmethod
    def from_file(cls, path: Path, changes: Mapping[str, Any] | None = None) -> "Experiment":
        """Read an experiment file.

        Args:
            path: a .toml, .yaml, .yml or .json file.
            changes: dotted key -> value, in place of the file's; see `overrides.with_changes`.

        Returns:
            The experiment.

        Raises:
            TypeError: a value is of the wrong kind.
            ValueError: the file is not well-formed, or a key is unknown or missing.
            OSError: the file, or a CSV file that it names, cannot be read.
        """
        tables = with_changes(read_tables(path), changes or {})
        return cls.from_mapping(tables, source=path.name, folder=path.parent)

    def as_dict(self) -> dict[str, Any]:
        """The resolved tables, as JSON can write them and `from_mapping` reads them."""
        return {name: dict(getattr(self, name)) for name in TABLES}

    def build(
        self, on_projection: Callable[[float], Any] | None = None
    ) -> tuple[Problem, UpdateRule, SimulationConfig]:
        """Build what the simulator takes.

        Args:
            on_projection: called with the distance by which a kernel was projected, if it was.

        Returns:
            Problem, rule and configuration.

        Raises:
            ValueError: a value is out of range; the message names file and table.
        """
        place = Place(self.source)
        problem = build_problem(self.problem, place / "problem", on_projection)
        rule = _build_rule(self.rule, place / "rule")
        hyper = dict(self.optimizer)
        run = {name: value for name, value in self.run.items() if name not in _OF_EVENTS}
        config = SimulationConfig(
            **run,
            optimizer=hyper.pop("name"),
            step_size=hyper.pop("step_size"),
            optimizer_hyper=hyper,
        )
        with (place / "optimizer").named():
            config.build_optimizer()
        with place.named():
            config.require_valid(problem, rule)
        _require_size(problem, config, place)
        return problem, rule, config


def _require_size(problem: Problem, config: SimulationConfig, place: Place) -> None:
    num_records = config.num_log_records or math.ceil(config.num_steps / config.record_every)
    num_values = config.num_runs * num_records * len(METRICS)
    require(
        num_values <= _MOST_NUMBERS,
        place.source,
        "run.num_log_records",
        f"such that the curves of all runs hold at most {_MOST_NUMBERS:.0e} values, 8 GB",
        f"{num_values:.2g} of them ({config.num_runs:.4g} runs, {num_records:.4g} records, "
        f"{len(METRICS)} metrics)",
        "Set num_log_records, e.g. 200, for a grid in log(step), or take fewer runs",
    )
    num_rollouts = config.num_runs * (config.batch_size or problem.num_train) * config.group_size
    require(
        num_rollouts <= _MOST_NUMBERS,
        place.source,
        "run.group_size",
        f"such that a round of all runs has at most {_MOST_NUMBERS:.0e} rollouts",
        f"{num_rollouts:.2g} of them",
        "Take smaller groups, fewer runs or fewer prompts per round",
    )


def _build_rule(table: Mapping[str, Any], place: Place, folder: Path | None = None) -> UpdateRule:
    source = place.source
    require("name" in table, source, "rule.name", "given", "nothing", "See `banditlab rules`")
    name = read_value(table["name"], str, place / "name")
    rule = find_update_rule(name, folder=folder, asked=(source, "rule.name"))
    _require_same_file(rule, table.get("sha256"), source)
    tables = ("reference",) if rule.dual is None else ("reference", "dual")
    hyper = {}
    for key, value in table.items():
        if key in ("name", "sha256") or key in tables:
            continue
        known = [*rule.hyper, "extra_rollouts", *(tables if isinstance(value, Mapping) else ())]
        kind = f"hyperparameter of {rule.name}"
        require_known(source, (place / key).table, key, known, kind)
        hyper[key] = read_value(value, type(rule.hyper.get(key, 0)), place / key)
    with place.named():
        rule = rule.with_hyper(**hyper)
    if "dual" in table:
        dual = _updated(DualAscent, asdict(rule.dual), table["dual"], place / "dual")
        rule = replace(rule, dual=dual)
    if "reference" in table:
        present = {} if rule.reference is None else rule.reference.as_dict()
        term = _updated(ReferenceTerm, present, table["reference"], place / "reference")
        rule = rule.with_reference(term)
    return rule


def _require_same_file(rule: UpdateRule, digest: str | None, source: str) -> None:
    """Refuse the file of a rule that has changed since the digest was taken of it."""
    require(
        digest is None or digest == file_digest(rule.name),
        source,
        "rule.sha256",
        f"that of the rule's file, {file_digest(rule.name)}",
        digest,
        f"{rule.name} has changed since; leave sha256 out to take it as it is now",
    )


def _updated(kind: type, present: Mapping[str, Any], table: Any, place: Place) -> Any:
    arguments = read_arguments(kind, require_table(table, place), place, defaults=present)
    with place.named():
        return kind(**arguments)


def _rule_table(rule: UpdateRule) -> dict[str, Any]:
    table = {
        "name": rule.name,
        **rule.advantage_hyper,
        **rule.weight_hyper,
        "extra_rollouts": rule.extra_rollouts,
    }
    if rule.dual is not None:
        table["dual"] = asdict(rule.dual)
    if rule.reference is not None:
        table["reference"] = rule.reference.as_dict()
    if (digest := file_digest(rule.name)) is not None:
        table["sha256"] = digest
    return table


def _read_optimizer(table: Mapping[str, Any], place: Place) -> dict[str, Any]:
    name = table.get("name", OPTIMIZER_DEFAULTS["name"])
    require_known(place.source, "optimizer.name", name, OPTIMIZERS, "optimizer")
    defaults = {"step_size": OPTIMIZER_DEFAULTS["step_size"]}
    found = read_arguments(OPTIMIZERS[name], table, place, other_keys=["name"], defaults=defaults)
    return {"name": name, **found}


def _read_run(table: Mapping[str, Any], place: Place, policy: str | None) -> dict[str, Any]:
    found = read_arguments(
        SimulationConfig,
        table,
        place,
        leave_out=_OF_OPTIMIZER,
        other_keys=_OF_EVENTS,
        defaults=RUN_DEFAULTS | ({} if policy is None else {"policy": policy}),
    )
    found["events"] = read_value(table.get("events", False), bool, place / "events")
    is_long = found["num_steps"] > LARGEST_COUNT
    require(
        found["events"] or not is_long,
        place.source,
        "run.num_steps",
        "at most 2^53 round by round",
        found["num_steps"],
        "Set events = true, which jumps from success to success",
    )
    for name, value in _LONG_RUN.items() if is_long else ():
        if table.get(name) is None:
            found[name] = value
    if table.get("stop_success_prob") is not None:
        stop = read_value(table["stop_success_prob"], float, place / "stop_success_prob")
        require(
            found["events"] and 0.0 < stop <= 1.0,
            place.source,
            "run.stop_success_prob",
            "in (0, 1], with events = true",
            stop,
            "There, a run stops once its success probability has reached it; 0.99 is usual",
        )
        found["stop_success_prob"] = stop
    return found
