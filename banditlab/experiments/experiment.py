"""Experiments as data: arm space, rule, optimizer and run, from a TOML or YAML file or a mapping.

An experiment has four tables, [problem], [rule], [optimizer] and [run]; docs/simulate.md lists
what they may hold. It keeps them resolved, with every default filled in, as JSON can write them.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from banditlab.config import Problem, SimulationConfig
from banditlab.dual import DualAscent
from banditlab.experiments.problem_tables import build_problem, read_problem
from banditlab.experiments.settings import Place, read_arguments, read_value, require_table
from banditlab.optimizers import OPTIMIZERS
from banditlab.reference import ReferenceTerm
from banditlab.registry import RULES
from banditlab.update_rule import UpdateRule
from banditlab.validation import require, require_known, requirement_error

TABLES = ("problem", "rule", "optimizer", "run")
RUN_DEFAULTS = {"num_runs": 500, "num_steps": 1000, "group_size": 8, "record_every": 10}
OPTIMIZER_DEFAULTS = {"name": "sgd", "step_size": 0.1}
_OF_OPTIMIZER = ("step_size", "optimizer", "optimizer_hyper")
_OF_EVENTS = ("events", "stop_success_prob")
_LARGEST_STEP_BY_STEP = 2**53
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
            folder: folder that paths of CSV files are relative to; the present one by default.

        Returns:
            The experiment.

        Raises:
            TypeError: a value is of the wrong kind.
            ValueError: a key is unknown or missing.
            OSError: a CSV file cannot be read.

        Examples:
            >>> arms = {"kind": "rare_correct", "log10_arms": 100, "success_prob": 0.1}
            >>> experiment = Experiment.from_mapping({"problem": arms, "rule": {"name": "grpo"}})
            >>> problem, rule, config = experiment.build()
            >>> rule, config.num_runs
            (grpo(ddof=1, eps=1e-06), 500)
        """
        place = Place(source)
        for name in tables:
            require_known(source, name, name, TABLES, "table")
        given = {name: require_table(tables.get(name, {}), place / name) for name in TABLES}
        problem = read_problem(given["problem"], place / "problem", folder or Path())
        is_sequence = problem["kind"] in ("sequence", "rare_prefix")
        return cls(
            problem=problem,
            rule=_rule_table(_build_rule(given["rule"], place / "rule")),
            optimizer=_read_optimizer(given["optimizer"], place / "optimizer"),
            run=_read_run(given["run"], place / "run", is_sequence),
            source=source,
        )

    @classmethod
    def from_file(cls, path: Path) -> "Experiment":
        """Read an experiment file.

        Args:
            path: a .toml, .yaml or .yml file.

        Returns:
            The experiment.

        Raises:
            TypeError: a value is of the wrong kind.
            ValueError: the file is not well-formed, or a key is unknown or missing.
            OSError: the file, or a CSV file that it names, cannot be read.
        """
        return cls.from_mapping(read_tables(path), source=path.name, folder=path.parent)

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
        return problem, rule, config


def read_tables(path: Path) -> dict[str, Any]:
    """Read a TOML or YAML file as it stands.

    Args:
        path: a .toml, .yaml or .yml file.

    Returns:
        Table -> key -> value.

    Raises:
        TypeError: the file holds no tables.
        ValueError: the file is not well-formed, or has another ending.
        OSError: it cannot be read.
    """
    endings = (".toml", ".yaml", ".yml")
    require_known(path.name, "path", path.suffix.lower(), endings, "ending of a file")
    text = path.read_text(encoding="utf-8")
    try:
        tables = tomllib.loads(text) if path.suffix.lower() == ".toml" else _load_yaml(text)
    except ValueError as error:
        raise requirement_error(
            path.name,
            "path",
            f"well-formed {path.suffix[1:].upper()}",
            error,
            "See docs/simulate.md",
        ) from error
    return dict(require_table(tables, Place(path.name, "path")))


def _load_yaml(text: str) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """YAML 1.2 numbers: PyYAML takes 1e-6, without a point, for a word."""

    number = re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$")
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", number, list("-+.0123456789"))
    try:
        return yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error


def _build_rule(table: Mapping[str, Any], place: Place) -> UpdateRule:
    source = place.source
    require("name" in table, source, "rule.name", "given", "nothing", "See `banditlab rules`")
    require_known(source, "rule.name", table["name"], RULES, "rule")
    rule = RULES[table["name"]]
    others = ("name", "reference", "dual")
    known = dict.fromkeys([*rule.hyper, "extra_rollouts", "name", "reference"])
    if rule.dual is not None:
        known["dual"] = None
    hyper = {}
    for key, value in table.items():
        kind = f"hyperparameter of {rule.name}"
        require_known(source, (place / key).table, key, known, kind)
        if key not in others:
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
    return table


def _read_optimizer(table: Mapping[str, Any], place: Place) -> dict[str, Any]:
    name = table.get("name", OPTIMIZER_DEFAULTS["name"])
    require_known(place.source, "optimizer.name", name, OPTIMIZERS, "optimizer")
    defaults = {"step_size": OPTIMIZER_DEFAULTS["step_size"]}
    found = read_arguments(OPTIMIZERS[name], table, place, other_keys=["name"], defaults=defaults)
    return {"name": name, **found}


def _read_run(table: Mapping[str, Any], place: Place, is_sequence: bool) -> dict[str, Any]:
    found = read_arguments(
        SimulationConfig,
        table,
        place,
        leave_out=_OF_OPTIMIZER,
        other_keys=_OF_EVENTS,
        defaults=RUN_DEFAULTS | ({"policy": "sequence"} if is_sequence else {}),
    )
    found["events"] = read_value(table.get("events", False), bool, place / "events")
    is_long = found["num_steps"] > _LARGEST_STEP_BY_STEP
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
