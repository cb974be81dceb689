"""The command `compare`."""

import argparse
from pathlib import Path

from banditlab.command import Command


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(word) for word in _words(text))


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_argument_group("model and data")
    what.add_argument("--model", default="embedded", help="embedded, a folder, or a hub name")
    what.add_argument(
        "--dataset",
        default="embedded",
        help="embedded, a JSONL/JSON/parquet/CSV file, a folder, or a hub name",
    )
    what.add_argument("--split", help="split to train on; default train")
    what.add_argument("--eval-dataset", help="dataset of held-out prompts; default the same")
    what.add_argument("--eval-split", help="split of held-out prompts; default heldout or test")
    what.add_argument("--take", type=int, help="use the first rows of each split only")
    what.add_argument("--max-new-tokens", type=int, help="limit of a response")
    grid = parser.add_argument_group("grid")
    grid.add_argument(
        "--cells",
        type=_words,
        default="raw_reward,group_mean,no_clip,clip,variance_penalty",
        help="configurations, of: raw_reward, group_mean, leave_one_out, grpo (one inner epoch), "
        "no_clip, clip, variance_penalty (group mean, four inner epochs)",
    )
    grid.add_argument(
        "--learning-rates", type=_numbers, default="0.01,0.1", help="the same for all cells"
    )
    grid.add_argument("--seeds", type=int, default=3, help="runs per cell and learning rate")
    size = parser.add_argument_group("sizes")
    size.add_argument("--prompts", type=int, default=32, help="prompts of an update")
    size.add_argument("--group-size", type=int, default=8, help="rollouts of a prompt")
    size.add_argument("--updates", type=int, default=30, help="length of a run")
    size.add_argument("--eval-every", type=int, default=10, help="updates between evaluations")
    size.add_argument("--eval-samples", type=int, default=2048, help="responses per evaluation")
    size.add_argument("--base-samples", type=int, default=16, help="responses per prompt, base")
    size.add_argument("--simulated-runs", type=int, default=200, help="runs of the bandit per cell")
    parser.add_argument("--seed", type=int, default=0, help="first seed")
    parser.add_argument("--threads", type=int, default=1, help="threads of each process")
    parser.add_argument("--workers", type=int, default=2, help="processes at work side by side")
    parser.add_argument("--out", type=Path, default=Path("runs/compare"), help="run folder")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print the configuration with an estimate of time and memory, and stop",
    )


def _run(arguments: argparse.Namespace) -> int:
    from banditlab.validation import require
    from llm_bridge.compare.plan import ComparePlan

    require(
        arguments.workers >= 1,
        "compare",
        "workers",
        "at least 1",
        arguments.workers,
        "Use as many as there are cores",
    )
    plan = ComparePlan(
        model=arguments.model,
        dataset=arguments.dataset,
        split=arguments.split,
        eval_dataset=arguments.eval_dataset,
        eval_split=arguments.eval_split,
        take=arguments.take,
        cells=arguments.cells,
        learning_rates=arguments.learning_rates,
        num_seeds=arguments.seeds,
        num_prompts=arguments.prompts,
        group_size=arguments.group_size,
        num_updates=arguments.updates,
        eval_every=arguments.eval_every,
        eval_samples=arguments.eval_samples,
        base_samples=arguments.base_samples,
        num_simulated_runs=arguments.simulated_runs,
        max_new_tokens=arguments.max_new_tokens,
        seed=arguments.seed,
        num_threads=arguments.threads,
    )
    from llm_bridge.compare.run import compare, estimate_seconds
    from llm_bridge.compare.score import scores_table

    if arguments.dry_run:
        import resource

        for name, value in plan.as_dict().items():
            print(f"{name:>18}: {value}")
        seconds = estimate_seconds(plan, arguments.workers)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(
            f"estimate: {seconds / 60:.1f} min of training on {arguments.workers} processes of "
            f"about {peak:.1f} GiB each; nothing written"
        )
        return 0
    scores, pictures = compare(plan, arguments.out, num_workers=arguments.workers)
    print(scores_table(scores))
    for path in pictures:
        print(path)
    return 0


compare_command = Command(
    name="compare",
    summary="Train a language model with several rules and lay it over simulation and theory.",
    example="banditlab compare --cells raw_reward,clip --learning-rates 0.01,0.03 --seeds 5 "
    "--out runs/mine",
    add_arguments=_add_arguments,
    run=_run,
)
