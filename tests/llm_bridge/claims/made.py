"""A small card, for tests of what is done with cards."""

from llm_bridge.claims.card import Axis, Card, FlipMap, SimulatedCell, TheoryLink
from llm_bridge.claims.curve import final, gain
from llm_bridge.claims.effect import Effect, Interval
from llm_bridge.claims.twins import trained

SETTINGS = {"num_updates": 2, "eval_every": 1, "eval_samples": 16, "eval_take": 4, "num_prompts": 2}


def rare(rule: str, **run) -> dict:
    return {
        "problem": {"kind": "rare_correct", "log10_arms": 10, "success_prob": 0.1},
        "rule": {"name": rule},
        "run": {"num_runs": 4, "num_steps": 20, "record_every": 10, "group_size": 2, **run},
    }


def point(x: float, y: float) -> Interval:
    """Holds above the diagonal, cannot tell on it."""
    return Interval(y - x, y - x - 0.5, y - x + 0.5)


def _axis(name: str) -> Axis:
    return Axis(name, name, (1, 2))


MADE_CARD = Card(
    id="A2",
    title="A made claim",
    claim="Raw reward learns more than nothing | at all.",
    source="arXiv 2601.14599",
    known="D",
    test="A small one.",
    theory_verdict="follows",
    theory_says="Because it must.",
    theory=(TheoryLink("P1-sum", "the sum of logits stays"),),
    simulated=(
        SimulatedCell("raw", "raw reward", rare("raw_reward")),
        SimulatedCell("mean", "advantage", rare("group_mean")),
    ),
    trained=(trained("raw", "raw reward", num_seeds=2, rule="raw_reward", **SETTINGS),),
    effects=(
        Effect("gain of raw", gain("train"), "raw"),
        Effect("advantage less raw", final("train"), "mean", "raw", worlds=("simulation",)),
        Effect("held out", final("heldout"), "raw", worlds=("language_model",), decides=False),
    ),
    maps=(
        FlipMap("diagonal", "A map", Axis("x", "x", (1, 2)), Axis("y", "y", (1, 2)), "u", point),
    ),
    where_it_flips="Below the diagonal.",
    remarks=("Nothing else was learnt.",),
)
