"""A1: one prompt, one rollout and the raw reward are enough, but runs differ at random."""

import numpy as np

from banditlab.shared_shift.law import KernelLaw
from llm_bridge.claims.card import Axis, Card, FlipMap, TheoryLink
from llm_bridge.claims.cards.lone_prompt import (
    EASY_ROW,
    HARD_ROW,
    MIDDLE_ROW,
    SAMPLING_ERROR,
    SHARE_AXIS,
    heldout_gain,
    lone,
    lone_twin,
)
from llm_bridge.claims.cards.one_prompt import halving_time, success_law
from llm_bridge.claims.curve import final, gain, pass_rate_at
from llm_bridge.claims.effect import Effect, Interval
from llm_bridge.claims.twins import calibration

LEARNT = 0.9
# Spread counts as seen where it is about twice the error of an evaluation.
SPREAD = 0.03
# Runs differ by a factor of 1.5 between one deviation below the mean and one above.
VARIATION = 0.2
PASS_RATES = (1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9)
STEPS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)

_LOW = lone("low", "base pass rate .017", HARD_ROW, num_updates=400, eval_every=50, num_seeds=8)
_MIDDLE = lone(
    "middle", "base pass rate .31", MIDDLE_ROW, num_updates=300, eval_every=20, num_seeds=8
)
_HIGH = lone("high", "base pass rate .70", EASY_ROW, num_updates=200, eval_every=20, num_seeds=8)
_ADAMW = lone(
    "adamw",
    "base pass rate .31, AdamW",
    MIDDLE_ROW,
    optimizer="adamw",
    learning_rate=1e-4,
    num_updates=200,
    eval_every=50,
)


def variation_at(pass_rate: float, step: float) -> Interval:
    """How much runs differ in the rollouts until their failures have halved, exactly.

    Args:
        pass_rate: of the base policy.
        step: learning rate * kernel, nats.

    Returns:
        The coefficient of variation.
    """
    value = halving_time("raw_reward", pass_rate, step=step).variation
    return Interval(value, value, value)


def gain_at(share: float, pass_rate: float) -> Interval:
    """Gain of the held-out prompts once the prompt's own pass rate is .99, exactly.

    Args:
        share: kernel between the prompt and the others over its own.
        pass_rate: of the prompt under the base policy.

    Returns:
        The gain.
    """
    value = heldout_gain(share, pass_rate)
    return Interval(value, value, value)


def variation_among_arms(log10_arms: float, step: float) -> Interval:
    """How much runs differ among so many arms, from a pass rate of .001, exactly.

    Under raw reward wrong arms that start equal stay equal, and their number only scales the step
    of the log-odds by 1 + 1/num_wrong (P12-finite).

    Args:
        log10_arms: number of arms, one of them right.
        step: step size on the logits.

    Returns:
        The coefficient of variation.
    """
    return variation_at(1e-3, step * (1.0 + 10.0**-log10_arms))


def _theory_curve() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    known = calibration(MIDDLE_ROW)
    settings = {"learning_rate": 1e-3, "num_updates": 300}
    mean, _ = success_law(known.train_pass_rates()[0], KernelLaw(**known.law), **settings)
    return {"P25, base pass rate .31": (np.arange(301), mean)}


_CELLS = (_LOW, _MIDDLE, _HIGH, _ADAMW)
_PROMPTS = {"low": 100, "middle": 20, "high": 20}

CARD = Card(
    id="A1",
    title="One prompt, one rollout, raw reward",
    claim="With one training prompt, one rollout a round and the reward itself as signal, a model "
    "learns the optimal policy on its prompt and raises its test pass rate, but training and "
    "generalisation differ at random from run to run.",
    source="arXiv 2601.14599",
    known="D",
    test="Three prompts alone, of base pass rates .017, .31 and .70, 1 x 1, SGD 0.001 (and AdamW "
    f"0.0001), eight seeds. Learnt is a pass rate of {LEARNT} at the end; random is a deviation "
    f"between seeds above {SPREAD}, twice the error of an evaluation ({SAMPLING_ERROR}), early in "
    "learning for the prompt and at the end for the held-out ones.",
    theory_verdict="depends",
    theory_says="Raw reward climbs to 1 from any pass rate. Its waits for successes are all the "
    "randomness there is: the rollouts needed differ by sqrt((f - 1)/(f + 1)) of their mean where "
    "a success multiplies small odds by f, so runs are alike at small steps and random at large "
    "ones. What others gain is the share of the kernel that they have in common.",
    theory=(
        TheoryLink(
            "P25-law",
            "a run is known by when its successes come, and these waits are "
            "geometric: the law of the whole curve follows",
        ),
        TheoryLink("P25-moments", "mean and variance of the rollouts to any pass rate"),
        TheoryLink("P26-raw-reward", "rollouts to p = 1/2 are f/((f - 1) p0) on average"),
        TheoryLink("P26-variance", "their variance is 1/(1 - f^-2)/p0^2"),
        TheoryLink("P45-paths", "another prompt moves by a fixed share of the prompt's own way"),
    ),
    simulated=tuple(lone_twin(cell) for cell in _CELLS),
    trained=_CELLS,
    effects=(
        *(
            Effect(f"own prompt at the end, {cell}", final("train"), cell, expected=(LEARNT, 1.0))
            for cell in (*_PROMPTS, "adamw")
        ),
        *(
            Effect(
                f"SD over seeds, own prompt at update {update}, {cell}",
                pass_rate_at("train", update=update),
                cell,
                summary="sd",
                expected=(SPREAD, np.inf),
            )
            for cell, update in _PROMPTS.items()
        ),
        *(
            Effect(
                f"held-out gain, {cell}",
                gain("heldout"),
                cell,
            )
            for cell in (*_PROMPTS, "adamw")
        ),
        *(
            Effect(
                f"SD over seeds, held-out prompts at the end, {cell}",
                final("heldout"),
                cell,
                summary="sd",
                expected=(SPREAD, np.inf),
            )
            for cell in (*_PROMPTS, "adamw")
        ),
    ),
    maps=(
        FlipMap(
            name="spread",
            title="Do runs differ?",
            x=Axis("pass_rate", "base pass rate", PASS_RATES),
            y=Axis("step", "learning rate x kernel, nats", STEPS),
            label="SD / mean of rollouts to learn",
            point=variation_at,
            expected=(VARIATION, np.inf),
        ),
        FlipMap(
            name="share",
            title="Do other prompts gain?",
            x=SHARE_AXIS,
            y=Axis("pass_rate", "base pass rate of the prompt", PASS_RATES),
            label="held-out gain at .99",
            point=gain_at,
            expected=(0.02, np.inf),
        ),
        FlipMap(
            name="arms",
            title="Does the number of answers matter?",
            x=Axis(
                "log10_arms", "log10 of the number of arms", (3.0, 6.0, 10.0, 30.0, 100.0), False
            ),
            y=Axis("step", "step size, nats", STEPS),
            label="SD / mean of rollouts to learn",
            point=variation_among_arms,
            expected=(VARIATION, np.inf),
        ),
    ),
    where_it_flips="Runs are alike at 0.03 nats a success and below, at any pass rate from 1e-6 "
    "to .9: their learning times differ by an eighth of the mean or less. From 1 nat on they "
    "differ by .55 to .68 of it up to a pass rate of .1, from 10 nats on by nearly all of it; "
    "at .9 they are alike up to 3 nats. Between 1e3 and 1e100 arms nothing changes. Held-out "
    "prompts gain .02 or more where they share .03 of the prompt's kernel, for rare prompts "
    "(.001 and below) .01; at a share of .003 they do not.",
    remarks=(
        "Runs of the language model spread as a bandit's do: from .31 by .051 at update 20, "
        "where 100 simulated runs spread by .047 and P25, with the error of an evaluation, by "
        ".043; from .017 by .32 at update 100 against .42. From .70 nothing can be seen, as "
        "predicted (.009).",
        "From .017 the fastest of eight runs is at .76 by update 100 and the slowest still at "
        ".02 by 250; from .31 the forecast is .549, .720 and .911 at updates 20, 60 and 300, "
        "and the runs have .528, .717 and .927.",
        "The held-out prompts gain by .056, .070 and .023 from one prompt of .017, .31 and .70; "
        "their share of the kernel at the base model (.006, .049, .028) foretells .012, .033 "
        "and .015. It grows while the prompt is learnt, for the prompt's own kernel falls "
        "faster than the one that they share.",
        "At the end the held-out prompts of all seeds agree within the error of an evaluation; "
        "while the rare prompt is being learnt they differ by .03.",
        "The rare prompt's kernel is held constant in simulation, which learns too fast beyond "
        ".3. AdamW's is forecast a little too low at the end (.94 against .97).",
    ),
    split="train",
    theory_curve=_theory_curve,
)
