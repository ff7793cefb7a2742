"""What reading captures costs: a walk through raw bytes, and JSON of a pcapng."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

import audiosocket_cli
from bench.programs import Ran, run_in_turn
from bench.servers import Bench
from bench.table import Figure, Row

DUMP = [sys.executable, "-P", "-m", "audiosocket_cli", "dump"]
DISSECTOR = Path(audiosocket_cli.__file__).parent / "capture" / "audiosocket.lua"
UUID_FRAME = bytes((1, 0, 16, *range(16)))
AUDIO_HEADER = bytes((0x10, 1, 64))
DIGIT = b"\x03\x00\x015"
FRAME_BYTES, FRAME_SAMPLES = 323, 160
BLOCK_FRAMES = 4096


def walk_case(bench: Bench) -> list[Row]:
    path = bench.folder / "walk.bin"
    make_speech(path, bench.megabytes * 1_000_000 // FRAME_BYTES)
    theirs, ours = run_in_turn(bench, [[bench.loops, "walk", path], [*DUMP, "--stats", path]], bench.runs)
    path.unlink()
    what = f"dump --stats, {bench.megabytes} MB raw"
    reference, figure = seconds(theirs), seconds(ours)
    peak_mb = Figure([ran.peak_kib * 1024 / 1e6 for ran in ours], " MB", 0)
    return [
        Row(f"{what}: against a walk in C", reference, figure, figure.median / reference.median, 2.5),
        Row(f"{what}: memory, MB", None, peak_mb, peak_mb.median, 200),
    ]


def seconds(runs: list[Ran]) -> Figure:
    return Figure([ran.seconds for ran in runs], " s", 3)


def make_speech(path: Path, frames: int) -> None:
    """Write the caller's bytes of a call that is all noise of the speech band, about 0.5 to 3.5 kHz."""
    rng = np.random.default_rng(1)

    def speech(count: int) -> bytes:
        noise = rng.standard_normal(count * FRAME_SAMPLES + 2, np.float32)
        return frames_of((noise[2:] - noise[:-2]) * 3000).tobytes()

    write_call(path, frames, speech)


def make_talk(path: Path, frames: int) -> None:
    """Write the caller's bytes of a call that talks, pauses and presses keys."""
    rng = np.random.default_rng(1)

    def talk(count: int) -> bytes:
        loudness = rng.choice([0.0, 300.0, 5000.0], count // 64 + 1).repeat(64)[:count]
        return frames_of(rng.standard_normal((count, FRAME_SAMPLES)) * loudness[:, None]).tobytes() + DIGIT

    write_call(path, frames, talk)


def write_call(path: Path, frames: int, make: Callable[[int], bytes]) -> None:
    """Write a UUID and so many frames; `make` makes some of them, by their number."""
    with path.open("wb") as file:
        file.write(UUID_FRAME)
        for start in range(0, frames, BLOCK_FRAMES):
            file.write(make(min(BLOCK_FRAMES, frames - start)))


def frames_of(samples: np.ndarray) -> np.ndarray:
    """Return frames of 20 ms, a row each of 323 bytes, from samples in the order of time."""
    payload = samples.clip(-32768, 32767).astype("<i2").reshape(-1, FRAME_SAMPLES).view(np.uint8)
    frames = np.empty((len(payload), FRAME_BYTES), np.uint8)
    frames[:, :3] = list(AUDIO_HEADER)
    frames[:, 3:] = payload
    return frames


def json_case(bench: Bench) -> list[Row]:
    tshark = shutil.which("tshark")
    readers: list[list[str | Path]] = [[*DUMP, "--json"]]
    if tshark:
        readers.append([tshark, "-X", f"lua_script:{DISSECTOR}", "-T", "json", "-r"])
    os.chmod(bench.folder, 0o755)  # tshark gives up root's rights
    many, one = make_pcapng(bench.folder, bench.frames), make_pcapng(bench.folder, 1)
    all_frames = run_in_turn(bench, [[*reader, many] for reader in readers], bench.runs)
    first_frame = run_in_turn(bench, [[*reader, one] for reader in readers], bench.runs)
    figures = []
    for runs, starts in zip(all_frames, first_frame, strict=True):
        start_s = statistics.median(ran.seconds for ran in starts)
        figures.append(Figure([(ran.seconds - start_s) / bench.frames * 1e6 for ran in runs], " us", 1))
    ours, theirs = figures[0], figures[1] if tshark else None
    note = f"tshark -T json: {theirs.median / ours.median:.0f} times" if theirs else "tshark is not installed"
    return [Row("dump --json of a pcapng: us a frame", theirs, ours, ours.median, 6, note=note)]


def make_pcapng(folder: Path, frames: int) -> Path:
    raw, path = folder / "frames.bin", folder / f"{frames}.pcapng"
    make_talk(raw, frames)
    subprocess.run([*DUMP, raw, "--convert", "pcapng", path], check=True)
    raw.unlink()
    return path
