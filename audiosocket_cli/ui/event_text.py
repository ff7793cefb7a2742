"""Events of calls, and where a server listens, as lines of text and as JSON objects; the same facts in both."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from audiosocket_cli.call.events import (
    CallEnded,
    CallRefused,
    CallStarted,
    CaptureFailed,
    ConnectionFailed,
    DigitHeard,
    Event,
    Finding,
    HookFailed,
    Listening,
    MoreRefused,
    ProgramSaid,
    RecordingFailed,
)
from audiosocket_cli.model import Call, How, Side
from audiosocket_cli.server.options import ServeSummary
from audiosocket_cli.ui.console import shown_path
from audiosocket_cli.ui.log_lines import stamped

EVENT_SCHEMA: Final = "audiosocket.event/1"


def event_line(event: Event) -> str | None:
    """Return an event as a line of the log, or None for one that is talk."""
    text = _event_text(event)
    return text and stamped(text)


def event_json(event: Event) -> dict[str, Any]:
    """Return an event as a JSON object: schema, event, time, and its facts with units in the keys."""
    name, facts = _event_facts(event)
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    return {"schema": EVENT_SCHEMA, "event": name, "at": at, **facts}


def listening_line(event: Listening) -> str:
    """Say where calls are accepted, and how to open it to others."""
    recording = f"recording to {event.record}" if event.record else "not recording"
    if event.capture:
        recording += f", capturing to {event.capture}"
    if event.program:
        recording += f", running {event.program}"
    remarks = []
    if event.name and len(event.addresses) > 1:
        where = f"{event.name}:{event.port}"
        remarks.append(" and ".join(address.rpartition(":")[0] for address in event.addresses))
    else:
        addresses = event.addresses or (f"{event.host}:{event.port}",)
        where = " and ".join(map(_listening_place, addresses))
    if event.passed:
        remarks.append("by systemd; --listen is not used")
    elif event.host in ("127.0.0.1", "::1"):
        remarks.append(f"this machine only; --listen :{event.port} opens it to the network")
    remark = f" ({'; '.join(remarks)})" if remarks else ""
    return f"listening on {where}{remark}, {recording}"


def _listening_place(address: str) -> str:
    host, _, port = address.rpartition(":")
    return f"port {port} of all interfaces" if host in ("0.0.0.0", "[::]") else address


def summary_line(summary: ServeSummary) -> str:
    """Return what came of a server in one line."""
    # A call without Answer() looks like a health check: of interest where there is no other.
    hint = "" if summary.calls else " (health checks, or is an Answer() missing before AudioSocket()?)"
    others = (
        (summary.refused, f"refused {summary.refused}"),
        (summary.failed, f"{counted(summary.failed, 'connection')} failed"),
        (summary.checks, f"{counted(summary.checks, 'connection')} closed without a byte{hint}"),
        (summary.failed_recordings, f"{counted(summary.failed_recordings, 'recording')} failed"),
        (summary.failed_captures, f"{counted(summary.failed_captures, 'capture')} failed"),
        (summary.odd_calls, f"findings in {counted(summary.odd_calls, 'call')}"),
        (summary.failed_hooks, f"{counted(summary.failed_hooks, '--on-call-end command')} failed"),
        (summary.faults, f"{counted(summary.faults, 'call')} ended by an internal error"),
    )
    answered = f"answered {counted(summary.calls, 'call')} with {summary.caller_audio_s:.1f} s of caller audio"
    return ", ".join([answered, *(text for count, text in others if count)])


def _event_text(event: Event) -> str | None:
    match event:
        case Listening():
            return None
        case CallStarted(call):
            return f"call {call.uuid} {'from' if call.me is Side.SERVER else 'to'} {call.peer}"
        case DigitHeard(call, (at_s, digit, in_band)):
            return f"{call.uuid} digit {digit} at {at_s:.2f} s{' (in-band)' if in_band else ''}"
        case Finding(call, text):
            return f"{call.uuid} finding: {text}"
        case ProgramSaid(call, line):
            return f"{call.uuid} | {line.expandtabs()}"
        case RecordingFailed(call, reason):
            return f"{call.uuid} recording failed: {reason}"
        case CaptureFailed(peer, reason):
            return f"capture of {peer} failed: {reason}"
        case CallRefused(peer, reason):
            return f"refused {peer}: {reason}"
        case HookFailed(call, reason):
            return f"{call.uuid} on-call-end failed: {reason}"
        case ConnectionFailed(peer, reason):
            return f"no call from {peer}: {reason}"
        case MoreRefused(host, count):
            return f"and {counted(count, 'more connection')} from {host} refused or failed"
        case CallEnded(call, result, files, capture):
            captured = f", captured to {shown_path(capture)}" if capture else ""
            return f"{call.uuid} {_ended(call, result, files)}{captured}"


def _ended(call: Call, result: dict[str, Any], files: Sequence[Path]) -> str:
    """Return an ended call's line after its UUID: duration, who ended it and how, what was heard, digits, file."""
    heard, said = result[call.me.other], result[call.me]
    told = result["ended_by"] == call.me or result["ended_how"] == How.FAULT
    reason = f": {result['ended_reason']}" if told else ""
    parts = [
        f"ended by {result['ended_by']} ({result['ended_how']}{reason}) after {result['duration_s']:.2f} s",
        f"{call.me.other} {level_text(heard)}",
        gaps_text(heard),
    ]
    if call.me is Side.SERVER:
        parts.append(f"digits {''.join(press['digit'] for press in result['dtmf']) or 'none'}")
    if said["late_frames"]:
        parts.append(f"{counted(said['late_frames'], 'frame')} late")
    if said["held_frames"]:
        parts.append(f"{counted(said['held_frames'], 'frame')} held back: {call.me.other} or network too slow")
    parts.append(_recorded(result, files))
    if "program" in result:
        parts.append(_program(result["program"]))
    return ", ".join(parts)


def _recorded(result: dict[str, Any], files: Sequence[Path]) -> str:
    recording = result["recording"]
    if files:
        decoded = f" (decoded from {recording['decoded']})" if "decoded" in recording else ""
        return " ".join(shown_path(path) for path in files) + decoded
    return f"recorded {recording['duration_s']:.2f} s" if recording and recording["duration_s"] else "not recorded"


def _program(program: dict[str, Any]) -> str:
    if program["error"]:
        return "no program"
    how = program["signal"] or f"exit code {program['exit_code']}"
    return f"program {program['ran_s']:.2f} s, {how}"


def _event_facts(event: Event) -> tuple[str, dict[str, Any]]:
    match event:
        case Listening(host, port, record, program, capture, addresses):
            facts = {"host": host, "port": port, "addresses": addresses, "record": record, "program": program}
            return "listening", facts | ({"capture": capture} if capture else {})
        case CallStarted(call):
            started = call.started_at.isoformat(timespec="milliseconds")
            return "call", {"uuid": str(call.uuid), "peer": call.peer, "started_at": started}
        case DigitHeard(call, digit):
            return "digit", {"uuid": str(call.uuid), **digit.as_dict()}
        case Finding(call, text):
            return "finding", {"uuid": str(call.uuid), "finding": text}
        case ProgramSaid(call, line):
            return "program", {"uuid": str(call.uuid), "line": line}
        case RecordingFailed(call, reason):
            return "recording-failed", {"uuid": str(call.uuid), "reason": reason}
        case CaptureFailed(peer, reason):
            return "capture-failed", {"peer": peer, "reason": reason}
        case CallRefused(peer, reason):
            return "refused", {"peer": peer, "reason": reason}
        case HookFailed(call, reason):
            return "on-call-end-failed", {"uuid": str(call.uuid), "reason": reason}
        case ConnectionFailed(peer, reason):
            return "no-call", {"peer": peer, "reason": reason}
        case MoreRefused(host, count):
            return "more-refused", {"host": host, "count": count}
        case CallEnded(call, result, files, capture):
            facts = {"uuid": str(call.uuid), "files": [str(path) for path in files]}
            return "ended", facts | ({"capture": str(capture)} if capture else {}) | {"call": result}


def level_text(side: dict[str, Any]) -> str:
    return f"{side['level_dbfs']:.1f} dBFS" if side["audio_s"] else "without audio"


def gaps_text(side: dict[str, Any]) -> str:
    return f"{counted(side['gap_count'], 'gap')} {side['gaps_s']:.2f} s" if side["gaps"] else "no gaps"


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
