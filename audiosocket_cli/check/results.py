"""A report as JSON, and a kept one: read again to be shown, or as the baseline of another run."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, TypeVar

from audiosocket_cli.asterisk.releases import parse_release
from audiosocket_cli.check.model import Attempt, Case, CaseResult, Level, Observation, Report, Verdict
from audiosocket_cli.check.nature import Nature
from audiosocket_cli.disk import small_bytes
from audiosocket_cli.errors import FileError, UsageError

SCHEMA: Final = "audiosocket.check/1"

STDIN: Final = Path("-")

_MAX_BYTES: Final = 64 << 20
_HOLDS: Final = "what check --json printed"

T = TypeVar("T")


def report_json(report: Report, nature: Nature) -> dict[str, Any]:
    """Return a report as JSON values."""
    counts = {verdict.value: len(report.with_verdict(verdict)) for verdict in Verdict}
    return {
        "schema": SCHEMA,
        "name": report.name,
        "target": report.target,
        "command": list(report.command),
        "options": list(report.options),
        "asterisk": str(report.release),
        "started_at": report.started_at,
        "elapsed_s": round(report.elapsed_s, 3),
        "passed": report.verdict is Verdict.PASS,
        "strict": report.strict,
        "server": nature.as_json(),
        "counts": counts,
        "failed": [result.case.id for result in report.counting],
        "known": None if report.known is None else sorted(report.known),
        "mended": report.mended,
        "notes": list(report.notes),
        "signal": report.signal,
        "cases": [result.as_json() for result in report.results],
    }


def read_baseline(path: Path) -> frozenset[str]:
    """Return the ids that failed in a result that --json wrote. Raises `FileError`."""

    def failed(content: dict[str, Any]) -> frozenset[str]:
        return frozenset(_text(case["id"]) for case in content["cases"] if case["verdict"] == Verdict.FAIL.value)

    return _read(path, failed)


def read_report(path: Path) -> Report:
    """Return the report that --json wrote; its cases can be shown, and not run. Raises `FileError`."""
    return _read(path, _report)


def _read(path: Path, build: Callable[[dict[str, Any]], T]) -> T:
    name = "standard input" if path == STDIN else str(path)
    try:
        content = json.loads(_bytes_of(path, name))
        if content["schema"] != SCHEMA:
            raise FileError(f"{name} is not a result of check --json: its schema is {content['schema']!r:.60}")
        return build(content)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError, UsageError):
        raise FileError(f"{name} is not a result of check --json") from None


def _bytes_of(path: Path, name: str) -> bytes:
    if path != STDIN:
        return small_bytes(path, _MAX_BYTES, _HOLDS)
    data = sys.stdin.buffer.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise FileError(f"cannot read {name}: it is longer than {_MAX_BYTES:,} bytes; give it {_HOLDS}")
    return data


def _report(content: dict[str, Any]) -> Report:
    known, name, number = content["known"], content.get("name"), content["signal"]
    return Report(
        target=_text(content["target"]),
        release=parse_release(_text(content["asterisk"])),
        nature=_text(content["server"]["description"]),
        results=[_result(each) for each in content["cases"]],
        started_at=_text(content["started_at"]),
        elapsed_s=float(content["elapsed_s"]),
        strict=bool(content["strict"]),
        known=None if known is None else frozenset(_texts(known)),
        command=_texts(content.get("command", ())),
        options=_texts(content.get("options", ())),
        name=None if name is None else _text(name),
        notes=_texts(content["notes"]),
        signal=None if number is None else int(number),
    )


def _result(content: dict[str, Any]) -> CaseResult:
    case = Case(
        id=_text(content["id"]),
        level=Level(content["level"]),
        requirement=_text(content["requirement"]),
        expected=_text(content["expected"]),
        asterisk=_text(content["asterisk"]),
        cure=_text(content["cure"]),
        versions=_text(content["versions"]),
        run=_cannot_run,
        finding=None if content.get("finding") is None else _text(content["finding"]),
        shown_by_replay=bool(content.get("shown_by_replay", False)),
    )
    attempts = [_attempt(each) for each in content["attempts"]]
    if not attempts:
        raise ValueError("a case without an attempt")
    return CaseResult(case, attempts)


def _attempt(content: dict[str, Any]) -> Attempt:
    capture, measured_s = content["capture"], content.get("measured_s")
    return Attempt(
        Observation(
            Verdict(content["verdict"]), _text(content["observed"]), None if measured_s is None else float(measured_s)
        ),
        float(content["elapsed_s"]),
        _texts(content["evidence"]),
        _texts(content["log"]),
        None if capture is None else Path(_text(capture)),
    )


async def _cannot_run(trial: object) -> Observation:
    raise AssertionError("a case that was read from a file is only shown")


def _texts(values: Iterable[Any]) -> list[str]:
    return [_text(value) for value in values]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.60} is not text")
    return value
