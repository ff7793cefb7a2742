"""Samples as they are, both ways: int16 little-endian mono in binary messages, 20 ms of the caller's audio in each.

Text messages are JSON: the events and the commands that a program of --exec has on its descriptor 3, and `start`, which
says what such a program has in its environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from audiosocket_cli.websocket.messages import Clear, Hangup, Mark, Media, Refused, json_of, shown, text_of

Wish = Media | Mark | Clear | Hangup | Refused


def start(uuid: UUID, peer: str, rate_hz: int, kind: str, variables: Mapping[str, str]) -> bytes:
    """Return the first message: the call, and the rate of the audio in both directions."""
    facts = {"uuid": str(uuid), "peer": peer, "rate_hz": rate_hz, "kind": kind, "variables": dict(variables)}
    return text_of({"event": "start", **facts})


def digit(digit: str, at_s: float) -> bytes:
    """Return a key press, with its time in seconds since the call's start."""
    return text_of({"event": "digit", "digit": digit, "at_s": round(at_s, 3)})


def idle() -> bytes:
    """Return the event that all has been played."""
    return text_of({"event": "idle"})


def mark(name: str, at_s: float, *, dropped: bool = False) -> bytes:
    """Return the answer to a mark, which was heard or, where it is `dropped`, was flushed."""
    return text_of({"event": "mark", "mark": name, "at_s": round(at_s, 3), **({"dropped": True} if dropped else {})})


def flushed(dropped_s: float) -> bytes:
    """Return the answer to a flush."""
    return text_of({"event": "flushed", "dropped_s": round(dropped_s, 3)})


def error(problem: str) -> bytes:
    """Return the answer to a command that was not understood, or cannot be carried out."""
    return text_of({"event": "error", "error": problem})


def hangup(by: str, how: str, reason: str) -> bytes:
    """Return the last message: how the call ended."""
    return text_of({"event": "hangup", "by": by, "how": how, "reason": reason})


def parse(data: bytes, *, is_text: bool = True) -> Wish:
    """Return what a bot wants; any bytes will do."""
    if not is_text:
        return Media(bytes(data))
    try:
        value = json_of(data)
    except ValueError:
        return Refused(f"not understood: {shown(data.decode('utf-8', 'replace'))}")
    match value:
        case {"flush": True, **rest} if not rest:
            return Clear()
        case {"hangup": True, **rest} if not rest.keys() - {"result"}:
            return Hangup(rest.get("result"))  # also one that cannot be a result: the bot is done all the same
        case {"mark": str(name), **rest} if not rest:
            return Mark(name)
        case {"play": str(name), **rest} if not rest:
            return Refused(f"{shown(name)} is not played: a bot that is reached over a network sends its audio itself")
    return Refused(f"not understood: {shown(data.decode('utf-8', 'replace'))}")
