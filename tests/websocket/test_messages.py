"""What all protocols of WebSocket bots share: JSON that raises one error, and text that is safe to show."""

from __future__ import annotations

import json

import pytest

from audiosocket_cli.websocket.messages import json_of, shown, text_of


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"\xff\xfe", b"[" * 200_000, b'"\\ud800', b"\x00"],
    ids=["nothing", "cut", "bytes", "deep", "half", "nul"],
)
def test_what_is_not_json_raises_one_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        json_of(data)


def test_text_is_compact_and_any_name_survives() -> None:
    assert text_of({"a": 1, "b": "ä"}) == '{"a":1,"b":"ä"}'.encode()
    assert json.loads(text_of({"a": "\ud800"})) == {"a": "\ud800"}


def test_what_is_shown_is_short_and_printable() -> None:
    assert shown("clear") == "clear"
    assert shown("\x1b[31m" + 90 * "x") == "\\u001b[31m" + 30 * "x" + "…"
    assert shown(["a"]) == "list"
