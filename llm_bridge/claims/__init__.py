"""Claim cards: what the papers say, tested in theory, in simulation and on a language model."""
