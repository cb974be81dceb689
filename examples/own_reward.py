"""A reward of one's own, used as --reward examples/own_reward.py:close_and_short."""

from llm_bridge.answers import final_answer


def close_and_short(completion, row):
    """1 for the right number, less for more words; 0 for anything else."""
    if final_answer(completion) != final_answer(row["answer"]):
        return 0.0
    return max(0.5, 1.0 - 0.01 * len(completion.split()))
