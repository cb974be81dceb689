import errno
import json

import pytest

from banditlab.files import WriteRefusedError
from llm_bridge.json_lines import JsonLines, read_json_lines
from tests.banditlab.test_files import largest_file


@pytest.fixture
def lines(tmp_path):
    return JsonLines(tmp_path / "some.jsonl")


def test_lines_come_back_and_a_half_written_one_is_left_out(lines):
    texts = [
        "plain",
        'quote " and \\',
        "line\nbreak\r",
        "separators \u2028\u0085\x0b",
        "\ud800 alone",
    ]
    for text in texts:
        lines.append({"text": text})
    with lines.path.open("a") as file:
        file.write('{"text": "cut sh')
    assert [line["text"] for line in read_json_lines(lines.path)] == texts
    assert lines.path.read_bytes().count(b"\n") == len(texts), "escaped: a line is a line"


def test_the_file_is_cut_back_to_what_a_checkpoint_saw(lines):
    assert lines.sync() == 0
    lines.truncate(0)
    assert not lines.path.exists()
    lines.append({"a": 1})
    length = lines.sync()
    lines.append({"a": 2})
    lines.truncate(length)
    assert read_json_lines(lines.path) == [{"a": 1}]
    lines.append({"a": 3})
    assert read_json_lines(lines.path) == [{"a": 1}, {"a": 3}]
    with pytest.raises(ValueError, match=r"whose some\.jsonl has at least 99 bytes, got"):
        lines.truncate(99)


def test_a_line_with_a_broken_number_is_not_written(lines):
    lines.append({"fine": 1.0})
    with pytest.raises(FloatingPointError, match="gradient_norm is not finite"):
        lines.append({"fine": 1.0, "gradient_norm": float("inf")})
    assert read_json_lines(lines.path) == [{"fine": 1.0}]


def test_a_full_disk_is_named_and_room_for_a_copy_is_not_needed_to_cut_back(lines):
    lines.append({"a": "x" * 1000})
    length = lines.sync()
    with largest_file(length + 4):
        with pytest.raises(WriteRefusedError, match=r"some\.jsonl cannot be written: File too"):
            lines.append({"a": 2})
        lines.truncate(length)
    with largest_file(length // 2):
        lines.truncate(10)
    assert lines.path.stat().st_size == 10


def test_every_refusal_keeps_its_number(lines, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    lines.append({"a": 1})
    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(WriteRefusedError, match="No space left") as caught:
        lines.sync()
    assert caught.value.errno == errno.ENOSPC
    monkeypatch.setattr("os.truncate", refuse)
    with pytest.raises(WriteRefusedError, match="No space left"):
        lines.truncate(3)
    assert json.loads(lines.path.read_text()) == {"a": 1}
