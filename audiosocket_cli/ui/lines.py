"""Events and results as lines of text and as JSON objects; the same facts in both."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from audiosocket_cli.call.events import (
    CallEnded,
    CallRefused,
    CallStarted,
    ConnectionFailed,
    DigitHeard,
    Event,
    Listening,
    RecordingFailed,
)
from audiosocket_cli.net.play import SCHEMA as PLAY_SCHEMA
from audiosocket_cli.net.play import PlayResult
from audiosocket_cli.net.serve import ServeSummary

EVENT_SCHEMA: Final = "audiosocket.event/1"


def event_line(event: Event) -> str | None:
    """Return an event as a line that begins with the local time, or None for one that is talk."""
    text = _event_text(event)
    return text and f"{datetime.now():%H:%M:%S} {text}"


def event_json(event: Event) -> dict[str, Any]:
    """Return an event as a JSON object: schema, event, time, and its facts with units in the keys."""
    name, facts = _event_facts(event)
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    return {"schema": EVENT_SCHEMA, "event": name, "at": at, **facts}


def listening_line(event: Listening) -> str:
    """Say where calls are accepted, and how to open it to others."""
    host = f"[{event.host}]" if ":" in event.host else event.host
    recording = f"recording to {shown_path(event.record)}" if event.record else "not recording"
    if event.host in ("0.0.0.0", "::"):
        return f"listening on port {event.port} of all interfaces, {recording}"
    hint = ""
    if event.host in ("127.0.0.1", "::1"):
        hint = f" (this machine only; --listen :{event.port} opens it to the network)"
    return f"listening on {host}:{event.port}{hint}, {recording}"


def summary_line(summary: ServeSummary) -> str:
    """Return what came of a server in one line."""
    parts = [f"answered {_count(summary.calls, 'call')} with {summary.caller_audio_s:.1f} s of caller audio"]
    if summary.refused:
        parts.append(f"refused {summary.refused}")
    if summary.failed:
        parts.append(f"{_count(summary.failed, 'connection')} failed")
    if summary.failed_recordings:
        parts.append(f"{_count(summary.failed_recordings, 'recording')} failed")
    if summary.faults:
        parts.append(f"{_count(summary.faults, 'call')} ended by an internal error")
    return ", ".join(parts)


def play_lines(result: PlayResult) -> list[str]:
    """Return what came of a played file, for people."""
    server, ending = result.call["server"], result.ending
    played = f"{result.played_s:.2f} of {result.total_s:.2f} s of audio"
    late = f"{result.late_frames} late, worst {result.worst_lateness_s * 1000:.1f} ms"
    answered = f"first audio back after {_ms(result.first_audio_s)}, first speech after {_ms(result.first_speech_s)}"
    lines = [
        f"sent {_count(result.frames_sent, 'frame')}, {played}; {late}",
        f"connected in {_ms(result.connect_s)}; {answered}",
        f"heard {server['audio_s']:.2f} s at {_level(server)}, {_gaps(server)}"
        if server["audio_s"]
        else "heard no audio",
        f"ended by {ending.by} ({ending.how}) after {result.call['duration_s']:.2f} s: {ending.reason}",
    ]
    if result.call["findings"]:
        lines.append("findings: " + "; ".join(result.call["findings"]))
    if result.recording_error:
        lines.append(f"recording failed: {result.recording_error}")
    elif result.files:
        lines.append(f"recorded {', '.join(shown_path(path) for path in result.files)}")
    return lines


def play_json(result: PlayResult) -> dict[str, Any]:
    """Return what came of a played file as a JSON object, units in the keys."""
    return {
        "schema": PLAY_SCHEMA,
        "connect_ms": _rounded_ms(result.connect_s),
        "first_audio_ms": _rounded_ms(result.first_audio_s),
        "first_speech_ms": _rounded_ms(result.first_speech_s),
        "frames_sent": result.frames_sent,
        "late_frames": result.late_frames,
        "worst_lateness_ms": _rounded_ms(result.worst_lateness_s),
        "played_s": round(result.played_s, 3),
        "total_s": round(result.total_s, 3),
        "complete": result.complete,
        "files": [str(path) for path in result.files],
        "call": result.call,
    }


def shown_path(path: Path) -> str:
    """Return a path as a user would type it: relative to the current folder where that is shorter."""
    try:
        return min(os.path.relpath(path), str(path), key=len)
    except OSError:  # the current folder is gone
        return str(path)


def _event_text(event: Event) -> str | None:
    match event:
        case Listening():
            return None
        case CallStarted(call):
            return f"call {call.uuid} from {call.peer}"
        case DigitHeard(call, at_s, digit):
            return f"{call.uuid} digit {digit} at {at_s:.2f} s"
        case RecordingFailed(call, reason):
            return f"{call.uuid} recording failed: {reason}"
        case CallRefused(peer, reason):
            return f"refused {peer}: {reason}"
        case ConnectionFailed(peer, reason):
            return f"no call from {peer}: {reason}"
        case CallEnded(call, result, files):
            return f"{call.uuid} {_ended(result, files)}"


def _ended(result: dict[str, Any], files: Sequence[Path]) -> str:
    """Return an ended call's line after its UUID: file, duration, level, gaps, digits, who ended it and how."""
    caller = result["caller"]
    reason = f": {result['ended_reason']}" if result["ended_by"] == "server" else ""
    parts = [
        f"ended by {result['ended_by']} ({result['ended_how']}{reason}) after {result['duration_s']:.2f} s",
        f"caller {_level(caller)}",
        _gaps(caller),
        f"digits {''.join(press['digit'] for press in result['dtmf']) or 'none'}",
    ]
    server = result["server"]
    if server["late_frames"]:
        parts.append(f"{_count(server['late_frames'], 'frame')} late")
    if server["held_frames"]:
        parts.append(f"{_count(server['held_frames'], 'frame')} held back by a caller that did not read")
    parts.append(" ".join(shown_path(path) for path in files) if files else "not recorded")
    return "; ".join([", ".join(parts), *result["findings"]])


def _event_facts(event: Event) -> tuple[str, dict[str, Any]]:
    match event:
        case Listening(host, port, record):
            return "listening", {"host": host, "port": port, "record": str(record) if record else None}
        case CallStarted(call):
            started = call.started_at.isoformat(timespec="milliseconds")
            return "call", {"uuid": str(call.uuid), "peer": call.peer, "started_at": started}
        case DigitHeard(call, at_s, digit):
            return "digit", {"uuid": str(call.uuid), "at_s": round(at_s, 3), "digit": digit}
        case RecordingFailed(call, reason):
            return "recording-failed", {"uuid": str(call.uuid), "reason": reason}
        case CallRefused(peer, reason):
            return "refused", {"peer": peer, "reason": reason}
        case ConnectionFailed(peer, reason):
            return "no-call", {"peer": peer, "reason": reason}
        case CallEnded(call, result, files):
            return "ended", {"uuid": str(call.uuid), "files": [str(path) for path in files], "call": result}


def _level(side: dict[str, Any]) -> str:
    return f"{side['level_dbfs']:.1f} dBFS" if side["audio_s"] else "without audio"


def _gaps(side: dict[str, Any]) -> str:
    return f"{_count(len(side['gaps']), 'gap')} {side['gaps_s']:.2f} s" if side["gaps"] else "no gaps"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _ms(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds * 1000:.{0 if seconds >= 0.01 else 1}f} ms"


def _rounded_ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)
