"""Command line: `python -m llm_bridge.embedded` shows the model card or builds the model anew."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

from llm_bridge.embedded import MODEL_DIR

_SECONDS_PER_STEP = 0.03
_SECONDS_PER_ROW = 0.00015
_SECONDS_PER_SAMPLE = 0.0015
_DEFAULT_SAMPLES = 16


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m llm_bridge.embedded",
        description="Show the embedded model's card, or build tokenizer, weights and rows anew.",
        epilog="example: python -m llm_bridge.embedded --rebuild --out runs/embedded --steps 500",
    )
    parser.add_argument("--rebuild", action="store_true", help="build everything anew")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder that receives model/ and data/ (default: the shipped ones are replaced)",
    )
    parser.add_argument("--steps", type=int, metavar="N", help="pre-training steps; needs --out")
    parser.add_argument("--rows", type=int, metavar="N", help="pre-training rows; needs --out")
    parser.add_argument(
        "--samples-per-prompt",
        type=int,
        metavar="N",
        help=f"held-out samples of each prompt (default: {_DEFAULT_SAMPLES}); needs --out",
    )
    options = parser.parse_args(arguments)
    _check(parser, options)
    return options


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Exit with code 2 and one sentence before anything is written."""
    changes = {
        "--steps": options.steps,
        "--rows": options.rows,
        "--samples-per-prompt": options.samples_per_prompt,
    }
    for flag, number in changes.items():
        if number is None:
            continue
        if number < 1:
            parser.error(f"{flag} must be at least 1, got {number}. Give a positive number.")
        if options.rebuild and options.out is None:
            parser.error(
                f"{flag} must come with --out, got {number} alone. "
                "Name a folder: the shipped model is built with its own numbers only."
            )
    given = [flag for flag, number in changes.items() if number is not None]
    if options.out is not None:
        given.append("--out")
    if given and not options.rebuild:
        parser.error(f"{given[0]} must come with --rebuild. Add --rebuild to build a model.")
    if options.rows is not None and options.rows < 32:
        parser.error(f"--rows must be at least 32, one batch, got {options.rows}. Give more rows.")
    if options.rebuild:
        out = options.out or MODEL_DIR.parent
        if out.exists() and not out.is_dir():
            parser.error(f"--out must be a folder, got the file {out}. Name another path.")
        foreign = (out / "model").exists() and not (out / "model" / "recipe.json").exists()
        if foreign:
            parser.error(
                f"--out must be a folder without a model of another origin, got {out}. "
                "Name another folder, or move its model/ away."
            )
        nearest = next(path for path in (out, *out.absolute().parents) if path.exists())
        if not os.access(nearest, os.W_OK):
            parser.error(f"--out must be writable, got {out}. Name a folder of your own.")


def main(arguments: list[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: command-line arguments (default: those of the process).

    Returns:
        The exit code.
    """
    options = _parse(arguments)
    if not options.rebuild:
        print((MODEL_DIR / "README.md").read_text(), end="")
        return 0
    # Loaded here, because torch would delay --help and the card by seconds.
    try:
        from llm_bridge.embedded.build import build
        from llm_bridge.embedded.recipe import Recipe
    except ModuleNotFoundError as error:
        print(
            f"--rebuild must find the libraries of the extra `llm`, got: {error}. "
            "Install them: pip install 'banditlab[llm]'.",
            file=sys.stderr,
        )
        return 2

    changes = {"num_steps": options.steps, "num_pretraining": options.rows}
    recipe = replace(Recipe(), **{key: value for key, value in changes.items() if value})
    samples_per_prompt = options.samples_per_prompt or _DEFAULT_SAMPLES
    out = options.out or MODEL_DIR.parent
    # The diversity part draws twice as many samples again.
    num_samples = 3 * samples_per_prompt * recipe.num_heldout
    seconds = (
        10
        + _SECONDS_PER_ROW * recipe.num_pretraining
        + _SECONDS_PER_STEP * recipe.num_steps
        + _SECONDS_PER_SAMPLE * num_samples
    )
    print(
        f"building in {out}: {recipe.num_pretraining:,} rows, {recipe.num_steps:,} steps, "
        f"{num_samples:,} samples; about {seconds / 60:.1f} minutes on one core",
        file=sys.stderr,
    )
    words = ["python -m llm_bridge.embedded --rebuild"]
    for flag, number in (
        ("--steps", options.steps),
        ("--rows", options.rows),
        ("--samples-per-prompt", options.samples_per_prompt),
    ):
        if number is not None:
            words.append(f"{flag} {number}")
    numbers = build(recipe, out, samples_per_prompt=samples_per_prompt, command=" ".join(words))
    base = numbers["base"]
    print(
        f"base pass rate {base['pass_rate']:.4f} +- {base['standard_error']:.4f} "
        f"({base['num_samples']:,} samples); {out / 'model'}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
