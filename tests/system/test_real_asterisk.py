"""Real calls: an Asterisk dials us, and what each side said and heard is held against the other's account of it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr

from audiosocket_cli.audio.pcm import Samples, level_dbfs
from audiosocket_cli.capture.items import Captured
from audiosocket_cli.capture.opening import open_capture
from audiosocket_cli.codec import encode
from audiosocket_cli.model import Side
from support.running import COMMAND, Serve, Serving, need
from support.testbed import (
    TESTBED,
    Place,
    best_match,
    heard_at_far_end,
    messages,
    only_a_normal_hangup,
    speechlike,
)

pytestmark = pytest.mark.asterisk

Answer = Callable[..., Serving]

STALL_S = 0.5


def tone_span_s(samples: Samples, rate_hz: int, frequency_hz: float) -> tuple[float, float]:
    """Where the longest run of a tone begins and ends, in seconds, from its strength in steps of 5 ms.

    Asterisk's resampler keeps some ms of a sound over a pause and lets them out with the next: hence the longest. On a
    busy machine Asterisk stands still for a moment and the tone with it, which makes it no other tone: the pauses that
    tests ask for are longer than `STALL_S`.
    """
    step = rate_hz // 200
    mixed = samples * np.exp(-2j * np.pi * frequency_hz * np.arange(len(samples)) / rate_hz)
    strength = np.abs(mixed[: len(mixed) // step * step].reshape(-1, step).mean(axis=1))
    present = np.concatenate([[0], strength > np.percentile(strength, 99) / 2, [0]]).astype(int)
    edges = np.flatnonzero(np.diff(present)).reshape(-1, 2)
    parted = np.flatnonzero(edges[1:, 0] - edges[:-1, 1] > STALL_S * 200)
    edges = np.stack([edges[np.r_[0, parted + 1], 0], edges[np.r_[parted, len(edges) - 1], 1]], axis=1)
    start, end = edges[np.argmax(edges[:, 1] - edges[:, 0])]
    return float(start) * step / rate_hz, float(end) * step / rate_hz


def peak_hz(samples: Samples, rate_hz: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * rate_hz / len(samples)


def longest_gap_s(heard: Samples, said: Samples, rate_hz: int) -> float:
    """The longest stretch that is silent in `heard` but not in the aligned `said`, in steps of 10 ms."""
    step = rate_hz // 100
    size = len(said) // step * step
    missing_steps = (np.abs(heard[:size]).reshape(-1, step).max(axis=1) < 20) & (
        np.abs(said[:size]).reshape(-1, step).max(axis=1) > 200
    )
    longest = run = 0
    for gone in missing_steps:
        run = run + 1 if gone else 0
        longest = max(longest, run)
    return longest / 100


@pytest.mark.parametrize(
    ("options", "rate_hz"),
    [
        (["--interface", "app"], 8000),
        (["--interface", "channel", "--format", "slin16"], 16000),
        (["--interface", "channel", "--format", "slin48"], 48000),
    ],
    ids=["application", "channel-slin16", "channel-slin48"],
)
def test_a_recording_has_each_sound_where_it_was_made(
    serve: Serve, place: Place, tmp_path: Path, options: list[str], rate_hz: int
) -> None:
    serving = serve("--record", "calls", "--json")
    account = place(serving, "tone 440 3, pause 2, digits 123#, tone 1000 2, hangup", *options)
    result = serving.wait_for_end(account["uuid"])
    samples, recorded_hz = soundfile.read(tmp_path / "calls" / f"{account['uuid']}.wav", dtype="int16")

    assert recorded_hz == rate_hz
    wall_s = account["near_ended_at"] - account["near_started_at"]
    assert len(samples) / rate_hz == pytest.approx(wall_s, abs=0.1)

    origin_s = datetime.fromisoformat(result["started_at"]).timestamp()
    first, _, digits, second, _ = account["steps"]
    for step, frequency_hz in ((first, 440), (second, 1000)):
        start_s, end_s = tone_span_s(samples, rate_hz, frequency_hz)
        assert start_s == pytest.approx(step["started_at"] - origin_s, abs=0.06)
        assert end_s == pytest.approx(step["ended_at"] - origin_s, abs=0.06)
        inside = samples[round((start_s + 0.1) * rate_hz) : round((end_s - 0.1) * rate_hz)]
        assert peak_hz(inside, rate_hz) == pytest.approx(frequency_hz, abs=1)

    assert "".join(press["digit"] for press in result["dtmf"]) == "123#"
    times = [press["at_s"] + origin_s for press in result["dtmf"]]
    assert digits["started_at"] < times[0] < times[1] < times[2] < times[3] < digits["ended_at"]
    assert result["ended_by"] == "caller"
    assert only_a_normal_hangup(account), messages(account)


def test_a_prompt_of_a_minute_is_heard_whole_in_a_minute_and_the_dialplan_goes_on(
    serve: Serve, place: Place, tmp_path: Path
) -> None:
    said = speechlike(60)
    prompt = tmp_path / "prompt.wav"
    soundfile.write(prompt, said, 8000)
    serving = serve("--play", prompt, "--hangup", "--json")
    account = place(serving, "silence 70", "--record-far", "--timeout", "90")
    result = serving.wait_for_end(account["uuid"])

    heard, rate_hz = heard_at_far_end(account)
    assert rate_hz == 8000
    lag, correlation = best_match(heard, said)
    assert correlation > 0.95
    assert longest_gap_s(heard[lag:], said, rate_hz) <= 0.04
    # The first and the last second lie a minute apart in what was heard too.
    first_lag, _ = best_match(heard, said[:8000])
    last_lag, _ = best_match(heard, said[-8000:])
    assert (last_lag - first_lag) / 8000 == pytest.approx(59, rel=0.001)
    # And on the wall clock: 100 ms before the prompt, 300 ms after it.
    assert account["near_ended_at"] - account["near_started_at"] - 0.4 == pytest.approx(60, rel=0.001)

    assert account["dialplan_continued"]
    assert (result["ended_by"], result["ended_how"]) == ("server", "hangup")
    assert messages(account) == []


def test_a_prompt_on_a_wideband_channel_is_heard_and_the_dialplan_goes_on(
    serve: Serve, place: Place, tmp_path: Path
) -> None:
    said = speechlike(4)
    prompt = tmp_path / "prompt.wav"
    soundfile.write(prompt, said, 8000)
    serving = serve("--play", prompt, "--hangup", "--json")
    account = place(serving, "silence 10", "--record-far", "--interface", "channel", "--format", "slin16")
    serving.wait_for_end(account["uuid"])
    heard, rate_hz = heard_at_far_end(account)
    # Two conversions moved it by a part of a sample: compare at four times the rate.
    fine = [soxr.resample(signal, rate_hz, 4 * rate_hz) for signal in (heard, said)]
    _, correlation = best_match(*fine)
    assert correlation > 0.95
    assert account["dialplan_continued"]
    assert messages(account) == []


@pytest.mark.parametrize(
    "options", [["--interface", "app"], ["--interface", "channel"]], ids=["application", "channel"]
)
def test_echo_brings_the_callers_audio_back(serve: Serve, place: Place, options: list[str]) -> None:
    serving = serve("--echo", "--json")
    account = place(serving, "tone 500 1, pause 1, tone 700 1, hangup", "--record-far", *options)
    result = serving.wait_for_end(account["uuid"])
    heard, rate_hz = heard_at_far_end(account)
    origin_s = account["recordings"][-1]["started_at"]
    for step, frequency_hz in ((account["steps"][0], 500), (account["steps"][2], 700)):
        start_s, end_s = tone_span_s(heard, rate_hz, frequency_hz)
        assert -0.01 < start_s - (step["started_at"] - origin_s) < 0.1
        assert end_s - start_s == pytest.approx(1.0, abs=0.06)
    assert result["server"]["held_frames"] == 0
    assert only_a_normal_hangup(account), messages(account)


def test_stereo_has_both_sides_on_one_clock(serve: Serve, place: Place, tmp_path: Path) -> None:
    serving = serve("--record", "calls", "--tone", "800", "--json")
    account = place(serving, "tone 440 2, pause 1, hangup")
    result = serving.wait_for_end(account["uuid"])
    samples, rate_hz = soundfile.read(tmp_path / "calls" / f"{account['uuid']}.wav", dtype="int16")
    assert result["recording"]["layout"] == "stereo"
    origin_s = datetime.fromisoformat(result["started_at"]).timestamp()
    start_s, _ = tone_span_s(samples[:, 0], rate_hz, 440)
    assert start_s == pytest.approx(account["steps"][0]["started_at"] - origin_s, abs=0.04)
    assert tone_span_s(samples[:, 1], rate_hz, 800)[0] == pytest.approx(0.1, abs=0.04)


def test_a_missing_answer_is_named(serve: Serve, place: Place) -> None:
    serving = serve()
    place(serving, "hangup", "--no-answer")
    assert serving.end()[1:] == (
        [],
        (
            "answered 0 calls with 0.0 s of caller audio, 1 connection closed without a byte (health checks, or is an "
            "Answer() missing before AudioSocket()?)\n"
        ),
    )


def test_a_stopped_server_ends_calls_so_that_the_dialplan_goes_on(serve: Serve, asterisk: None) -> None:
    serving = serve("--json")
    placing = subprocess.Popen(
        [sys.executable, TESTBED, "call", "--server", serving.target, "--far", "tone 440 30"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    serving.wait_for('"event": "call"')
    code, _, _ = serving.end()
    account = json.loads(placing.communicate(timeout=60)[0])
    assert code == 130
    assert account["dialplan_continued"]
    assert messages(account) == []


@pytest.mark.parametrize(("codec", "name"), [("ulaw", "µ-law"), ("alaw", "A-law")], ids=["ulaw", "alaw"])
def test_a_codec_labelled_slin_is_found_and_the_cure_named(serve: Serve, place: Place, codec: str, name: str) -> None:
    serving = serve("--json")
    account = place(serving, "tone 440 3, hangup", "--interface", "channel", "--format", codec)
    findings = serving.wait_for_end(account["uuid"])["findings"]
    cure = "which is noise: use c(slin), as in Dial(AudioSocket/HOST:PORT/UUID/c(slin))"
    assert f"{name} labelled slin, {cure} [caller-ulaw]" in findings


def test_a_law_that_is_found_out_makes_the_recording_usable(serve: Serve, place: Place, tmp_path: Path) -> None:
    serving = serve("--record", "calls", "--decode", "auto", "--json")
    account = place(serving, "tone 440 3, pause 1, tone 440 1, hangup", "--interface", "channel", "--format", "ulaw")
    result = serving.wait_for_end(account["uuid"])
    samples, rate_hz = soundfile.read(tmp_path / "calls" / f"{account['uuid']}.wav", dtype="int16")
    assert (rate_hz, result["recording"]["decoded"]) == (8000, "µ-law")
    assert len(samples) / rate_hz == pytest.approx(result["duration_s"], abs=0.1)
    start_s, end_s = tone_span_s(samples, rate_hz, 440)
    assert end_s - start_s == pytest.approx(3.0, abs=0.06)
    inside = samples[round((start_s + 0.1) * rate_hz) : round((end_s - 0.1) * rate_hz)]
    assert peak_hz(inside, rate_hz) == pytest.approx(440, abs=1)
    assert level_dbfs(inside) == pytest.approx(-16.1, abs=0.3)  # a sine with a peak of 7219


@pytest.mark.parametrize(
    ("out", "options"),
    [("call.wav", ["--interface", "app"]), ("call.flac", ["--interface", "channel", "--format", "slin48"])],
    ids=["application-wav", "channel-slin48-flac"],
)
def test_record_takes_one_call_and_exits(
    answer: Answer, place: Place, tmp_path: Path, out: str, options: list[str]
) -> None:
    recording = answer("record", out)
    account = place(recording, "tone 440 2, pause 1, digits 12, hangup", *options)
    code, lines, _ = recording.end(0)
    assert code == 0
    assert [line.split(f"{account['uuid']} ")[1].split(",")[0] for line in lines[1:3]] == [
        f"digit {digit} at {lines[n + 1].split(' at ')[1]}" for n, digit in enumerate("12")
    ]
    assert re.search(rf"digits 12, (\d+ frames? late, )?{re.escape(out)}$", lines[-1]), lines[-1]
    samples, rate_hz = soundfile.read(tmp_path / out, dtype="int16")
    assert len(samples) / rate_hz == pytest.approx(account["near_ended_at"] - account["near_started_at"], abs=0.1)
    start_s, end_s = tone_span_s(samples, rate_hz, 440)
    assert 1.94 <= end_s - start_s <= 2.06 + STALL_S  # time: a busy Asterisk stands still


def test_a_recording_to_a_pipe_can_be_heard_while_the_call_lasts(answer: Answer, place: Place, tmp_path: Path) -> None:
    sox = need("sox")
    out, into = os.pipe()
    with subprocess.Popen([sox, "-", "heard.wav"], stdin=out, cwd=tmp_path) as reader:
        os.close(out)
        recording = answer("record", "-", stdout=into)
        os.close(into)
        place(recording, "tone 440 3, hangup", "--interface", "channel", "--format", "slin16")
        assert recording.end(0)[0] == 0
        assert reader.wait(20) == 0
    samples, rate_hz = soundfile.read(tmp_path / "heard.wav", dtype="int16")
    assert rate_hz == 16000
    assert peak_hz(samples[8000:40000], rate_hz) == pytest.approx(440, abs=1)
    assert len(samples) / rate_hz == pytest.approx(3.5, abs=0.15)


def test_three_calls_at_once_go_to_a_folder(answer: Answer, asterisk: None, tmp_path: Path) -> None:
    recording = answer("record", "calls/", "--calls", "3")
    tones = (300, 500, 700)
    placing = [
        subprocess.Popen(
            [sys.executable, TESTBED, "call", "--server", recording.target, "--far", f"tone {hz} 3"],
            stdout=subprocess.PIPE, text=True,
        )
        for hz in tones
    ]  # fmt: skip
    uuids = [json.loads(call.communicate(timeout=60)[0])["uuid"] for call in placing]
    assert recording.end(0)[0] == 0
    assert sorted(path.name for path in (tmp_path / "calls").iterdir()) == sorted(
        f"{uuid}.{suffix}" for uuid in uuids for suffix in ("json", "wav")
    )
    for uuid, hz in zip(uuids, tones, strict=True):
        samples, rate_hz = soundfile.read(tmp_path / "calls" / f"{uuid}.wav", dtype="int16")
        start_s, end_s = tone_span_s(samples, rate_hz, hz)
        assert end_s - start_s == pytest.approx(3.0, abs=0.06)


def test_both_sides_of_a_recorded_prompt_are_where_they_were_said(serve: Serve, place: Place, tmp_path: Path) -> None:
    prompt, story = speechlike(3), speechlike(8)[-24000:]
    soundfile.write(tmp_path / "prompt.wav", prompt, 8000)
    soundfile.write(tmp_path / "story.wav", story, 8000)
    serving = serve("--record", "calls", "--play", tmp_path / "prompt.wav", "--json")
    account = place(serving, f"silence 1, play {tmp_path / 'story.wav'}, silence 1, hangup")
    result = serving.wait_for_end(account["uuid"])
    samples, rate_hz = soundfile.read(tmp_path / "calls" / f"{account['uuid']}.wav", dtype="int16")
    origin_s = datetime.fromisoformat(result["started_at"]).timestamp()
    story_lag, story_match = best_match(samples[:, 0], story[:-100])
    prompt_lag, prompt_match = best_match(samples[:, 1], prompt)
    assert min(story_match, prompt_match) > 0.95
    assert story_lag / rate_hz == pytest.approx(account["steps"][1]["started_at"] - origin_s, abs=0.04)
    assert prompt_lag / rate_hz == pytest.approx(result["server"]["first_speech_s"], abs=0.04)


@pytest.mark.parametrize(
    "options",
    [["--interface", "app"], ["--interface", "channel"], ["--interface", "channel", "--format", "slin16"]],
    ids=["application", "channel", "channel-slin16"],
)
def test_keys_pressed_towards_a_caller_are_heard_by_a_decoder_of_anothers_make(
    answer: Answer, place: Place, tmp_path: Path, options: list[str]
) -> None:
    pressing = answer("inject-dtmf", "12w34#*0ABCD")
    account = place(pressing, "silence 10", "--record-far", *options)
    assert pressing.end(0)[0] == 0
    heard, rate_hz = heard_at_far_end(account)
    soundfile.write(tmp_path / "heard.raw", soxr.resample(heard, rate_hz, 22050), 22050, "PCM_16", format="RAW")
    decoded = subprocess.run(
        [need("multimon-ng"), "-q", "-a", "DTMF", "-t", "raw", tmp_path / "heard.raw"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert decoded.stdout.split() == [word for digit in "1234#*0ABCD" for word in ("DTMF:", digit)]
    assert account["dialplan_continued"]
    assert messages(account) == []


@pytest.mark.parametrize(
    "options", [[], ["--interface", "channel", "--format", "slin16"]], ids=["application", "driver at 16 kHz"]
)
def test_who_talks_to_a_caller_is_heard_and_hears(
    answer: Answer, place: Place, tmp_path: Path, options: list[str]
) -> None:
    said = speechlike(2.0)
    soundfile.write(tmp_path / "said.wav", np.concatenate([np.zeros(16000, np.int16), said]), 8000)
    talking = answer("talk", "--input", "said.wav", "--output", "heard.wav", "--wait", "1", "--json")
    account = place(talking, "tone 440 1,silence 10", "--record-far", *options)
    code, lines, _ = talking.end(0)
    result = json.loads(lines[-1])["call"]
    assert (code, result["ended_by"], result["ended_reason"]) == (0, "server", "end of the input")
    heard, rate_hz = heard_at_far_end(account)
    _, likeness = best_match(soxr.resample(heard, rate_hz, 32000), soxr.resample(said[:8000], 8000, 32000))
    assert likeness > 0.9
    played, played_hz = soundfile.read(tmp_path / "heard.wav", dtype="int16")
    start_s, end_s = tone_span_s(played, played_hz, 440)
    assert end_s - start_s == pytest.approx(1.0, abs=0.1)
    assert account["dialplan_continued"]
    assert messages(account) == []


def test_a_program_says_a_sentence_to_a_caller_and_hangs_up(serve: Serve, place: Place, tmp_path: Path) -> None:
    subprocess.run([need("espeak-ng"), "-w", tmp_path / "said.wav", "The lazy dog is back"], check=True)
    said, said_hz = soundfile.read(tmp_path / "said.wav", dtype="int16")
    line = f"tail -c +45 {tmp_path / 'said.wav'}"  # all at once: a synthesizer may falter on a busy machine
    serving = serve("--json", "--exec-rate", str(said_hz), "--shell", "--exec", line)
    account = place(serving, "silence 10", "--record-far")
    result = serving.wait_for_end(account["uuid"])
    heard, rate_hz = heard_at_far_end(account)
    # A conversion moved it by a part of a sample: compare at four times the rate. A machine that stood still parts it,
    # so each quarter of a second is looked for by itself.
    fine = soxr.resample(soxr.resample(said, said_hz, 8000), 8000, 32000)
    loud = [piece for piece in np.array_split(fine, len(fine) // 8000) if np.abs(piece).max() > 1000]
    found = [best_match(soxr.resample(heard, rate_hz, 32000), piece) for piece in loud]
    assert [lag for lag, _ in found] == sorted(lag for lag, _ in found)
    assert sum(likeness > 0.95 for _, likeness in found) >= len(found) - 1
    assert result["program"]["said_s"] == pytest.approx(len(said) / said_hz, abs=0.03)
    assert (result["program"]["exit_code"], result["ended_by"]) == (0, "server")
    assert account["dialplan_continued"]
    assert messages(account) == []


def test_a_caller_who_is_not_on_the_list_gets_a_hangup(serve: Serve, place: Place, tmp_path: Path) -> None:
    (tmp_path / "allowed").write_text("00000000-0000-4000-8000-000000000001\n")
    serving = serve("--allow-uuid", tmp_path / "allowed")
    account = place(serving, "silence 5")
    assert serving.wait_for("refused").endswith(f"{account['uuid']} is not in {tmp_path / 'allowed'}")
    assert account["dialplan_continued"]
    assert messages(account) == []
    place(serving, "silence 1", "--uuid", "00000000-0000-4000-8000-000000000001")
    assert "ended by caller" in serving.wait_for("00000000-0000-4000-8000-000000000001 ended")


@pytest.mark.parametrize(
    "options",
    [["--interface", "app"], ["--interface", "channel", "--format", "slin16"]],
    ids=["application", "channel-slin16"],
)
def test_our_capture_and_that_of_tcpdump_hold_the_same(
    serve: Serve, place: Place, tmp_path: Path, options: list[str]
) -> None:
    serving = serve("--echo", "--capture", "captures", "--calls", "1")
    sniffer = subprocess.Popen(
        [need("tcpdump"), "-i", "lo", "--immediate-mode", "-Uw", tmp_path / "tcpdump.pcap", f"port {serving.port}"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert sniffer.stderr is not None
    assert "listening on lo" in sniffer.stderr.readline()
    account = place(serving, "tone 440 1, pause 1.5, digits 12#, tone 1000 1, hangup", *options)
    serving.end(0)
    time.sleep(0.5)  # the last packets are on their way to the sniffer
    sniffer.terminate()
    sniffer.communicate(timeout=10)
    ours, theirs = (
        [item for item in open_capture(path) if isinstance(item, Captured)]
        for path in (tmp_path / "captures" / f"{account['uuid']}.pcapng", tmp_path / "tcpdump.pcap")
    )
    for side in Side:
        pairs = list(zip(*([item for item in items if item.side is side] for items in (ours, theirs)), strict=True))
        assert len(pairs) > 100
        assert [one.frame for one, _ in pairs] == [other.frame for _, other in pairs]
        apart_s = [abs(absolute_s(one) - absolute_s(other)) for one, other in pairs]
        assert np.percentile(apart_s, 95) < 0.005  # all are, but where this machine was busy elsewhere
        assert max(apart_s) < 0.1
    told = [
        subprocess.run(
            [*COMMAND, "dump", "--stats", "--json", path], capture_output=True, text=True, check=True
        ).stdout
        for path in (tmp_path / "captures" / f"{account['uuid']}.pcapng", tmp_path / "tcpdump.pcap")
    ]  # fmt: skip
    first, second = (json.loads(text) for text in told)
    assert "".join(press["digit"] for press in first["caller"]["dtmf"]) == "12#"
    assert [press["digit"] for press in second["caller"]["dtmf"]] == list("12#")
    assert first["findings"] == second["findings"]
    assert [first[side]["frames"] for side in Side] == [second[side]["frames"] for side in Side]


def absolute_s(item: Captured) -> float:
    assert item.call.started_ns is not None
    return item.call.started_ns % 10**15 / 1e9 + item.at_s


def test_asterisk_hears_the_bot_of_a_capture(serve: Serve, answer: Answer, place: Place, tmp_path: Path) -> None:
    said = speechlike(3)
    soundfile.write(tmp_path / "prompt.wav", said, 8000)
    serving = serve("--play", tmp_path / "prompt.wav", "--hangup", "--capture", "captures", "--calls", "1")
    account = place(serving, "silence 8")
    serving.end(0)
    replaying = answer("replay", tmp_path / "captures" / f"{account['uuid']}.pcapng")
    account = place(replaying, "silence 8", "--record-far")
    assert replaying.end(0)[0] == 0
    heard, rate_hz = heard_at_far_end(account)
    lag, correlation = best_match(heard, said)
    assert correlation > 0.95
    assert longest_gap_s(heard[lag:], said, rate_hz) <= 0.04
    assert account["dialplan_continued"]
    assert messages(account) == []


def test_a_caller_from_asterisk_is_replayed_to_another_server(serve: Serve, place: Place, tmp_path: Path) -> None:
    serving = serve("--record", "before", "--capture", "captures", "--calls", "1")
    account = place(serving, "tone 440 1, pause 1, digits 7, tone 1000 1, hangup")
    serving.end(0)
    serving = serve("--record", "after", "--calls", "1", "--json")
    subprocess.run(
        [*COMMAND, "replay", tmp_path / "captures" / f"{account['uuid']}.pcapng", serving.target, "--uuid", "same"],
        check=True, capture_output=True,
    )  # fmt: skip
    result = serving.wait_for_end(account["uuid"])
    assert [press["digit"] for press in result["dtmf"]] == ["7"]
    before, after = (
        soundfile.read(tmp_path / folder / f"{account['uuid']}.wav", dtype="int16")[0] for folder in ("before", "after")
    )
    assert len(after) == pytest.approx(len(before), abs=400)
    for hz in (440, 1000):
        spans = [tone_span_s(samples, 8000, hz) for samples in (before, after)]
        assert spans[1] == pytest.approx(spans[0], abs=0.03)


@pytest.mark.parametrize(
    "options", [["--interface", "app"], ["--interface", "channel", "--format", "slin"]], ids=["application", "channel"]
)
def test_a_proxy_changes_nothing_and_its_recording_is_the_servers(
    serve: Serve, answer: Answer, place: Place, tmp_path: Path, options: list[str]
) -> None:
    said = speechlike(6)
    prompt = tmp_path / "prompt.wav"
    soundfile.write(prompt, said, 8000)
    behind = serve("--play", prompt, "--hangup", "--record", "behind", "--json")
    proxy = answer("proxy", behind.target, "--record", "between", "--json")
    account = place(proxy, "tone 440 2, silence 20", "--record-far", *options)
    result, theirs = (each.wait_for_end(account["uuid"]) for each in (proxy, behind))

    assert messages(account) == []
    assert account["dialplan_continued"]
    assert account["near_ended_at"] - account["near_started_at"] - 0.4 == pytest.approx(6, abs=0.1)
    for each in (result, theirs):
        assert (each["ended_by"], each["ended_how"]) == ("server", "hangup")
    assert result["findings"] == theirs["findings"] == []
    assert result["server"]["frames"]["slin"] == theirs["server"]["frames"]["slin"]
    passed_on, heard_there = (each["caller"]["frames"]["slin"]["frames"] for each in (result, theirs))
    assert 0 <= passed_on - heard_there <= 2  # what the caller says while the hangup is on its way is heard by nobody
    assert result["server"]["frames"]["hangup"] == {"frames": 1, "bytes": 0}
    between, at_server = (
        soundfile.read(tmp_path / where / f"{account['uuid']}.wav", dtype="int16")[0] for where in ("between", "behind")
    )
    for channel in range(2):
        lag, correlation = best_match(between[:, channel], at_server[800:40_000, channel])
        assert correlation > 0.999
        assert abs(lag - 800) <= 80  # 10 ms
    heard, _ = heard_at_far_end(account)
    assert best_match(heard, said)[1] > 0.95


def passed_unchanged(tmp_path: Path, uuid: str, length_s: float) -> None:
    """Hold what a proxy captured and recorded against what the server behind it did: the same bytes both ways, and the
    same sound. (How late each process of a busy machine reads a frame is no fault of the proxy.)"""
    sent: dict[str, dict[Side, bytes]] = {}
    for where in ("between", "behind"):
        items = [item for item in open_capture(tmp_path / where / f"{uuid}.pcapng") if isinstance(item, Captured)]
        sent[where] = {side: b"".join(encode(one.frame) for one in items if one.side is side) for side in Side}
    assert sent["between"] == sent["behind"]
    assert len(sent["between"][Side.SERVER]) == pytest.approx(length_s * 16_150, rel=0.02)
    between, behind = (soundfile.read(tmp_path / where / f"{uuid}.wav", dtype="int16")[0] for where in sent)
    for channel in range(2):  # where a frame was read late, there is silence before it
        np.testing.assert_array_equal(*(one[one[:, channel] != 0, channel] for one in (between, behind)))


def heard_lag_s(account: dict[str, Any], said: Samples, at_s: int) -> float:
    """Where Asterisk's caller heard a second of what was said, against where it was said."""
    heard, rate_hz = heard_at_far_end(account)
    lag, correlation = best_match(heard, said[at_s * rate_hz : (at_s + 1) * rate_hz])
    assert correlation > 0.8  # an Asterisk on a busy machine loses a frame at times, with a proxy and without
    return lag / rate_hz - at_s


def test_a_minute_through_a_proxy_takes_a_minute(serve: Serve, answer: Answer, place: Place, tmp_path: Path) -> None:
    said = speechlike(60)
    prompt = tmp_path / "prompt.wav"
    soundfile.write(prompt, said, 8000)
    behind = serve("--play", prompt, "--hangup", "--record", "behind", "--capture", "behind", "--json")
    proxy = answer("proxy", behind.target, "--record", "between", "--capture", "between", "--json")
    account = place(proxy, "tone 440 58, silence 12", "--record-far", "--timeout", "90")
    result = proxy.wait_for_end(account["uuid"])

    assert messages(account) == []
    assert account["near_ended_at"] - account["near_started_at"] - 0.4 == pytest.approx(60, abs=0.15)
    assert result["server"]["audio_s"] == pytest.approx(60.3, abs=0.2)
    passed_unchanged(tmp_path, account["uuid"], 60.3)
    assert heard_lag_s(account, said, 58) == pytest.approx(heard_lag_s(account, said, 1), abs=0.3)


def never_read(mirrored: socket.socket) -> None:
    time.sleep(30)


def reset_soon(mirrored: socket.socket) -> None:
    mirrored.recv(1000)
    time.sleep(1)
    mirrored.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def flood(mirrored: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            mirrored.sendall(bytes([0x10, 1, 64]) + bytes(320))


@pytest.mark.parametrize("trouble", [never_read, reset_soon, flood], ids=["does not read", "resets", "floods"])
def test_whatever_a_mirror_does_asterisk_and_the_server_do_not_notice(
    serve: Serve, answer: Answer, place: Place, tmp_path: Path, trouble: Callable[[socket.socket], None]
) -> None:
    said = speechlike(6)
    prompt = tmp_path / "prompt.wav"
    soundfile.write(prompt, said, 8000)
    behind = serve("--play", prompt, "--hangup", "--record", "behind", "--capture", "behind", "--json")

    def act() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = mirror.accept()
                with connection:
                    if connection.recv(1, socket.MSG_PEEK):  # the proxy tries it once, without a byte
                        trouble(connection)

    with socket.create_server(("127.0.0.1", 0)) as mirror:
        threading.Thread(target=act, daemon=True).start()
        target = f"127.0.0.1:{mirror.getsockname()[1]}"
        proxy = answer(
            "proxy", behind.target, "--mirror", target, "--record", "between", "--capture", "between", "--json"
        )
        account = place(proxy, "tone 440 2, silence 20", "--record-far")
        result = proxy.wait_for_end(account["uuid"])

    assert messages(account) == []
    assert account["dialplan_continued"]
    assert account["near_ended_at"] - account["near_started_at"] - 0.4 == pytest.approx(6, abs=0.1)
    assert (result["ended_by"], result["ended_how"], result["findings"]) == ("server", "hangup", [])
    assert result["mirror"]["outcome"] == ("different" if trouble is never_read else "gone")
    passed_unchanged(tmp_path, account["uuid"], 6.3)
    heard_lag_s(account, said, 2)
