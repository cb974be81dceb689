"""Rows of a dataset: the embedded one, local files and folders, or the hub, through `datasets`."""

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from banditlab.validation import require, require_known, requirement_error
from llm_bridge.hub import hub_offline, is_hub_reachable, is_path_like

if TYPE_CHECKING:
    from datasets import Dataset

EMBEDDED = "embedded"
EMBEDDED_PARTS = {"one-step": 1, "two-steps": 2}
"""Parts of the embedded dataset, EMBEDDED:PART, by the steps that their problems take."""
_BUILDERS = {
    ".jsonl": "json",
    ".json": "json",
    ".parquet": "parquet",
    ".csv": "csv",
    ".arrow": "arrow",
}
# So the datasets library answers saved splits and JSON files without rows.
_NO_ROWS = (IndexError, StopIteration)
_EVAL_SPLITS = ("heldout", "test", "validation")


def _read(dataset: str, function: str, *arguments: Any, **options: Any) -> Any:
    """Call a function of the datasets library, quietly, its errors put into one sentence."""
    import datasets

    had_bars = not datasets.utils.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        return getattr(datasets, function)(*arguments, **options)
    except (datasets.exceptions.DatasetsError, FileNotFoundError, ValueError, *_NO_ROWS) as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), repr(error))
        if isinstance(error, _NO_ROWS):
            reason = "a split without rows"
        raise requirement_error(
            "load_task",
            "dataset",
            "a dataset with rows that the datasets library can read",
            f"{dataset!r} ({reason.strip()})",
            "Check that it opens with datasets.load_dataset",
        ) from error
    finally:
        if had_bars:
            datasets.enable_progress_bars()


def _read_local(dataset: str) -> Mapping[str, "Dataset"]:
    path = Path(dataset).expanduser()
    require(
        path.exists(),
        "load_task",
        "dataset",
        "an existing file or folder, or a name on the hub",
        repr(dataset),
        "Check the path",
    )
    if path.is_dir():
        if (path / "dataset_dict.json").exists():
            return _read(dataset, "load_from_disk", str(path))
        if (path / "state.json").exists():
            return {"train": _read(dataset, "load_from_disk", str(path))}
        return _read(dataset, "load_dataset", str(path))
    builder = _BUILDERS.get(path.suffix.lower())
    if builder is None:
        raise requirement_error(
            "load_task",
            "dataset",
            f"a file in one of the formats {', '.join(_BUILDERS)}",
            repr(dataset),
            "Convert it, or give a folder saved by the datasets library",
        )
    return _read(dataset, "load_dataset", builder, data_files=str(path))


def _read_hub(dataset: str) -> Mapping[str, "Dataset"]:
    name, _, config_name = dataset.partition(":")
    with nullcontext() if is_hub_reachable() else hub_offline():
        try:
            return _read(dataset, "load_dataset", name, config_name or None)
        except ConnectionError as error:
            raise requirement_error(
                "load_task",
                "dataset",
                "in the local cache, since the Hugging Face hub cannot be reached",
                f"{dataset!r}, which is no file here either",
                "Without network, pass a local file or folder with --dataset PATH",
            ) from error


def is_embedded(dataset: str) -> bool:
    """Whether a dataset is the embedded one, or a part of it.

    Args:
        dataset: as in `load_task`.

    Returns:
        Whether it is.
    """
    return dataset.partition(":")[0] == EMBEDDED


def _read_embedded(dataset: str) -> Mapping[str, "Dataset"]:
    from llm_bridge.embedded import HELDOUT_FILE, TRAIN_FILE

    files = {"train": str(TRAIN_FILE), "heldout": str(HELDOUT_FILE)}
    splits = _read(dataset, "load_dataset", "json", data_files=files)
    part = dataset.partition(":")[2]
    if not part:
        return splits
    require_known("load_task", "dataset", part, EMBEDDED_PARTS, "part of the embedded dataset")
    # A step is a line of the answer, and the last line is the result.
    return {
        name: rows.select(
            [
                place
                for place, answer in enumerate(rows["answer"])
                if answer.count("\n") == EMBEDDED_PARTS[part]
            ]
        )
        for name, rows in splits.items()
    }


def _load_splits(dataset: str) -> Mapping[str, "Dataset"]:
    if is_embedded(dataset):
        return _read_embedded(dataset)
    if is_path_like(dataset) or Path(dataset).suffix in _BUILDERS:
        return _read_local(dataset)
    return _read_hub(dataset)


def default_eval_split(dataset: str, split: str | None) -> str | None:
    """Split to evaluate on where none is named.

    Args:
        dataset: as in `load_task`.
        split: the split trained on, None for the default one.

    Returns:
        "heldout", "test" or "validation", the first that the dataset has beside the split
        trained on; None if it has none of them.

    Raises:
        ValueError: the dataset cannot be read.
    """
    splits = _load_splits(dataset)
    trained = _choose_split(splits, split)
    return next((name for name in _EVAL_SPLITS if name in splits and name != trained), None)


def _choose_split(splits: Mapping[str, Any], split: str | None) -> str:
    names = list(splits)
    if split is None:
        split = names[0] if len(names) == 1 else "train"
    require_known("load_task", "split", split, names, "split of the dataset")
    return split


def read_rows(
    dataset: str,
    *,
    split: str | None = None,
    take: int | None = None,
    shuffle_seed: int | None = None,
    row: int | None = None,
) -> tuple[str, "Dataset", np.ndarray]:
    """Rows of one split.

    Args:
        dataset: as in `load_task`.
        split: split of the dataset; by default its only one, or "train".
        take: number of rows to keep, after shuffling; all by default.
        shuffle_seed: shuffles the rows; None keeps their order.
        row: keep this row alone, counted from 0 in the order of the file.

    Returns:
        Name of dataset and split; the rows, N of them; their places in the split, shape [N].

    Raises:
        ValueError: the dataset cannot be read or is empty, or a choice is out of range.
    """
    splits = _load_splits(dataset)
    split = _choose_split(splits, split)
    name = f"{Path(dataset).name if is_path_like(dataset) else dataset}/{split}"
    num_rows = len(splits[split])
    require(
        num_rows > 0,
        "load_task",
        "dataset",
        "not empty",
        f"0 rows in the split {split} of {dataset!r}",
        "Check the file, or name another split",
    )
    places = np.arange(num_rows)
    if row is not None:
        require(
            take is None and shuffle_seed is None,
            "load_task",
            "row",
            "given without take and shuffle_seed, since it is one row of the file's order",
            f"{row} with take = {take} and shuffle_seed = {shuffle_seed}",
            "Leave --take and --shuffle-seed out",
        )
        require(
            0 <= row < num_rows,
            "load_task",
            "row",
            f"from 0 to {num_rows - 1}, the last row of the split",
            row,
            "Rows are counted from 0",
        )
        return f"{name}[{row}]", splits[split].select([row]), places[row : row + 1]
    if shuffle_seed is not None:
        places = np.random.default_rng(shuffle_seed).permutation(num_rows)
    if take is not None:
        require(
            1 <= take <= num_rows,
            "load_task",
            "take",
            f"from 1 to the {num_rows} rows of the split",
            take,
            "Leave --take out to use all rows",
        )
        places = places[:take]
    return name, splits[split].select(places), places


def read_column(rows: "Dataset", column: str, argument: str) -> list[Any]:
    """Values of a column, or an error that names those that there are.

    Args:
        rows: N rows.
        column: its name.
        argument: argument of `load_task` that named it.

    Returns:
        N values.

    Raises:
        ValueError: there is no such column.
    """
    require(
        column in rows.column_names,
        "load_task",
        argument,
        f"one of the dataset's columns, {', '.join(rows.column_names)}",
        repr(column),
        f"Name it with --{argument.replace('_', '-')}",
    )
    return list(rows[column])
