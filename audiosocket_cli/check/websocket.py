"""Which cases are for WebSocket bots: those about time, turns, keys and load. The others are about AudioSocket's bytes,
which such a bot never sees: our gateway is in between."""

from __future__ import annotations

from typing import Final

from audiosocket_cli.check.model import Case

_BYTES: Final = "a WebSocket bot gets no AudioSocket frames, and this case is about their bytes"
_SENDS: Final = "a WebSocket bot sends no AudioSocket frames: we put what it says into frames of 20 ms"
_PLAYS: Final = "we queue what a WebSocket bot says, play it in real time, and send silence when it says nothing"
_ENDS: Final = "a WebSocket bot sees no difference: however a call ends, it gets the end that its protocol has"
_CONVERTED: Final = "a call over WebSocket has one sample rate from its beginning: we convert the audio for the bot"
_NARROW: Final = "Twilio's audio is 8000 Hz"

_BY_GROUP: Final = {
    "frame": _BYTES, "uuid": _BYTES, "hostile": _BYTES, "sends": _SENDS, "pace": _PLAYS, "end": _ENDS,
}  # fmt: skip

_BY_ID: Final = {
    "start/speaks-first": _PLAYS, "idle/says-something": _PLAYS, "kind/change": _CONVERTED, "kind/error": _BYTES,
    "kind/hangup": _BYTES,
}  # fmt: skip

_TRIED: Final = {"end/caller-closes"}
"""Cases that are tried although others of their group are not."""

_OF_ANY_RATE: Final = {"kind/digits", "kind/slin"}


def why_not_over_websocket(case: Case, protocol: str) -> str | None:
    """Say why a case is not tried with a WebSocket bot; None where it is."""
    if case.id in _TRIED:
        return None
    reason = _BY_ID.get(case.id) or _BY_GROUP.get(case.group)
    if reason is None and protocol == "twilio" and case.group == "kind" and case.id not in _OF_ANY_RATE:
        return _NARROW
    return reason
