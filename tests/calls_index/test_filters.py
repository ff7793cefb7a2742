"""Filters, as SQLite understands them: each against rows that it takes and rows that it leaves."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from audiosocket_cli.calls_index.columns import INSERT, NO_ROW, SCHEMA, values_of
from audiosocket_cli.calls_index.filters import Filter, check_digits, check_uuid
from audiosocket_cli.calls_index.mirrors import add_mirrored
from audiosocket_cli.calls_index.row import row_of
from audiosocket_cli.errors import UsageError

CALLS: dict[str, dict[str, Any]] = {
    "long": {"uuid": "AAAA-1".lower(), "started_at": "2026-11-30T10:00:00Z", "duration_s": 60, "peer": "192.0.2.1:5000",
             "dtmf": [{"digit": d} for d in "0042"], "finding_ids": ["audio-late", "caller-ulaw"], "ended_by": "caller",
             "result": "sale", "turns": {"latency_ms": {"count": 2, "p50": 900, "max": 1500}}},
    "short": {"uuid": "bbbb-2", "started_at": "2026-11-29T10:00:00Z", "duration_s": 5, "peer": "192.0.2.12:5000",
              "dtmf": [{"digit": d} for d in "1*#D"], "finding_ids": ["caller-ulaw-2"], "ended_by": "server",
              "result": "transfer[1]", "turns": {"latency_ms": None}},
    "unknown": {"peer": "[2001:db8::1]:5000"},
}  # fmt: skip


@pytest.fixture
def database() -> sqlite3.Connection:
    made = sqlite3.connect(":memory:")
    add_mirrored(made)
    for statement in SCHEMA:
        made.execute(statement)
    for name, call in CALLS.items():
        made.execute(INSERT, (b"", name.encode(), 1, 1, 1, None, *values_of(row_of(call))))
    made.execute(INSERT, (b"", b"broken", 1, 1, 1, "not JSON", *NO_ROW))
    return made


def found(database: sqlite3.Connection, **wanted: Any) -> set[str]:
    where, values = Filter(**wanted).where()
    return {name.decode() for (name,) in database.execute(f"SELECT name FROM calls WHERE {where}", values)}


def repr_of(value: object) -> str:
    return str(sorted(value) if isinstance(value, set) else value)  # the same in each process


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({}, {"long", "short", "unknown"}),
        ({"since": "2026-11-30T00:00:00.000+00:00"}, {"long"}),
        ({"before": "2026-11-30T10:00:00.000+00:00"}, {"short"}),
        ({"not_since": "2026-11-30T10:00:00.000+00:00"}, {"short", "unknown"}),
        ({"uuid": "aaaa"}, {"long"}),
        ({"peer": "192.0.2.1"}, {"long"}),
        ({"peer": "192.0.2.1:5000"}, {"long"}),
        ({"peer": "192.0.*"}, {"long", "short"}),
        ({"peer": "192.0.2.?"}, set()),
        ({"peer": "[2001:db8::1]"}, {"unknown"}),
        ({"digits": "04"}, {"long"}),
        ({"digits": "=0042"}, {"long"}),
        ({"digits": "=004"}, set()),
        ({"digits": "0x4"}, {"long"}),
        ({"digits": "1*#D"}, {"short"}),
        ({"digits": "*"}, {"short"}),
        ({"digits": "x*x"}, set()),
        ({"digits": "="}, {"unknown"}),
        ({"findings": ("caller-ulaw",)}, {"long"}),
        ({"findings": ("caller-ulaw-2", "audio-late")}, {"long", "short"}),
        ({"longer_s": 5}, {"long"}),
        ({"shorter_s": 60}, {"short"}),
        ({"ended_by": "server"}, {"short"}),
        ({"slower_ms": 1499}, {"long"}),
        ({"slower_ms": 1500}, set()),
        ({"result": "sale"}, {"long"}),
        ({"result": "transfer[1]"}, {"short"}),
        ({"result": "transfer*"}, {"short"}),
        ({"result": "%"}, set()),
        ({"ended_by": "caller", "digits": "42", "longer_s": 61}, set()),
    ],
    ids=repr_of,
)
def test_a_filter_takes_what_is_so(database: sqlite3.Connection, wanted: dict[str, Any], names: set[str]) -> None:
    assert found(database, **wanted) == names


@pytest.mark.parametrize("text", ["", "42a", "4 2", "=*=", "[0-9]", "٤", "42\n"])
def test_what_is_no_pattern_of_digits_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a pattern of digits"):
        check_digits(text)


def test_uuids_may_be_cut_and_of_any_case() -> None:
    assert check_uuid("92A62F6D") == "92a62f6d"
    for text in ("", "xyz", "92a6*", "a" * 37):
        with pytest.raises(UsageError, match="is not a UUID"):
            check_uuid(text)
