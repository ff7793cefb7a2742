"""Real calls: an Asterisk dials us, and what each side said and heard is held against the other's account of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from conftest import Serving, missing
from numpy.typing import NDArray

from audiosocket_cli.media.pcm import Samples

pytestmark = pytest.mark.asterisk

Serve = Callable[..., Serving]
Place = Callable[..., dict[str, Any]]
TESTBED = Path(__file__).parent.parent / "scripts" / "asterisk-testbed"

NORMAL_HANGUP = ("Failed to receive frame from channel", "Failed to forward frame from AudioSocket server")
"""What the application logs, once, whenever the caller hangs up (`audiosocket_run`): the second when it was just about
to hand the caller a frame of ours."""


def testbed(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, TESTBED, *args], capture_output=True, text=True, timeout=150, check=False)


testbed.__test__ = False  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def asterisk() -> Iterator[None]:
    """A running Asterisk; one that was running before stays."""
    was_running = testbed("status").returncode == 0
    started = testbed("start")
    if started.returncode:
        missing(f"no Asterisk to test with ({started.stderr.strip()})")
    yield
    if not was_running:
        assert testbed("stop").returncode == 0


@pytest.fixture
def place(asterisk: None, tmp_path: Path) -> Place:
    """Place a call at a server and return the testbed's account of it."""

    def call(serving: Serving, far: str, *options: str) -> dict[str, Any]:
        done = testbed("call", "--server", serving.target, "--far", far, "--out", tmp_path / "far", *options)
        assert done.returncode == 0, done.stderr + done.stdout
        account: dict[str, Any] = json.loads(done.stdout)
        return account

    return call


def messages(account: dict[str, Any]) -> list[str]:
    return [entry["message"] for entry in account["audiosocket_log"]]


def only_a_normal_hangup(account: dict[str, Any]) -> bool:
    """Whether Asterisk has nothing to complain about but that the caller hung up."""
    found = messages(account)
    return found == [] or (len(found) == 1 and found[0].startswith(NORMAL_HANGUP))


def heard_at_far_end(account: dict[str, Any]) -> tuple[Samples, int]:
    """The recording of what the caller heard, made inside Asterisk."""
    samples, rate_hz = soundfile.read(account["recordings"][-1]["path"], dtype="int16")
    return samples, rate_hz


def tone_span_s(samples: Samples, rate_hz: int, frequency_hz: float) -> tuple[float, float]:
    """Where the longest run of a tone begins and ends, in seconds, from its strength in steps of 5 ms.

    Asterisk's resampler keeps some ms of a sound over a pause and lets them out with the next: hence the longest.
    """
    step = rate_hz // 200
    mixed = samples * np.exp(-2j * np.pi * frequency_hz * np.arange(len(samples)) / rate_hz)
    strength = np.abs(mixed[: len(mixed) // step * step].reshape(-1, step).mean(axis=1))
    present = np.concatenate([[0], strength > np.percentile(strength, 99) / 2, [0]]).astype(int)
    edges = np.flatnonzero(np.diff(present)).reshape(-1, 2)
    start, end = edges[np.argmax(edges[:, 1] - edges[:, 0])]
    return float(start) * step / rate_hz, float(end) * step / rate_hz


def peak_hz(samples: Samples, rate_hz: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * rate_hz / len(samples)


def speechlike(seconds: float, rate_hz: int = 8000) -> Samples:
    """Noise of speech's bandwidth in syllables of its own pattern: no part of it is like another."""
    rng = np.random.default_rng(3)
    spectrum = np.fft.rfft(rng.standard_normal(round(seconds * rate_hz)))
    frequencies = np.fft.rfftfreq(round(seconds * rate_hz), 1 / rate_hz)
    spectrum[(frequencies < 200) | (frequencies > 3000)] = 0
    signal = np.fft.irfft(spectrum, round(seconds * rate_hz))
    syllables = np.repeat(rng.uniform(0.3, 1.0, round(seconds * 5) + 1), rate_hz // 5)[: len(signal)]
    return (signal / np.abs(signal).max() * syllables * 20000).astype(np.int16)


def best_match(heard: Samples, said: Samples) -> tuple[int, float]:
    """Lag in samples and correlation coefficient where `said` fits best into `heard`."""
    size = len(heard) + len(said)
    product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(said, size)), size)
    lag = int(np.argmax(product[: len(heard) - len(said) + 1]))
    part: NDArray[np.float64] = heard[lag : lag + len(said)].astype(np.float64)
    norm = np.sqrt(np.dot(part, part) * np.dot(said.astype(np.float64), said.astype(np.float64)))
    return lag, float(np.dot(part, said.astype(np.float64)) / norm)


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
    assert serving.wait_for("no call").endswith(
        "closed without a UUID (is an Answer() missing in the dialplan before AudioSocket()?)"
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
    cure = "which is noise: say c(slin), as in Dial(AudioSocket/HOST:PORT/UUID/c(slin))"
    assert f"{name} labelled slin, {cure}" in findings
