"""Closed forms and differential equations: numbers in, numbers out. NumPy and SciPy only.

One module per topic, each function with its regime (`Assumes:`) and derivation; nothing here knows
the simulator. `banditlab verify --explain CLAIM` prints them beside what was measured.
"""
