"""Prompts whose log-odds all move together, by a measured kernel that depends on the pass rate."""
