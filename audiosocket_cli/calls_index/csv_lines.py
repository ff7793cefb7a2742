"""Rows as CSV (RFC 4180), for spreadsheets: a header line, then a line for each call."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Final

from audiosocket_cli.calls_index.row import Row

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""How a text begins that a spreadsheet would compute instead of show."""


def csv_lines(rows: Iterable[Row]) -> Iterator[str]:
    """Yield the lines without their ends. Findings are separated by spaces, files by slashes; what is not known is
    empty. Text that a spreadsheet would take for a formula has an apostrophe in front."""
    yield _line(Row._fields)
    for row in rows:
        cells = {**row._asdict(), "finding_ids": " ".join(row.finding_ids), "files": "/".join(row.files)}
        yield _line([_cell(value) for value in cells.values()])


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _line(cells: Iterable[object]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(cells)
    return out.getvalue()
