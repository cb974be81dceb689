"""A5: the base model decides; one may learn its prompt and not generalise."""

import numpy as np
from scipy.special import expit, logit

from llm_bridge.claims.card import Axis, Card, FlipMap, SimulatedCell, TheoryLink, TrainedCell
from llm_bridge.claims.cards.lone_prompt import (
    EVAL_SAMPLES,
    MIDDLE_ROW,
    SAMPLING_ERROR,
    SHARE_AXIS,
    heldout_gain,
    lone,
)
from llm_bridge.claims.curve import Curve, Statistic, final, gain
from llm_bridge.claims.effect import Effect, Interval
from llm_bridge.claims.twins import CALIBRATIONS, problem_of, trained, twin
from llm_bridge.config import TrainConfig
from llm_bridge.forecast.calibration import Calibration
from theory.predict.learning_curves import predicted_raw_log_odds

MARGIN = 0.05
LEARNT, FLAT = 0.9, 0.02
RATE, NUM_UPDATES = 0.01, 120
BASES = {
    "embedded": "shipped: 12,000 steps, hidden 64, five writers",
    "brief": "3,000 steps",
    "narrow": "hidden 32, 4,000 steps",
    "clean": "careful writers only, 1,000 steps",
}
PASS_RATES = (1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.03, 0.1, 0.3, 0.5, 0.7, 0.9)
KERNELS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)


def _batch(base: str) -> TrainedCell:
    return trained(
        f"batch-{base}",
        f"32 x 1, {BASES[base]}",
        base_model=base,
        rule="raw_reward",
        num_prompts=32,
        group_size=1,
        learning_rate=RATE,
        num_updates=NUM_UPDATES,
        eval_every=40,
        eval_samples=EVAL_SAMPLES,
    )


def _one(base: str) -> TrainedCell:
    settings = {"num_updates": 400, "eval_every": 200, "base_model": base}
    # The dataset stays that of the shipped model: all bases answer the same questions.
    return lone(f"one-{base}", f"one prompt, {BASES[base]}", MIDDLE_ROW, **settings)


def _twin(cell: TrainedCell) -> SimulatedCell:
    """The simulation of a batch run, from the calibration of its own base model."""
    if cell.base_model == "embedded":
        return twin(cell)
    known = Calibration.load(CALIBRATIONS / f"{cell.base_model}-all-prompts")
    return twin(cell, problem=problem_of(known, TrainConfig(**cell.settings)))


def gain_of_base(pass_rate: float, kernel: float) -> Interval:
    """Gain in pass rate after 120 updates at .01, all prompts alike, by the flow of raw reward.

    Args:
        pass_rate: of the base model.
        kernel: shared kernel, nats per unit of learning rate * coefficient, held constant.

    Returns:
        The gain, exact for short steps.
    """
    time = RATE * NUM_UPDATES
    moved = predicted_raw_log_odds(logit(pass_rate), time, kernel=kernel)
    value = float(expit(moved) - pass_rate)
    return Interval(value, value, value)


def gain_of_share(share: float, pass_rate: float) -> Interval:
    """Gain of held-out prompts once one prompt's own pass rate is .99, exactly.

    Args:
        share: kernel between the prompt and the others over its own.
        pass_rate: of the prompt under the base policy.

    Returns:
        The gain.
    """
    value = heldout_gain(share, pass_rate)
    return Interval(value, value, value)


_BATCH = tuple(_batch(base) for base in BASES)
_ONE = tuple(_one(base) for base in BASES)


def _spread(gains: np.ndarray) -> np.ndarray:
    """Largest less smallest of all base models, [C, ...] -> [...]."""
    return gains.max(axis=0) - gains.min(axis=0)


def _gain_if_learnt() -> Statistic:
    """Held-out gain of a run that has learnt its prompt, infinite for one that has not."""

    def of_run(curve: Curve) -> float:
        return gain("heldout").of_run(curve) if curve.split("train")[-1] >= LEARNT else np.inf

    return Statistic(f"held-out gain where the prompt ends at {LEARNT} or more", of_run)


def _effects():
    first, *others = (f"batch-{base}" for base in BASES)
    for split in ("heldout", "train"):
        yield Effect(
            f"{split.replace('heldout', 'held-out')} gain of 32 x 1, largest - smallest",
            gain(split),
            first,
            others=tuple(others),
            combine=_spread,
            expected=(MARGIN, np.inf),
            decides=split == "heldout",
            paired=True,
        )
    for other in others:
        yield Effect(
            f"held-out gain of 32 x 1, shipped - {other.removeprefix('batch-')}",
            gain("heldout"),
            first,
            other,
            expected=(MARGIN, np.inf),
            paired=True,
        )
    first, *others = (f"one-{base}" for base in BASES)
    yield Effect(
        "held-out gain of one prompt that is learnt, least of all bases",
        _gain_if_learnt(),
        first,
        others=tuple(others),
        combine=lambda gains: gains.min(axis=0),
        summary="median",
        expected=(-np.inf, FLAT),
        worlds=("language_model",),
        paired=True,
    )
    for base in BASES:
        yield Effect(
            f"one prompt at the end, {base}",
            final("train"),
            f"one-{base}",
            expected=(LEARNT, np.inf),
            worlds=("language_model",),
            decides=False,
        )
        yield Effect(
            f"held-out gain of one prompt, {base}",
            gain("heldout"),
            f"one-{base}",
            expected=(-FLAT, FLAT),
            worlds=("language_model",),
            decides=False,
        )


CARD = Card(
    id="A5",
    title="The base model",
    claim="The base model decides: with the same training one model gains and another does not, "
    "and one may reach Pass@1 = 1 on its training prompt without generalising.",
    source="arXiv 2601.14599",
    known="D",
    test="Four base models of one recipe, which differ in amount, size and data mix, trained alike "
    f"(32 x 1 raw reward, SGD {RATE}, {NUM_UPDATES} updates; one prompt alone, 400 updates at "
    f"0.001), five seeds. The base matters where held-out gains differ by {MARGIN} or more; not "
    f"generalising is a held-out gain within {FLAT} beside a prompt at {LEARNT} or more (an "
    f"evaluation errs by {SAMPLING_ERROR}).",
    theory_verdict="follows",
    theory_says="A base model enters by its pass rates and by its kernel, and both decide: the "
    "time to a gain is proportional to 1/(kernel p0) for a rare success. A prompt learns through "
    "its own kernel and the others through the shared one, so that learning without generalising "
    "is what a small share of the kernel means.",
    theory=(
        TheoryLink("P15-raw", "the curve of raw reward: base pass rate, kernel and time only"),
        TheoryLink("P43-flow", "of a kernel only one number matters for the mean curve"),
        TheoryLink("P45-paths", "others move by a fixed share of the prompt's own way"),
        TheoryLink("P43-moves", "without successes a kernel teaches next to nothing"),
    ),
    simulated=tuple(_twin(cell) for cell in _BATCH),
    trained=(*_BATCH, *_ONE),
    effects=tuple(_effects()),
    maps=(
        FlipMap(
            name="base",
            title="Which base models gain from the same training?",
            x=Axis("pass_rate", "base pass rate", PASS_RATES),
            y=Axis("kernel", "shared kernel, nats", KERNELS),
            label="gain after 120 updates",
            point=gain_of_base,
            expected=(MARGIN, np.inf),
        ),
        FlipMap(
            name="share",
            title="When does a prompt learn alone?",
            x=SHARE_AXIS,
            y=Axis("pass_rate", "base pass rate of the prompt", PASS_RATES),
            label="held-out gain at .99",
            point=gain_of_share,
            expected=(-FLAT, FLAT),
        ),
    ),
    where_it_flips="With this training a base model gains .05 where kernel and pass rate are "
    "both large enough: from .1 on at a kernel of 5 to 10 (.3 to .5 only at 1), from .03 at 20 "
    "to 50, from .01 at 100, and nowhere below .001. A prompt learns without the others where "
    "it shares .003 or less of its kernel, for prompts of .01 and more .01; from .1 on others "
    "always gain. In the language model one base of four lets others gain, and three let them "
    "lose.",
    remarks=(
        "Held-out gains of the language model: .42 for the shipped base, .12 after 3,000 steps, "
        ".04 for the narrow one and .005 for the clean corpus, whose base pass rate (.24) is "
        "twice that of the second. Neither pass rate nor kernel ranks them. The squared signal "
        "over the noise of one update does, measured before training by the calibration: .215, "
        ".038, .019, .013.",
        "One prompt alone: every base learns it (.84 to .97), and with three of four the others "
        "lose .05 to .08, about half of the little that the narrow and the brief one had. "
        "This is not the prompt's difficulty (.04 to .05 there): the shipped base gains .056 "
        "from a prompt of .017 (A1).",
        "The simulation has the shipped base right (.70 against .73) and the brief and the "
        "narrow one far too high (.63 and .66 against .24 and .13): it moves along the mean "
        "gradient and knows nothing of the noise that a weak signal drowns in. Their kernels, "
        "from 3,072 responses, are known to 13 to 41 % only. So it finds that bases differ, and "
        "ranks them wrongly.",
        "That a prompt is asked about the base that generalises least was settled after A1, whose "
        "shipped base does generalise, and before any run of this card.",
        "On the clean base the prompts trained on gain .05 and the held-out ones nothing: what "
        "little is learnt there is learnt of single prompts.",
    ),
)
