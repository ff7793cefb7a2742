"""How answers are written: JSON with its schema, and failures in one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from audiosocket_cli.websocket.messages import text_of

SCHEMA: Final = "audiosocket.web/1"


def json_answer(value: Mapping[str, Any], status: int = 200) -> Response:
    """Return an answer in JSON."""
    return Response(text_of({"schema": SCHEMA, **value}) + b"\n", status, media_type="application/json")


def failure(status: int, text: str) -> Response:
    """Return an answer that says in one line what is wrong."""
    return json_answer({"error": text}, status)


def wrong_method(*allowed: str) -> Response:
    """Return the answer to a method that is not one of these."""
    response = failure(405, f"use {' or '.join(allowed)}")
    response.headers["Allow"] = ", ".join(allowed)
    return response
