"""The data of a call's page is whole, whatever is known of the call; the browser's side of it is in test_call_page."""

from __future__ import annotations

import base64
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audiosocket_cli.analysis.sound_picture import SoundFiles, SoundPicture, picture_of
from audiosocket_cli.report.call_data import ShownCall, ShownSound, call_data
from audiosocket_cli.report.call_page import call_page
from support.reported import UUID, a_conversation, call_json, shades_in

KEYS = [
    "schema", "title", "started_at", "duration_s", "facts", "links", "tracks", "marks", "findings", "turns", "sound",
    "not_measured",
]  # fmt: skip


def pictured(path: Path, sound: np.ndarray, rate_hz: int = 8000) -> SoundPicture:
    soundfile.write(path, sound, rate_hz)
    return picture_of(SoundFiles([path]))


@pytest.fixture
def picture(tmp_path: Path) -> SoundPicture:
    return pictured(tmp_path / "call.wav", a_conversation())


def test_a_recorded_call(picture: SoundPicture) -> None:
    call = ShownCall("call.wav", call_json(["call.wav"]), links=[("recording", "./call.wav")])
    data = call_data(call, ShownSound(picture, "./call.wav"))
    assert list(data) == KEYS
    assert (data["schema"], data["title"], data["duration_s"]) == ("audiosocket.page/1", f"Call {UUID}", 12.0)
    assert [track["side"] for track in data["tracks"]] == ["caller", "server"]
    assert data["sound"] == {
        "src": "./call.wav", "embedded": False, "layout": "stereo", "duration_s": 12.0, "offset_s": 0.0,
    }  # fmt: skip
    assert data["turns"]["latency_ms"]["p50"] == pytest.approx(500, abs=60)
    assert [turn["side"] for turn in data["turns"]["list"]] == ["caller", "server", "caller", "server"]
    assert [mark["label"] for mark in data["marks"] if mark["kind"] == "digit"] == list("0042")
    assert data["findings"][0]["id"] == "server-bursts"
    assert json.loads(json.dumps(data, allow_nan=False)) == data


def test_a_recording_that_ends_before_its_call_is_told(picture: SoundPicture) -> None:
    told = {
        duration_s: "sound after 12.0 s" in dict(
            call_data(ShownCall("x", call_json(["call.wav"]) | {"duration_s": duration_s}),
                      ShownSound(picture, "./call.wav"))["not_measured"]
        )
        for duration_s in (3.0, 12.5, 30.0)
    }  # fmt: skip
    assert told == {3.0: False, 12.5: False, 30.0: True}


def test_a_track_has_its_outline_and_its_spectrogram(picture: SoundPicture) -> None:
    data = call_data(ShownCall("call.wav"), ShownSound(picture, None))
    track = data["tracks"][0]
    finest = track["peaks"][0]
    pairs = np.frombuffer(base64.b64decode(finest["data"]), np.int8).reshape(-1, 2)
    assert (finest["step_s"], finest["count"], len(pairs)) == (0.01, 1200, 1200)
    drawn = track["spectrogram"]
    (tile,) = (shades_in(base64.b64decode(tile)) for tile in drawn["tiles"])
    assert tile.shape == (drawn["rows"], drawn["columns"])
    assert drawn["columns"] * drawn["column_s"] == pytest.approx(12.0, abs=drawn["column_s"])
    spoken = tile[:, round(1.0 / drawn["column_s"]) : round(2.0 / drawn["column_s"])].mean(axis=1)
    assert drawn["rows"] - 1 - int(spoken.argmax()) == int(300 / drawn["top_hz"] * drawn["rows"])  # 0 Hz at the bottom
    assert track["stretches"]["speech"][0] == pytest.approx([0.5, 2.5], abs=0.1)
    assert data["sound"] is None


def test_a_long_spectrogram_has_several_tiles(tmp_path: Path) -> None:
    picture = pictured(tmp_path / "long.wav", np.zeros(8000 * 40, np.int16))
    drawn = call_data(ShownCall("long.wav"), ShownSound(picture, None))["tracks"][0]["spectrogram"]
    assert [shades_in(base64.b64decode(tile)).shape[1] for tile in drawn["tiles"]] == [4096, 904]
    assert drawn["columns"] == 5000


def test_a_call_that_was_not_recorded() -> None:
    data = call_data(ShownCall("call", call_json([]), not_measured=[("sound", "the call was not recorded")]), None)
    assert (data["tracks"], data["sound"], data["turns"], data["duration_s"]) == ([], None, None, 12.0)
    assert ["sound", "the call was not recorded"] in data["not_measured"]
    assert ["turns", "there is no recording to find them in, and no JSON that has them"] in data["not_measured"]


def test_one_channel_has_no_turns_and_that_is_said(tmp_path: Path) -> None:
    picture = pictured(tmp_path / "mono.wav", a_conversation()[:, 0])
    data = call_data(ShownCall("mono.wav"), ShownSound(picture, "./mono.wav"))
    assert [track["side"] for track in data["tracks"]] == ["mixed"]
    assert (data["turns"], data["sound"]["layout"]) == (None, "mono")
    assert ["turns", "they need both sides, each in a channel of its own"] in data["not_measured"]
    assert ["recording", "one channel, 8000 Hz, 12.0 s"] in data["facts"]


def test_an_echo_has_no_turns_and_that_is_said(tmp_path: Path) -> None:
    sound = a_conversation()
    sound[:, 1] = np.roll(sound[:, 0], 800)
    data = call_data(ShownCall("echo.wav"), ShownSound(pictured(tmp_path / "echo.wav", sound), None))
    assert data["turns"] is None
    assert ["turns", "one side hands the sound of the other back: an echo takes no turns"] in data["not_measured"]


@pytest.mark.parametrize(("layout", "side"), [("caller", "caller"), ("server", "server"), ("mix", "mixed")])
def test_the_json_says_which_side_one_channel_is_of(tmp_path: Path, layout: str, side: str) -> None:
    picture = pictured(tmp_path / "mono.wav", a_conversation()[:, 0])
    data = call_data(ShownCall("x", {"recording": {"layout": layout}}), ShownSound(picture, None))
    assert [track["side"] for track in data["tracks"]] == [side]


def test_an_empty_call(tmp_path: Path) -> None:
    picture = pictured(tmp_path / "empty.wav", np.zeros((0, 2), np.int16))
    data = call_data(ShownCall("empty.wav", {"duration_s": 0.0}), ShownSound(picture, "./empty.wav"))
    assert data["duration_s"] == 0.0
    assert [(track["peaks"], track["spectrogram"], track["level_dbfs"]) for track in data["tracks"]] == 2 * [
        ([], None, None)
    ]
    call_page(data)


HOSTILE = '<script>alert(1)</script>\u202e\x1b[2J"\n'


@pytest.mark.parametrize(
    "value",
    [HOSTILE, math.nan, math.inf, 1e308, 10**400, -5, None, [], {}, [HOSTILE] * 5, {HOSTILE: HOSTILE}, True],
    ids=lambda value: f"{value!r:.20}",
)
def test_json_of_strangers_makes_a_page(value: Any, picture: SoundPicture) -> None:
    for figures in (
        dict.fromkeys([*call_json([]), "turns", "variables", "program"], value),
        {"caller": {"gaps": value}},
    ):
        data = call_data(ShownCall(HOSTILE, figures), ShownSound(picture, "./call.wav"))
        json.dumps(data, allow_nan=False)
        assert 12.0 <= data["duration_s"] < 1e9
        page = call_page(data)
        assert b"<script>alert" not in page
        assert "\u202e".encode() not in page
