"""Modules whose extra is not installed are left out of the doctests, which import all."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("trl") else ["llm_bridge/trl.py"]
