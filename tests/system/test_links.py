"""What a call is over a network that delays, loses, or is too slow: whole, and told as it was.

Two hosts, real commands on both, real TCP between them, and a link in the middle (`links`) that counts what it did.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from support import links
from support.faults import BESIDE_OTHERS, show
from support.running import Serving, missing, need, run

Answer = Callable[..., Serving]

SECONDS = 3 if BESIDE_OTHERS else 20
_NOISE = np.random.default_rng(8).integers(1, 9000, 48000 * SECONDS)
SPEECH = (_NOISE * np.where(_NOISE % 2, 1, -1)).astype("<i2")
"""No sample of it is 0, so that in a recording each 0 is silence."""


@dataclass
class Link:
    """Two hosts and what is between them: words that run a command on one of them, and the link's process."""

    caller: list[str]
    server: list[str]
    process: subprocess.Popen[str]

    def end(self) -> dict[str, dict[str, float]]:
        """Take it away; returns what it counted, `out` towards the server and `back`."""
        told, _ = self.process.communicate(timeout=60)
        counts: dict[str, dict[str, float]] = json.loads(told)
        return counts


@pytest.fixture
def make_link() -> Iterator[Callable[..., Link]]:
    """Make a link with the options of `links`; hosts and link go away with the pipes that we hold, whatever happens."""
    if os.geteuid() != 0:
        missing("only root can make hosts of network namespaces")
    if not Path("/dev/net/tun").exists():
        missing("this system has no /dev/net/tun")
    if subprocess.run([need("unshare"), "--net", "true"], capture_output=True, check=False).returncode:
        missing("network namespaces are not allowed here")
    started: list[subprocess.Popen[str]] = []

    def begin(*words: str) -> subprocess.Popen[str]:
        started.append(subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        assert started[-1].stdout is not None
        assert started[-1].stdout.readline()  # it is there
        return started[-1]

    def make(*options: str) -> Link:
        hosts = [begin("unshare", "--net", "sh", "-c", "echo ready; exec cat") for _ in range(2)]
        link = begin(sys.executable, links.__file__, *(str(host.pid) for host in hosts), *options)
        caller, server = ([need("nsenter"), f"--net=/proc/{host.pid}/ns/net"] for host in hosts)
        return Link(caller, server, link)

    yield make
    for process in reversed(started):
        process.kill()
        process.communicate()


@pytest.fixture
def speech(tmp_path: Path) -> Callable[..., Path]:
    """Make a file of so many seconds of `SPEECH`."""

    def make(seconds: float, rate_hz: int = 8000) -> Path:
        path = tmp_path / f"speech-{seconds}.wav"
        soundfile.write(path, SPEECH[: round(seconds * rate_hz)], rate_hz)
        return path

    return make


def pieces(path: Path) -> tuple[np.ndarray, list[tuple[float, float]]]:
    """Take a recording of `SPEECH` apart: its sound, and where silence begins in it and how long it is."""
    samples, rate_hz = soundfile.read(path, dtype="int16")
    silent = np.concatenate(([False], samples == 0, [False]))
    edges = np.flatnonzero(np.diff(silent.astype(int))).reshape(-1, 2) / rate_hz
    return samples[samples != 0], [(begins_s, ends_s - begins_s) for begins_s, ends_s in edges.tolist()]


def is_whole(path: Path, side: dict[str, Any], said: np.ndarray) -> None:
    """Check that a recording has all that was said, in order and bit by bit, and silence only where gaps are told."""
    sound, silence = pieces(path)
    assert np.array_equal(sound, said)
    gaps = [(gap["at_s"], gap["length_s"]) for gap in side["gaps"]]
    if silence and silence[0][0] == 0:
        gaps.insert(0, (0.0, silence[0][1]))  # before the first word, which is no gap
        assert silence[0][1] <= side["first_audio_s"] + 0.001
    assert np.array(silence).ravel() == pytest.approx(np.array(gaps).ravel(), abs=0.002)


def is_paced(told: dict[str, Any], seconds: float) -> None:
    """Check that what was said went out when it was due, whatever the network did with it."""
    side = told["caller"]
    assert side["held_frames"] == 0
    assert side["slips"] <= 2  # of this machine, which may have stood still for others
    late_s = side["worst_lateness_ms"] / 1000  # as it may be with the last frame
    assert told["duration_s"] == pytest.approx(seconds + side["slipped_ms"] / 1000, abs=0.07 + late_s)


def ended(serving: Serving) -> dict[str, Any]:
    call: dict[str, Any] = json.loads(serving.wait_for('"event": "ended"'))["call"]
    return call


BAD = ("--delay-ms", "150", "--loss-percent", "2")


@pytest.mark.parametrize(
    "options",
    [("--delay-ms", "150"), ("--loss-percent", "2"), BAD, ("--kbit", "200")],
    ids=["150 ms", "2 %", "150 ms and 2 %", "200 kbit/s"],
)
def test_a_recording_is_whole_and_each_end_tells_what_the_network_did(
    make_link: Callable[..., Link],
    answer: Answer,
    speech: Callable[..., Path],
    tmp_path: Path,
    options: tuple[str, ...],
) -> None:
    link = make_link(*options)
    serving = answer("serve", "--record", "calls", "--json", host=links.SERVER, on=link.server)
    done = run("play", speech(SECONDS), serving.target, "--json", on=link.caller)
    assert (done.returncode, done.stderr) == (0, "")
    played, heard, counts = json.loads(done.stdout), ended(serving), link.end()
    told, way_ms = played["call"], 150.0 * ("150" in options)

    is_paced(told, SECONDS)
    assert played["complete"]
    assert told["caller"]["undelivered_ms"] == 0
    assert 2 * way_ms - 10 <= played["connect_ms"] < 2 * way_ms + 1000 or counts["out"]["lost"]  # on a busy machine
    assert told["caller"]["worst_backlog_ms"] >= 2 * way_ms - 20

    side = heard["caller"]
    assert (heard["ended_by"], heard["ended_how"]) == ("caller", "closed")
    is_whole(tmp_path / "calls" / heard["recording"]["files"][0], side, SPEECH[: 8000 * SECONDS])
    assert side["audio_s"] == SECONDS
    assert heard["duration_s"] >= SECONDS - 0.1
    lost = counts["out"]["lost"] + counts["back"]["lost"]
    if "--loss-percent" in options:
        assert lost
    else:
        assert told["findings"] == heard["findings"] == []
        assert side["gaps"] == [] or counts["out"]["worst_pause_s"] > 0.06
    show(
        f"{' '.join(options)}: {lost:.0f} of {counts['out']['packets'] + counts['back']['packets']:.0f} packets lost; "
        f"all of {SECONDS} s is recorded, {len(side['gaps'])} gaps of {side['gaps_s']:.2f} s in all; at most "
        f"{told['caller']['worst_backlog_ms']} ms on the way; we were late by at most "
        f"{told['caller']['worst_lateness_ms']} ms"
    )


def test_a_link_too_slow_for_audio_is_told_on_both_ends_and_the_last_word_arrives(
    make_link: Callable[..., Link], answer: Answer, speech: Callable[..., Path], tmp_path: Path
) -> None:
    link = make_link("--kbit", "64")
    serving = answer("serve", "--record", "calls", "--json", host=links.SERVER, on=link.server)
    begun_s = time.monotonic()
    done = run("play", speech(3), serving.target, "--json", on=link.caller)
    took_s = time.monotonic() - begun_s
    assert (done.returncode, done.stderr) == (0, "")
    told, heard, counts = json.loads(done.stdout)["call"], ended(serving), link.end()

    is_paced(told, 3)
    assert told["caller"]["undelivered_ms"] == 0
    assert told["caller"]["worst_backlog_ms"] > 1200
    (finding,) = told["findings"]
    assert "waited on its way: the network is too slow, or the server does not read" in finding

    assert (heard["ended_by"], heard["ended_how"]) == ("caller", "closed")
    is_whole(tmp_path / "calls" / heard["recording"]["files"][0], heard["caller"], SPEECH[: 8000 * 3])
    assert heard["duration_s"] > 3 * 128 / 64 - 0.2  # the link takes twice as long for it
    assert heard["caller"]["gaps_s"] > heard["duration_s"] - 3.5
    assert heard["findings"][0].startswith("audio came slower than it plays, in whole frames: is the network too slow")
    assert not any("c(slin)" in finding for finding in heard["findings"])
    show(
        f"64 kbit/s: 3 s took {heard['duration_s']:.1f} s, and play {took_s:.1f} s; all of it is recorded, with "
        f"{heard['caller']['gaps_s']:.1f} s of gaps; {counts['out']['dropped']} packets dropped by the router"
    )


def test_when_buffers_are_full_play_ends_as_asterisk_and_all_it_has_said_arrives(
    make_link: Callable[..., Link], answer: Answer, speech: Callable[..., Path], tmp_path: Path
) -> None:
    link = make_link("--kbit", "300")
    serving = answer("serve", "--record", "calls", "--json", host=links.SERVER, on=link.server)
    done = run("play", speech(3, 48000), serving.target, "--rate", "48000", "--json", on=link.caller)
    assert done.returncode == 4
    played, heard = json.loads(done.stdout), ended(serving)
    assert played["call"]["ended_reason"].startswith("the server, or the network, takes no more: our buffers are full")
    assert not played["complete"]
    assert played["call"]["caller"]["undelivered_ms"] == 0
    said = SPEECH[: played["frames_sent"] * 960]
    is_whole(tmp_path / "calls" / heard["recording"]["files"][0], heard["caller"], said)
    assert heard["ended_reason"] == "caller closed"  # and not in mid-frame
    show(f"slin48 over 300 kbit/s: play ends after {played['call']['duration_s']:.1f} s, and all of that is recorded")


@pytest.mark.parametrize(("options", "seconds"), [(BAD, 2), (("--kbit", "64"), 1)], ids=["150 ms and 2 %", "64 kbit/s"])
def test_a_hangup_comes_behind_all_that_was_said_before_it(
    make_link: Callable[..., Link],
    answer: Answer,
    speech: Callable[..., Path],
    tmp_path: Path,
    options: tuple[str, ...],
    seconds: int,
) -> None:
    link = make_link(*options)
    prompt = ["--play", speech(seconds), "--hangup"]
    serving = answer("serve", *prompt, "--json", host=links.SERVER, on=link.server)
    done = run("record", tmp_path / "heard.wav", serving.target, "--json", on=link.caller)
    assert (done.returncode, done.stderr) == (0, "")
    heard, told = json.loads(done.stdout.splitlines()[-1])["call"], ended(serving)
    assert (heard["ended_by"], heard["ended_how"]) == (told["ended_by"], told["ended_how"]) == ("server", "hangup")
    sound, _ = pieces(tmp_path / "heard.wav")
    assert np.array_equal(sound, SPEECH[: 8000 * seconds])
    assert heard["server"]["audio_s"] == told["server"]["audio_s"]
    assert told["server"]["undelivered_ms"] == 0
    assert not any("did not arrive" in finding for finding in told["findings"])


def test_an_echo_is_whole_and_bench_tells_how_long_the_way_is(
    make_link: Callable[..., Link], answer: Answer, speech: Callable[..., Path], tmp_path: Path
) -> None:
    far, bad = make_link("--delay-ms", "150"), make_link(*BAD)
    servings = [answer("serve", "--echo", "--json", host=links.SERVER, on=link.server) for link in (far, bad)]
    with ThreadPoolExecutor() as pool:
        benches = [
            pool.submit(run, "bench", serving.target, "--duration", f"{SECONDS}s", "--json", on=link.caller)
            for serving, link in zip(servings, (far, bad), strict=True)
        ]
        options = ["--record", tmp_path / "heard.wav", "--wait", "2", "--json"]
        play = pool.submit(run, "play", speech(SECONDS), servings[1].target, *options, on=bad.caller)
        _, *measured = (json.loads(one.result().stdout) for one in (play, *benches))

    sound, _ = pieces(tmp_path / "heard.wav")
    assert np.array_equal(sound, SPEECH[: 8000 * SECONDS])
    for call in (ended(servings[1]), ended(servings[1])):
        assert call["server"]["held_frames"] == 0
    for name, result in zip(("150 ms", "150 ms and 2 %"), measured, strict=True):
        values = result["values"]
        assert values["errors"] == 0
        assert values["echo_p50"] >= 299
        assert values["first_byte_p50"] >= 299
        show(
            f"echo over {name} each way: p50 {values['echo_p50']:.0f} ms, p95 {values['echo_p95']:.0f} ms, at most "
            f"{values['echo_max']:.0f} ms; {values['marks_heard']} of {values['marks_sent']} marks back"
        )
    # A median, which a stall does not move; with one way more or less it is 150 ms off.
    assert measured[0]["values"]["echo_p50"] < (400 if BESIDE_OTHERS else 311)


def test_what_is_cut_off_with_the_network_is_told_to_the_frame(
    make_link: Callable[..., Link], answer: Answer, speech: Callable[..., Path]
) -> None:
    link = make_link("--delay-ms", "50")
    idle = ["--idle-timeout", "2"]
    serving = answer("serve", "--record", "calls", "--json", *idle, host=links.SERVER, on=link.server)
    with ThreadPoolExecutor() as pool:
        play = pool.submit(run, "play", speech(1), serving.target, "--json", on=link.caller)
        serving.wait_for('"event": "call"')
        time.sleep(0.4)
        link.process.send_signal(signal.SIGSTOP)
        done, heard = play.result(), ended(serving)
    assert (heard["ended_by"], heard["ended_reason"]) == ("server", "nothing heard for 2 s")
    heard_s = heard["caller"]["audio_s"]
    assert 0 < heard_s < 1

    assert done.returncode == 1
    told = json.loads(done.stdout)["call"]
    lost_s = told["caller"]["undelivered_ms"] / 1000
    assert 0 <= lost_s - (1.0 - heard_s) < 0.2  # what arrived last is not confirmed yet
    finding = (
        f"the last {lost_s:.2f} s of the caller's audio had not arrived when the call was closed [audio-undelivered]"
    )
    assert finding in told["findings"]
    show(f"a network that goes away: {heard_s:.2f} of 1 s arrived, {lost_s:.2f} s are told as lost")
