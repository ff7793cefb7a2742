"""Events and results as lines of text and as JSON objects; the same facts in both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from audiosocket_cli.analysis.compare import Difference
from audiosocket_cli.audio.pcm import SILENCE_DBFS
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
from audiosocket_cli.call.sources.basic import Playback
from audiosocket_cli.call.sources.keys import KeySource
from audiosocket_cli.call.sources.replay import Outcome, ReplaySource
from audiosocket_cli.call.sources.reply import ReplySource
from audiosocket_cli.call.taps.speech import Stretch
from audiosocket_cli.model import Call, How, Side
from audiosocket_cli.net.client import PlacedCall
from audiosocket_cli.server.options import ServeSummary
from audiosocket_cli.ui.console import shown_path

EVENT_SCHEMA: Final = "audiosocket.event/1"
PLAY_SCHEMA: Final = "audiosocket.play/1"
INJECT_SCHEMA: Final = "audiosocket.inject-dtmf/1"
REPLAY_SCHEMA: Final = "audiosocket.replay/1"


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
    parts = [f"answered {_count(summary.calls, 'call')} with {summary.caller_audio_s:.1f} s of caller audio"]
    if summary.refused:
        parts.append(f"refused {summary.refused}")
    if summary.failed:
        parts.append(f"{_count(summary.failed, 'connection')} failed")
    if summary.checks:
        # A call without Answer() looks the same: of interest where there is no other.
        hint = "" if summary.calls else " (health checks, or is an Answer() missing before AudioSocket()?)"
        parts.append(f"{_count(summary.checks, 'connection')} closed without a byte{hint}")
    if summary.failed_recordings:
        parts.append(f"{_count(summary.failed_recordings, 'recording')} failed")
    if summary.failed_captures:
        parts.append(f"{_count(summary.failed_captures, 'capture')} failed")
    if summary.odd_calls:
        parts.append(f"findings in {_count(summary.odd_calls, 'call')}")
    if summary.failed_hooks:
        parts.append(f"{_count(summary.failed_hooks, '--on-call-end command')} failed")
    if summary.faults:
        parts.append(f"{_count(summary.faults, 'call')} ended by an internal error")
    return ", ".join(parts)


def play_lines(placed: PlacedCall, playback: Playback, source: ReplySource) -> list[str]:
    """Return what came of a played file, for people."""
    total_s = playback.duration_s
    played = f"{playback.said_s:.2f} {'' if total_s is None else f'of {total_s:.2f} '}s of audio"
    failures = [source.failure] if source.failure else []
    return placed_lines(placed, played) + reply_lines(source) + failures


def reply_lines(source: ReplySource) -> list[str]:
    """Return how fast the other side answered, for people; nothing where it had no time to, or spoke over us."""
    if source.reply is None:
        return []
    already = "; before it, the other side was speaking already" if source.spoke_already else ""
    return [f"answered {_ms(source.answered_after_s)} after the end of our speech{_sound(source.reply)}{already}"]


def placed_lines(placed: PlacedCall, said: str) -> list[str]:
    """Return what came of a placed call in which something was `said`, for people."""
    server, ending = placed.result["server"], placed.ending
    late = f"{placed.late_frames} late, worst {placed.worst_lateness_s * 1000:.1f} ms"
    answered = f"first audio back after {_ms(placed.first_audio_s)}, first speech after {_ms(placed.first_speech_s)}"
    lines = [
        f"sent {_count(placed.frames_sent, 'frame')}, {said}; {late}",
        f"connected in {_ms(placed.connect_s)}; {answered}",
        f"heard {server['audio_s']:.2f} s at {_level(server)}, {_flow(server)}"
        if server["audio_s"]
        else "heard no audio",
        f"ended by {ending.by} ({ending.how}) after {placed.result['duration_s']:.2f} s: {ending.reason}",
    ]
    if placed.result["findings"]:
        lines.append("findings: " + "; ".join(placed.result["findings"]))
    if placed.recording_error:
        lines.append(f"recording failed: {placed.recording_error}")
    elif placed.files:
        lines.append(f"recorded {', '.join(shown_path(path) for path in placed.files)}")
    if placed.capture_error:
        lines.append(f"capture failed: {placed.capture_error}")
    elif placed.capture_file:
        lines.append(f"captured to {shown_path(placed.capture_file)}")
    return lines


def play_json(placed: PlacedCall, playback: Playback, source: ReplySource) -> dict[str, Any]:
    """Return what came of a played file as a JSON object, units in the keys."""
    said = {
        "played_s": round(playback.said_s, 3),
        "total_s": _rounded_s(playback.duration_s),
        "padded_s": round(playback.account.padded_s, 3),
        "complete": playback.finished,
        "answered_after_ms": _rounded_ms(source.answered_after_s),
        "answer_lasted_ms": _rounded_ms(_length_s(source.reply)),
        "answer_dbfs": _level_of(source.reply),
        "spoke_already": source.spoke_already,
        "failures": [source.failure] if source.failure else [],
    }
    return placed_json(PLAY_SCHEMA, placed, said)


def placed_json(schema: str, placed: PlacedCall, said: dict[str, Any]) -> dict[str, Any]:
    """Return what came of a placed call as a JSON object, with facts on what was `said`."""
    return {
        "schema": schema,
        "connect_ms": _rounded_ms(placed.connect_s),
        "first_audio_ms": _rounded_ms(placed.first_audio_s),
        "first_speech_ms": _rounded_ms(placed.first_speech_s),
        "frames_sent": placed.frames_sent,
        "late_frames": placed.late_frames,
        "worst_lateness_ms": _rounded_ms(placed.worst_lateness_s),
        **said,
        "files": [str(path) for path in placed.files],
        "call": placed.result,
    }


def inject_lines(placed: PlacedCall, keys: KeySource, digits: str, failures: Sequence[str]) -> list[str]:
    """Return what came of pressing keys, for people."""
    lines = placed_lines(placed, pressed_text(keys))
    if keys.heard_after_s is not None:
        already = "; before it, the server was speaking already" if keys.spoke_already else ""
        lines.append(f"speech {_ms(keys.heard_after_s)} after the last digit{_sound(keys.heard)}{already}")
    return lines + list(failures)


def pressed_text(keys: KeySource) -> str:
    """Say which digits were pressed, and when in the call."""
    times = ", ".join(f"{digit} at {at_s:.2f}" for at_s, digit in keys.pressed)
    return f"pressed {times} s" if times else "pressed nothing"


def inject_json(placed: PlacedCall, keys: KeySource, digits: str, failures: Sequence[str]) -> dict[str, Any]:
    """Return what came of pressing keys as a JSON object, units in the keys."""
    said = {
        "digits": digits,
        "pressed": [{"at_s": round(at_s, 3), "digit": digit} for at_s, digit in keys.pressed],
        "complete": keys.finished,
        "speech_after_last_digit_ms": _rounded_ms(keys.heard_after_s),
        "speech_lasted_ms": _rounded_ms(_length_s(keys.heard)),
        "speech_dbfs": _level_of(keys.heard),
        "spoke_already": keys.spoke_already,
        "ended_after_last_digit_ms": _rounded_ms(
            keys.since_digit_s if placed.ended_by_server and keys.pressed else None
        ),
        "mute_after_last_digit_ms": _rounded_ms(keys.mute_s),
        "failures": list(failures),
    }
    return placed_json(INJECT_SCHEMA, placed, said)


def replay_lines(
    placed: PlacedCall, source: ReplaySource, found: Sequence[Difference] | None, *, named: bool = False
) -> list[str]:
    """Return what came of a call that was played again, for people; `found` is None where nothing was compared.

    `named` puts its UUID in front, where there are others.
    """
    lines = placed_lines(placed, f"{source.said} of {source.total} of the capture")
    lines += expectation_lines(source)
    lines += source.failures
    if named:
        lines.insert(0, f"call {placed.result['uuid']}")
    if found is None:
        return lines
    if not found:
        return [*lines, "the answer is as expected"]
    cells = [("expected", "seen", "what", "difference")]
    cells += [(_at(one.expected_s), _at(one.seen_s), one.what, one.difference) for one in found]
    return [*lines, f"the answer differs in {_count(len(found), 'place')}:", *_table(cells, ">><<")]


def expectation_lines(source: ReplaySource) -> list[str]:
    """Return what a script's expectations measured as a table, for people; nothing where none was reached."""
    if not source.outcomes:
        return []
    cells = [("line", "expected", "came at", "after", "lasted", "level")]
    for one in source.outcomes:
        sound = one.sound
        level = _level_of(sound)
        cells.append((
            str(one.expected.line), one.expected.what, _at(one.at_s), _ms(one.waited_s) if one.is_met else "never",
            _at(_length_s(sound)), "-" if level is None else f"{level:.1f} dBFS",
        ))  # fmt: skip
    return _table(cells, "><>>>>")


def _table(rows: Sequence[tuple[str, ...]], sides: str) -> list[str]:
    """Return rows of equal length as lines with columns, each aligned to its side: < or >."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  " + "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)).rstrip()
        for row in rows
    ]


def replay_json(placed: PlacedCall, source: ReplaySource, found: Sequence[Difference] | None) -> dict[str, Any]:
    """Return what came of a call that was played again as a JSON object, units in the keys."""
    said: dict[str, Any] = {
        "played_frames": source.said,
        "total_frames": source.total,
        "complete": source.said == source.total,
        "failures": source.failures,
        "expectations": [_expectation_json(one) for one in source.outcomes],
    }
    if found is not None:
        said["differences"] = [
            {"expected_s": _rounded_s(one.expected_s), "seen_s": _rounded_s(one.seen_s), "what": one.what,
             "difference": one.difference}
            for one in found
        ]  # fmt: skip
    return placed_json(REPLAY_SCHEMA, placed, said)


def _expectation_json(one: Outcome) -> dict[str, Any]:
    within_s = one.expected.within_s
    return {
        "line": one.expected.line,
        "expect": one.expected.what,
        "within_ms": _rounded_ms(within_s) if math.isfinite(within_s) else None,
        "met": one.is_met,
        "at_s": _rounded_s(one.at_s),
        "waited_ms": _rounded_ms(one.waited_s),
        "lasted_ms": _rounded_ms(_length_s(one.sound)),
        "level_dbfs": _level_of(one.sound),
    }


def _sound(heard: Stretch | None) -> str:
    """Say how long and how loud speech was."""
    level = _level_of(heard)
    return "" if heard is None or level is None else f", for {heard.length_s:.2f} s at {level:.1f} dBFS"


def _length_s(heard: Stretch | None) -> float | None:
    return None if heard is None else heard.length_s


def _level_of(heard: Stretch | None) -> float | None:
    level = None if heard is None else heard.level_dbfs
    return None if level is None else round(level, 1)


def _at(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.2f} s"


def _rounded_s(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


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
            return f"and {_count(count, 'more connection')} from {host} refused or failed"
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
        f"{call.me.other} {_level(heard)}",
        _gaps(heard),
    ]
    if call.me is Side.SERVER:
        parts.append(f"digits {''.join(press['digit'] for press in result['dtmf']) or 'none'}")
    if said["late_frames"]:
        parts.append(f"{_count(said['late_frames'], 'frame')} late")
    if said["held_frames"]:
        parts.append(f"{_count(said['held_frames'], 'frame')} held back: {call.me.other} or network too slow")
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


def _level(side: dict[str, Any]) -> str:
    return f"{side['level_dbfs']:.1f} dBFS" if side["audio_s"] else "without audio"


def _flow(side: dict[str, Any]) -> str:
    """In digital silence, a gap is no matter."""
    return _gaps(side) if side["peak_dbfs"] > SILENCE_DBFS else "silence only"


def _gaps(side: dict[str, Any]) -> str:
    return f"{_count(side['gap_count'], 'gap')} {side['gaps_s']:.2f} s" if side["gaps"] else "no gaps"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _ms(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds * 1000:.{0 if seconds >= 0.01 else 1}f} ms"


def _rounded_ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)
