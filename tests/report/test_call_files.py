"""The files of a call find each other, and what is missing is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audiosocket_cli.errors import FileError
from audiosocket_cli.report.call_files import CallFiles, PagePlace, files_of_json, files_of_recording, is_cut, page_data
from support.reported import UUID, call_json, write_call


def by_json(path: Path, content: dict[str, Any] | None = None) -> CallFiles:
    return files_of_json(path, content or json.loads(path.read_text()))


def test_a_recording_and_its_json_find_each_other(tmp_path: Path) -> None:
    wav, path = write_call(tmp_path)
    assert by_json(path) == files_of_recording(wav)
    assert by_json(path).recordings == (wav,)
    data = page_data(by_json(path), PagePlace(tmp_path))
    assert data["title"] == f"Call {UUID}"
    assert data["sound"]["src"] == "./call.wav"
    assert data["links"] == [["the call's JSON", "./call.json"], ["recording", "./call.wav"]]


def test_the_parts_of_a_long_recording_are_one(tmp_path: Path) -> None:
    wav, path = write_call(tmp_path)
    samples, _ = soundfile.read(wav, dtype="int16")
    soundfile.write(wav, samples[:50_000], 8000)
    second = tmp_path / "call.part2.wav"
    soundfile.write(second, samples[50_000:], 8000)
    path.write_text(json.dumps(call_json([wav.name, second.name])))
    assert files_of_recording(second).recordings == (wav, second)
    data = page_data(by_json(path), PagePlace(tmp_path))
    assert data["tracks"][0]["duration_s"] == 12.0
    assert [text for text, _ in data["links"]] == ["the call's JSON", "recording, part 1", "recording, part 2"]


def test_parts_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    wav, path = write_call(tmp_path)
    (tmp_path / "call.part2.wav").write_bytes(b"")
    data = page_data(by_json(path, call_json([wav.name, "call.part2.wav"])), PagePlace(tmp_path))
    assert data["tracks"][0]["duration_s"] == 12.0
    assert is_cut(data)
    many = by_json(path, call_json([wav.name] * 1002))
    assert len(many.recordings) == 1000
    assert many.not_measured == (("all of the recording", "2 more files left out"),)


def test_the_json_of_another_call_is_left_alone(tmp_path: Path) -> None:
    wav, _ = write_call(tmp_path)
    other = wav.rename(tmp_path / "other.wav")
    (tmp_path / "call.json").rename(tmp_path / "other.json")
    found = files_of_recording(other)
    assert (found.json, found.name, found.recordings) == (None, "other.wav", (other,))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": "audiosocket.bench/1"}', '{"recording": {"files": 7}}'])
def test_what_else_is_beside_a_recording_does_not_matter(tmp_path: Path, content: str) -> None:
    wav, path = write_call(tmp_path)
    path.write_text(content)
    assert files_of_recording(wav).json is None


def test_a_recording_alone_is_judged_by_its_samples(tmp_path: Path) -> None:
    wav, path = write_call(tmp_path)
    path.unlink()
    assert files_of_recording(wav).figures == {"findings": []}
    soundfile.write(wav, np.zeros((80_000, 2), np.int16), 8000)
    data = page_data(files_of_recording(wav), PagePlace(tmp_path))
    assert [finding["id"] for finding in data["findings"]] == ["all-silent"]
    assert data["title"] == "Recording call.wav"


def test_a_recording_that_is_gone(tmp_path: Path) -> None:
    wav, path = write_call(tmp_path)
    wav.unlink()
    data = page_data(by_json(path), PagePlace(tmp_path))
    assert (data["tracks"], data["sound"]) == ([], None)
    assert ["sound", "there is no file call.wav"] in data["not_measured"]


def test_a_call_that_was_not_recorded(tmp_path: Path) -> None:
    _, path = write_call(tmp_path, recording=None)
    assert by_json(path).not_measured == (("sound", "the call was not recorded"),)


@pytest.mark.parametrize(
    "names", [["../../etc/passwd"], ["/etc/passwd"], ["a\0b"], ["x" * 5000], [7, None, ""], "call.wav", {"a": 1}]
)
def test_a_json_leads_nowhere_but_beside_itself(tmp_path: Path, names: Any) -> None:
    _, path = write_call(tmp_path)
    found = by_json(path, call_json(names))
    assert found.recordings == ()
    assert all(text.isprintable() for note in found.not_measured for text in note)


def test_a_recording_that_is_damaged_from_the_start(tmp_path: Path) -> None:
    wav, path = write_call(tmp_path)
    wav.write_bytes(b"RIFF\0\0\0\0WAVE")
    data = page_data(by_json(path), PagePlace(tmp_path))  # of its JSON: digits, gaps and all
    assert (data["title"], data["tracks"], data["sound"]) == (f"Call {UUID}", [], None)
    assert next(why for what, why in data["not_measured"] if what == "sound").startswith("cannot read ")
    assert is_cut(data)
    path.unlink()
    with pytest.raises(FileError, match=r"call\.wav"):
        files_of_recording(wav)


def test_what_browsers_do_not_play_is_made_a_wav_where_there_is_a_place_for_it(tmp_path: Path) -> None:
    wav, path = write_call(tmp_path)
    samples, _ = soundfile.read(wav, dtype="int16")
    aiff = tmp_path / "call.aiff"
    soundfile.write(aiff, samples, 8000)
    files = by_json(path, call_json(["call.aiff"]))
    assert page_data(files, PagePlace(tmp_path))["sound"] is None
    data = page_data(files, PagePlace(tmp_path / "pages", wav=tmp_path / "pages" / "page.wav"))
    assert data["sound"]["src"] == "./page.wav"
    assert page_data(files, PagePlace(tmp_path, embed=True))["sound"]["embedded"] is True
