"""Speed of the simulator: one run, competitors interleaved, ratios side by side.

`python -m benchmarks.simulator --help` says what is measured.
"""

import argparse
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.timing import pin

_DESCRIPTION = """\
Measure what a step of the lumped policy costs, beside its competitors.

  arms      cost per run and step at log10 K = 3 to 100,000, touched arms fixed: is it flat?
  growth    the same under rules that touch more arms with every step (group_mean, grpo)
  dense     against a dense NumPy loop and MABWiser's softmax, over the first 100 steps
  touched   time per touched arm and step, up to 1e4 a run, beside a copy of their logits
  scaling   with runs, group, classes and prompts

A step is a whole round of `simulate`: uniforms, draw, reward, advantage, weight, move. Every round
of the benchmark runs each competitor of a table once, in a random order; a cell is the median over
rounds [lower quartile, upper quartile], a ratio that of ratios taken within a round. Times are
processor time of one thread on one core. "Over its uniforms and exps" and "over K exps" compare
with the arithmetic that the step cannot do without, timed the same way. K never enters the lumped
policy. The dense loop does one run, the lumped one 1,000 at once; neither skips silent rounds.
"dense, series" is the same loop with a cubic series in place of exp where it is exact.
MABWiser's softmax is another algorithm: a softmax over mean rewards, drawn by a Dirichlet variate.
The exit code is 1 where a bound that is aimed for is missed.
"""

_EPILOG = """\
examples:
  python -m benchmarks.simulator --quick
  python -m benchmarks.simulator --out benchmarks/results
  python -m benchmarks.simulator --sections arms touched
"""

SECTIONS = ("arms", "growth", "dense", "touched", "scaling")


def _work(is_quick: bool) -> dict[str, Callable[[], list[Any]]]:
    """Sections by name, at the chosen size."""
    from benchmarks import arms, scaling, touched, versus

    steady = (
        {"num_rounds": 9, "block_seconds": 0.006}
        if is_quick
        else {
            "num_rounds": 41,
            "block_seconds": 0.02,
        }
    )
    sizes = (3, 4, 6) if is_quick else (3, 4, 5, 6, 7)
    few = 2 if is_quick else 7
    return {
        "arms": lambda: arms.measure_fixed(num_runs=1000, **steady),
        "growth": lambda: arms.measure_growth(num_runs=1000, num_rounds=few, num_steps=100),
        "dense": lambda: versus.measure(num_runs=1000, num_rounds=few, log10_sizes=sizes),
        "touched": lambda: touched.measure(num_runs=500, **steady),
        "scaling": lambda: scaling.measure(num_runs=1000, **steady),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.simulator",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="one minute instead of about four")
    parser.add_argument(
        "--sections", nargs="+", choices=SECTIONS, default=SECTIONS, help="only some of the above"
    )
    parser.add_argument(
        "--out", type=Path, help="folder for simulator.json, .csv, .png and .svg; none by default"
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
    # Both before NumPy is imported: its libraries then start one thread.
    core = pin()
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    from benchmarks.draw import RESULT_FILE, write_picture
    from benchmarks.report import missed_bounds, print_section, write_results

    work, rows = _work(arguments.quick), []
    start, busy = time.monotonic(), time.process_time()
    for name in SECTIONS:
        if name in arguments.sections:
            found = work[name]()
            rows += found
            print_section(name, found)
    wall, busy = time.monotonic() - start, time.process_time() - busy
    print(f"\n{wall:.0f} s by the clock, of which this process had the core {busy / wall:.0%}")
    missed = missed_bounds(rows)
    print("\n".join(missed), end="\n" if missed else "")
    if arguments.out is not None:
        paths = write_results(
            rows,
            arguments.out / RESULT_FILE,
            write_picture,
            core=core,
            is_quick=arguments.quick,
            seconds=round(wall, 1),
            share_of_core=round(busy / wall, 3),
            times="processor time of one thread",
        )
        print(*paths, sep="\n")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
