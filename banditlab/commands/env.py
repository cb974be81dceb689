"""The command `banditlab env`."""

import argparse
from pathlib import Path

from banditlab.command import Command


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print as JSON")


def _print_env(arguments: argparse.Namespace) -> int:
    import json
    import os
    from importlib.util import find_spec

    from tabulate import tabulate

    from banditlab.extras import SIGN_OF
    from banditlab.records import provenance

    found = provenance()
    data_folder = os.environ.get("BANDITLAB_DATA")
    extras = {
        extra: "installed" if find_spec(module) else f'missing: pip install "banditlab[{extra}]"'
        for extra, module in SIGN_OF.items()
    }
    data = (
        "not set" if data_folder is None else "set" if Path(data_folder).is_dir() else "no folder"
    )
    if arguments.json:
        print(json.dumps({**found, "extras": extras, "BANDITLAB_DATA": data}, indent=2))
        return 0
    rows = [(name, value) for name, value in found["versions"].items()]
    rows += [("commit", found["commit"]), ("machine", found["machine"]), ("BANDITLAB_DATA", data)]
    rows += [(f"extra {name}", value) for name, value in extras.items()]
    print(tabulate(rows, tablefmt="plain", disable_numparse=True))
    return 0


env_command = Command(
    name="env",
    summary="Print versions, extras and machine, for a bug report.",
    example="banditlab env --json",
    add_arguments=_add_arguments,
    run=_print_env,
)
