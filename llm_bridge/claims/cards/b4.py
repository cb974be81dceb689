"""B4: replayed reward statistics at one rollout per prompt come close to the best batch."""

import math

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit

from llm_bridge.claims.card import Axis, Card, FlipMap, TheoryLink
from llm_bridge.claims.cards.batch_grid import (
    ADAMW_ROLLOUTS,
    LITTLE,
    ROLLOUTS,
    SOURCE,
    adamw_grpo_cell,
    grpo_cell,
    raw_cell,
    update_cell,
)
from llm_bridge.claims.curve import final, pass_rate_at
from llm_bridge.claims.effect import Effect, Interval
from llm_bridge.claims.twins import twin
from theory.predict.drift import predicted_class_gradient
from theory.predict.reference_curve import predicted_k3_log_odds
from theory.predict.reward_history import predicted_history_gradient

_HISTORY = 8
_UNSEEN = 0.02
"""Difference that evaluations of 2,048 responses cannot tell from none: two standard errors."""
_LATE = 1.1
"""Learning that takes a tenth longer is still close."""
_CERTAIN = 30.0

GRPO, RAW, RAW_256 = grpo_cell(), raw_cell(), grpo_cell(256, 1)
REPLAY_256 = update_cell("replay-256x1", "replay 256x1", "reward_history", 256, 1)
REPLAY_32 = update_cell(
    "replay-32x1", "replay 32x1", "reward_history", 32, 1, num_updates=480, eval_every=60
)
ADAMW_GRPO = adamw_grpo_cell()
ADAMW_REPLAY = update_cell(
    "adamw-replay-256x1", "replay 256x1, AdamW", "reward_history", 256, 1, optimizer="adamw"
)
K3 = update_cell("k3-32x8", "GRPO 32x8 with k3", "grpo_k3", 32, 8)
ADAMW_K3 = update_cell(
    "adamw-k3-32x8", "GRPO 32x8 with k3, AdamW", "grpo_k3", 32, 8, optimizer="adamw"
)
# In double precision, so that the rounding between sampling and training cannot change a sample.
_EXACT = {"dtype": "float64", "num_updates": 10, "eval_every": 5, "num_seeds": 3}
MEAN, CLIP, PENALTY = (
    update_cell(f"one-step-{rule.replace('_', '-')}", f"{word}, one step", rule, 32, 8, **_EXACT)
    for rule, word in (
        ("group_mean", "group mean"),
        ("clip", "clip"),
        ("variance_penalty", "penalty"),
    )
)
_FOLLOWED = (GRPO, RAW, RAW_256, REPLAY_256, REPLAY_32, ADAMW_GRPO, K3)
_ONE_STEP = (MEAN, CLIP, PENALTY)
_CLAIM, _SAME = (-LITTLE, math.inf), (-_UNSEEN, _UNSEEN)


def replay_delay(pass_rate: float, num_visits: float) -> Interval:
    """Updates to half of the way to 1 over the last 8 rewards, over those with groups of 8.

    Args:
        pass_rate: of every prompt, at the start.
        num_visits: updates that GRPO takes; each visits every prompt.

    Returns:
        The ratio, in the mean over many prompts; exact.
    """
    start, goal, num = float(logit(pass_rate)), float(logit((1.0 + pass_rate) / 2.0)), num_visits

    def after(rate: float) -> float:
        log_odds = start
        for _ in range(int(num)):
            gradient = predicted_class_gradient("grpo", log_odds, group_size=_HISTORY)
            log_odds = min(log_odds + rate * float(gradient), _CERTAIN)
        return log_odds

    # Steps only grow on the way up, so that the first one bounds the rate.
    first = float(predicted_class_gradient("grpo", start, group_size=_HISTORY))
    highest = (_CERTAIN - start) / first
    rate = brentq(lambda rate: after(rate) - goal, highest / (1e4 * num), highest, rtol=1e-12)
    path = [start]
    while path[-1] < goal:
        earlier = path[:-1][-(_HISTORY - 1) :]
        path.append(path[-1] + rate * predicted_history_gradient(path[-1], earlier))
    last = (goal - path[-2]) / (path[-1] - path[-2])
    ratio = (len(path) - 2 + last) / num
    return Interval(ratio, ratio, ratio)


def k3_less_none(coefficient: float, reached: float) -> Interval:
    """Pass rate of the plain reward with k3 in the loss less that without, from .32.

    Args:
        coefficient: price of one nat, in units of reward.
        reached: pass rate without the term.

    Returns:
        The difference at that time; exact.
    """
    start, end = float(logit(0.32)), float(logit(reached))
    # dz/dt = p (1 - p) without the term.
    time = 2.0 * (end + np.sinh(end) - start - np.sinh(start))
    with_term = predicted_k3_log_odds(time, start, coefficient=coefficient, kernel=1.0)
    less = float(expit(with_term)) - reached
    return Interval(less, less, less)


def _less(name: str, statistic, cell, against, expected, **more) -> Effect:
    return Effect(name, statistic, cell.name, against.name, expected=expected, **more)


_MODEL = {"worlds": ("language_model",)}
_AT_END, _AT_ROLLOUTS = final("heldout"), pass_rate_at("heldout", rollouts=ROLLOUTS)

CARD = Card(
    id="B4",
    title="Replayed reward statistics come close to 32 x 8",
    claim="Mean and deviation over a prompt's last 8 rewards, replayed from earlier rounds, bring "
    "one rollout per prompt close to the best batch, 32 x 8.",
    source=SOURCE,
    known="D",
    test="Held-out pass rate with replayed statistics (256 x 1 and 32 x 1) less that of GRPO at "
    f"32 x 8, at equal rollouts; close is no more than {LITTLE} below. The k3 term of 0.001 on and "
    "off, and clip and ratio-variance penalty with one step per round, are shown beside it.",
    theory_verdict="follows",
    theory_says="At a resting policy a full history of 8 has the mean step of a group of 8, and "
    "less noise per rollout; while the policy moves it lags by 3.5 visits, and the first visits "
    "have shorter steps. k3 is 0 at the base policy; clip and penalty are invisible at ratio 1.",
    theory=(
        TheoryLink("P55-resting", "The mean step of a full history is S_8(p), that of 8 rollouts."),
        TheoryLink("P55-start", "Before, it is p (1 - p), then S_2(p), S_3(p), ..."),
        TheoryLink("P55-lag", "Its mean lags by 3.5 visits."),
        TheoryLink("P55-moving", "The step of a policy that moves, in closed form."),
        TheoryLink("P55-noise", "It has no more noise per rollout than groups have."),
        TheoryLink("P53-first", "k3 is exactly 0 at the base policy, sample by sample."),
        TheoryLink("P53-delay", "At 0.001 it delays p = 0.9 by 0.2 %."),
        TheoryLink("P53-end", "It ends learning at 1 - p = 0.001 (1 - p_ref), nearly."),
        TheoryLink("P3-first-step", "The first step of clip and penalty is REINFORCE's, exactly."),
    ),
    simulated=(
        *(twin(cell) for cell in _FOLLOWED),
        *(twin(cell, run={}) for cell in _ONE_STEP),
    ),
    trained=(*_FOLLOWED, ADAMW_REPLAY, ADAMW_K3, *_ONE_STEP),
    effects=(
        _less("replay 256x1 less GRPO 32x8, SGD", _AT_END, REPLAY_256, GRPO, _CLAIM),
        _less("replay 256x1 less GRPO 32x8, train", final("train"), REPLAY_256, GRPO, _CLAIM),
        _less("replay 32x1 less GRPO 32x8, SGD", _AT_ROLLOUTS, REPLAY_32, GRPO, _CLAIM),
        _less(
            "replay 256x1 less GRPO 32x8, AdamW",
            pass_rate_at("heldout", rollouts=ADAMW_ROLLOUTS),
            ADAMW_REPLAY,
            ADAMW_GRPO,
            _CLAIM,
            **_MODEL,
        ),
        _less(
            "replay 256x1 less raw 256x1, SGD",
            _AT_END,
            REPLAY_256,
            RAW_256,
            (0.0, math.inf),
            decides=False,
        ),
        _less(
            "replay 32x1 less raw 32x1, SGD",
            _AT_ROLLOUTS,
            REPLAY_32,
            RAW,
            (0.0, math.inf),
            decides=False,
        ),
        _less("k3 of 0.001 less none, GRPO 32x8, SGD", _AT_END, K3, GRPO, _SAME, decides=False),
        _less(
            "k3 of 0.001 less none, GRPO 32x8, AdamW",
            _AT_END,
            ADAMW_K3,
            ADAMW_GRPO,
            _SAME,
            decides=False,
            **_MODEL,
        ),
        _less(
            "clip less group mean, one step a round",
            _AT_END,
            CLIP,
            MEAN,
            (0.0, 0.0),
            decides=False,
            paired=True,
        ),
        _less(
            "penalty less group mean, one step a round",
            _AT_END,
            PENALTY,
            MEAN,
            (0.0, 0.0),
            decides=False,
            paired=True,
        ),
    ),
    maps=(
        FlipMap(
            "visits",
            "Updates to half of the way: last 8 rewards over groups of 8",
            Axis(
                "pass_rate",
                "pass rate of the prompts at the start",
                (1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 0.3, 0.6, 0.9),
            ),
            Axis(
                "num_visits",
                "visits until GRPO is half of the way to 1",
                (2, 4, 8, 16, 32, 64, 128, 256),
            ),
            "ratio of updates",
            replay_delay,
            (0.0, _LATE),
        ),
        FlipMap(
            "k3",
            "k3 in the loss less none, plain reward from .32",
            Axis("coefficient", "coefficient of k3", (1e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0)),
            Axis(
                "reached",
                "pass rate reached without it",
                (0.4, 0.5, 0.7, 0.9, 0.97, 0.99, 0.999),
                False,
            ),
            "difference in pass rate",
            k3_less_none,
            _SAME,
        ),
    ),
    where_it_flips="Replay comes late where prompts are visited seldom: it takes 1.4 to 1.7 times "
    "the updates of groups of 8 if those need 4 visits, 1.10 to 1.17 times at 16, and at most "
    "1.08 times from 32 visits on, whatever the pass rate. k3 costs more than .02 from a "
    "coefficient of 0.1 on, once pass rates are .7, and less than .0005 anywhere at 0.001.",
    remarks=(
        "At one rate and 256 x 1, replay is ahead of the plain reward because it divides by the "
        "deviation, which lengthens the step; at 32 x 1 and equal rollouts, where both have "
        "learnt most of what there is, it brings nothing and its seeds spread four times as much.",
        "With one step per round clip and penalty end every run of both worlds in the very same "
        "pass rates as the group mean. In the language model this needs double precision: in "
        "single precision the log-probs of sampling and training differ by rounding, and a "
        "changed sample in some run would follow.",
        "Replay here is the last 8 rewards of a prompt, the present one included; how the "
        "released code fills its memory at the start is our reading.",
    ),
    against="rollouts",
)
