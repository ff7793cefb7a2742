"""Calls that have ended, over HTTP: their list, the data and the page of each, and their recordings."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from audiosocket_cli.web.answers import failure, json_answer
from audiosocket_cli.web.archive import Archive, ArchiveError, Told

MAX_ROWS: Final = 500
"""Rows in one answer."""

_MAX_OFFSET: Final = 1_000_000
_NOT_RECORDED: Final = "calls are not recorded here: start the server with --record DIR"
_TEXTS: Final = ("uuid", "peer", "digits", "ended_by", "result")
_NUMBERS: Final = {"longer": "longer_s", "shorter": "shorter_s", "slower": "slower_ms"}
_KNOWN: Final = {*_TEXTS, *_NUMBERS, "finding", "since", "before", "sort", "limit", "offset"}
_POLICY: Final = re.compile(rb'http-equiv="Content-Security-Policy" content="([^"]*)"|'
                            rb'content="([^"]*)" http-equiv="Content-Security-Policy"')  # fmt: skip
_TYPES: Final = {".wav": "audio/wav", ".flac": "audio/flac", ".ogg": "audio/ogg", ".opus": "audio/ogg",
                 ".mp3": "audio/mpeg"}  # fmt: skip
_MAX_TEXT: Final = 200


class EndedCalls:
    """Answers about calls that have ended, where they are recorded."""

    def __init__(self, archive: Archive | None) -> None:
        """`archive` is None where calls are not recorded."""
        self._archive = archive

    async def rows(self, request: Request) -> Response:
        """Return calls that have ended, filtered and in pages."""
        try:
            question = _question_of(request.query_params)
        except ValueError as error:
            return failure(400, str(error))
        told = await self._ask("rows", **question)
        if isinstance(told, Response):
            return told
        head = {"count": told.facts["count"], "totals": told.facts["totals"], "offset": question["offset"]}
        return _with_list(head, told.body)

    async def row(self, request: Request) -> Response:
        """Return one call that has ended, as in the list."""
        told = await self._ask("row", call=request.path_params["call"])
        return told if isinstance(told, Response) else json_answer(told.facts["row"])

    async def data(self, request: Request) -> Response:
        """Return the data of a call's page."""
        told = await self._made("data", request)
        return told if isinstance(told, Response) else Response(told.body, media_type="application/json")

    async def page(self, request: Request) -> Response:
        """Return the page of a call."""
        told = await self._made("page", request)
        if isinstance(told, Response):
            return told
        return Response(told.body, media_type="text/html", headers={"Content-Security-Policy": _policy_of(told.body)})

    async def recording(self, request: Request) -> Response:
        """Return a file of a call's recording, or a part of it."""
        name = request.path_params["file"]
        told = await self._ask("row", call=request.path_params["call"])
        if isinstance(told, Response):
            return told
        path = self._path_of(request.path_params["call"]).parent / name
        if name not in told.facts["files"] or path.is_symlink() or not path.is_file():
            return failure(404, "there is no such recording of this call")
        return FileResponse(path, media_type=_TYPES.get(path.suffix.lower(), "application/octet-stream"))

    async def newest(self, request: Request) -> Response:
        """Redirect to the page of the newest call with a UUID."""
        filter_ = {"uuid": request.path_params["uuid"][:36]}
        told = await self._ask("rows", filter=filter_, sort="newest", offset=0, limit=1)
        if isinstance(told, Response):
            return told
        import json
        from urllib.parse import quote

        rows = json.loads(told.body)
        return (
            RedirectResponse(f"/calls/{quote(rows[0]['call'])}", 303) if rows else failure(404, "there is no such call")
        )

    def _path_of(self, call: str) -> Path:
        assert self._archive is not None
        return self._archive.folder / f"{call}.json"

    async def _made(self, what: str, request: Request) -> Told | Response:
        if self._archive is None:
            return failure(404, _NOT_RECORDED)
        call = request.path_params["call"]
        try:
            stamp = _stamp_of(self._path_of(call))
            return await self._archive.ask_again(what, call, stamp)
        except (OSError, ValueError):
            return failure(404, "there is no such call")
        except ArchiveError as error:
            return failure(error.status, str(error))

    async def _ask(self, what: str, **facts: Any) -> Told | Response:
        if self._archive is None:
            return failure(404, _NOT_RECORDED)
        try:
            return await self._archive.ask(what, **facts)
        except ArchiveError as error:
            return failure(error.status, str(error))


def _stamp_of(path: Path) -> str:
    status = os.lstat(path)
    return f"{status.st_mtime_ns} {status.st_size}"


def _question_of(query: QueryParams) -> dict[str, Any]:
    """Return the question that a query asks. Raises `ValueError`, in words."""
    unknown = sorted(set(query.keys()) - _KNOWN)
    if unknown:
        raise ValueError(f"there is no {unknown[0]!r:.40}: choose from {', '.join(sorted(_KNOWN))}")
    filter_: dict[str, Any] = {name: _text(query[name]) for name in _TEXTS if query.get(name)}
    filter_ |= {field: _number(query[name], name) for name, field in _NUMBERS.items() if query.get(name)}
    filter_ |= {name: _time(query[name], name) for name in ("since", "before") if query.get(name)}
    findings = [_text(each) for each in query.getlist("finding") if each]
    return {
        "filter": {**filter_, **({"findings": findings} if findings else {})},
        "sort": query.get("sort", "newest"),
        "limit": min(MAX_ROWS, _whole(query.get("limit", "100"), "limit")),
        "offset": min(_MAX_OFFSET, _whole(query.get("offset", "0"), "offset")),
    }


def _text(value: str) -> str:
    if len(value) > _MAX_TEXT:
        raise ValueError(f"{value[:20]!r}… is too long: at most {_MAX_TEXT} characters")
    return value


def _number(value: str, name: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1e9:
        raise ValueError(f"{name}={value[:20]!r} is not a number of seconds, or of milliseconds for slower")
    return number


def _whole(value: str, name: str) -> int:
    if not (value.isascii() and value.isdecimal() and len(value) < 10):
        raise ValueError(f"{name}={value[:20]!r} is not a whole number")
    return int(value)


def _time(value: str, name: str) -> str:
    """Return a time as rows have it: in UTC, with milliseconds."""
    try:
        moment = datetime.fromisoformat(value)
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(
            f"{name}={value[:40]!r} is not a time: write 2026-11-30 or 2026-11-30T14:00:00+01:00"
        ) from None
    return moment.isoformat(timespec="milliseconds")


def _with_list(head: Mapping[str, Any], rows: bytes) -> Response:
    """Return an answer with rows that are JSON already."""
    answer = json_answer(head)
    body = bytes(answer.body).rstrip().removesuffix(b"}") + b',"calls":' + rows + b"}\n"
    return Response(body, media_type="application/json")


def _policy_of(page: bytes) -> str:
    """Return the page's own rule for the browser, with what only a header can say."""
    found = _POLICY.search(page[: 1 << 16])
    own = "default-src 'none'" if found is None else (found[1] or found[2]).decode().replace("&#39;", "'")
    return f"{own}; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
