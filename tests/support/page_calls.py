"""Data for the page of a call, made from sound of our own: both sides as people talk, with what may be marked in it."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from audiosocket_cli.report.png import grey_png

RATE = 8000
STEP_S = 0.01
COLUMNS = 4096
ROWS = 64

Sound = NDArray[np.int16]
Turn = tuple[str, float, float]

HOSTILE = '<img src=x onerror="document.title=1">\u202eevil\u0007</script>'


def spoken(turns: list[Turn], side: str, duration_s: float, *, level: float = 0.25, seed: int = 1) -> Sound:
    """Return one side of a call: syllables of a harmonic voice where it speaks, faint noise elsewhere."""
    noise = np.random.default_rng(seed)
    total = round(duration_s * RATE)
    sound = noise.normal(0, 12, total)
    for who, start_s, end_s in turns:
        if who != side:
            continue
        first, last = round(start_s * RATE), min(round(end_s * RATE), total)
        time = np.arange(last - first) / RATE
        pitch = 2 * np.pi * (120 if side == "caller" else 190) * (time + 0.004 * np.sin(2 * np.pi * 2.3 * time))
        voice = sum(np.sin(number * pitch) / number for number in range(1, 14))
        syllables = np.clip(np.sin(2 * np.pi * 2.1 * time) ** 2 * 1.4 - 0.2, 0, 1)
        hiss = noise.normal(0, 0.4, len(time)) * np.clip(np.sin(2 * np.pi * 1.3 * time + 1), 0, 1)
        sound[first:last] += (voice + hiss) * syllables * level * 12000
    return np.clip(sound, -32768, 32767).astype(np.int16)


def page_data(caller: Sound, server: Sound, turns: list[Turn], **more: Any) -> dict[str, Any]:
    """Return data of a call in the schema `audiosocket.page/1`; `more` takes the place of what is set here."""
    duration_s = len(caller) / RATE
    return {
        "schema": "audiosocket.page/1",
        "title": "Call 4f8b1c1e-3c1e-4b57-9d0e-1d1f62c0a001",
        "started_at": "2026-11-30T09:12:03+00:00",
        "duration_s": duration_s,
        "facts": [["Peer", "192.0.2.10:40112"], ["Answered by", "serve"], ["Rate", "8000 Hz"], ["Digits", "0042"]],
        "links": [["Sound (WAV)", "call.wav"], ["JSON", "call.json"]],
        "tracks": [track("caller", caller, turns), track("server", server, turns)],
        "marks": [],
        "findings": [],
        "turns": turn_figures(turns, duration_s),
        "sound": None,
        "not_measured": [],
        **more,
    }


def track(side: str, sound: Sound, turns: list[Turn]) -> dict[str, Any]:
    """Return one side as the page shows it."""
    level = np.sqrt(np.mean(np.square(sound.astype(float) / 32768)))
    return {
        "side": side,
        "rate_hz": RATE,
        "start_s": 0.0,
        "duration_s": len(sound) / RATE,
        "level_dbfs": round(20 * float(np.log10(max(level, 1e-5))), 1),
        "peak_dbfs": round(20 * float(np.log10(max(np.abs(sound.astype(int)).max() / 32768, 1e-5))), 1),
        "peaks": pyramid(sound),
        "spectrogram": spectrogram(sound),
        "stretches": {
            "speech": [[start, end] for who, start, end in turns if who == side],
            "digital_silence": runs_of_zero(sound),
        },
    }


def runs_of_zero(sound: Sound) -> list[list[float]]:
    """Return where a sound is zero for 0.1 s or longer."""
    size = RATE // 10
    zero = ~sound[: len(sound) // size * size].reshape(-1, size).any(axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], zero.astype(int), [0]]))).reshape(-1, 2)
    return [[float(start) / 10, float(end) / 10] for start, end in edges]


def pyramid(sound: Sound) -> list[dict[str, Any]]:
    """Return the lowest and highest samples in steps of 10 ms, and each further level of four times the step."""
    size = round(STEP_S * RATE)
    blocks = np.pad(sound, (0, -len(sound) % size)).reshape(-1, size) >> 8
    pairs = np.stack([blocks.min(axis=1), blocks.max(axis=1)], axis=1).astype(np.int8)
    levels, step_s = [], STEP_S
    while True:
        data = base64.b64encode(pairs.tobytes()).decode()
        levels.append({"step_s": step_s, "count": len(pairs), "data": data})
        if len(pairs) <= 512:
            return levels
        folded = np.concatenate([pairs, np.repeat(pairs[-1:], -len(pairs) % 4, axis=0)]).reshape(-1, 4, 2)
        pairs = np.stack([folded[:, :, 0].min(axis=1), folded[:, :, 1].max(axis=1)], axis=1)
        step_s *= 4


def spectrogram(sound: Sound) -> dict[str, Any]:
    """Return the levels of 64 bands over time, as grey pictures of at most 4096 columns."""
    duration_s = len(sound) / RATE
    column_s = max(0.01, duration_s / 60_000)
    columns = max(1, int(duration_s / column_s))
    starts = np.minimum((np.arange(columns) * column_s * RATE).astype(int), max(len(sound) - 2 * ROWS, 0))
    window = np.hanning(2 * ROWS)
    tiles = []
    for first in range(0, columns, COLUMNS):
        pieces = np.stack([sound[start : start + 2 * ROWS] for start in starts[first : first + COLUMNS]]) / 32768
        power = np.abs(np.fft.rfft(pieces * window, axis=1)[:, :ROWS]) / ROWS
        values = (20 * np.log10(np.maximum(power, 1e-6)) + 90) / 80 * 255
        tiles.append(base64.b64encode(grey_png(np.clip(values, 0, 255).astype(np.uint8).T[::-1])).decode())
    return {
        "column_s": column_s, "rows": ROWS, "top_hz": RATE / 2, "floor_dbfs": -90, "ceiling_dbfs": -10,
        "tiles": tiles, "columns": columns,
    }  # fmt: skip


def turn_figures(turns: list[Turn], duration_s: float) -> dict[str, Any]:
    """Return turns with figures as in a call's JSON; who begins while the other speaks interrupts."""
    rows = []
    for number, (side, start_s, end_s) in enumerate(turns):
        before = next((end for who, _, end in reversed(turns[:number]) if who != side), None)
        after_ms = None if before is None else round((start_s - before) * 1000)
        kind = "interruption" if after_ms is not None and after_ms < 0 else "turn"
        rows.append({"side": side, "start_s": start_s, "end_s": end_s, "kind": kind, "after_ms": after_ms})
    answers = sorted(row["after_ms"] for row in rows if row["side"] == "server" and (row["after_ms"] or -1) >= 0)
    talk = {who: sum(end - start for side, start, end in turns if side == who) for who in ("caller", "server")}
    cut_in = {who: sum(row["kind"] == "interruption" and row["side"] == who for row in rows) for who in talk}
    middle, last = (answers[len(answers) // 2], answers[-1]) if answers else (None, None)
    latency = {"count": len(answers), "p50": middle, "p95": last, "max": last}
    return {
        "latency_ms": latency if answers else None,
        "interruptions": cut_in,
        "backchannels": {"caller": 0, "server": 0},
        "talk_s": talk,
        "overlap_s": sum(-row["after_ms"] / 1000 for row in rows if row["kind"] == "interruption"),
        "dead_air": {"count": 1, "total_s": 3.2, "longest_s": 3.2},
        "list": rows,
        "left_out": 0,
    }


def talked(duration_s: float, seed: int = 3) -> list[Turn]:
    """Return turns that go to and fro; now and then the caller does not let the server finish."""
    random = np.random.default_rng(seed)
    turns: list[Turn] = []
    at, side = 0.6, "server"
    while at < duration_s - 3:
        length_s = float(random.uniform(1.2, 4.5))
        turns.append((side, round(at, 2), round(min(at + length_s, duration_s), 2)))
        pause_s = float(random.uniform(0.3, 1.6)) if random.random() > 0.12 or side == "caller" else -0.8
        at, side = at + length_s + pause_s, "caller" if side == "server" else "server"
    return turns


MARKS: list[dict[str, Any]] = [
    {"at_s": 4.0, "to_s": None, "kind": "digit", "side": "caller", "label": "0", "text": "Digit 0.", "finding": None},
    {"at_s": 4.3, "to_s": None, "kind": "digit", "side": "caller", "label": "0", "text": "Digit 0.", "finding": None},
    {"at_s": 4.6, "to_s": None, "kind": "digit", "side": "caller", "label": "4", "text": "Digit 4.", "finding": None},
    {"at_s": 4.9, "to_s": None, "kind": "digit", "side": "caller", "label": "2", "text": "Digit 2.", "finding": None},
    {"at_s": 12.0, "to_s": 13.1, "kind": "gap", "side": "server", "label": "gap 1.1 s",
     "text": "The server sent nothing for 1.10 s.", "finding": None},
    {"at_s": 13.1, "to_s": 13.4, "kind": "burst", "side": "server", "label": "burst",
     "text": "55 frames came at once, after the gap.", "finding": None},
    {"at_s": 20.5, "to_s": None, "kind": "bot", "side": "server", "label": "answer", "text": "Bot: answer begins.",
     "finding": None},
    {"at_s": 33.2, "to_s": 33.5, "kind": "late", "side": "caller", "label": "3 late",
     "text": "3 frames were late by up to 84 ms.", "finding": None},
    {"at_s": 41.0, "to_s": None, "kind": "finding", "side": "server", "label": "clipped",
     "text": "The server's sound is clipped.", "finding": "clipped"},
    {"at_s": 48.0, "to_s": None, "kind": "mark", "side": None, "label": "transfer", "text": "Mark: transfer.",
     "finding": None},
    {"at_s": 59.6, "to_s": None, "kind": "hangup", "side": "caller", "label": "caller hung up",
     "text": "The caller hung up.", "finding": None},
]  # fmt: skip

FINDINGS: list[dict[str, Any]] = [
    {"id": "clipped", "text": "The server's sound is clipped: 2 % of its samples are at the limit.",
     "about": "Sound is louder than 16 bits can hold, so its peaks are cut off.",
     "cure": "Lower the level of the bot's sound by 6 dB.", "at_s": 41.0},
]  # fmt: skip


def minute(**more: Any) -> dict[str, Any]:
    """Return a call of a minute with one mark of each kind."""
    turns = talked(60)
    caller, server = spoken(turns, "caller", 60), spoken(turns, "server", 60, level=0.2, seed=2)
    server[12 * RATE : 13 * RATE] = 0
    missing = [["delay on the network", "AudioSocket carries no times of the sender."]]
    given = {"marks": MARKS, "findings": FINDINGS, "not_measured": missing, "sound": embedded(caller, server)}
    return page_data(caller, server, turns, **{**given, **more})


def hour() -> dict[str, Any]:
    """Return a call of an hour with a thousand turns, and a few hundred marks; without sound."""
    turns = talked(3600)
    caller = np.tile(spoken(talked(240), "caller", 240), 15)
    server = np.tile(spoken(talked(240), "server", 240, level=0.2, seed=2), 15)
    marks = [{**MARKS[number % len(MARKS)], "at_s": 9.0 * number, "to_s": None} for number in range(400)]
    return page_data(caller, server, turns, marks=marks, findings=FINDINGS)


def hostile() -> dict[str, Any]:
    """Return a call whose peer sent markup, controls and 10,000 digits."""
    turns: list[Turn] = [("caller", 0.5, 1.5), ("server", 2.0, 3.5)]
    marks = [
        {"at_s": 4 * number / 10_000, "to_s": None, "kind": "digit", "side": "caller", "label": HOSTILE,
         "text": HOSTILE, "finding": HOSTILE}
        for number in range(10_000)
    ]  # fmt: skip
    finding = {"id": HOSTILE, "text": HOSTILE, "about": HOSTILE, "cure": HOSTILE, "at_s": 2.0}
    return page_data(
        spoken(turns, "caller", 4), spoken(turns, "server", 4), turns, marks=marks, findings=[finding], title=HOSTILE,
        facts=[[HOSTILE, HOSTILE]], links=[[HOSTILE, "javascript:alert(1)"], [HOSTILE, HOSTILE]],
        not_measured=[[HOSTILE, HOSTILE]],
    )  # fmt: skip


def stereo(caller: Sound, server: Sound, file: Any) -> None:
    """Write both sides as one WAV file: the caller left, the server right."""
    soundfile.write(file, np.stack([caller, server], axis=1), RATE, format="WAV", subtype="PCM_16")


def embedded(caller: Sound, server: Sound) -> dict[str, Any]:
    """Return a sound that is in the page."""
    file = io.BytesIO()
    stereo(caller, server, file)
    source = "data:audio/wav;base64," + base64.b64encode(file.getvalue()).decode()
    return {
        "src": source, "embedded": True, "layout": "stereo", "duration_s": len(caller) / RATE, "offset_s": 0.0,
    }  # fmt: skip


def beside(caller: Sound, server: Sound, path: Path) -> dict[str, Any]:
    """Return a sound that is a file beside the page, which is written."""
    stereo(caller, server, path)
    return {
        "src": path.name, "embedded": False, "layout": "stereo", "duration_s": len(caller) / RATE, "offset_s": 0.0,
    }  # fmt: skip
