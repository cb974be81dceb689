"""A forward pass of our own for Llama and Qwen models: little padding, and prompts read once.

It reads the parameters of the Transformers module itself, so gradients flow into them. What it
saves: the prompt pass is shared by the rollouts of a prompt; rows are batched by length; logits
are computed where a token was sampled and nowhere else; the last layer skips what nothing reads.

The rotary embedding turns the pair (i, i + D/2) of the D dimensions of a head. The rows of the
query and key weights are reordered alike, which leaves their product alone and puts the pairs
side by side: a turn is then one multiplication of complex numbers.

Shapes: P prompts, n rows (rollouts), T tokens, V vocabulary, H heads, K heads of keys and values,
D dimensions of a head, E hidden width, N tokens of all rows, one after the other.
"""

from llm_bridge.fast_llama.decode import FastDecoder
from llm_bridge.fast_llama.log_prob import fast_token_log_prob
from llm_bridge.fast_llama.parameters import is_supported

__all__ = ["FastDecoder", "fast_token_log_prob", "is_supported"]
