"""The command `banditlab evaluate`: Pass@1 and Pass@k of a language model, with intervals.

Only the standard library is imported here; everything else loads inside the command.
"""

import json
from argparse import ArgumentParser, Namespace
from dataclasses import fields
from pathlib import Path
from typing import Any

from banditlab.command import Command
from llm_bridge.arguments import add_open
from llm_bridge.data_arguments import add_data_arguments, add_model_arguments


def _add_arguments(parser: ArgumentParser) -> None:
    what = parser.add_argument_group("model and data")
    add_model_arguments(what)
    add_data_arguments(what)
    add_open(what, "--split", "NAME", "split; by default heldout, test or validation, if any")
    add_open(what, "--take", "N", "the first N rows only", int)
    add_open(what, "--row", "N", "row N alone, counted from 0", int)
    how = parser.add_argument_group("sampling")
    how.add_argument("--samples", type=int, metavar="N", default=8, help="responses to each prompt")
    how.add_argument(
        "--pass-at", type=int, nargs="+", metavar="K", default=[1], help="the k of Pass@k"
    )
    how.add_argument(
        "--temperature", type=float, metavar="T", default=1.0, help="of the sampled responses"
    )
    add_open(how, "--top-k", "K", "sample from the K likeliest tokens only", int)
    add_open(how, "--top-p", "P", "sample from the likeliest tokens of probability P only", float)
    add_open(
        how,
        "--max-new-tokens",
        "N",
        "limit of a response; by default the embedded task's own, else 256",
        int,
    )
    how.add_argument("--seed", type=int, metavar="N", default=0, help="seed of the samples")
    add_open(how, "--threads", "N", "threads of torch; by default its own choice", int)
    output = parser.add_argument_group("output")
    output.add_argument(
        "--completions",
        type=Path,
        metavar="FILE",
        help="write every response with its gold answer and reward as JSON lines, for "
        "`banditlab grade`",
    )
    output.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON too")


def _run(arguments: Namespace) -> int:
    from llm_bridge.config import TrainConfig
    from llm_bridge.tasks import EMBEDDED, default_eval_split

    given = vars(arguments)
    names = {field.name for field in fields(TrainConfig)} - {"pass_at"}
    if "split" not in given:
        given["split"] = default_eval_split(given.get("dataset", EMBEDDED), None)
    config = TrainConfig(
        **{name: given[name] for name in names & given.keys()}, num_prompts=1
    ).resolved()
    measured = _measure(config, given)
    _print(measured)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(measured, indent=2) + "\n")
    return 0


def _measure(config: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Greedy and sampled responses to every prompt; the figures of both."""
    import torch

    from llm_bridge.evaluate import evaluate
    from llm_bridge.metrics import describe_evaluation
    from llm_bridge.prompt_room import require_room
    from llm_bridge.run import torch_threads
    from llm_bridge.run_parts import load_run_policy, make_run_grader, task_options
    from llm_bridge.tasks import encode_prompts, load_task

    lines: list[str] = []
    with torch_threads(given.get("threads")), make_run_grader(config) as grader:
        policy = load_run_policy(config)
        task = load_task(config.dataset, tokenizer=policy.tokenizer, **task_options(config))

        require_room(
            policy.model,
            encode_prompts(task, policy.tokenizer),
            max_new_tokens=config.max_new_tokens,
            function="evaluate",
            kind="held-out",
        )

        def evaluated(num_samples: int, kind: str, **options: Any) -> Any:
            def record(first: int, _: Any, texts: list[str], reward: Any) -> None:
                group_size = reward.shape[1]
                for index, (text, value) in enumerate(zip(texts, reward.flat, strict=True)):
                    place = first + index // group_size
                    fields = {"completion": text, "gold": task.answers[place], "reward": value}
                    fields |= {"question": task.questions[place], "kind": kind}
                    lines.append(json.dumps(fields) + "\n")

            return evaluate(
                policy,
                task,
                num_samples_per_prompt=num_samples,
                max_new_tokens=config.max_new_tokens,
                generator=torch.Generator(config.device).manual_seed(config.seed),
                grader=grader,
                record=record,
                **options,
            )

        greedy = evaluated(1, "greedy", temperature=0.0)
        sampled = evaluated(
            given["samples"],
            "sampled",
            temperature=config.temperature,
            top_k=given.get("top_k"),
            top_p=given.get("top_p"),
        )
    if given["completions"] is not None:
        given["completions"].write_text("".join(lines))
    figures = describe_evaluation(greedy, "greedy", (1,))
    figures |= describe_evaluation(sampled, "sampled", given["pass_at"])
    return {"model": config.model, "task": task.name, "pass_at": given["pass_at"], **figures}


def _print(found: dict[str, Any]) -> None:
    from tabulate import tabulate

    rows: list[Any] = [("Pass@1 greedy", *_interval(found, "greedy_pass_at_1"))]
    rows += [
        (f"Pass@{k} sampled", *_interval(found, f"sampled_pass_at_{k}")) for k in found["pass_at"]
    ]
    per_prompt = found["sampled_num_samples"] // found["sampled_num_prompts"]
    print(
        f"{found['model']} on {found['task']}: {found['sampled_num_prompts']} prompts, "
        f"{per_prompt} samples of each\n"
    )
    print(tabulate(rows, headers=["", "estimate", "95 % from", "to"], floatfmt=".4f"))
    for kind in ("greedy", "sampled"):
        print(
            f"\n{kind}: {found[f'{kind}_mean_length']:.1f} tokens a response, "
            f"{found[f'{kind}_truncated_share']:.1%} cut at the limit, "
            f"{found[f'{kind}_num_grade_timeouts']} grades out of time",
            end="",
        )
    where = "prompt" if found["sampled_num_prompts"] == 1 else "population of prompts"
    print(f"\nThe intervals are for the {where}; see --json for the counts.")


def _interval(found: dict[str, Any], name: str) -> tuple[float, float, float]:
    return found[name], found[f"{name}_low"], found[f"{name}_high"]


evaluate_command = Command(
    name="evaluate",
    summary="Measure Pass@1, greedy and sampled, and Pass@k of a language model.",
    example="banditlab evaluate --model embedded --take 64 --samples 16 --pass-at 1 4 16",
    add_arguments=_add_arguments,
    run=_run,
)
