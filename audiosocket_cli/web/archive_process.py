"""The process that reads calls which have ended: rows of the index, data and pages of calls. `archive` asks it.

A question is a line of JSON on standard input. An answer is on standard output: a line with the length of its facts,
the facts as JSON, and as many bytes as they say.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

from audiosocket_cli.calls_index.call_json import read_call
from audiosocket_cli.calls_index.filters import Filter
from audiosocket_cli.calls_index.index import CallsIndex
from audiosocket_cli.calls_index.row import Row, row_of
from audiosocket_cli.calls_index.sorts import SORTS
from audiosocket_cli.errors import AudioSocketError
from audiosocket_cli.text import printable

_NICE: Final = 10
_JSON: Final = ".json"
_MAX_LINES_TOLD: Final = 20


class NoCallError(Exception):
    """There is no such call."""


class Reader:
    """Answers questions about the calls of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._told: list[str] = []
        self._index: CallsIndex | None = None

    def answer(self, question: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Return the facts and the bytes that answer a question."""
        answers: dict[str, Callable[[Mapping[str, Any]], tuple[dict[str, Any], bytes]]] = {
            "rows": self._rows, "row": self._row, "data": self._data, "page": self._page,
        }  # fmt: skip
        try:
            facts, body = answers[question["do"]](question)
        except NoCallError:
            facts, body = {"error": "there is no such call", "status": 404}, b""
        except AudioSocketError as error:
            facts, body = {"error": printable(str(error))}, b""
        told, self._told = self._told[:_MAX_LINES_TOLD], []
        return {**facts, "told": told}, body

    def _rows(self, question: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        sort = question["sort"]
        if sort not in SORTS:
            return {"error": f"sort must be one of {', '.join(SORTS)}", "status": 400}, b""
        if self._index is None:
            self._index = CallsIndex(self._folder, self._told.append)
        self._index.update(quick=True)
        wanted = Filter(**{**question["filter"], "findings": tuple(question["filter"].get("findings", ()))})
        first, limit = question["offset"], question["limit"]
        rows = itertools.islice(self._index.rows(wanted, sort, first + limit), first, None)
        totals = self._index.totals(wanted)
        listed = [self._shown(row) for row in rows]
        return {"count": totals.calls, "totals": totals.as_json()}, json.dumps(listed).encode()

    def _row(self, question: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        path, call = self._call(question["call"])
        row = row_of(call, folder=str(path.parent), name=path.name)
        return {"row": self._shown(row), "files": list(row.files)}, b""

    def _data(self, question: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        from audiosocket_cli.web.call_page import data_of

        path, call = self._call(question["call"])
        return {}, json.dumps(data_of(path, call, question["call"])).encode()

    def _page(self, question: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        from audiosocket_cli.web.call_page import page_of

        path, call = self._call(question["call"])
        return {}, page_of(path, call, question["call"])

    def _call(self, name: str) -> tuple[Path, Mapping[str, Any]]:
        """Return a call's JSON, and where that is. No name leads out of the folder, also not by a link."""
        path = self._folder / f"{name}{_JSON}"
        try:
            real, root = os.path.realpath(path), os.path.realpath(self._folder)
        except (OSError, ValueError):  # no name of a file
            raise NoCallError from None
        if real != os.path.join(root, f"{name}{_JSON}"):
            raise NoCallError
        call = read_call(real).call
        if call is None:
            raise NoCallError
        return Path(real), call

    def _shown(self, row: Row) -> dict[str, Any]:
        """Return a row as JSON values, with the name of its call below the folder."""
        facts = row.as_json()
        del facts["schema"], facts["folder"]
        below = os.path.relpath(os.path.join(row.folder, row.name), self._folder)
        return {"call": os.path.normpath(below).removesuffix(_JSON), **facts}


def main(folder: str, questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer until there are no more questions."""
    with suppress(OSError):
        os.nice(_NICE)
    reader = Reader(Path(folder))
    for line in questions:
        try:
            facts, body = reader.answer(json.loads(line))
        except Exception as error:  # a call that we cannot show must not hide all others
            facts, body = {"error": f"internal error: {error!r:.200}", "status": 500}, b""
        head = json.dumps({**facts, "size": len(body)}).encode()
        answers.write(b"%d\n" % len(head) + head + body)
        answers.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.stdin.buffer, sys.stdout.buffer)
