"""Calls that are recorded, without a network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from audiosocket_cli.audio.pcm import Samples, decode_law
from audiosocket_cli.call.pacer import Pacer
from audiosocket_cli.call.recording.destinations import FileOutput
from audiosocket_cli.call.recording.recording import Decode, Layout, Recording
from audiosocket_cli.codec import Frame, Kind
from audiosocket_cli.model import Call, Ending, How, Side, now_utc
from support.fakes import UUID_1, TimedFrame, frames_of, runs_of


def new_call(me: Side = Side.SERVER) -> Call:
    return Call(me, "peer", UUID_1, now_utc(), Pacer(0.0))


def arriving(samples: Samples, start_s: float = 0.0, kind: Kind = Kind.SLIN) -> list[TimedFrame]:
    """Frames as they arrive when they are spoken from `start_s` on."""
    return [TimedFrame(start_s + 0.02 * (n + 1), frame) for n, frame in enumerate(frames_of(samples, kind))]


def sent(samples: Samples, start_s: float = 0.0, kind: Kind = Kind.SLIN) -> list[TimedFrame]:
    """Frames as they are sent when they are heard from `start_s` on."""
    return [TimedFrame(start_s + 0.02 * n, frame) for n, frame in enumerate(frames_of(samples, kind))]


def record(
    folder: Path,
    layout: Layout,
    heard: list[TimedFrame],
    said: list[TimedFrame],
    duration_s: float,
    me: Side = Side.SERVER,
    decode: Decode = Decode.SLIN,
) -> tuple[Samples, int, Recording]:
    """Run a recording through a call, in batches of half a second, and read the file."""
    call, recording = new_call(me), Recording(layout, FileOutput.in_folder(folder), decode=decode)
    recording.opened(call)
    for start in range(0, round(duration_s * 1000), 500):
        end = min(start + 500, round(duration_s * 1000))
        recording.frames(runs_of(between(heard, start, end)), runs_of(between(said, start, end)), end / 1000)
    call.duration_s = duration_s
    call.ending = Ending(Side.CALLER, How.CLOSED, "caller closed")
    recording.closed(call)
    samples, rate_hz = soundfile.read(recording.paths[0], dtype="int16")
    return samples, rate_hz, recording


def between(frames: list[TimedFrame], start_ms: int, end_ms: int) -> list[TimedFrame]:
    return [timed for timed in frames if start_ms < round(timed.at_s * 1000) + (timed.at_s == 0) <= end_ms]


def noise(seconds: float, rate_hz: int = 8000, seed: int = 1) -> Samples:
    rng = np.random.default_rng(seed)
    return rng.integers(-9000, 9000, round(seconds * rate_hz)).astype(np.int16)


def mu_law(samples: Samples) -> bytes:
    table = decode_law(bytes(range(256)), "µ-law").astype(np.int32)
    return np.abs(table[None, :] - samples[:, None]).argmin(axis=1).astype(np.uint8).tobytes()


def as_mu_law(samples: Samples, start_s: float = 0.0) -> list[TimedFrame]:
    """Frames as Asterisk sends them for a caller's µ-law: 160 bytes each 20 ms, labelled slin."""
    data = mu_law(samples)
    cuts = [data[start : start + 160] for start in range(0, len(data), 160)]
    return [TimedFrame(start_s + 0.02 * (n + 1), Frame(Kind.SLIN, cut)) for n, cut in enumerate(cuts)]
