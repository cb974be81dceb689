"""The semantics table: one row for each rule of each library, measured or as it was recorded."""

import importlib.metadata
import json
import platform
import warnings
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib import resources
from typing import Any

import numpy as np

from banditlab.testing.peers.curve import measure_curve
from banditlab.testing.peers.measure_advantage import measure_advantage
from banditlab.testing.peers.measure_loss import measure_loss
from banditlab.testing.peers.peer import Peer, find_peers

OWN = "banditlab"
_RECORDED = "semantics.json"


@dataclass(frozen=True)
class Row:
    """What is known of one rule.

    Attributes:
        library: name of its distribution.
        version: version that was measured.
        name: name of the rule.
        kind: "weight", "loss", "advantage" or "rule".
        ours: our function that is the same rule; empty where there is none.
        source: where the rule stands.
        weight: measurements of the weight; empty for an advantage.
        advantage: measurements of the advantage; empty for a weight or a loss.
        failed_checks: checks of the suite that fail on it under its promises; None if not run.
        problem: why it could not be measured, with the remedy; empty otherwise.
    """

    library: str
    version: str
    name: str
    kind: str
    ours: str = ""
    source: str = ""
    weight: dict[str, Any] = field(default_factory=dict)
    advantage: dict[str, Any] = field(default_factory=dict)
    failed_checks: list[str] | None = None
    problem: str = ""


@dataclass(frozen=True)
class Table:
    """Rows, and the versions that they were measured with.

    Attributes:
        versions: distribution -> version; Python among them.
        rows: one for each rule.
    """

    versions: dict[str, str]
    rows: tuple[Row, ...]

    def of_library(self, library: str) -> "Table":
        """The rows of one library."""
        return replace(self, rows=tuple(row for row in self.rows if row.library == library))

    def as_dict(self) -> dict[str, Any]:
        """The table as JSON can write it."""
        return {"versions": self.versions, "rows": [asdict(row) for row in self.rows]}


def elementwise_weight_at(weight: Callable[..., Any]) -> Callable[[float, float, float], float]:
    """An elementwise weight as a function of ratio, sign and old_log_prob; see `measure_curve`."""

    def weight_at(ratio: float, sign: float, old_log_prob: float) -> float:
        old = np.array([[old_log_prob]])
        with np.errstate(all="ignore"):
            return float(weight(old + np.log(ratio), old, np.array([[sign]]))[0, 0])

    return weight_at


def torch_advantage(
    advantage: Callable[..., Any], dtype: str = "float64"
) -> Callable[[np.ndarray], np.ndarray]:
    """A torch advantage estimator as a function of NumPy arrays, its rewards given in a dtype."""
    import torch

    def on_numpy(reward: np.ndarray) -> np.ndarray:
        given = torch.from_numpy(np.array(reward, dtype=dtype))
        return advantage(given).detach().double().numpy()

    return on_numpy


def _failed_checks(function: Any, peer: Peer) -> list[str]:
    from banditlab.testing.run import check_update_rule

    try:
        report = check_update_rule(
            function, kind=peer.kind, promises=peer.promises, on_fail="report"
        )
    except (TypeError, ValueError) as error:
        return [f"not checkable: {error}"]
    return list(report.named("failed"))


def measure_peer(peer: Peer, *, with_checks: bool = True) -> Row:
    """Measure one peer with the version of its library that is installed.

    Args:
        peer: the rule.
        with_checks: whether to run the suite on it as well.

    Returns:
        The row; where the library is missing or does not load, its problem and the remedy.
    """
    version = peer.installed_version()
    row = Row(
        peer.library, version or peer.version, peer.name, peer.kind, peer.ours_name, peer.source
    )
    if version is None:
        remedy = f"pip install {peer.library}=={peer.version}, or make test-peers"
        return replace(row, problem=f"{peer.library} is not installed. Remedy: {remedy}.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            function = peer.load()
        except Exception as error:
            told = f"{peer.full_name} does not load ({type(error).__name__}: {error})."
            remedy = f"The adapter was written for {peer.library} {peer.version}; install that."
            return replace(row, problem=f"{told} {remedy}")
        if peer.kind == "advantage":
            measured = measure_advantage(
                torch_advantage(function), torch_advantage(function, "float32")
            )
            row = replace(row, advantage=measured)
        elif peer.kind == "loss":
            row = replace(row, weight=measure_loss(function, peer.promises.max_tokens))
        else:
            row = replace(row, weight=measure_curve(elementwise_weight_at(function)))
        if with_checks:
            row = replace(row, failed_checks=_failed_checks(function, peer))
    return row


def measure_own(*, with_checks: bool = True) -> list[Row]:
    """Measure the rules of our own registry.

    Args:
        with_checks: whether to run the suite on them as well.

    Returns:
        A row for each.
    """
    from banditlab.rules import RULES
    from banditlab.testing.kinds import make_subject
    from banditlab.testing.run import check_update_rule

    version = importlib.metadata.version(OWN)
    rows = []
    for name, rule in RULES.items():
        subject = make_subject(rule)

        def weight(*arrays: Any, subject: Any = subject) -> Any:
            return subject.call_weight(*arrays, np.ones(arrays[0].shape, dtype=bool))

        row = Row(OWN, version, name, "rule", repr(rule), rule.formula)
        row = replace(
            row,
            weight=measure_curve(elementwise_weight_at(weight)),
            advantage=measure_advantage(
                subject.advantage, partial(subject.advantage, dtype="float32")
            ),
        )
        if with_checks:
            report = check_update_rule(rule, on_fail="report")
            row = replace(row, failed_checks=list(report.named("failed")))
        rows.append(row)
    return rows


def measure(
    library: str | None = None,
    *,
    with_checks: bool = True,
    progress: Callable[[str], None] | None = None,
) -> Table:
    """Measure what is installed here.

    Args:
        library: of this one only; "banditlab" for our own rules.
        with_checks: whether to run the suite as well.
        progress: called with the name of each rule before it is measured.

    Returns:
        The table; a rule whose library is missing has a row that says so.

    Raises:
        ValueError: there is no peer of that library.
    """
    rows: list[Row] = []
    tell = progress or (lambda name: None)
    if library in (None, OWN):
        tell(f"the rules of {OWN}")
        rows += measure_own(with_checks=with_checks)
    if library != OWN:
        for peer in find_peers(library):
            tell(peer.full_name)
            rows.append(measure_peer(peer, with_checks=with_checks))
    return Table(_versions(rows), tuple(rows))


def _versions(rows: Iterable[Row]) -> dict[str, str]:
    versions = {"python": platform.python_version()}
    measured = {row.library for row in rows if not row.problem}
    for name in sorted({*measured, "numpy", "torch", "jax", "transformers", "tensordict"}):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def recorded() -> Table:
    """The table that was recorded with this release."""
    text = resources.files("banditlab.testing.peers").joinpath(_RECORDED).read_text("utf-8")
    content = json.loads(text)
    return Table(content["versions"], tuple(Row(**row) for row in content["rows"]))
