"""The cards, one module a claim."""
