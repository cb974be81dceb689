"""A language model whose logits are a free table: where the simulator and the bridge meet.

It has the face of a Transformers model, so the bridge trains it by the code that trains any other,
and it is the policy of the simulator, so the two must agree on the same draws.
"""
