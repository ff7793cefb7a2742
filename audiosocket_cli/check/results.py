"""A report as JSON, and a kept one as the baseline of another run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from audiosocket_cli.check.model import Report, Verdict
from audiosocket_cli.check.nature import Nature
from audiosocket_cli.errors import FileError

SCHEMA: Final = "audiosocket.check/1"


def report_json(report: Report, nature: Nature) -> dict[str, Any]:
    """Return a report as JSON values."""
    counts = {verdict.value: len(report.with_verdict(verdict)) for verdict in Verdict}
    return {
        "schema": SCHEMA,
        "target": report.target,
        "asterisk": str(report.release),
        "started_at": report.started_at,
        "elapsed_s": round(report.elapsed_s, 3),
        "passed": not report.counting,
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
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA:
            raise FileError(f"{path} is not a result of check --json: its schema is {content['schema']!r:.60}")
        return frozenset(case["id"] for case in content["cases"] if case["verdict"] == Verdict.FAIL.value)
    except OSError as error:
        raise FileError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise FileError(f"{path} is not a result of check --json") from None
