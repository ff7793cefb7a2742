"""Sounds cut around what happened in a call: where, how long, and under which name."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audiosocket_cli.calls_index import clips
from audiosocket_cli.calls_index.clips import Clip, ClipFolder, ClipWish, Cutting, cut_clips, parse_clip
from audiosocket_cli.calls_index.folder_place import FolderPlace
from audiosocket_cli.calls_index.row import row_of
from audiosocket_cli.disk import working_folder
from audiosocket_cli.errors import UsageError

RATE_HZ = 8000
CALL: dict[str, Any] = {
    "schema": "audiosocket.call/1", "uuid": "92a62f6d", "duration_s": 60.0, "recording": {"files": ["call.wav"]},
    "dtmf": [{"at_s": 10.0, "digit": "0"}, {"at_s": 10.5, "digit": "4"}, {"at_s": 30.0, "digit": "#"},
             {"at_s": 31.0, "digit": "1"}, {"at_s": "x", "digit": "2"}, {"at_s": -5, "digit": "3"}, "odd", {}],
    "caller": {"gaps": [{"at_s": 20.0, "length_s": 4.0}, {"at_s": None, "length_s": 1}]},
    "server": {"gaps": "none"},
    "turns": {"list": [{"side": "caller", "start_s": 40.0, "end_s": 42.0, "kind": "turn"},
                       {"side": "caller", "start_s": 50.0, "end_s": 51.0, "kind": "interruption"},
                       {"side": "../x", "start_s": 5.0, "end_s": 6.0, "kind": "interruption"}]},
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    ramp = np.arange(60 * RATE_HZ, dtype=np.int64) // 100
    soundfile.write(tmp_path / "call.wav", np.stack([ramp, -ramp], axis=1).astype(np.int16), RATE_HZ)
    (tmp_path / "out").mkdir()
    return tmp_path


def cuts(folder: Path, wish: str, call: dict[str, Any] = CALL) -> tuple[list[Clip], Cutting, list[str]]:
    (folder / "call.json").write_text(json.dumps(call))
    done, said = Cutting(), list[str]()
    row = row_of(call, folder=str(folder), name="call.json")
    with working_folder(folder / "out") as working:
        out = ClipFolder(folder / "out", working)
        found = list(cut_clips(row, FolderPlace(folder).at_hand, parse_clip(wish), out, done, said.append))
    return found, done, said


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ("around-digits:1s", [("10.00s_digits-04", 9, 11.5), ("30.00s_digits-hash-1", 29, 32)]),
        (
            "around-digits:100ms",
            [
                ("10.00s_digits-0", 9.9, 10.1),
                ("10.50s_digits-4", 10.4, 10.6),
                ("30.00s_digits-hash", 29.9, 30.1),
                ("31.00s_digits-1", 30.9, 31.1),
            ],
        ),
        ("around-gaps:2", [("20.00s_gap-caller", 18, 26)]),
        ("around-interruptions:2s", [("50.00s_interruption-by-caller", 48, 53)]),
        ("around-end:5s", [("60.00s_end", 55, 60)]),
    ],
)
def test_a_clip_says_what_and_when_and_is_that_piece(wish: str, expected: list[Any], folder: Path) -> None:
    found, done, said = cuts(folder, wish)
    assert [(clip.path.name, clip.from_s, clip.to_s) for clip in found] == [
        (f"call_at-000{name}.wav", pytest.approx(from_s), pytest.approx(to_s)) for name, from_s, to_s in expected
    ]
    assert (done.made, said) == (len(expected), [])
    for clip in found:
        piece, rate_hz = soundfile.read(clip.path, dtype="int16")
        assert (rate_hz, piece.shape[1]) == (RATE_HZ, 2)
        assert len(piece) / RATE_HZ == pytest.approx(clip.to_s - clip.from_s, abs=1 / RATE_HZ)
        assert piece[0, 0] == round(clip.from_s * RATE_HZ) // 100
        assert clip.as_json()["call"] == str(folder / "call.json")


def test_a_second_time_finds_them_there(folder: Path) -> None:
    cuts(folder, "around-digits:1s")
    found, done, _ = cuts(folder, "around-digits:1s")
    assert (found, done.there_already) == ([], 2)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg"])
def test_a_second_time_finds_them_there_whatever_the_format(suffix: str, folder: Path) -> None:
    samples, _ = soundfile.read(folder / "call.wav", dtype="int16")
    soundfile.write(folder / f"call{suffix}", samples, RATE_HZ)
    call = CALL | {"recording": {"files": [f"call{suffix}"]}}
    assert cuts(folder, "around-end:1s", call)[1].made == 1
    found, done, _ = cuts(folder, "around-end:1s", call)
    assert (found, done.there_already) == ([], 1)
    assert names_in(folder / "out") == [f"call_at-00060.00s_end{suffix}"]


def test_a_name_that_something_else_has_gets_a_number(folder: Path) -> None:
    cuts(folder, "around-end:1s")
    first = (folder / "out" / "call_at-00060.00s_end.wav").read_bytes()
    samples, _ = soundfile.read(folder / "call.wav", dtype="int16")
    soundfile.write(folder / "call.wav", samples + 1, RATE_HZ)  # another call of that name, as long
    (other,), _, _ = cuts(folder, "around-end:1s")
    assert other.path.name == "call_at-00060.00s_end-2.wav"
    assert (soundfile.read(other.path, dtype="int16")[0] == samples[-RATE_HZ:] + 1).all()
    (longer,), _, _ = cuts(folder, "around-end:2s")
    assert longer.path.name == "call_at-00060.00s_end-3.wav"
    assert soundfile.info(longer.path).duration == 2
    for wish in ("around-end:1s", "around-end:2s"):
        assert cuts(folder, wish)[1].there_already == 1
    assert (folder / "out" / "call_at-00060.00s_end.wav").read_bytes() == first
    assert len(names_in(folder / "out")) == 3


def test_what_a_process_that_was_killed_has_begun_is_not_a_clip(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []

    def killed(files: object, path: Path, *_: float) -> float:
        path.write_bytes(b"begun")
        begun.extend(names_in(folder / "out"))
        return 0.0

    with monkeypatch.context() as patched:
        patched.setattr(clips, "cut", killed)
        cuts(folder, "around-end:1s")
    assert re.fullmatch(r"\.audiosocket-[a-z0-9_]{8}", *begun)
    left = folder / "out" / ".audiosocket-abcdefgh"
    left.mkdir()
    (left / "call_at-00060.00s_end.wav").write_bytes(b"begun")
    assert cuts(folder, "around-end:1s")[1].made == 1
    assert names_in(folder / "out") == ["call_at-00060.00s_end.wav"]


def test_more_than_the_limit_is_counted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clips, "MAX_CLIPS", 3)
    _, done, _ = cuts(folder, "around-digits:100ms")
    assert (done.made, done.left_out) == (3, 1)


def test_many_digits_have_a_short_name(folder: Path) -> None:
    presses = [{"at_s": 1 + number / 1000, "digit": "7"} for number in range(10_000)]
    (clip,), _, _ = cuts(folder, "around-digits:1s", CALL | {"dtmf": presses})
    assert clip.path.name == f"call_at-00001.00s_digits-{'7' * 16}-and-9984-more.wav"


def test_what_cannot_be_cut_is_counted_and_told(folder: Path) -> None:
    assert cuts(folder, "around-end:1s", CALL | {"recording": None})[1].without_recording == 1
    assert cuts(folder, "around-end:1s", CALL | {"recording": {"files": ["gone.wav"]}})[1].without_recording == 1
    assert cuts(folder, "around-end:1s", CALL | {"duration_s": 1e6})[1].beyond_end == 1
    assert cuts(folder, "around-end:1s", CALL | {"duration_s": float("nan")})[0] == []
    (folder / "call.wav").write_text("text")
    _, done, said = cuts(folder, "around-end:1s")
    assert done.failures == 1
    assert "call.wav" in said[0]
    assert list((folder / "out").iterdir()) == []


def test_a_wish_is_read() -> None:
    assert parse_clip("around-digits:3s") == ClipWish("digits", 3.0)
    for text in (
        "",
        "digits",
        "around-digits",
        "around-digits:",
        "around-moons:3s",
        "around-digits:0",
        "around-end:2h",
    ):
        with pytest.raises(UsageError) as error:
            parse_clip(text)
        assert re.search(r"around-digits:3s|as 500ms|around-end:3s", str(error.value))
