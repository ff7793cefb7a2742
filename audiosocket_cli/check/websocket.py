"""Which cases there are for a WebSocket bot: those about time, turns, keys and load. The others are about AudioSocket's
own bytes, which such a bot never sees: a gateway of ours is in between."""

from __future__ import annotations

from typing import Final

from audiosocket_cli.check.model import Case

_BYTES: Final = "a WebSocket bot gets no AudioSocket frames: this is about their bytes"
_SENDS: Final = "a WebSocket bot sends no AudioSocket frames: what it says is put into 20 ms frames for it"
_PLAYS: Final = "what a WebSocket bot says is queued, and played as fast as it is spoken; its silence is sent for it"
_ENDS: Final = "a WebSocket bot sees no difference: however a caller goes, it gets the end of a call of its protocol"
_CONVERTED: Final = "a call over WebSocket has one rate from its beginning: the audio is converted for the bot"
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
