"""A day of calls in a folder, made without a server: recordings with their JSON, as `serve --record` leaves them.

As a script: `python tests/support/days.py FOLDER [CALLS]`.
"""

from __future__ import annotations

import json
import random
import sys
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from audiosocket_cli.audio.files import HELLO, load_audio
from audiosocket_cli.audio.pcm import level_dbfs
from audiosocket_cli.finding import ids_of, tagged

BEGINS: Final = datetime(2026, 11, 30, tzinfo=UTC)
RATE_HZ: Final = 8000

_HOURS: Final = (1, 1, 0, 0, 1, 2, 5, 14, 38, 60, 66, 52, 40, 48, 58, 55, 44, 30, 18, 11, 7, 5, 3, 2)
"""How busy the hours of a day are."""

_FINDINGS: Final = {
    "caller-ulaw": "the caller's audio makes better sense as µ-law than as slin",
    "audio-late": "audio came up to 1.2 s late, in a burst: the network held it back, or this server did",
    "caller-silent": "the caller's audio is digital silence",
    "backlog": "up to 2.4 s of the server's audio waited on its way: the network is too slow",
    "audio-undelivered": "the last 0.42 s of the server's audio had not arrived when the call was closed",
}

_RESULTS: Final = ("booked", "transferred", "no answer", None, None)

Turn = dict[str, Any]
Voices = tuple[NDArray[np.int16], NDArray[np.int16]]


def make_day(
    folder: Path, calls: int, *, days: int = 1, length_s: tuple[float, float] = (8.0, 40.0), seed: int = 1
) -> None:
    """Make calls of a day, or of several, in a folder; the same each time."""
    chance = random.Random(seed)
    both = voices()
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(calls):
        hour = chance.choices(range(24), _HOURS)[0]
        at = BEGINS + timedelta(days=number % days, hours=hour, seconds=chance.uniform(0, 3599))
        make_call(folder, at, chance, both, chance.uniform(*length_s))


def make_call(folder: Path, at: datetime, chance: random.Random, both: Voices, length_s: float) -> None:
    """Make one call: its recording and its JSON."""
    name = str(uuid.UUID(int=chance.getrandbits(128), version=4))
    turns = list(_turns(chance, length_s))
    sound = spoken(turns, both, length_s, chance)
    call = _call(name, at, length_s, turns, sound, chance)
    for gap in call["caller"]["gaps"]:
        start = round(gap["at_s"] * RATE_HZ)
        sound[start : start + round(gap["length_s"] * RATE_HZ), 0] = 0
    soundfile.write(folder / f"{name}.wav", sound, RATE_HZ, subtype="PCM_16")
    (folder / f"{name}.json").write_text(json.dumps(call))


def _turns(chance: random.Random, length_s: float) -> Iterator[Turn]:
    """Yield who speaks when: answers after a while, some over the other's words."""
    at, side = chance.uniform(0.2, 0.8), "server"
    before: Turn | None = None
    while at < length_s - 1.0:
        end = min(at + chance.uniform(0.8, 3.5), length_s - 0.2)
        over = before is not None and at < before["end_s"]
        after = None if before is None else round((at - before["end_s"]) * 1000)
        turn = {"side": side, "start_s": round(at, 2), "end_s": round(end, 2), "after_ms": after,
                "kind": "interruption" if over else "turn"}  # fmt: skip
        yield turn
        before, side = turn, "caller" if side == "server" else "server"
        wait_s = min(chance.lognormvariate(-0.3 if side == "server" else -0.8, 0.5), 6.0)
        at = end - chance.uniform(0.5, 0.7) if chance.random() < 0.04 else end + wait_s


def voices() -> Voices:
    """Return the words of the caller and of the server: the same ones, by a higher and a lower voice."""
    words = load_audio(HELLO, RATE_HZ)
    at = np.arange(0, len(words) - 1, 1.18)
    return np.interp(at, np.arange(len(words)), words).astype(np.int16), words


def spoken(turns: Iterable[Turn], voices: Voices, length_s: float, chance: random.Random) -> NDArray[np.int16]:
    """Return both sides of a call, int16 of shape (n, 2): who speaks when is in `turns`, some noise is on the line of
    the caller."""
    sound = np.zeros((round(length_s * RATE_HZ), 2), np.int16)
    sound[:, 0] = np.random.default_rng(chance.randrange(1 << 32)).integers(-12, 13, len(sound), np.int16)
    gains = (chance.uniform(0.3, 0.9), chance.uniform(0.6, 1.0))
    for turn in turns:
        start, end = (round(turn[name] * RATE_HZ) for name in ("start_s", "end_s"))
        side = 0 if turn["side"] == "caller" else 1
        begin = chance.randrange(len(voices[side]))
        taken = np.take(voices[side], range(begin, begin + end - start), mode="wrap")
        sound[start:end, side] += (taken * gains[side]).astype(np.int16)
    return sound


def _figures_of(turns: list[Turn], length_s: float) -> dict[str, Any]:
    waits = sorted(turn["after_ms"] for turn in turns
                   if turn["side"] == "server" and turn["kind"] == "turn" and turn["after_ms"] is not None)  # fmt: skip
    sides = ("caller", "server")
    over = {side: sum(turn["side"] == side and turn["kind"] == "interruption" for turn in turns) for side in sides}
    talk = {side: round(sum(turn["end_s"] - turn["start_s"] for turn in turns if turn["side"] == side), 2)
            for side in sides}  # fmt: skip
    pauses = [turn["after_ms"] / 1000 for turn in turns if (turn["after_ms"] or 0) > 2000]
    latency = (
        {"count": len(waits), "p50": waits[len(waits) // 2], "p95": waits[-1], "max": waits[-1]} if waits else None
    )
    return {"latency_ms": latency, "interruptions": over, "backchannels": dict.fromkeys(sides, 0), "talk_s": talk,
            "overlap_s": 0.0, "list": turns, "left_out": 0,
            "dead_air": {"count": len(pauses), "total_s": round(sum(pauses), 2), "longest_s": max(pauses, default=0.0)},
            }  # fmt: skip


def _side(sound: NDArray[np.int16]) -> dict[str, Any]:
    return {
        "audio_s": len(sound) / RATE_HZ,
        "level_dbfs": round(level_dbfs(sound), 1),
        "peak_dbfs": round(level_dbfs(np.abs(sound).max(initial=0, keepdims=True)), 1),
    }


def _call(
    name: str, at: datetime, length_s: float, turns: list[Turn], sound: NDArray[np.int16], chance: random.Random
) -> dict[str, Any]:
    odd = chance.random() < 0.12
    ids = chance.sample(list(_FINDINGS), chance.choice((1, 1, 1, 2))) if odd else []
    findings = [tagged(each, _FINDINGS[each]) for each in ids]
    count = chance.randrange(1, 5) if "audio-late" in ids or chance.random() < 0.05 else 0
    gaps = [{"at_s": round((n + 0.5) * length_s / count, 3), "length_s": round(chance.uniform(0.08, 0.6), 3)}
            for n in range(count)]  # fmt: skip
    keys = "".join(chance.choices("0123456789#", k=chance.choice((0, 0, 0, 1, 4, 8))))
    by, how = chance.choices((("caller", "closed"), ("server", "hangup"), ("caller", "fault")), (800, 198, 2))[0]
    result = chance.choice(_RESULTS)
    return {
        "schema": "audiosocket.call/1", "uuid": name,
        "peer": f"192.0.2.{chance.randrange(1, 6)}:{chance.randrange(2**15, 2**16)}",
        "started_at": at.isoformat(timespec="milliseconds"),
        "ended_at": (at + timedelta(seconds=length_s)).isoformat(timespec="milliseconds"),
        "duration_s": round(length_s, 3), "ended_by": by, "ended_how": how,
        "ended_reason": "a frame of kind 0x7f" if how == "fault" else f"the {by} {how}",
        "dtmf": [{"at_s": round(length_s * (n + 1) / (len(keys) + 1), 3), "digit": key} for n, key in enumerate(keys)],
        **({"result": result} if result else {}),
        "caller": {**_side(sound[:, 0]), "gaps": gaps, "gap_count": count,
                   "gaps_s": round(sum(gap["length_s"] for gap in gaps), 3)},
        "server": {**_side(sound[:, 1]), "late_frames": chance.choice((0, 0, 0, 3))},
        "recording": {"files": [f"{name}.wav"], "layout": "stereo", "rate_hz": RATE_HZ,
                      "duration_s": round(length_s, 3), "error": None},
        "findings": findings, "finding_ids": ids_of(findings), "turns": _figures_of(turns, length_s),
    }  # fmt: skip


if __name__ == "__main__":
    make_day(Path(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else 1000)
