"""What a claim card holds: the claim, how each world tests it, and where it may flip."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from llm_bridge.claims.effect import Effect, Interval

WORLDS = {"theory": "theory", "simulation": "simulation", "language_model": "language model"}
"""Worlds by name, with their labels."""

SOURCES = {
    "P": "the paper's own words",
    "C": "read in the authors' released code",
    "D": "a second-hand digest of the paper",
    "X": "derived here",
}
"""How well a source is known."""

THEORY_VERDICTS = ("follows", "depends", "does not follow", "no statement")


@dataclass(frozen=True)
class TheoryLink:
    """A verified prediction that says why.

    Attributes:
        claim: its id in `banditlab verify`.
        says: what it says here, one sentence.
    """

    claim: str
    says: str


@dataclass(frozen=True)
class SimulatedCell:
    """One configuration of the simulator.

    Attributes:
        name: of the cell; a trained cell of the same name is its counterpart.
        label: how it is called in pictures.
        experiment: tables of an experiment file (docs/simulate.md).
    """

    name: str
    label: str
    experiment: Mapping[str, Any]


@dataclass(frozen=True)
class TrainedCell:
    """One configuration of the language model.

    Attributes:
        name: of the cell.
        label: how it is called in pictures.
        settings: fields of `TrainConfig`, without the seed.
        num_seeds: runs.
        first_seed: of them; runs that choose a learning rate have seeds of their own.
        base_model: key of `base_models.BASE_MODELS`; "embedded" is the shipped one.
    """

    name: str
    label: str
    settings: Mapping[str, Any]
    num_seeds: int = 5
    first_seed: int = 0
    base_model: str = "embedded"


@dataclass(frozen=True)
class Axis:
    """One direction of a map.

    Attributes:
        name: column of the table, a word.
        label: label of the axis, with its unit.
        values: places that are computed, ascending.
        is_log: whether it is drawn in the logarithm.
    """

    name: str
    label: str
    values: tuple[float, ...]
    is_log: bool = True


@dataclass(frozen=True)
class FlipMap:
    """Where in a sweep a claim holds, and where the opposite does.

    Attributes:
        name: a word; part of the names of files.
        title: what the picture says above it.
        x: first direction.
        y: second direction.
        label: what is coloured, with its unit.
        point: (x, y) -> the effect there, with its 95 % interval; of no width where it is exact.
            A function of a module, so that other processes find it.
        expected: the claim holds where the effect lies in here.
    """

    name: str
    title: str
    x: Axis
    y: Axis
    label: str
    point: Callable[[float, float], Interval]
    expected: tuple[float, float] = (0.0, np.inf)


@dataclass(frozen=True)
class Card:
    """A claim and its tests.

    Attributes:
        id: "A1" to "C4".
        title: a few words.
        claim: the claim in one sentence.
        source: the paper.
        known: how well the source is known, a key of `SOURCES`.
        test: how the claim was made testable, one or two sentences.
        theory_verdict: one of `THEORY_VERDICTS`: whether the claim follows from theory.
        theory_says: why, in one or two sentences.
        theory: verified predictions behind that.
        simulated: configurations of the simulator.
        trained: configurations of the language model.
        effects: numbers that the claim speaks of.
        maps: where it holds and where it flips.
        where_it_flips: the same in a sentence, as the maps show.
        out_of_reach: world -> why our scale cannot tell, whatever the effects say.
        remarks: what else was learnt, one sentence each.
        against: "update" or "rollouts", the horizontal axis of its curves.
        split: curves that are drawn: "train" or "heldout".
        drawn: names of the cells whose curves are drawn; all of them by default.
        theory_curve: update and pass rate [S] by label, drawn dashed over the simulation.
    """

    id: str
    title: str
    claim: str
    source: str
    known: str
    test: str
    theory_verdict: str
    theory_says: str
    theory: tuple[TheoryLink, ...]
    simulated: tuple[SimulatedCell, ...]
    trained: tuple[TrainedCell, ...]
    effects: tuple[Effect, ...]
    maps: tuple[FlipMap, ...]
    where_it_flips: str
    out_of_reach: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    against: str = "update"
    split: str = "heldout"
    drawn: tuple[str, ...] = ()
    theory_curve: Callable[[], Mapping[str, tuple[np.ndarray, np.ndarray]]] | None = None
