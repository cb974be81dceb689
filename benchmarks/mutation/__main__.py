"""Plant small errors into the source one by one, and count how many the tests find.

`python -m benchmarks.mutation --help` says more; `make mutation` runs it.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from banditlab.files import write_atomically
from banditlab.lock import lock_run_folder
from banditlab.records import provenance, write_json
from benchmarks.mutation.equivalent import read_equivalents
from benchmarks.mutation.mutants import names, read_mutants
from benchmarks.mutation.report import LEAST_SCORE, Result, as_json, filled, survivors, table
from benchmarks.mutation.run import run
from benchmarks.mutation.targets import TARGETS, Target, drawn
from benchmarks.mutation.workplace import ROOT, prepare

DOCUMENT = ROOT / "docs" / "mutation.md"
RESULT_FILE = Path(__file__).with_name("results.json")

_EPILOG = """\
A run that was stopped goes on where it was, until a source or test changes. Each target has its
copy of the sources under --out, so that mutated code never stands in the checkout; what mutmut
prints is in mutmut.log there. The table and the survivors go to docs/mutation.md and to
benchmarks/mutation/results.json, unless --targets or --no-record is given. The exit code is 1 where
a score is below 95 %, or a test finds a mutant that equivalent.toml says to be equivalent; 2 where
the run itself failed.

examples:
  make mutation
  python -m benchmarks.mutation --targets levels dual
  python -m benchmarks.mutation --targets lumped --seed 1
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.mutation",
        description=__doc__.partition("\n")[0],
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    known = [target.name for target in TARGETS]
    parser.add_argument(
        "--targets", nargs="+", choices=known, metavar="NAME", help=f"only some of {known}"
    )
    parser.add_argument("--seed", type=int, default=3, help="of the sample (default 3)")
    parser.add_argument("--jobs", type=int, default=1, help="mutants at a time (default 1)")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "runs" / "mutation", help="folder for the copies"
    )
    parser.add_argument("--no-record", action="store_true", help="print, and write no document")
    return parser


def _measure(target: Target, out: Path, seed: int, num_jobs: int) -> Result:
    folder = out / target.name
    prepare(target, folder)
    every = names(target, folder)
    chosen = drawn(every, target.sample, seed)
    run(target, folder, chosen, num_jobs)
    mutants = tuple(read_mutants(target, folder, chosen))
    return Result(target, len(every), mutants, read_equivalents())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the mutants and report.

    Args:
        argv: arguments; those of the process by default.

    Returns:
        Exit code: 0; 1 where a score is too low or a reason is refuted; 2 where the run failed; 130
            where it was stopped.
    """
    arguments = _parser().parse_args(argv)
    chosen = arguments.targets or [target.name for target in TARGETS]
    out = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    try:
        with lock_run_folder(out, "mutation"):
            results = [
                _measure(target, out, arguments.seed, arguments.jobs)
                for target in TARGETS
                if target.name in chosen
            ]
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on from here", file=sys.stderr)
        return 130
    except (RuntimeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"\n{table(results)}\n\n{survivors(results)}")
    if arguments.targets is None and not arguments.no_record:
        write_atomically(DOCUMENT, filled(DOCUMENT.read_text(encoding="utf-8"), results))
        origin = provenance(seed=arguments.seed)
        write_json(RESULT_FILE, {"provenance": origin, "targets": as_json(results)})
        print(f"{DOCUMENT}\n{RESULT_FILE}")
    refuted = [m for result in results for m in result.equivalents.refuted(result.mutants)]
    for mutant in refuted:
        print(f"not equivalent, a test finds it: {mutant.name}: {mutant.now}")
    low = [result.target.name for result in results if result.score < LEAST_SCORE]
    if low:
        print(f"below {LEAST_SCORE:.0%}: {', '.join(low)}")
    return 1 if low or refuted else 0


if __name__ == "__main__":
    raise SystemExit(main())
