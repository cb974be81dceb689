"""Speed of the training loop on language models: one run, competitors in turn, ratios side by side.

`python -m benchmarks.bridge --help` says what is measured.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.timing import pin

_DESCRIPTION = """\
Measure sampling and updates of a language model, beside Transformers and TRL.

  generation  tokens a second: our sampler, the same around the model's own forward pass, and
              `generate`; beside the arithmetic and the memory that a token needs, by formula, at
              rates of this machine measured in the same run; and what `generate` spends its time on
  updates     seconds of an update beside TRL's GRPOTrainer: the same prompts x generations, limit
              of tokens, inner epochs and optimizer, no KL, grades cached on both sides
  phases      where the time of an update goes, and what it saves to read a prompt once a group

The competitors take turns; a cell is the median over rounds [lower quartile, upper quartile], a
ratio that of ratios taken within a round. On a CPU one thread on one core does the work, and times
are its processor time, except those of whole updates: these are by the clock, which sees the
grading worker and neighbours too, beside a ratio of processor time. With --device cuda the model
is one of the size of Qwen2.5-0.5B with random weights in bfloat16, and all times are by the clock.
Without TRL its column is left out.
The exit code is 1 where a bound that is aimed for is missed.
"""

_EPILOG = """\
examples:
  python -m benchmarks.bridge --quick
  python -m benchmarks.bridge --out benchmarks/results
  python -m benchmarks.bridge --device cuda --out benchmarks/results/cuda
  python -m benchmarks.bridge --sections generation --json
"""

SECTIONS = ("generation", "updates", "phases")


def _work(subject: Any) -> dict[str, Callable[[], list[Any]]]:
    """Sections by name."""
    from benchmarks.bridge import generation, phases, updates

    return {
        "generation": lambda: generation.measure(subject),
        "updates": lambda: updates.measure(subject),
        "phases": lambda: phases.measure(subject),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.bridge",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="less than a minute, not four")
    parser.add_argument(
        "--sections", nargs="+", choices=SECTIONS, default=SECTIONS, help="only some of the above"
    )
    parser.add_argument("--device", default="cpu", help="torch device, cpu by default")
    parser.add_argument(
        "--model",
        choices=("embedded", "qwen2-0.5b"),
        help="by default the embedded model on a CPU, else the one of 0.5 billion random weights",
    )
    parser.add_argument("--json", action="store_true", help="print rows as JSON, not as tables")
    parser.add_argument(
        "--out", type=Path, help="folder for bridge.json, .csv, .png and .svg; none by default"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark.

    Args:
        argv: arguments; those of the process by default.

    Returns:
        Exit code: 0, or 1 where a bound that is aimed for is missed.
    """
    arguments = _parser().parse_args(argv)
    is_cpu = arguments.device == "cpu"
    # Both before torch is imported: its libraries then start one thread.
    core = pin() if is_cpu else None
    if is_cpu:
        for library in ("OMP", "OPENBLAS", "MKL"):
            os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    from benchmarks.bridge.draw import RESULT_FILE, write_picture
    from benchmarks.bridge.machine import device_name
    from benchmarks.bridge.subject import open_subject
    from benchmarks.bridge.trl_side import trl_version
    from benchmarks.report import missed_bounds, print_section, write_results
    from benchmarks.rows import json_rows
    from llm_bridge.run import torch_threads

    start, busy, rows = time.monotonic(), time.process_time(), []
    model = arguments.model or ("embedded" if is_cpu else "qwen2-0.5b")
    with (
        open_subject(model, arguments.device, arguments.quick) as subject,
        torch_threads(subject.config.num_threads),
    ):
        work = _work(subject)
        for name in SECTIONS:
            if name in arguments.sections:
                found = work[name]()
                rows += found
                if not arguments.json:
                    print_section(name, found)
    wall, busy = time.monotonic() - start, time.process_time() - busy
    missed = missed_bounds(rows)
    if arguments.json:
        print(json.dumps(json_rows(rows), indent=2))
    else:
        print(f"\n{wall:.0f} s by the clock, of which this process had the core {busy / wall:.0%}")
        print("\n".join(missed), end="\n" if missed else "")
    if arguments.out is not None:
        paths = write_results(
            rows,
            arguments.out / RESULT_FILE,
            write_picture,
            core=core,
            device=arguments.device,
            device_name=device_name(arguments.device),
            is_quick=arguments.quick,
            seconds=round(wall, 1),
            share_of_core=round(busy / wall, 3),
            trl=trl_version(),
        )
        print(*paths, sep="\n", file=sys.stderr if arguments.json else sys.stdout)
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
