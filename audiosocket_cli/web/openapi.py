"""What programs may ask, as OpenAPI 3.1: `/api/openapi.json`."""

from __future__ import annotations

from typing import Any, Final

from audiosocket_cli import __version__
from audiosocket_cli.web.answers import SCHEMA
from audiosocket_cli.web.listening import OPERATION

_TEXT: Final = {"type": "string"}
_MAYBE_TEXT: Final = {"type": ["string", "null"]}
_MAYBE_WHOLE: Final = {"type": ["integer", "null"]}
_MAYBE_NUMBER: Final = {"type": ["number", "null"]}
_TEXTS: Final = {"type": "array", "items": _TEXT}


def description() -> dict[str, Any]:
    """Return the description."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "audiosocket --web",
            "version": __version__,
            "summary": "Calls of an AudioSocket server: live ones, and those that have ended",
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"session": []}, {}],
        "paths": {**_live_paths(), **_ended_paths(), **_other_paths()},
        "components": {
            "schemas": {"Call": _call(), "Ended": _ended(), "Problem": _object({"schema": _TEXT, "error": _TEXT})},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "The password of --web-token-file"},
                "session": {"type": "apiKey", "in": "cookie", "name": "audiosocket-PORT",
                            "description": "The cookie of a browser that has logged in"},
            },
        },
    }  # fmt: skip


def _live_paths() -> dict[str, Any]:
    call = _parameter("call", "path", _TEXT, "A UUID (of several calls the newest), or the id of a call")
    form = {"application/x-www-form-urlencoded": {"schema": _object({"result": {**_TEXT, "maxLength": 200}}, ())}}
    listed = _object({"schema": _TEXT, "count": {"type": "integer"}, "calls": _array("Call")})
    return {
        "/api/calls": {"get": _operation(
            "liveCalls", "Calls in progress: their number, and the oldest 1,000", listed,
        )},
        "/api/calls/{call}": {
            "parameters": [call],
            "get": _operation("liveCall", "One call, in progress or ended lately", _reference("Call"), 404),
        },
        "/api/calls/{call}/hangup": {
            "parameters": [call],
            "post": _operation("hangUp", "Hang up, and set the result first where one is given", _reference("Call"),
                               400, 404, 409, 413, 503) | {"requestBody": {"required": False, "content": form}},
        },
        "/api/calls/{call}/sound": {
            "parameters": [call],
            "get": {**OPERATION, "operationId": "listen"},
        },
        "/api/events": {"get": _operation(
            "events", "What happens, as server-sent events: about, calls, call, count, digit, finding, levels, "
            "listened, lost",
            _TEXT, 503, media_type="text/event-stream",
        )},
    }  # fmt: skip


def _ended_paths() -> dict[str, Any]:
    call = _parameter("call", "path", _TEXT, "The name of a call, as in `call` of the list; it may hold slashes")
    listed = _object({
        "schema": _TEXT, "count": {"type": "integer"}, "offset": {"type": "integer"}, "totals": _totals(),
        "calls": _array("Ended"),
    })  # fmt: skip
    return {
        "/api/ended": {"get": _operation(
            "endedCalls", "Recorded calls that have ended", listed, 400, 404, 503) | {"parameters": _filters()}},
        "/api/ended/{call}": {
            "parameters": [call],
            "get": _operation("endedCall", "One of them", _reference("Ended"), 404, 503),
        },
        "/api/ended/{call}/data": {
            "parameters": [call],
            "get": _operation("callData", "What its page is drawn from", {"type": "object"}, 404, 503),
        },
        "/recordings/{call}/{file}": {
            "parameters": [call, _parameter("file", "path", _TEXT, "One of its `files`")],
            "get": _operation("recording", "A recording, or with Range a part of it",
                              {"type": "string", "format": "binary"}, 404, 416, media_type="audio/wav"),
        },
    }  # fmt: skip


def _other_paths() -> dict[str, Any]:
    plain = {"media_type": "text/plain"}
    return {
        "/healthz": {"get": _operation("health", "Whether calls are answered", _TEXT, 503, **plain) | {"security": []}},
        "/metrics": {"get": _operation("metrics", "Figures for Prometheus", _TEXT, 404, **plain)},
        "/api/openapi.json": {"get": _operation("description", "This description", {"type": "object"})},
    }


def _filters() -> list[dict[str, Any]]:
    """Return the parameters that choose among ended calls."""
    number, moment = {"type": "number", "minimum": 0}, {"type": "string", "examples": ["2026-11-30T14:00:00+01:00"]}
    whole = {"type": "integer", "minimum": 0}
    return [
        _parameter("uuid", "query", _TEXT, "The UUID, or the beginning of it"),
        _parameter("peer", "query", _TEXT, "Who called; * stands for anything"),
        _parameter("digits", "query", _TEXT, "It has these digits; x stands for any, =0042 means these and no others"),
        _parameter("finding", "query", _TEXTS, "It has one of these findings"),
        _parameter("result", "query", _TEXT, "Its result; * stands for anything"),
        _parameter("ended_by", "query", {"enum": ["caller", "server"]}, "Who ended it"),
        _parameter("longer", "query", number, "It lasted longer than these seconds"),
        _parameter("shorter", "query", number, "It lasted less than these seconds"),
        _parameter("slower", "query", number, "An answer of the server took longer than these milliseconds"),
        _parameter("since", "query", moment, "It began then or later"),
        _parameter("before", "query", moment, "It began before"),
        _parameter("sort", "query", {"type": "string", "default": "newest"}, "The order of the calls"),
        _parameter("limit", "query", {**whole, "maximum": 500, "default": 100}, "How many at most"),
        _parameter("offset", "query", {**whole, "default": 0}, "How many to skip"),
    ]


def _call() -> dict[str, Any]:
    finding = _object({"finding": _TEXT, "finding_id": _MAYBE_TEXT})
    levels = {"type": "array", "minItems": 2, "maxItems": 2, "items": _MAYBE_WHOLE}
    return _object({
        "id": {**_TEXT, "description": "Names this call, also where several have one UUID"},
        "uuid": _TEXT, "state": {"enum": ["live", "ending", "ended"]}, "peer": _TEXT,
        "server": {**_MAYBE_TEXT, "description": "The server that the call is passed on to"},
        "started_at": {**_TEXT, "format": "date-time"}, "duration_s": {"type": "number"}, "result": _MAYBE_TEXT,
        "digits": {**_TEXT, "description": "The last 200"}, "digit_count": {"type": "integer"},
        "findings": {"type": "array", "items": finding},
        "levels_dbfs": {**levels, "description": "Caller, server; known while a page is open. null: no audio"},
        "listeners": {**_TEXTS, "description": "Addresses of those who listen"},
        "ended_by": _MAYBE_TEXT, "ended_how": _MAYBE_TEXT, "ended_reason": _MAYBE_TEXT,
    }, ("ended_by", "ended_how", "ended_reason"))  # fmt: skip


def _ended() -> dict[str, Any]:
    whole = ("rate_hz", "gap_count", "late_frames", "answers", "latency_p50_ms", "latency_max_ms",
             "interruptions_by_caller", "interruptions_by_server")  # fmt: skip
    numbers = ("duration_s", "caller_dbfs", "server_dbfs", "gaps_s", "dead_air_s", "talk_caller_s", "talk_server_s")
    texts = ("uuid", "started_at", "peer", "ended_by", "ended_how", "ended_reason", "result")
    return _object({
        "call": {**_TEXT, "description": "Names this call in other paths"}, "name": _TEXT, "digits": _TEXT,
        **dict.fromkeys(texts, _MAYBE_TEXT), **dict.fromkeys(numbers, _MAYBE_NUMBER),
        **dict.fromkeys(whole, _MAYBE_WHOLE), "finding_ids": _TEXTS, "files": _TEXTS,
    })  # fmt: skip


def _totals() -> dict[str, Any]:
    whole = {"type": "integer"}
    counts = ("calls", "with_digits", "with_gaps", "with_findings", "with_turns")
    return {"description": "Of all calls that match, on all pages", **_object({
        **dict.fromkeys(counts, whole), "duration_s": {"type": "number"},
        "latency_p50_ms": {**_MAYBE_WHOLE, "description": "The median of the calls' medians"},
        "latency_max_ms": {**_MAYBE_WHOLE, "description": "The slowest answer of all"},
        "first_at": _MAYBE_TEXT, "last_at": _MAYBE_TEXT,
        "findings": {"type": "object", "additionalProperties": whole, "description": "How many calls have each"},
    })}  # fmt: skip


def _operation(name: str, summary: str, schema: Any, *problems: int, media_type: str = "application/json") -> Any:
    problem = {"content": {"application/json": {"schema": _reference("Problem")}}}
    told = {401: "The password is missing or wrong", 403: "Another site asks, or the host is a name"}
    told |= dict.fromkeys(problems, "The reason is in error")
    return {
        "operationId": name,
        "summary": summary,
        "responses": {
            "200": {"description": f"The schema is {SCHEMA}" if media_type == "application/json" else "The answer",
                    "content": {media_type: {"schema": schema}}},
            **{str(status): {"description": text, **problem} for status, text in sorted(told.items())},
        },
    }  # fmt: skip


def _parameter(name: str, where: str, schema: Any, text: str) -> dict[str, Any]:
    return {"name": name, "in": where, "required": where == "path", "schema": schema, "description": text}


def _object(properties: dict[str, Any], optional: tuple[str, ...] | None = None) -> dict[str, Any]:
    left_out = properties.keys() if optional == () else optional or ()
    return {
        "type": "object",
        "properties": properties,
        "required": [each for each in properties if each not in left_out],
    }


def _array(name: str) -> dict[str, Any]:
    return {"type": "array", "items": _reference(name)}


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}
