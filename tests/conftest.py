"""Hypothesis profiles: `ci` gives every machine the same cases, `search` looks for new ones.

`pytest --hypothesis-profile search` runs the second.
"""

from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("search", max_examples=1000, deadline=None)
settings.load_profile("ci")
