"""What bots get wrong is found, with the cure for who wrote them: in captures, and live in calls that we place."""

from __future__ import annotations

import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiosocket_cli.audio.pcm import Samples, to_slin
from audiosocket_cli.codec import Frame, Kind, encode
from audiosocket_cli.model import Side
from support.captured import a_call, reviewed, sent, speech, steady, whole
from support.running import run


def sung(seconds: float, rate_hz: int = 8000, peak: float = 6000) -> Samples:
    """Something between a tone and speech: a tone whose pitch and loudness change."""
    t = np.arange(round(rate_hz * seconds)) / rate_hz
    signal = peak * (1 + np.sin(5 * t)) * np.sin(2 * np.pi * (300 * t + 40 * np.sin(3 * t)))
    return np.asarray(signal, np.int16)


def law(samples: Samples, subtype: str) -> bytes:
    raw = io.BytesIO()
    soundfile.write(raw, samples, 8000, format="RAW", subtype=subtype)
    return raw.getvalue()


def headed(samples: Samples) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, 8000, format="WAV", subtype="PCM_16")
    return file.getvalue()


def wider(samples: Samples, size: int) -> bytes:
    """Return samples of `size` bytes, little-endian."""
    wide = np.zeros((len(samples), size), np.uint8)
    wide[:, -2:] = np.frombuffer(to_slin(samples), np.uint8).reshape(-1, 2)
    return wide.tobytes()


SLIN = to_slin(sung(4.0))
ULAW, ALAW = law(sung(4.0), "ULAW"), law(sung(4.0), "ALAW")
WIDE = to_slin(sung(4.0, 16000))
NOISE = np.random.default_rng(1).bytes(48_000)
"""As good as any compressed codec."""

DECODE = "decode it to 16-bit little-endian samples first, 320 bytes each 20 ms"
BOTS: dict[str, tuple[bytes, int, float, int, str]] = {
    # what it sends, cut to so many bytes, one each so many seconds, as this kind: what is said of it
    "u-law": (ULAW, 160, 0.02, Kind.SLIN, f"µ-law labelled slin, which is noise: {DECODE}"),
    "u-law-320": (ULAW, 320, 0.02, Kind.SLIN, f"µ-law labelled slin, which is noise: {DECODE}"),
    "u-law-320-slow": (ULAW, 320, 0.04, Kind.SLIN, f"µ-law labelled slin, which is noise: {DECODE}"),
    "a-law": (ALAW, 160, 0.02, Kind.SLIN, f"A-law labelled slin, which is noise: {DECODE}"),
    "a-law-320": (ALAW, 320, 0.02, Kind.SLIN, f"A-law labelled slin, which is noise: {DECODE}"),
    "codec": (NOISE, 160, 0.02, Kind.SLIN, "µ-law, A-law or another codec labelled slin, which is noise: decode it"),
    "codec-320": (NOISE, 320, 0.04, Kind.SLIN, "µ-law, A-law or another codec labelled slin, which is noise: decode"),
    "16-khz": (WIDE, 640, 0.02, Kind.SLIN, ("the server's slin audio comes 2.00 times as fast as it plays; is it "
               "slin16 (16000 Hz), or in two channels? send one channel at 8000 Hz, 320 bytes each 20 ms")),
    "24-khz": (to_slin(sung(4.0, 24000)), 960, 0.02, Kind.SLIN, ("the server's slin audio comes 3.00 times as fast as "
               "it plays; is it slin24 (24000 Hz)?")),
    "half-size": (SLIN, 160, 0.02, Kind.SLIN, ("the server's slin audio comes 0.50 times as fast as it plays (frames "
                  "of 160 bytes hold 10 ms each), so it is heard in pieces: send 320 bytes each 20 ms")),
    "half-size-16": (WIDE, 320, 0.02, Kind.SLIN16, ("the server's slin16 audio comes 0.50 times as fast as it plays "
                     "(frames of 320 bytes hold 10 ms each), so it is heard in pieces: send 640 bytes each 20 ms")),
    "swapped": (np.frombuffer(SLIN, "<i2").byteswap().tobytes(), 320, 0.02, Kind.SLIN,
                "the server's audio is byte-swapped, which is noise: send little-endian samples"),
    "shifted": (b"\0" + SLIN[:-1], 320, 0.02, Kind.SLIN, "the server's audio is shifted by one byte, which is noise:"),
    "floats": ((sung(4.0) / 32768).astype("<f4").tobytes(), 640, 0.04, Kind.SLIN,
               "the server's audio is in 32-bit floats, which is noise: multiply them by 32767, and send 16-bit"),
    "8-bit": (((sung(4.0) >> 8) + 128).astype(np.uint8).tobytes(), 160, 0.01, Kind.SLIN,
              "the server's audio is in 8-bit samples, which is noise: send 16-bit little-endian samples"),
    "floats-20ms": ((sung(4.0) / 32768).astype("<f4").tobytes(), 640, 0.02, Kind.SLIN,
                    "the server's audio is in 32-bit floats, which is noise: multiply them by 32767"),
    "8-bit-20ms": (((sung(4.0) >> 8) + 128).astype(np.uint8).tobytes(), 160, 0.02, Kind.SLIN,
                   "the server's audio is in 8-bit samples, which is noise: send 16-bit little-endian samples"),
    "24-bit-20ms": (wider(sung(4.0), 3), 480, 0.02, Kind.SLIN,
                    "the server's audio is in 24-bit samples, which is noise: send 16-bit little-endian samples"),
    "32-bit-20ms": (wider(sung(4.0), 4), 640, 0.02, Kind.SLIN,
                    "the server's audio is in 32-bit samples, which is noise: send 16-bit little-endian samples"),
    "odd": (SLIN, 321, 0.02, Kind.SLIN, "of the server's audio frames have an odd length"),
    "header": (headed(sung(3.0)), 320, 0.02, Kind.SLIN, "the server sent a WAV file's header as sound"),
    "long": (SLIN, 1600, 0.1, Kind.SLIN, ("the server's frames have 1600 bytes, 100 ms of slin: Asterisk makes one RTP "
             "packet of each, and phones expect 20 ms; send 320 bytes each 20 ms")),
    "chunks": (SLIN, 4096, 0.256, Kind.SLIN, "the server's frames have 4096 bytes, 256 ms of slin:"),
    "late": (SLIN, 320, 0.026, Kind.SLIN, ("the server's audio came slower than it plays, in whole frames: send frame "
             "n at start + n * 20 ms, rather than 20 ms after the one before")),
    "clipped": (to_slin(np.clip(sung(4.0).astype(int) * 20, -32768, 32767).astype(np.int16)), 320, 0.02, Kind.SLIN,
                "of the server's samples are at the limit; turn its gain down"),
    "off-centre": (to_slin(sung(4.0, peak=2000) + np.int16(3000)), 320, 0.02, Kind.SLIN,
                   "the server's audio is off centre by 9 %: are its samples signed, with 16 bits?"),
}  # fmt: skip


def frames_of(data: bytes, size: int, kind: int) -> list[Frame]:
    return [Frame(kind, data[at : at + size]) for at in range(0, len(data) - size + 1, size)]


def found_in(frames: list[Frame], step_s: float, side: Side = Side.SERVER) -> list[str]:
    """Return what a capture is found to show, in which the other side is as it should be."""
    call = a_call()
    one = sent(call, side, frames, steady(0.01, len(frames), step_s))
    count = round(len(frames) * step_s * 50)
    other = sent(call, side.other, speech(count / 50), steady(0.02, count))
    both = (one, other) if side is Side.CALLER else (other, one)
    return reviewed(whole(call, *both))[0].findings


@pytest.mark.parametrize("name", BOTS)
def test_a_bot_is_told_what_is_wrong_and_what_to_send(name: str) -> None:
    data, size, step_s, kind, says = BOTS[name]
    findings = found_in(frames_of(data, size, kind), step_s)
    assert any(says in finding for finding in findings), findings
    if name not in ("16-khz", "24-khz", "late", "odd", "chunks", "floats-20ms", "24-bit-20ms", "32-bit-20ms"):
        assert len(findings) == 1, findings
    assert not any("off centre" in finding for finding in findings) or name == "off-centre"


@pytest.mark.parametrize("subtype", ["ULAW", "ALAW"])
@pytest.mark.parametrize(("size", "step_s"), [(160, 0.02), (320, 0.02), (320, 0.04), (80, 0.01), (480, 0.06)])
@pytest.mark.parametrize("peak", [6000, 300, 30], ids=["loud", "low", "very low"])
@pytest.mark.parametrize("pauses", [False, True], ids=["steady", "pauses"])
def test_a_law_is_known_in_frames_of_any_length(
    subtype: str, size: int, step_s: float, peak: float, pauses: bool
) -> None:
    samples = sung(6.0, peak=peak)
    if pauses:  # two thirds are silence, of which a law makes anything but zeros
        samples[np.arange(len(samples)) // 4000 % 3 > 0] = 0
    (finding,) = found_in(frames_of(law(samples, subtype), size, Kind.SLIN), step_s, Side.CALLER)
    assert finding.startswith(f"{'µ-law' if subtype == 'ULAW' else 'A-law'} labelled slin, which is noise: use c(slin)")


@pytest.mark.parametrize(("byte", "name"), [(0x7F, "µ-law"), (0xD5, "A-law"), (0x55, "A-law")])
def test_nothing_but_the_silence_of_a_law_is_known_too(byte: int, name: str) -> None:
    (finding,) = found_in([Frame(Kind.SLIN, bytes([byte]) * 320)] * 200, 0.02, Side.CALLER)
    assert finding.startswith(f"{name} labelled slin")


@pytest.mark.parametrize("level", [1, 2, 4, 30, 3000, 20000])
@pytest.mark.parametrize("offset", [0, -1, 40])
def test_noise_of_any_level_is_no_law(level: int, offset: int) -> None:
    rng = np.random.default_rng(level)
    noise = (rng.integers(-level, level + 1, 32000) + offset).astype(np.int16)
    assert found_in(frames_of(to_slin(noise), 320, Kind.SLIN), 0.02, Side.CALLER) == []
    assert found_in(frames_of(to_slin(noise), 320, Kind.SLIN), 0.02) == []


@pytest.mark.parametrize("side", Side)
def test_silence_now_and_then_is_no_slow_audio(side: Side) -> None:
    call = a_call()
    quiet = sent(call, side, [Frame(Kind.SLIN, bytes(320))] * 60, steady(0.01, 60, 0.1))
    other = sent(call, side.other, speech(6.0), steady(0.02, 300))
    both = (quiet, other) if side is Side.CALLER else (other, quiet)
    found = reviewed(whole(call, *both))[0].findings
    assert [finding for finding in found if "digital silence" not in finding] == []


# Live


@contextmanager
def a_bot(frames: list[Frame], step_s: float) -> Iterator[str]:
    """A server for any number of calls, in each of which it sends these frames, and hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def answer(peer: socket.socket) -> None:
        with peer:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer.recv(19)
            threading.Thread(target=drain, args=(peer,), daemon=True).start()
            start_s = time.monotonic()
            try:
                for number, frame in enumerate(frames):
                    time.sleep(max(0.0, start_s + number * step_s - time.monotonic()))
                    peer.sendall(encode(frame))
                peer.sendall(b"\0\0\0")
                time.sleep(0.5)
            except OSError:
                pass

    def drain(peer: socket.socket) -> None:
        try:
            while peer.recv(65536):
                pass
        except OSError:
            pass

    def accept() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=answer, args=(peer,), daemon=True))
            threads[-1].start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in threads:
            thread.join(10)


LIVE = ["u-law-320", "half-size-16", "swapped", "long", "floats-20ms", "24-bit-20ms"]


@pytest.mark.parametrize("name", LIVE)
def test_play_finds_it_live(name: str, tmp_path: Path) -> None:
    data, size, step_s, kind, says = BOTS[name]
    soundfile.write(tmp_path / "x.wav", sung(4.0), 8000)
    with a_bot(frames_of(data, size, kind)[: round(3.5 / step_s)], step_s) as target:
        done = run("play", tmp_path / "x.wav", target, "--json")
    findings = json.loads(done.stdout)["call"]["findings"]
    assert any(says in finding for finding in findings), findings


def test_inject_dtmf_and_replay_find_it_live(tmp_path: Path) -> None:
    data, size, step_s, kind, _ = BOTS["u-law"]
    script = tmp_path / "script.jsonl"
    script.write_text('{"silence_ms": 3000}\n')
    with a_bot(frames_of(data, size, kind)[:200], step_s) as target:
        for args in (["inject-dtmf", "1", target, "--wait", "3"], ["replay", script, target]):
            done = run(*args, "--json")
            assert "µ-law labelled slin, which is noise: decode it" in done.stdout, (args, done)


def test_bench_finds_it_in_its_first_calls() -> None:
    data, size, step_s, kind, says = BOTS["u-law"]
    with a_bot(frames_of(data, size, kind)[:200], step_s) as target:
        done = run("bench", target, "--calls", "2", "--duration", "4", "--json")
        text = run("bench", target, "--calls", "2", "--duration", "4")
    assert says.split(":")[0] in done.stdout, done
    assert "µ-law labelled slin" in text.stdout, text
