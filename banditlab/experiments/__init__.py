"""Experiments as files: what they hold, how one is run, and grids of them."""
