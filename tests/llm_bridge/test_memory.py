"""What a rule remembers of a question, beside the simulator's own memory on the same rewards."""

import numpy as np
import pytest

from banditlab.rounds import Memory, _advantage
from banditlab.rules import RULES, get_rule
from llm_bridge.memory import RuleMemory


def rewards_and_questions(num_extra=0):
    rng = np.random.default_rng(5)
    for _ in range(6):
        yield rng.integers(0, 2, (3, 4 + num_extra)).astype(float), rng.permutation(7)[:3]


@pytest.mark.parametrize("name", RULES)
def test_advantages_and_memory_are_those_of_the_simulator(name):
    rule = RULES[name]
    ours, theirs = RuleMemory.start(rule, 7), Memory.start(rule, 1, 7)
    for reward, questions in rewards_and_questions(rule.extra_rollouts):
        found = ours.advantage(rule, reward, questions)
        expected = _advantage(rule, reward[None], questions[None], theirs)
        np.testing.assert_array_equal(found, expected[0])
        if ours.advantage_state is not None:
            np.testing.assert_array_equal(ours.advantage_state, theirs.advantage_state[0])


def test_the_multiplier_takes_the_dual_step_and_stops_at_zero():
    rule = get_rule("variance_penalty_dual", bound=0.1, dual_step_size=2.0, initial=0.5)
    memory = RuleMemory.start(rule, 1)
    memory.move_multiplier(rule, 0.4)
    assert memory.multiplier == pytest.approx(0.5 + 2.0 * 0.3)
    for _ in range(9):
        memory.move_multiplier(rule, 0.0)
    assert memory.multiplier == 0.0
    assert RuleMemory.start(get_rule("clip"), 1).multiplier is None


def test_a_memory_comes_back_as_it_was():
    rule = get_rule("reward_history")
    memory = RuleMemory.start(rule, 7)
    for reward, questions in rewards_and_questions():
        memory.advantage(rule, reward, questions)
    state = memory.state_dict()
    kept = state["advantage_state"].clone()
    memory.advantage(rule, reward, questions)
    again = RuleMemory.start(rule, 7)
    again.load_state_dict(state)
    np.testing.assert_array_equal(again.advantage_state, kept.numpy())
    assert not np.array_equal(memory.advantage_state, again.advantage_state)
