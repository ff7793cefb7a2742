"""Events that are too large for what they are sent to: their lists are shortened, and what is left out is counted.

Nearly all of a large event is in a few lists: the digits, gaps and turns of a call that went on for hours. Where a call
recorded, all of it is in the call's JSON file.
"""

from __future__ import annotations

import json
from typing import Any, Final

_LEFT_OUT: Final = "left_out"
_MIN_SHARE_BYTES: Final = 64


def fit(body: bytes, max_bytes: int) -> bytes | None:
    """Return an event, a JSON object, that has at most `max_bytes`; None where shorter lists do not do.

    Each list keeps its first items, all lists the same number of bytes. `left_out` says how many items of which list
    are missing: {"call.dtmf": 812}.
    """
    if len(body) <= max_bytes:
        return body
    event = json.loads(body)
    share = max_bytes
    while share >= _MIN_SHARE_BYTES:
        share //= 2
        left_out: dict[str, int] = {}
        shorter = _shorten(event, "", share, left_out)
        shorter[_LEFT_OUT] = left_out
        data = _encode(shorter)
        if len(data) <= max_bytes:
            return data
    return None


def _shorten(value: Any, name: str, share: int, left_out: dict[str, int]) -> Any:
    """Return a value whose lists have at most `share` bytes each."""
    if isinstance(value, dict):
        return {key: _shorten(each, f"{name}.{key}" if name else key, share, left_out) for key, each in value.items()}
    if not isinstance(value, list):
        return value
    kept: list[Any] = []
    size = 0
    for each in value:
        size += len(_encode(each)) + 2
        if size > share:
            left_out[name] = len(value) - len(kept)
            break
        kept.append(each)
    return kept


def _encode(value: Any) -> bytes:
    return json.dumps(value).encode()
