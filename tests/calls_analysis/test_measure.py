"""One call becomes a row: what its JSON says, what its sound holds, and why anything is missing."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audiosocket_cli.analysis.stretches import stretches_of
from audiosocket_cli.analysis.turns import turns_of
from audiosocket_cli.audio.dtmf import digit_tone
from audiosocket_cli.calls_analysis.attempt import Attempt, attempt
from audiosocket_cli.calls_analysis.columns import COLUMNS, DATE
from audiosocket_cli.calls_analysis.ledger import Ledger
from audiosocket_cli.calls_analysis.listed_call import ListedCall
from audiosocket_cli.calls_analysis.listing import Listed, files_of
from audiosocket_cli.calls_analysis.measure import measure
from audiosocket_cli.stores.store_url import StoreUrl
from support.analyzed import calls_in, make_calls
from support.rclone_s3 import FRESH, rclone_s3
from support.spoken_calls import CALLS, lines_of, package_voices
from support.store_process import BUCKET


def only_call(folder: Path) -> ListedCall:
    (call,) = calls_in(folder, folder.with_name(f"{folder.name}-ledger"))
    return call


def row_in(folder: Path) -> dict[str, Any]:
    row = measure(only_call(folder))
    assert row is not None
    assert row.keys() == {DATE, *COLUMNS}
    json.dumps(row, allow_nan=False)
    return row


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "calls"
    made.mkdir()
    return made


def spoken(number: int) -> Any:
    return np.column_stack(lines_of(CALLS[number], package_voices(CALLS[number].rate_hz)))


def write_call(folder: Path, sound: Any, rate_hz: int = 8000, **said: Any) -> None:
    soundfile.write(folder / "a.wav", sound, rate_hz, subtype="PCM_16")
    if said:
        recording = {"files": ["a.wav"], **said.pop("recording", {})}
        call = {"schema": "audiosocket.call/1", "recording": recording, **said}
        (folder / "a.json").write_text(json.dumps(call))


def test_a_call_has_what_its_json_says_and_the_turns_of_its_sound(folder: Path) -> None:
    sound = spoken(4)
    write_call(
        folder, sound, uuid="u", started_at="2026-11-30T01:30:00+02:00", duration_s=8.1, peer="192.0.2.7:4",
        dtmf=[{"digit": "0"}, {"digit": "4"}], bot={"function": "bots:answer"}, result="sale",
    )  # fmt: skip
    row = row_in(folder)
    turns = turns_of(*(stretches_of(side, 8000) for side in sound.T))
    told = turns.as_dict() or {}
    assert row[DATE] == "2026-11-29"
    assert [row[name] for name in ("uuid", "started_at", "duration_s", "peer", "bot", "result", "digits", "files")] == [
        "u", "2026-11-29T23:30:00.000+00:00", 8.1, "192.0.2.7:4", "bots:answer", "sale", "04", ["a.wav"]
    ]  # fmt: skip
    assert (row["latencies_ms"], row["interruptions_by_caller"]) == (
        turns.latencies_ms,
        CALLS[4].truth.caller_interrupts,
    )
    assert (row["turns"], row["talk_caller_s"]) == (told["list"], told["talk_s"]["caller"])
    assert row["latencies_ms"] == pytest.approx(list(CALLS[4].truth.answers_ms), abs=60)
    assert (row["layout"], row["rate_hz"], row["recorded_s"]) == ("stereo", 8000, 8.0)
    assert (row["problem"], row["not_measured"], row["mixed_level_dbfs"]) == (None, [], None)
    assert (row["caller_tones"], row["server_tones"]) == ("", "")


def test_tones_are_told_beside_the_digits_of_frames(folder: Path) -> None:
    keys = np.concatenate([np.concatenate([digit_tone(key, 8000), np.zeros(800, np.int16)]) for key in "0042"])
    write_call(folder, keys, dtmf=[], recording={"layout": "caller"})
    row = row_in(folder)
    assert (row["digits"], row["caller_tones"], row["server_tones"], row["layout"]) == ("", "0042", None, "caller")
    assert row["not_measured"] == [
        "server: it was not recorded", "turns: they need both sides, each in a channel of its own"
    ]  # fmt: skip


def test_slow_sound_is_measured_and_one_that_holds_no_tones_says_so(folder: Path) -> None:
    keys = np.concatenate([np.concatenate([digit_tone(key, 6000), np.zeros(800, np.int16)]) for key in "0042"])
    write_call(folder, keys, 6000, recording={"layout": "caller"}, dtmf=[])
    row = row_in(folder)
    assert (row["caller_tones"], row["rate_hz"], row["problem"]) == ("0042", 6000, None)
    write_call(folder, spoken(0)[:, 0], 2000, recording={"layout": "caller"}, dtmf=[])
    row = row_in(folder)
    assert (row["caller_tones"], row["recorded_s"] > 1) == (None, True)
    assert "tones: the sample rate is 2000 Hz, which is too low for them" in row["not_measured"]


def test_a_recording_alone_is_a_call_of_which_little_is_known(folder: Path) -> None:
    write_call(folder, spoken(0)[:, 0])
    os.utime(folder / "a.wav", (0, 86_400 * 365))
    row = row_in(folder)
    assert (row[DATE], row["uuid"], row["started_at"], row["digits"]) == ("1971-01-01", None, None, None)
    assert row["layout"] == "mono"
    assert row["mixed_speech_dbfs"] == pytest.approx(-20, abs=2.5)
    assert row["not_measured"][0] == "caller: the recording has one channel for both sides"


def test_findings_of_the_sound_have_their_ids(folder: Path) -> None:
    sound = spoken(0)
    sound[:, 0] = 0
    write_call(folder, sound, started_at="2026-11-30T00:00:00Z")
    row = row_in(folder)
    assert row["finding_ids"] == ["one-way-sound"]
    assert row["findings"][0].endswith("[one-way-sound]")


def test_an_echo_and_a_law_read_as_samples_have_no_turns(folder: Path) -> None:
    sound = spoken(0)
    sound[:, 1] = sound[:, 0]
    write_call(folder, sound)
    row = row_in(folder)
    assert row["turns"] is None
    assert row["not_measured"] == ["turns: one side hands the sound of the other back: an echo takes no turns"]


def test_a_damaged_recording_is_a_row_with_its_error(folder: Path) -> None:
    write_call(folder, spoken(0), started_at="2026-11-30T00:00:00Z")
    data = (folder / "a.wav").read_bytes()
    (folder / "a.wav").write_bytes(data[:60_000])
    row = row_in(folder)
    assert row["problem"].startswith("it is cut short: ")
    assert row["recorded_s"] == pytest.approx((60_000 - 44) / 32_000, abs=0.01)
    assert "file-damaged" in row["finding_ids"]
    (folder / "a.wav").write_bytes(b"not sound at all" * 10)
    row = row_in(folder)
    assert (row["recorded_s"], row["turns"], row["caller_level_dbfs"]) == (None, None, None)
    assert "a.wav" in row["problem"]
    assert str(folder) not in row["problem"]
    assert row["not_measured"] == ["all that needs sound: the recording cannot be read"]


def test_of_a_recording_that_holds_nothing_nothing_is_measured(folder: Path) -> None:
    write_call(folder, spoken(0)[:0], recording={"layout": "stereo"}, dtmf=[])
    row = row_in(folder)
    assert (row["recorded_s"], row["finding_ids"]) == (0, ["all-silent"])
    assert row["not_measured"] == ["all that needs sound: the recording holds none"]
    levels = {f"{side}_{what}" for side in ("caller", "server") for what in ("level_dbfs", "peak_dbfs", "tones")}
    figures = levels | {"answers", "turns", "talk_caller_s", "dead_air_s", "latencies_ms"}
    assert {row[name] for name in figures} == {None}


def test_json_without_a_recording_is_a_row_and_json_of_something_else_is_none(folder: Path) -> None:
    (folder / "a.json").write_text(json.dumps({"schema": "audiosocket.call/1", "uuid": "u"}))
    assert row_in(folder)["not_measured"] == ["all that needs sound: there is no recording"]
    (folder / "a.json").write_text("{}")
    assert measure(only_call(folder)) is None
    (folder / "a.json").write_text("{")
    assert row_in(folder)["problem"] == "a.json: not JSON, or cut short"


@pytest.mark.parametrize(
    ("told", "bot"),
    [
        ({"relay": {"target": "bot:9092"}}, "bot:9092"), ({"bridge": {"url": "ws://bot/\n"}}, "ws://bot/\\n"),
        ({"program": {"command": ["./bot", "--loud", 3]}}, "./bot --loud"), ({"bot": "x"}, None), ({}, None),
    ],
)  # fmt: skip
def test_who_answered_is_one_text(folder: Path, told: dict[str, Any], bot: str | None) -> None:
    (folder / "a.json").write_text(json.dumps({"schema": "audiosocket.call/1", **told}))
    assert row_in(folder)["bot"] == bot


def test_hostile_values_become_a_row_all_the_same(folder: Path) -> None:
    write_call(
        folder, np.zeros((800, 2), np.int16), uuid="\x1b[31m\ud800", started_at="9999-99-99", duration_s=float("inf"),
        recording={"layout": {}, "files": ["../../etc/passwd", "a.wav"]}, bot=[], peer=7,
    )  # fmt: skip
    row = row_in(folder)
    assert (row["files"], row["started_at"], row["duration_s"], row["peer"]) == (["a.wav"], None, None, None)
    assert "\x1b" not in row["uuid"]


def test_what_may_succeed_another_time_is_not_a_row(folder: Path) -> None:
    make_calls(folder, 1)
    call = only_call(folder)
    for path in folder.iterdir():
        path.unlink()
    assert attempt(call) == Attempt(is_gone=True)
    (folder / call.files[0].name).mkdir()
    (folder / call.files[1].name).mkdir()
    assert attempt(call).later == "is a directory"


def test_the_row_of_a_call_is_the_same_in_another_process(folder: Path) -> None:
    make_calls(folder, 1)
    call = only_call(folder)
    assert pickle.loads(pickle.dumps(attempt(call))) == attempt(pickle.loads(pickle.dumps(call)))


def test_a_folder_of_a_bucket_may_have_a_name_that_no_url_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with rclone_s3(tmp_path, FRESH) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        folder = server.files / "what? #1 {x} 100%25"
        folder.mkdir(parents=True)
        write_call(folder, spoken(0), dtmf=[])
        with Ledger(tmp_path / "ledger") as ledger:
            ledger.take_files(f"s3://{BUCKET}", files_of(StoreUrl("s3", BUCKET, ""), Listed()))
            (call,) = ledger.to_measure()
        found = attempt(call)
    assert (found.later, found.row and found.row["problem"]) == (None, None)
    assert found.row is not None
    assert found.row["folder"] == f"s3://{BUCKET}/{folder.name}"
    assert found.row["recorded_s"] > 1
