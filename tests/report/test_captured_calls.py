"""The calls of captures, with what happened in them and when, and their sound on the call's own time axis."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiosocket_cli.model import Side
from audiosocket_cli.report import captured_calls as module
from audiosocket_cli.report.captured_calls import captured_calls, side_of, write_sound
from audiosocket_cli.ui.dump_notes import SaidNotes
from support.captured import UUID_1, UUID_2, a_call, a_normal_call, sent, speech, steady, whole, write_lines


def test_one_call_with_its_figures(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "calls", a_normal_call())
    found = captured_calls([path], None, SaidNotes())
    (call,) = found.calls
    assert (call.name, call.figures["uuid"], call.figures["peer"]) == (str(UUID_1), str(UUID_1), "10.0.0.5:40000")
    assert call.figures["duration_s"] == pytest.approx(2.0)
    assert [row.what for row in call.rows] == ["closed", "closed"]
    assert (found.left_out, found.is_one_sided) == (0, False)


def test_a_burst_is_in_its_place(tmp_path: Path) -> None:
    call = a_call()
    server = sent(call, Side.SERVER, speech(3.0), [*steady(0.0, 50), *[1.5] * 50, *steady(2.5, 50)])
    path = write_lines(tmp_path / "calls", whole(call, sent(call, Side.CALLER, speech(3.0), steady(0.02, 150)), server))
    (found,) = captured_calls([path], None, SaidNotes()).calls
    (burst,) = (row for row in found.rows if row.what == "burst")
    assert (burst.at_s, burst.side, burst.audio_s) == (pytest.approx(1.5), Side.SERVER, pytest.approx(1.0))
    assert any(row.what == "finding" and "[server-bursts]" in row.text for row in found.rows)


def test_one_of_several_calls(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "calls", [*a_normal_call(), *a_normal_call(1.0, UUID_2)])
    assert len(captured_calls([path], None, SaidNotes()).calls) == 2
    (call,) = captured_calls([path], "2222", SaidNotes()).calls
    assert call.name == str(UUID_2)
    assert write_sound([path], call, tmp_path / "call.wav", SaidNotes()) == ([tmp_path / "call.wav"], None)
    samples, rate_hz = soundfile.read(tmp_path / "call.wav")
    assert (rate_hz, samples.shape[1]) == (8000, 2)
    assert len(samples) / rate_hz == pytest.approx(1.0, abs=0.05)
    assert captured_calls([path], "9", SaidNotes()).calls == []


def test_the_second_call_with_a_uuid_has_its_own_sound_only(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "calls", [*a_normal_call(1.0), *a_normal_call(3.0)])
    first, second = captured_calls([path], None, SaidNotes()).calls
    for call, length_s in ((first, 1.0), (second, 3.0)):
        (wav,), _ = write_sound([path], call, tmp_path / "call.wav", SaidNotes())
        assert soundfile.info(wav).duration == pytest.approx(length_s, abs=0.05)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["call.wav", "calls"]


def test_of_very_many_calls_the_rest_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CALLS", 1)
    path = write_lines(tmp_path / "calls", [*a_normal_call(), *a_normal_call(1.0, UUID_2)])
    found = captured_calls([path], None, SaidNotes())
    assert (len(found.calls), found.left_out) == (1, 1)


def test_the_bytes_of_one_side(tmp_path: Path) -> None:
    from audiosocket_cli.codec import encode, uuid_frame

    path = tmp_path / "caller.bin"
    path.write_bytes(encode(uuid_frame(UUID_1)) + b"".join(map(encode, speech(2.0))))
    found = captured_calls([path], None, SaidNotes())
    (call,) = found.calls
    assert found.is_one_sided
    assert side_of(call) == "caller"
    (wav,), _ = write_sound([path], call, tmp_path / "call.wav", SaidNotes())
    samples, _ = soundfile.read(wav)
    assert samples.ndim == 1
    assert np.abs(samples).max() > 0.1


def test_a_capture_without_a_call(tmp_path: Path) -> None:
    path = tmp_path / "empty.pcap"
    path.write_bytes(b"\xd4\xc3\xb2\xa1\x02\0\x04\0" + bytes(8) + b"\xff\xff\0\0\x01\0\0\0")
    assert captured_calls([path], None, SaidNotes()).calls == []
