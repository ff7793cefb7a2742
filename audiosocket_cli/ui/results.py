"""What came of placed calls, as lines of text and as JSON objects; the same facts in both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from audiosocket_cli.analysis.compare import Difference
from audiosocket_cli.audio.pcm import SILENCE_DBFS
from audiosocket_cli.call.sources.basic import Playback
from audiosocket_cli.call.sources.expecting import Outcome
from audiosocket_cli.call.sources.keys import KeySource
from audiosocket_cli.call.sources.replay import ReplaySource
from audiosocket_cli.call.sources.reply import ReplySource
from audiosocket_cli.call.taps.speech import Stretch
from audiosocket_cli.net.client import PlacedCall
from audiosocket_cli.text import counted
from audiosocket_cli.ui.console import shown_path
from audiosocket_cli.ui.event_text import gaps_text, level_text

PLAY_SCHEMA: Final = "audiosocket.play/1"

INJECT_SCHEMA: Final = "audiosocket.inject-dtmf/1"

REPLAY_SCHEMA: Final = "audiosocket.replay/1"


def play_lines(placed: PlacedCall, playback: Playback, source: ReplySource) -> list[str]:
    """Return the result of a played file as lines of text."""
    total_s = playback.duration_s
    played = f"{playback.said_s:.2f} {'' if total_s is None else f'of {total_s:.2f} '}s of audio"
    failures = [source.failure] if source.failure else []
    return placed_lines(placed, played) + reply_lines(source) + failures


def reply_lines(source: ReplySource) -> list[str]:
    """Return how fast the other side answered, for people; nothing where it had no time to, or spoke over us."""
    if source.reply is None:
        return []
    already = "; before it, the other side was already speaking" if source.spoke_already else ""
    return [f"answered {_ms(source.answered_after_s)} after the end of our speech{_sound(source.reply)}{already}"]


def placed_lines(placed: PlacedCall, said: str) -> list[str]:
    """Return the result of a placed call as lines of text; `said` describes what was sent."""
    server, ending = placed.result["server"], placed.ending
    late = f"{placed.late_frames} late, worst {placed.worst_lateness_s * 1000:.1f} ms"
    answered = f"{_first('audio back', placed.first_audio_s)}, {_first('speech', placed.first_speech_s)}"
    lines = [
        f"sent {counted(placed.frames_sent, 'frame')}, {said}; {late}",
        f"connected in {_ms(placed.connect_s)}; {answered}",
        f"heard {server['audio_s']:.2f} s at {level_text(server)}, {_flow(server)}"
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
    """Return the result of a played file as a JSON object, units in the keys."""
    said = {
        "played_s": round(playback.said_s, 3),
        "total_s": _rounded_s(playback.duration_s),
        "padded_s": round(playback.speech_notes.padded_s, 3),
        "complete": playback.finished,
        "answered_after_ms": _rounded_ms(source.answered_after_s),
        "answer_lasted_ms": _rounded_ms(_length_s(source.reply)),
        "answer_dbfs": _level_of(source.reply),
        "spoke_already": source.spoke_already,
        "failures": [source.failure] if source.failure else [],
    }
    return placed_json(PLAY_SCHEMA, placed, said)


def placed_json(schema: str, placed: PlacedCall, said: dict[str, Any]) -> dict[str, Any]:
    """Return the result of a placed call as a JSON object, with facts on what was `said`."""
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
    """Return the result of pressing keys as lines of text."""
    lines = placed_lines(placed, pressed_text(keys))
    if keys.heard_after_s is not None:
        already = "; before it, the server was already speaking" if keys.spoke_already else ""
        lines.append(f"speech {_ms(keys.heard_after_s)} after the last digit{_sound(keys.heard)}{already}")
    return lines + list(failures)


def pressed_text(keys: KeySource) -> str:
    """Say which digits were pressed, and when in the call."""
    times = ", ".join(f"{digit} at {at_s:.2f}" for at_s, digit in keys.pressed)
    return f"pressed {times} s" if times else "pressed nothing"


def inject_json(placed: PlacedCall, keys: KeySource, digits: str, failures: Sequence[str]) -> dict[str, Any]:
    """Return the result of pressing keys as a JSON object, units in the keys."""
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
    """Return the result of a replayed call as lines of text; `found` is None where nothing was compared.

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
    return [*lines, f"the answer differs in {counted(len(found), 'place')}:", *differences_table(found)]


def differences_table(found: Sequence[Difference]) -> list[str]:
    """Return how an answer differs as a table, for people."""
    cells = [("expected", "seen", "what", "difference")]
    cells += [(_at(one.expected_s), _at(one.seen_s), one.what, one.difference) for one in found]
    return _table(cells, ">><<")


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
    """Return the result of a replayed call as a JSON object, units in the keys."""
    said: dict[str, Any] = {
        "played_frames": source.said,
        "total_frames": source.total,
        "complete": source.said == source.total,
        "failures": source.failures,
        "expectations": [_expectation_json(one) for one in source.outcomes],
    }
    if found is not None:
        said["differences"] = [one.as_dict() for one in found]
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


def _flow(side: dict[str, Any]) -> str:
    """Return a side's figures as text; gaps in digital silence do not matter."""
    return gaps_text(side) if side["peak_dbfs"] > SILENCE_DBFS else "silence only"


def _first(what: str, after_s: float | None) -> str:
    return f"no {what}" if after_s is None else f"first {what} after {_ms(after_s)}"


def _ms(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds * 1000:.{0 if seconds >= 0.01 else 1}f} ms"


def _rounded_ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)
