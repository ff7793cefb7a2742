"""What a file or folder is that somebody wants a page of: known by its content, and never by its name alone."""

from __future__ import annotations

import json
import os
from enum import Enum
from pathlib import Path
from typing import Any, Final, NamedTuple

from audiosocket_cli.analysis.call_review import DUMP_SCHEMA
from audiosocket_cli.audio.recognition import HEAD_BYTES
from audiosocket_cli.capture.beginning import is_recording
from audiosocket_cli.capture.jsonl import is_capture_line
from audiosocket_cli.errors import FileError, UsageError

MAX_JSON_BYTES: Final = 64 << 20

_MAX_LINE_BYTES: Final = 1 << 20
"""No line of a capture is longer."""

ADVICE: Final = (
    "a page can be made of a recording, the JSON of a call, a capture, a folder of calls, and results of "
    "bench --output or check --json"
)


class InputKind(Enum):
    """What an input is."""

    RECORDING = "a recording"
    CALL = "the JSON of a call"
    CAPTURE = "a capture"
    FOLDER = "a folder"
    BENCH = "a result of bench"
    CHECK = "a result of check"


_OF_SCHEMA: Final = {
    "audiosocket.call/1": InputKind.CALL,
    DUMP_SCHEMA: InputKind.CALL,
    "audiosocket.bench/1": InputKind.BENCH,
    "audiosocket.check/1": InputKind.CHECK,
}


class ReportInput(NamedTuple):
    """An input, and its content where that is one JSON object."""

    path: Path
    kind: InputKind
    content: dict[str, Any] | None = None


def look_at(path: Path) -> ReportInput:
    """Find out what an input is. Raises `FileError` for what cannot be read, and `UsageError` for what is of no use
    here."""
    try:
        if path.is_dir():
            return ReportInput(path, InputKind.FOLDER)
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is neither a file nor a folder: copy it to a file first")
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FileError(f"cannot read {path}: {reason.lower()}") from None
    if not head:
        raise FileError(f"cannot read {path}: it is empty")
    if is_recording(head, path):
        return ReportInput(path, InputKind.RECORDING)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        return _look_at_json(path, head)
    return ReportInput(path, InputKind.CAPTURE)  # which says what it is, if it is none


def _look_at_json(path: Path, head: bytes) -> ReportInput:
    first = _object(head.lstrip(b"\xef\xbb\xbf \t\r\n").split(b"\n", 1)[0])
    if first is not None and is_capture_line(first):
        return ReportInput(path, InputKind.CAPTURE)
    if os.path.getsize(path) > MAX_JSON_BYTES:
        with path.open("rb") as file:
            if b"\n" in file.read(_MAX_LINE_BYTES):
                return ReportInput(path, InputKind.CAPTURE)
        raise FileError(f"cannot read {path}: it is JSON of more than {MAX_JSON_BYTES >> 20} MB")
    data = path.read_bytes()
    content = _object(data)
    if content is None:
        return _look_at_lines(path, data)
    schema = content.get("schema")
    if isinstance(content.get("call"), dict):  # a result or an event, of the one call in it
        content = content["call"]
        schema = content.get("schema")
    kind = _OF_SCHEMA.get(schema) if isinstance(schema, str) else None
    if kind is None:
        what = f"JSON with the schema {schema!r:.60}" if schema is not None else "JSON without a schema of ours"
        raise UsageError(f"{path} is {what}: {ADVICE}")
    return ReportInput(path, kind, content)


def _look_at_lines(path: Path, data: bytes) -> ReportInput:
    """Tell JSON lines of a capture from JSON that is broken."""
    for line in data.splitlines()[:100]:
        found = _object(line)
        if found is not None and is_capture_line(found):
            return ReportInput(path, InputKind.CAPTURE)
        schema = found.get("schema") if found is not None else None
        if isinstance(schema, str) and schema in _OF_SCHEMA:
            raise UsageError(f"{path} has several lines of JSON, such as of {schema}: give it one of them as a file")
    try:
        json.loads(data)
    except RecursionError:
        reason = "it is nested too deeply"
    except json.JSONDecodeError as error:
        reason = f"{error.msg.lower().removesuffix(' at')} at line {error.lineno}"
    except ValueError as error:
        reason = str(error)
    else:
        reason = "it is not an object"
    raise FileError(f"cannot read {path}: it is broken JSON ({reason:.80}), or none; {ADVICE}")


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
