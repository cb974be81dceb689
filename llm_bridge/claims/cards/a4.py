"""A4: extremely hard prompts and negative rewards break generalisation."""

import numpy as np
from scipy.special import logit

from llm_bridge.claims.card import Axis, Card, FlipMap, SimulatedCell, TheoryLink
from llm_bridge.claims.cards.hard_question import HARD_QUESTION_ROW
from llm_bridge.claims.cards.lone_prompt import EASY_ROW, HARD_ROW, SAMPLING_ERROR, lone, lone_twin
from llm_bridge.claims.curve import final, gain
from llm_bridge.claims.effect import Effect, Interval
from theory.predict.negative_reward import predicted_failure_step

MARGIN = 0.02
NUM_UPDATES = 300
RULES = {"raw": "raw_reward", "negative": "negative_reward"}
PASS_RATES = (1e-6, 1e-5, 1e-4, 1e-3, 0.003, 0.01, 0.03, 0.1, 0.3, 0.5, 0.9)
WRONG = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0, 30.0, 100.0)
STEP = 1.0
_HARD_TASK = "llm_bridge.claims.cards.hard_question:HARD_QUESTION"
# So many wrong answers share the mass where wrong answers are few.
_FEW = 10
_RARE = 0.01


def _cells(name: str, label: str, row: int, **settings):
    settings |= {"num_updates": NUM_UPDATES, "eval_every": 100}
    return {
        word: lone(f"{name}-{word}", f"{label}, {word}", row, rule, **settings)
        for word, rule in RULES.items()
    }


_EASY = _cells("easy", "base pass rate .70", EASY_ROW)
_HARD = _cells("hard", "base pass rate .017", HARD_ROW)
_BEYOND = _cells("beyond", "never right", HARD_QUESTION_ROW, task=_HARD_TASK)


def _few_wrong(word: str) -> SimulatedCell:
    """A rare right answer among a few wrong ones, as a bandit of single arms."""
    wrong = np.log((1.0 - _RARE) / _FEW)
    return SimulatedCell(
        f"few-{word}",
        f"p = {_RARE}, {_FEW} wrong answers, {word}",
        {
            "problem": {
                "kind": "rewards",
                "reward": [1.0] + [0.0] * _FEW,
                "logits": [float(np.log(_RARE))] + [float(wrong)] * _FEW,
            },
            "rule": {"name": RULES[word]},
            "optimizer": {"name": "sgd", "step_size": STEP},
            "run": {"num_runs": 200, "num_steps": NUM_UPDATES, "group_size": 1},
        },
    )


def _never_right(word: str) -> SimulatedCell:
    """The same prompt as the bandit sees it: endless wrong answers, right ones of 1e-6."""
    cell = _BEYOND[word]
    return SimulatedCell(
        cell.name,
        cell.label,
        {
            "problem": {"kind": "rare_correct", "log10_arms": 1000.0, "success_prob": 1e-6},
            "rule": {"name": RULES[word]},
            "optimizer": {"name": "sgd", "step_size": STEP},
            "run": {
                "num_runs": 100,
                "num_steps": NUM_UPDATES,
                "group_size": 1,
                "record_every": 100,
            },
        },
    )


def mean_move(pass_rate: float, log10_wrong: float) -> Interval:
    """Mean change of the log-odds of success by one rollout of reward 1 or -1, over the step size.

    Args:
        pass_rate: of the prompt.
        log10_wrong: number of equally likely wrong answers.

    Returns:
        The change, exact.
    """
    num_wrong = 10**log10_wrong
    success = STEP * (1.0 - pass_rate) * (1.0 + 1.0 / num_wrong)
    failure = float(predicted_failure_step(logit(pass_rate), num_wrong=num_wrong, step_size=STEP))
    value = (pass_rate * success + (1.0 - pass_rate) * failure) / STEP
    return Interval(value, value, value)


def relative_signal(pass_rate: float, log10_answers: float) -> Interval:
    """Signal to noise of the negative reward's gradient over that of the raw one, on all logits.

    4 p n/(1 - C), C the chance that two rollouts are the same answer, n = 1 - 2 prob + C with the
    probability of one right answer (P57-noise).

    Args:
        pass_rate: of the prompt.
        log10_answers: number of right answers, and of wrong ones, equally likely each.

    Returns:
        The ratio of squared signal over second moment, exact.
    """
    answers = 10.0**log10_answers
    collision = (pass_rate**2 + (1.0 - pass_rate) ** 2) / answers
    norm = 1.0 - 2.0 * pass_rate / answers + collision
    value = 4.0 * pass_rate * norm / (1.0 - collision)
    return Interval(value, value, value)


def chance_of_nothing(pass_rate: float, log10_rollouts: float) -> Interval:
    """Chance that the raw reward has seen no success, and so learnt nothing.

    Args:
        pass_rate: of the base policy.
        log10_rollouts: rollouts drawn.

    Returns:
        (1 - p)^rollouts.
    """
    value = float(np.exp(10**log10_rollouts * np.log1p(-pass_rate)))
    return Interval(value, value, value)


def _effects():
    lower, both = (-np.inf, -MARGIN), ("simulation", "language_model")
    for name in ("easy", "hard", "few"):
        worlds = ("simulation",) if name == "few" else both
        yield Effect(
            f"own prompt, negative - raw, {name}",
            final("train"),
            f"{name}-negative",
            f"{name}-raw",
            expected=lower,
            paired=True,
            worlds=worlds,
        )
    for name in ("easy", "hard", "beyond"):
        yield Effect(
            f"held-out gain, negative - raw, {name}",
            gain("heldout"),
            f"{name}-negative",
            f"{name}-raw",
            expected=lower,
            paired=True,
            worlds=("language_model",) if name == "beyond" else both,
        )
    for name in ("hard", "beyond"):
        yield Effect(
            f"held-out gain, raw, {name} - easy",
            gain("heldout"),
            f"{name}-raw",
            "easy-raw",
            expected=lower,
            paired=True,
            worlds=("language_model",) if name == "beyond" else both,
        )
        yield Effect(
            f"own gain, raw, {name} - easy",
            gain("train"),
            f"{name}-raw",
            "easy-raw",
            expected=lower,
            paired=True,
            decides=False,
        )


CARD = Card(
    id="A4",
    title="Extremely hard prompts and negative rewards",
    claim="Extremely hard prompts and negative rewards (-1 for a wrong answer) break "
    "generalisation; with negative rewards training fails.",
    source="arXiv 2601.14599",
    known="D",
    test="One prompt alone, 1 x 1, SGD 0.001, five seeds: an easy one (.70), the hardest of the "
    "train set (.017) and one with numbers that the base model never gets right, each with raw "
    f"and with negative reward. Broken is a pass rate lower by {MARGIN} or more (an evaluation "
    f"errs by {SAMPLING_ERROR}).",
    theory_verdict="depends",
    theory_says="A negative reward doubles the expected step, on every logit. Where a few wrong "
    "answers hold the mass, a failure hands its mass to the other wrong ones, and below a pass "
    "rate that is a closed form the right one loses. A prompt without a success teaches the raw "
    "reward nothing; negative rewards move the policy all the same, with noise alone.",
    theory=(
        TheoryLink("P57-update", "negative reward: twice the expected step of raw reward"),
        TheoryLink(
            "P57-breakdown",
            "among K wrong answers the right one loses below a pass rate "
            "of about step (K - 1)/(4 K (K + 1))",
        ),
        TheoryLink("P57-fails", "that training fails in general is rejected"),
        TheoryLink(
            "P57-noise",
            "on all logits the negative reward has the worse signal to noise below "
            "a pass rate of about 1/4",
        ),
        TheoryLink("P25-first", "without a success nothing moves under raw reward: (1 - p)^n"),
        TheoryLink("P43-moves", "what fails for certain teaches next to nothing through a kernel"),
        TheoryLink("P45-flow", "a hopeless prompt is carried by the others, if by anything"),
    ),
    simulated=(
        *(lone_twin(cell) for cell in (*_EASY.values(), *_HARD.values())),
        *(_never_right(word) for word in RULES),
        *(_few_wrong(word) for word in RULES),
    ),
    trained=(*_EASY.values(), *_HARD.values(), *_BEYOND.values()),
    effects=tuple(_effects()),
    maps=(
        FlipMap(
            name="answers",
            title="Does a negative reward lower the pass rate?",
            x=Axis("pass_rate", "pass rate", PASS_RATES),
            y=Axis("log10_wrong", "log10 of the number of wrong answers", WRONG, is_log=False),
            label="change of log-odds a rollout",
            point=mean_move,
            expected=(-np.inf, 0.0),
        ),
        FlipMap(
            name="noise",
            title="Does its noise drown the signal?",
            x=Axis("pass_rate", "pass rate", PASS_RATES),
            y=Axis(
                "log10_answers", "log10 of right answers, and of wrong ones", WRONG, is_log=False
            ),
            label="signal to noise, negative / raw",
            point=relative_signal,
            expected=(-np.inf, 1.0),
        ),
        FlipMap(
            name="silence",
            title="When is a prompt too hard for the raw reward?",
            x=Axis("pass_rate", "base pass rate", PASS_RATES),
            y=Axis(
                "log10_rollouts",
                "log10 of the rollouts",
                (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0),
                False,
            ),
            label="chance of no success",
            point=chance_of_nothing,
            expected=(0.5, np.inf),
        ),
    ),
    where_it_flips="A negative reward lowers the pass rate of a rollout's prompt on average only "
    "where few wrong answers hold the mass: at a step of 1 nat up to .03 with 3 of them, .01 "
    "with 10, .001 with 100, 1e-4 with 1,000, and nowhere from 1e6 wrong answers on. Its noise "
    "drowns its signal below a pass rate of 1/4, with ten answers and more. The raw reward "
    "breaks nothing: below 1/rollouts it has seen no success and rests.",
    remarks=(
        "The language model turns between .017 and .31. Negative rewards cost nothing on the "
        "easy prompt (and help from .31, docs/forecast.md), take .13 of the held-out pass rate "
        "on the hardest prompt, and all but .05 of it where no response is right: 300 updates "
        "of -1 destroy the model.",
        "On the hardest prompt four of five runs with negative reward learn it faster than with "
        "the raw reward and end at .92 to .98, with the held-out prompts at .20 to .33 (raw: "
        ".36 to .40); the fifth falls to 0 on its prompt and .20 on the others.",
        "An extremely hard prompt is harmless under raw reward: no success, no update, the "
        "model stays as it was. The hardest prompt with a success in 60 rollouts is learnt and "
        "generalises better than the easy one (+.045).",
        "The simulation with endless wrong answers does not see the damage: there a failure "
        "moves the log-odds by the kernel times p, which is nothing where p is nothing. What "
        "pushes on single wrong responses do to all others is not in its one number; the bandit "
        "with ten wrong answers has a loss of its own (.90 falls to .34).",
    ),
    split="train",
)
