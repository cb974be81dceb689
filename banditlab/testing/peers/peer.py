"""What a peer is: one rule of another library, callable as one of our kinds; and finding them.

Shapes: [N, T], N responses of T tokens; [P, G], P prompts of a group of G rollouts.
"""

import importlib
import importlib.metadata
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

from banditlab.testing.known import promises_of_weight
from banditlab.testing.promises import Promises
from banditlab.validation import require, require_known, requirement_error

ENTRY_POINT_GROUP = "banditlab.peers"
"""Each entry point names a module that has `PEERS`."""

PeerKind = Literal["weight", "loss", "advantage"]


@dataclass(frozen=True)
class Peer:
    """One rule of another library.

    Attributes:
        library: name of its distribution, as pip writes it.
        version: version that the adapter was written for.
        name: name of the rule, unique within the library; what differs from the library's
            defaults is in it.
        kind: "weight": function of (log_prob, old_log_prob, advantage), NumPy [*] -> weight [*];
            "loss": function of torch (log_prob, old_log_prob, advantage, mask), each [N, T] ->
            scalar; "advantage": function of torch reward [P, G] -> advantage [P, G].
        load: imports the library and returns the function.
        promises: what the library says of the rule; of what it does not say, the default
            contract.
        ours: our score weight or advantage estimator that is the same rule, its
            hyperparameters bound; None where there is none.
        source: where the rule stands in the library.
    """

    library: str
    version: str
    name: str
    kind: PeerKind
    load: Callable[[], Callable[..., Any]]
    promises: Promises = field(default_factory=Promises)
    ours: Callable[..., Any] | None = None
    source: str = ""

    @property
    def full_name(self) -> str:
        """Library and rule, e.g. "trl/grpo"."""
        return f"{self.library}/{self.name}"

    @property
    def ours_name(self) -> str:
        """Our function of the same rule as one would write it; empty where there is none."""
        if self.ours is None:
            return ""
        if not isinstance(self.ours, partial):
            return self.ours.__name__
        bound = ", ".join(f"{name}={value:g}" for name, value in self.ours.keywords.items())
        return f"{self.ours.func.__name__}({bound})"

    def installed_version(self) -> str | None:
        """Version of the library that is installed here; None if it is not."""
        try:
            return importlib.metadata.version(self.library)
        except importlib.metadata.PackageNotFoundError:
            return None


def promised(weight: partial, **more: Any) -> Promises:
    """Promises of a peer that goes by the name of one of our rules.

    Args:
        weight: our score weight, its hyperparameters bound.
        **more: further attributes of `Promises`, e.g. the average of a loss.

    Returns:
        The objective and the clip of the weight, and what was added.
    """
    declared = promises_of_weight(weight.func, weight.keywords)
    return replace(declared, **{"namespaces": None, **more})


def _modules() -> Iterable[tuple[str, Callable[[], Any]]]:
    package = importlib.import_module("banditlab.testing.peers")
    for entry in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        yield entry.name, partial(importlib.import_module, entry.name)
    for point in importlib.metadata.entry_points(group=ENTRY_POINT_GROUP):
        yield point.value, point.load


def find_peers(library: str | None = None) -> tuple[Peer, ...]:
    """All peers: those of this package's modules and of the entry-point group.

    Args:
        library: of this library only, by the name of its distribution.

    Returns:
        The peers, by library, in the order in which a module lists them.

    Raises:
        ValueError: an entry point names something without `PEERS`, two peers have one name, or
            there is no peer of that library.
    """
    peers: dict[str, Peer] = {}
    for name, load in _modules():
        module = load()
        listed = getattr(module, "PEERS", None)
        is_own = name.startswith("banditlab.testing.peers.")
        require(
            listed is not None or is_own,
            "find_peers",
            name,
            "a module with a tuple PEERS",
            type(module).__name__,
            f"Name the module itself in the entry-point group {ENTRY_POINT_GROUP!r}",
        )
        for peer in listed or ():
            require(
                peer.full_name not in peers,
                "find_peers",
                "name",
                "unique within its library",
                peer.full_name,
                f"Rename the peer in {name}",
            )
            peers[peer.full_name] = peer
    libraries = sorted({peer.library for peer in peers.values()})
    if library is not None and library not in libraries:
        raise requirement_error(
            "find_peers",
            "library",
            "one that has peers",
            repr(library),
            f"There are: {', '.join(libraries)}",
        )
    return tuple(
        peer
        for name in libraries
        if library in (None, name)
        for peer in peers.values()
        if peer.library == name
    )


def get_peer(full_name: str) -> Peer:
    """Look a peer up by library and rule.

    Args:
        full_name: as in `Peer.full_name`, e.g. "trl/cispo".

    Returns:
        The peer.

    Raises:
        ValueError: there is no such peer.
    """
    peers = {peer.full_name: peer for peer in find_peers()}
    require_known("get_peer", "full_name", full_name, peers, "peer")
    return peers[full_name]
