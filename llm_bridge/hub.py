"""Whether a name is a folder, a file or a name on the Hugging Face hub, and whether that answers.

The libraries of the hub retry for about half a minute when there is no network; here the first
silence is an answer.
"""

import os
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from typing import Any

_TIMEOUT_SECONDS = 3.0


def is_path_like(name: str) -> bool:
    """Whether a name can only be a path: hub names are NAME or OWNER/NAME.

    Args:
        name: what the user gave.

    Returns:
        True for what exists on disk and for what no hub name looks like.
    """
    return (
        Path(name).expanduser().exists()
        or name.startswith((".", "~", os.sep))
        or "\\" in name
        or name.count("/") > 1
        or name.endswith("/")
    )


def _has_answered(url: str) -> bool:
    try:
        urllib.request.urlopen(
            urllib.request.Request(url, method="HEAD"), timeout=_TIMEOUT_SECONDS
        ).close()
    except urllib.error.HTTPError:
        return True
    except urllib.error.URLError as error:
        # Which certificates count is for the hub's own client to say.
        return isinstance(error.reason, ssl.SSLError)
    except (OSError, ValueError):
        return False
    return True


def is_hub_reachable() -> bool:
    """Whether the hub answers within three seconds and HF_HUB_OFFLINE does not forbid asking.

    Returns:
        True if any answer came, a refusal included.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    answers: Queue[bool] = Queue()
    # A name server that is silent blocks for longer than any timeout given to the request.
    threading.Thread(
        target=lambda: answers.put(_has_answered(constants.ENDPOINT)), daemon=True
    ).start()
    try:
        return answers.get(timeout=_TIMEOUT_SECONDS)
    except Empty:
        return False


@contextmanager
def hub_offline() -> Iterator[None]:
    """Let the hub's libraries read their cache only, without a single request."""
    import datasets.config
    from huggingface_hub import constants

    owners: tuple[Any, ...] = (constants, datasets.config)
    before = [owner.HF_HUB_OFFLINE for owner in owners]
    for owner in owners:
        owner.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        for owner, value in zip(owners, before, strict=True):
            owner.HF_HUB_OFFLINE = value
