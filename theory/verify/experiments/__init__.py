"""Experiments on banditlab that claims measure: exact expectations, and sampled runs."""
