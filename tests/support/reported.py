"""Calls on disk that reports are made of: a recording with its JSON, as `serve --record` leaves them."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from audiosocket_cli.audio.pcm import tone

UUID = "8f269582-0000-4000-8000-00000000000a"


def a_conversation(seconds: float = 12.0, rate_hz: int = 8000) -> NDArray[np.int16]:
    """Both sides, shape (n, 2): each speaks two seconds in turn, the server 0.5 s after the caller; both hiss."""
    sound = np.random.default_rng(5).normal(0, 8, (round(seconds * rate_hz), 2)).astype(np.int16)
    word = tone(300, rate_hz, 2.0) // 2 + tone(700, rate_hz, 2.0) // 2
    beat = np.sin(np.arange(len(word)) / rate_hz * 2 * np.pi * 3) ** 2  # syllables: a steady tone is not speech
    for number, start_s in enumerate(np.arange(0.5, seconds - 2, 2.5)):
        first = round(start_s * rate_hz)
        sound[first : first + len(word), number % 2] += (word * beat).astype(np.int16)
    return sound


def call_json(files: list[str], **more: Any) -> dict[str, Any]:
    """Return the JSON of a call of 12 s with its recording in these files."""
    side = {"audio_s": 12.0, "level_dbfs": -25.0, "peak_dbfs": -12.0, "first_audio_s": 0.0, "first_speech_s": 0.5}
    return {
        "schema": "audiosocket.call/1", "uuid": UUID, "peer": "192.0.2.7:40000",
        "started_at": "2026-11-30T09:12:03.000+00:00", "ended_at": "2026-11-30T09:12:15.000+00:00", "duration_s": 12.0,
        "ended_by": "caller", "ended_how": "hangup", "ended_reason": "caller hung up",
        "dtmf": [{"digit": digit, "at_s": 4.0 + number} for number, digit in enumerate("0042")],
        "caller": side | {"gaps": [{"at_s": 3.0, "length_s": 0.4}], "gap_count": 1, "gaps_s": 0.4, "jitter_ms": 2.0},
        "server": side | {"late_frames": 0},
        "recording": {"files": files, "layout": "stereo", "rate_hz": 8000, "duration_s": 12.0, "error": None},
        "findings": ["600 ms of the server's audio came at once [server-bursts]"], "finding_ids": ["server-bursts"],
        **more,
    }  # fmt: skip


def write_call(folder: Path, name: str = "call", **more: Any) -> tuple[Path, Path]:
    """Write a recording with its JSON into a folder; returns their names."""
    folder.mkdir(parents=True, exist_ok=True)
    wav, path = folder / f"{name}.wav", folder / f"{name}.json"
    with wav.open("wb") as file:  # whose name need not be UTF-8
        soundfile.write(file, a_conversation(), 8000, format="WAV")
    path.write_text(json.dumps(call_json([wav.name], **more)))
    return wav, path


def shades_in(data: bytes) -> NDArray[np.uint8]:
    """Read a PNG of one shade per byte and without filters, chunk by chunk; sums are checked."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + size]
        assert struct.unpack_from(">I", data, at + 8 + size)[0] == zlib.crc32(kind + body)
        chunks[kind] = body
        at += 12 + size
    width, height, *form = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert form == [8, 0, 0, 0, 0]
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert not rows[:, 0].any()
    return rows[:, 1:]
