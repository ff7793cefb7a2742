"""Where a capture goes that is dumped: to lines on standard output, or to a copy in another format."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final

from audiosocket_cli import __version__
from audiosocket_cli.analysis.dumping import Copy, DumpRequest, Form, Reading, Sink
from audiosocket_cli.capture.items import Captured, CapturedCall, Opened
from audiosocket_cli.capture.jsonl import item_line
from audiosocket_cli.disk import write_file
from audiosocket_cli.errors import UsageError
from audiosocket_cli.ui.capture_rows import frame_line, hex_lines, other_line, shown_lines, stats_lines
from audiosocket_cli.ui.console import line_bytes, put_bytes, put_lines


def sink_for(request: DumpRequest) -> Sink:
    """Return what shows a capture in the form that is asked for."""
    if request.copy is not None:
        return partial(_write_copy, copy=request.copy)
    if request.form is Form.FRAMES_JSON and not (request.follow or sys.stdout.isatty()):
        return _put_frames_json
    return partial(_put, lines=_LINES[request.form])


def _put(reading: Reading, *, lines: Callable[[Reading], Iterable[str]]) -> None:
    if not reading.request.follow:
        put_lines(lines(reading))
        return
    for line in lines(reading):
        put_bytes([line_bytes(line, sys.stdout)])  # `put` would go on when nobody reads any more


def _put_frames_json(reading: Reading) -> None:
    from audiosocket_cli.capture.exports import as_jsonl

    put_bytes(as_jsonl(reading.frames()))


def _row_lines(reading: Reading) -> Iterator[str]:
    for shown in reading.rows():
        yield from shown_lines(shown, named=reading.request.follow, file=reading.file)


def _stats_lines(reading: Reading) -> Iterator[str]:
    for call in reading.calls():
        yield from stats_lines(call.as_dict(), file=call.call.file or reading.file)


def _stats_json(reading: Reading) -> Iterator[str]:
    for call in reading.calls():
        yield json.dumps(call.as_dict(), ensure_ascii=False)


def _frame_lines(reading: Reading, *, with_hex: bool = False) -> Iterator[str]:
    calls = reading.calls_before
    headings: dict[CapturedCall | None, str | None] = {}  # of calls of which nothing is selected so far
    for item in reading.frames():
        if isinstance(item, Captured):
            line: str | None = frame_line(item, named=calls > 1)
        else:
            calls += isinstance(item, Opened)
            line = other_line(item, named=calls > 1, file=reading.file)
        if isinstance(item, Opened) and reading.request.selection.is_part_of_calls:
            headings[item.call] = line
        elif line is not None:
            heading = headings.pop(getattr(item, "call", None), None) if headings else None
            yield from filter(None, (heading, line))
            if with_hex and isinstance(item, Captured):
                yield from hex_lines(item.frame.payload)


def _frames_json(reading: Reading) -> Iterable[str]:
    return filter(None, map(item_line, reading.frames()))


_LINES: Final[dict[Form, Callable[[Reading], Iterable[str]]]] = {
    Form.ROWS: _row_lines,
    Form.STATS: _stats_lines,
    Form.STATS_JSON: _stats_json,
    Form.FRAMES: _frame_lines,
    Form.FRAMES_HEX: partial(_frame_lines, with_hex=True),
    Form.FRAMES_JSON: _frames_json,
}


def _write_copy(reading: Reading, *, copy: Copy) -> None:
    """Write what is selected in another format. Raises `UsageError` for a place where it cannot be."""
    if copy.out == "-":
        if copy.format != "jsonl" and sys.stdout.isatty():
            raise UsageError(f"cannot write {copy.format} to a terminal: pipe it to a program, or name a file")
        pieces = _pieces(reading, copy.format)
        for some in ([piece] for piece in pieces) if reading.request.follow else [pieces]:
            put_bytes(some)
        return
    if reading.name != "-" and os.path.exists(copy.out) and os.path.samefile(reading.name, copy.out):
        raise UsageError(f"cannot write {copy.out}: it is the capture itself; choose another name")
    write_file(copy.out, _pieces(reading, copy.format), force=copy.force)


def _pieces(reading: Reading, format_name: str) -> Iterator[bytes]:
    from audiosocket_cli.capture.exports import as_bytes, as_jsonl, as_pcapng

    items = reading.frames()
    if format_name == "pcapng":
        return as_pcapng(items, f"audiosocket {__version__}")
    return as_jsonl(items) if format_name == "jsonl" else as_bytes(items)
