"""The update rules of `banditlab` on causal language models of the Transformers library.

Nothing heavy is imported here: torch, transformers and datasets load with the modules that use
them.
"""
