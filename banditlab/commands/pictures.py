"""Pictures of results: drawn by whichever package offers them, since the core has no Matplotlib."""

from importlib.metadata import entry_points
from pathlib import Path

ENTRY_POINT_GROUP = "banditlab.pictures"


def draw_picture(kind: str, out: Path) -> None:
    """Draw the picture of a finished folder into it, and say where it is.

    Args:
        kind: kind of result, the name of the entry point: "simulate" or "sweep".
        out: the folder.
    """
    from banditlab.extras import explain

    for entry in entry_points(group=ENTRY_POINT_GROUP, name=kind):
        try:
            paths = entry.load()(out)
        except ModuleNotFoundError as error:
            print(f"no picture: {explain(error)}")
        else:
            print(f"picture: {', '.join(str(path) for path in paths)}")
