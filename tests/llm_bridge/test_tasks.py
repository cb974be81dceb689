import json
import time
from pathlib import Path

import datasets
import pytest
from huggingface_hub import constants

from llm_bridge import hub, rows
from llm_bridge.tasks import default_eval_split, encode_prompts, load_task
from tests.llm_bridge.small_model import CHAT_TEMPLATE, ROWS_FILE, make_tokenizer

GOLDS = ("19", "1050", "9", "32", "40", "683", "-7", "50")


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_gold_is_what_stands_after_the_mark_without_commas():
    task = load_task(str(ROWS_FILE))
    assert task.answers == GOLDS
    assert task.name == "rows.jsonl/train"
    assert len(task) == len(task.prompts) == 8


@pytest.mark.parametrize(
    "form", ["json", "jsonl", "csv", "parquet", "arrow", "saved", "saved_dict", "dir"]
)
def test_every_format_of_a_local_dataset_gives_the_same_task(form, tmp_path):
    lines = [json.loads(line) for line in ROWS_FILE.read_text().splitlines()]
    data = datasets.Dataset.from_list(lines)
    path = tmp_path / f"rows.{form}"
    if form == "json":
        path.write_text(json.dumps(lines))
    elif form in ("jsonl", "dir"):
        path = path if form == "jsonl" else tmp_path / "folder" / "test.jsonl"
        path.parent.mkdir(exist_ok=True)
        write_rows(path, lines)
        path = path if form == "jsonl" else path.parent
    elif form == "csv":
        data.to_csv(path)
    elif form == "parquet":
        data.to_parquet(path)
    elif form == "arrow":
        data.save_to_disk(tmp_path / "folder")
        (path,) = (tmp_path / "folder").glob("*.arrow")
    elif form == "saved":
        data.save_to_disk(path)
    else:
        datasets.DatasetDict({"train": data}).save_to_disk(path)
    task = load_task(str(path))
    assert task.answers == GOLDS
    assert task.questions == load_task(str(ROWS_FILE)).questions


def test_taking_keeps_the_first_rows_and_a_seed_shuffles_before():
    everything = load_task(str(ROWS_FILE))
    assert load_task(str(ROWS_FILE), take=3).questions == everything.questions[:3]
    first, again, other = (load_task(str(ROWS_FILE), take=5, shuffle_seed=s) for s in (1, 1, 2))
    assert first == again
    assert first.questions != other.questions
    assert set(first.questions) < set(everything.questions)
    pairs = dict(zip(everything.questions, everything.answers, strict=True))
    assert all(pairs[q] == a for q, a in zip(first.questions, first.answers, strict=True))


def test_columns_can_be_named_and_a_missing_one_is_answered_with_those_present(tmp_path):
    path = write_rows(tmp_path / "named.jsonl", [{"problem": "1 + 1?", "solution": "#### 2"}])
    task = load_task(path, question_column="problem", answer_column="solution")
    assert task.answers == ("2",)
    with pytest.raises(
        ValueError,
        match=r"load_task: `question_column` must be one of the dataset's columns, "
        r"problem, solution, got 'question'\. Name it with --question-column\.",
    ):
        load_task(path)


def test_a_row_without_mark_is_named(tmp_path):
    lines = [{"question": "a", "answer": "#### 1"}, {"question": "b", "answer": "it is 2"}]
    path = write_rows(tmp_path / "rows.jsonl", lines)
    for options in ({}, {"shuffle_seed": 0}, {"row": 1}):
        with pytest.raises(ValueError, match=r"row 1 \(counted from 0\) with the answer 'it is 2'"):
            load_task(path, **options)


def test_a_chosen_row_is_the_one_prompt_of_the_task():
    everything = load_task(str(ROWS_FILE))
    chosen = load_task(str(ROWS_FILE), row=5)
    assert chosen.questions == everything.questions[5:6]
    assert (chosen.answers, chosen.name) == (("683",), "rows.jsonl/train[5]")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"row": 8}, "`row` must be from 0 to 7, the last row of the split, got 8"),
        ({"row": -1}, "`row` must be from 0 to 7, the last row of the split, got -1"),
        ({"row": 1, "take": 2}, "`row` must be given without take and shuffle_seed"),
        ({"row": 1, "shuffle_seed": 0}, "`row` must be given without take and shuffle_seed"),
    ],
)
def test_an_impossible_row_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        load_task(str(ROWS_FILE), **options)


def test_rows_are_kept_for_a_reward_function_and_need_no_answer_then(tmp_path):
    path = write_rows(tmp_path / "rows.jsonl", [{"q": "a", "level": 3}, {"q": "b", "level": 4}])
    task = load_task(path, question_column="q", has_reward_function=True)
    assert (
        task.targets
        == task.rows
        == (
            {"q": "a", "level": 3, "question": "a"},
            {"q": "b", "level": 4, "question": "b"},
        )
    )
    assert task.first(1).targets == task.rows[:1]
    with pytest.raises(ValueError, match="`answer_column` must be one of the dataset's columns"):
        load_task(path, question_column="q")
    plain = load_task(str(ROWS_FILE))
    assert plain.targets == plain.answers
    assert plain.first(3) == load_task(str(ROWS_FILE), take=3)


def test_an_empty_dataset_is_refused(tmp_path, monkeypatch):
    (tmp_path / "empty.csv").write_text("question,answer\n")
    empty = datasets.Dataset.from_dict({"question": [], "answer": []})
    empty.save_to_disk(tmp_path / "saved")
    for name in ("empty.csv", "saved"):
        with pytest.raises(ValueError, match="load_task: `dataset` must be a dataset with rows"):
            load_task(str(tmp_path / name))
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: {"train": empty})
    with pytest.raises(ValueError, match="load_task: `dataset` must be not empty, got 0 rows"):
        load_task(str(ROWS_FILE))


@pytest.mark.parametrize("take", [0, -1, 9])
def test_an_impossible_take_is_refused(take):
    with pytest.raises(ValueError, match="`take` must be from 1 to the 8 rows of the split"):
        load_task(str(ROWS_FILE), take=take)


def test_an_unknown_split_is_answered_with_those_there_are():
    with pytest.raises(ValueError, match=r"`split` must be a known split .*There are: train"):
        load_task(str(ROWS_FILE), split="trian")


@pytest.mark.parametrize("name", ["no_such.jsonl", "./no_such", "/no/such/folder"])
def test_a_path_that_does_not_exist_is_refused_at_once(name):
    with pytest.raises(ValueError, match="`dataset` must be an existing file or folder, or a name"):
        load_task(name)


def test_unreadable_content_and_unknown_formats_are_refused(tmp_path):
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"question": "a", "ans\nnot json')
    with pytest.raises(ValueError, match="rows that the datasets library can read"):
        load_task(str(broken))
    text = tmp_path / "rows.txt"
    text.write_text("1")
    with pytest.raises(ValueError, match=r"must be a file in one of the formats \.jsonl, \.json"):
        load_task(str(text))
    with pytest.raises(ValueError, match="`prompt_format` must be a known prompt format"):
        load_task(str(ROWS_FILE), prompt_format="chat")


def test_the_parts_of_the_embedded_task_are_its_rows_by_the_number_of_steps():
    from llm_bridge.embedded import TRAIN_FILE

    rows = [json.loads(line) for line in TRAIN_FILE.read_text().splitlines()]
    for part, num_lines in (("one-step", 2), ("two-steps", 3)):
        asked = load_task(f"embedded:{part}")
        wanted = [row for row in rows if len(row["answer"].splitlines()) == num_lines]
        assert list(asked.questions) == [row["question"] for row in wanted]
        assert asked.prompts[0] == asked.questions[0] + "\n"
    assert len(load_task("embedded:one-step")) + len(asked) == len(rows)
    assert default_eval_split("embedded:one-step", None) == "heldout"
    with pytest.raises(ValueError, match="part of the embedded dataset"):
        load_task("embedded:three-steps")


def test_the_embedded_task_has_two_splits_and_the_prompt_its_model_learned():
    from llm_bridge.embedded.corpus import format_prompt

    trained, heldout = load_task("embedded"), load_task("embedded", split="heldout")
    assert trained.prompts[0] == format_prompt(trained.questions[0])
    assert not set(trained.questions) & set(heldout.questions)
    assert default_eval_split("embedded", None) == "heldout"
    asked = load_task("embedded", take=1, prompt_format="instruction")
    assert asked.prompts[0].startswith(trained.questions[0].strip() + " Let's think")


def test_a_single_split_has_no_held_out_one_and_a_folder_may():
    assert default_eval_split(str(ROWS_FILE), None) is None


def test_a_folder_with_a_test_split_evaluates_on_it(tmp_path):
    for split in ("train", "test"):
        (tmp_path / f"{split}.jsonl").write_text(ROWS_FILE.read_text())
    assert default_eval_split(str(tmp_path), None) == "test"
    assert default_eval_split(str(tmp_path), "test") is None


def test_the_instruction_asks_for_the_mark_and_wears_the_chat_template():
    plain = load_task(str(ROWS_FILE), tokenizer=make_tokenizer())
    assert not plain.has_special_tokens
    assert plain.questions[0] in plain.prompts[0]
    assert plain.prompts[0].endswith('output the final answer after "####".\n')
    chat = load_task(str(ROWS_FILE), tokenizer=make_tokenizer(chat_template=CHAT_TEMPLATE))
    assert chat.has_special_tokens
    assert chat.prompts[0] == f"<user>{plain.prompts[0].strip()}<end><assistant>"


def test_special_tokens_are_added_once(monkeypatch):
    tokenizer = make_tokenizer(chat_template=CHAT_TEMPLATE)
    asked = []

    def record(texts, **options):
        asked.append(options["add_special_tokens"])
        return {"input_ids": [[0]] * len(texts)}

    for has_template in (True, False):
        task = load_task(str(ROWS_FILE), tokenizer=tokenizer if has_template else None)
        encode_prompts(task, record)
    assert asked == [False, True]
    decoded = tokenizer.batch_decode(encode_prompts(task, tokenizer))
    assert decoded == list(task.prompts)


def test_without_network_a_hub_name_is_refused_at_once_naming_the_path_option(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    start = time.perf_counter()
    with pytest.raises(ValueError, match=r"cannot be reached, got 'nobody/no-such-dataset'.*PATH"):
        load_task("nobody/no-such-dataset")
    assert time.perf_counter() - start < 5.0


def test_a_hub_name_may_carry_a_configuration(monkeypatch):
    asked = []

    def load_dataset(*arguments):
        asked.append(arguments)
        return {"train": datasets.Dataset.from_list([{"question": "a", "answer": "#### 1"}])}

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.setattr(rows, "is_hub_reachable", lambda: True)
    assert load_task("owner/name:main").answers == ("1",)
    load_task("owner/name")
    assert asked == [("owner/name", "main"), ("owner/name", None)]


@pytest.mark.parametrize(
    ("name", "is_path"),
    [
        ("gpt2", False),
        ("owner/name", False),
        ("./owner/name", True),
        ("a/b/c", True),
        ("~/model", True),
        ("/model", True),
        ("model/", True),
        (str(Path(__file__)), True),
    ],
)
def test_paths_are_told_from_hub_names(name, is_path):
    assert hub.is_path_like(name) == is_path
