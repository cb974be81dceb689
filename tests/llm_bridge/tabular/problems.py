"""Arm spaces small enough to compare every logit, and the settings they are trained at."""

import numpy as np
from scipy.special import log_softmax

from banditlab.problems import BanditProblem
from banditlab.sequence.problem import SequenceProblem
from llm_bridge.config import TrainConfig

_RNG = np.random.default_rng(0)

# Four prompts of six arms in three classes; each update takes two prompts.
BANDIT = BanditProblem(
    log_count=np.log([[1, 2, 3]] * 4),
    log_mass=log_softmax(_RNG.normal(size=(4, 3)), axis=1),
    reward=np.array([[1.0, 0.4, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.4], [0.5, 0.0, 1.0]]),
)
# Four prompts of 27 sequences: three tokens from three.
SEQUENCES = SequenceProblem(
    base_log_prob=log_softmax(_RNG.normal(size=(4, 3, 3)), axis=-1),
    targets=np.array([[[0, 1, -1], [2, -1, -1]]] * 2 + [[[1, -1, -1], [0, 2, 1]]] * 2),
)

# Steps so large that the ratios leave 1 within three inner epochs. Decay pulls back from the
# corners, where nothing would be left to compare; SGD does without on the bandit, since the
# bridge leaves out idle steps only then.
OPTIMIZERS = {
    "sgd": {"optimizer": "sgd", "learning_rate": 2.0},
    "adam": {"optimizer": "adamw", "learning_rate": 0.15, "weight_decay": 0.5},
}
TOLERANCE = {"sgd": 1e-10, "adam": 1e-8}
# Numbers at which a term shows: a dual clip that is met, and references that pull.
HYPER = {
    "dual_clip": {"dual_clip": 1.02},
    "extra_rollouts": {"extra_rollouts": 3},
    "grpo_k3": {"coefficient": 0.1},
    "grpo_k3_corrected": {"coefficient": 0.1},
}


def make_config(rule, optimizer="sgd", **changes):
    values = {"num_prompts": 2, "group_size": 6, "seed": 1, "hyper": HYPER.get(rule, {})}
    return TrainConfig(**{"rule": rule, **values, **OPTIMIZERS[optimizer], **changes})
