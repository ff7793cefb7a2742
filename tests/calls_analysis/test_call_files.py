"""Which files belong to one call, by their names."""

from __future__ import annotations

import pytest

from audiosocket_cli.calls_analysis.call_files import CallFiles, FileSeen, call_of, day_of, parts_in_order, utf8


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("92a6.wav", "92a6"), ("92a6.json", "92a6"), ("92a6.part2.wav", "92a6"), ("92a6-2.flac", "92a6-2"),
        ("92a6.WAV", "92a6"), ("92a6.pcapng", None), ("92a6.json.part", None), (".audiosocket-12345678.wav", None),
        (".wav", None), ("notes.txt", None), ("92a6.mirror.wav", "92a6.mirror"),
    ],
)  # fmt: skip
def test_a_file_belongs_to_the_call_of_its_name(name: str, call: str | None) -> None:
    assert call_of(name) == call


def test_parts_come_in_the_order_of_their_numbers() -> None:
    names = ["a.part10.wav", "a.part2.wav", "a.wav", "a.part9.wav"]
    assert parts_in_order(names) == ["a.wav", "a.part2.wav", "a.part9.wav", "a.part10.wav"]
    assert parts_in_order(["a.flac", "a.wav", "a.part2.wav"]) == ["a.flac"]
    assert parts_in_order(["a.part3.wav"]) == ["a.part3.wav"]


def test_a_call_has_another_version_once_a_file_has() -> None:
    sound, told = FileSeen("a.wav", 10, "1", 5.0), FileSeen("a.json", 3, "2", 9.0)
    call = CallFiles("/calls", "a", (told, sound))
    assert (call.json, call.sounds, call.changed_s) == (told, [sound], 5.0)
    others = [(told, sound._replace(size=11)), (told._replace(version="3"), sound), (sound,)]
    assert len({call.version, *(call._replace(files=files).version for files in others)}) == 4


def test_names_need_not_be_utf8() -> None:
    assert utf8("caf\udce9") == "caf\\udce9"


@pytest.mark.parametrize(
    ("changed_s", "day"),
    [
        (-1e11, "0001-01-01"), (-1.5, "1969-12-31"), (86_399.9, "1970-01-01"), (253_402_300_799.9, "9999-12-31"),
        (9e18, "9999-12-31"),
    ],
)  # fmt: skip
def test_a_file_of_any_time_has_a_day(changed_s: float, day: str) -> None:
    assert day_of(CallFiles("/calls", "a", (FileSeen("a.wav", 1, "1", changed_s),))) == day
