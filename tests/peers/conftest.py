"""What needs another library runs in an environment of its own, `make test-peers`, only."""

from importlib.util import find_spec

# Not trl, which the environment of the other tests has too.
LIBRARIES = ("torchrl", "rlax", "pyspiel", "openrlhf", "verl")
NEED_LIBRARIES = [
    f"test_{name}.py" for name in ("differential", "all_actions", "deviations", "record")
]

collect_ignore = [] if any(map(find_spec, LIBRARIES)) else NEED_LIBRARIES
