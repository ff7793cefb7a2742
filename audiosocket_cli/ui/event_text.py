"""Events as log lines and as JSON objects, and the summary of a server. The text of an event is its own
(`call.events`)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from audiosocket_cli.call.events import CallEnded, Event, Listening
from audiosocket_cli.model import Side
from audiosocket_cli.server.options import ServeSummary
from audiosocket_cli.text import counted
from audiosocket_cli.ui.console import shown_path
from audiosocket_cli.ui.log_lines import stamped

EVENT_SCHEMA: Final = "audiosocket.event/1"


def event_line(event: Event) -> str | None:
    """Return an event as a line of the log, or None for one that is talk."""
    if isinstance(event, Listening):
        return None
    details = f", {_details(event)}" if isinstance(event, CallEnded) else ""
    return stamped(f"{event.sentence()}{details}")


def event_json(event: Event) -> dict[str, Any]:
    """Return an event as a JSON object: schema, event, time, and its facts with units in the keys."""
    return event_object(event.name, **event.facts())


def event_object(event: str, /, **facts: Any) -> dict[str, Any]:
    """Return the JSON object of an event that happens now, by its name."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    return {"schema": EVENT_SCHEMA, "event": event, "at": at, **facts}


_MORE: Final = "audiosocket help finding ID tells more"


def summary_line(summary: ServeSummary) -> str:
    """Return the summary of a server in one line."""
    # A call without Answer() looks like a health check: of interest where there is no other.
    hint = "" if summary.calls else " (health checks, or is an Answer() missing before AudioSocket()?)"
    others = (
        (summary.refused, f"refused {summary.refused}"),
        (summary.failed, f"{counted(summary.failed, 'connection')} failed"),
        (summary.checks, f"{counted(summary.checks, 'connection')} closed without a byte{hint}"),
        (summary.failed_recordings, f"{counted(summary.failed_recordings, 'recording')} failed"),
        (summary.failed_captures, f"{counted(summary.failed_captures, 'capture')} failed"),
        (
            summary.odd_calls,
            f"findings in {counted(summary.odd_calls, 'call')} ({_MORE})",
        ),
        (summary.faulted_calls, f"faults put into {counted(summary.faulted_calls, 'call')}"),
        (summary.failed_hooks, f"{counted(summary.failed_hooks, '--on-call-end command')} failed"),
        (summary.faults, f"{counted(summary.faults, 'call')} ended by an internal error"),
    )
    answered = f"answered {counted(summary.calls, 'call')} with {summary.caller_audio_s:.1f} s of caller audio"
    mirrored = ", ".join(f"{count} {word}" for count, word in _mirrored(summary) if count)
    mirror = [f"mirror: {mirrored}"] if mirrored else []
    return ", ".join([answered, *mirror, *(text for count, text in others if count)])


def _mirrored(summary: ServeSummary) -> Sequence[tuple[int, str]]:
    return (
        (summary.mirrored_same, "same"),
        (summary.mirrored_different, "different"),
        (summary.mirrored_gone, "gone"),
        (summary.mirrored_unknown, "not compared"),
    )


def _details(event: CallEnded) -> str:
    """Return the audio, digits and files of an ended call, to follow how it ended."""
    call, result = event.call, event.result
    heard, said = result[call.me.other], result[call.me]
    parts = [f"{call.me.other} {level_text(heard)}", gaps_text(heard)]
    if call.me is Side.SERVER:
        parts.append(f"digits {''.join(press['digit'] for press in result['dtmf']) or 'none'}")
    if "result" in result:
        parts.append(f"result {result['result']}")
    if said.get("late_frames"):
        parts.append(f"{counted(said['late_frames'], 'frame')} late")
    if said.get("held_frames"):
        parts.append(f"{counted(said['held_frames'], 'frame')} held back: {call.me.other} or network too slow")
    if "relay" in result:
        parts.append(_relayed(result))
    parts.append(_recorded(result, event.files))
    if "program" in result:
        parts.append(_program(result["program"]))
    if "bridge" in result:
        parts.append(_bridged(result["bridge"]))
    if "bot" in result:
        parts.append(_bot(result["bot"]))
    if event.capture:
        parts.append(f"captured to {shown_path(event.capture)}")
    return ", ".join(parts)


def _recorded(result: dict[str, Any], files: Sequence[Path]) -> str:
    recording = result["recording"]
    if files:
        decoded = f" (decoded from {recording['decoded']})" if "decoded" in recording else ""
        return " ".join(shown_path(path) for path in files) + decoded
    return f"recorded {recording['duration_s']:.2f} s" if recording and recording["duration_s"] else "not recorded"


def _relayed(result: dict[str, Any]) -> str:
    """Return where a call was passed on to, how the server sounded, whether a side had to wait for the other, and which
    faults were put in."""
    relay, server = result["relay"], result["server"]
    text = f"server {relay['target']} {level_text(server)}, {gaps_text(server)}"
    for side in Side:
        stalls, stalled_ms = relay[side]["stalls"], relay[side]["stalled_ms"]
        if stalls:
            stalled = f"{counted(stalls, 'stall')} of {stalled_ms / 1000:.2f} s in all"
            text += f", {stalled} in which the {side.other} did not read"
    for fault in relay.get("faults", {"applied": ()})["applied"]:
        times = counted(fault["count"], "time")
        text += f", fault {fault['direction']} {fault['fault']} {times}"
    return text


def _program(program: dict[str, Any]) -> str:
    if program["error"]:
        return "no program"
    how = program["signal"] or f"exit code {program['exit_code']}"
    return f"program {program['ran_s']:.2f} s, {how}"


def _bridged(bridge: dict[str, Any]) -> str:
    if bridge["connected_s"] is None:
        return "bot not reached"
    return f"bot said {bridge['said_s']:.2f} s"


def _bot(bot: dict[str, Any]) -> str:
    how = "raised an error" if bot["error"] else bot["stopped_by"] or "returned"
    return f"bot {bot['ran_s']:.2f} s, {how}"


def level_text(side: dict[str, Any]) -> str:
    return f"{side['level_dbfs']:.1f} dBFS" if side["audio_s"] else "without audio"


def gaps_text(side: dict[str, Any]) -> str:
    return f"{counted(side['gap_count'], 'gap')} {side['gaps_s']:.2f} s" if side["gaps"] else "no gaps"
