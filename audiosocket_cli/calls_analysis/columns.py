"""The columns of a row: one call as its sound was measured again, with what its JSON says it is."""

from __future__ import annotations

from typing import Any, Final

from audiosocket_cli.analysis.recording_layout import MIXED
from audiosocket_cli.calls_analysis.listed_call import ListedCall, day_of, utf8
from audiosocket_cli.model import Side

Row = dict[str, Any]
"""A value for each of `COLUMNS`, as JSON has it, and `date`. None: not known, or not measured."""

DATE: Final = "date"
"""The day on which the call began, in UTC; without JSON, that on which the recording was last changed: the partition
that a row is in."""

FORMAT: Final = 1
"""The version of the columns and of what they mean. All is measured again after a change."""

SIDES: Final = (*(side.value for side in Side), MIXED)

COLUMNS: Final = {
    "folder": "VARCHAR",
    "call": "VARCHAR",
    "files": "VARCHAR[]",
    "uuid": "VARCHAR",
    "started_at": "TIMESTAMPTZ",
    "duration_s": "DOUBLE",
    "peer": "VARCHAR",
    "bot": "VARCHAR",
    "result": "VARCHAR",
    "digits": "VARCHAR",
    "recorded_s": "DOUBLE",
    "rate_hz": "INTEGER",
    "layout": "VARCHAR",
    **{
        f"{side}_{figure}": kind
        for side in SIDES
        for figure, kind in {
            "level_dbfs": "DOUBLE", "peak_dbfs": "DOUBLE", "speech_dbfs": "DOUBLE", "noise_dbfs": "DOUBLE",
            "tones": "VARCHAR",
        }.items()
    },
    "answers": "INTEGER",
    "latency_p50_ms": "INTEGER",
    "latency_p95_ms": "INTEGER",
    "latency_max_ms": "INTEGER",
    "latencies_ms": "INTEGER[]",
    "interruptions_by_caller": "INTEGER",
    "interruptions_by_server": "INTEGER",
    "backchannels_by_caller": "INTEGER",
    "backchannels_by_server": "INTEGER",
    "talk_caller_s": "DOUBLE",
    "talk_server_s": "DOUBLE",
    "overlap_s": "DOUBLE",
    "dead_air_s": "DOUBLE",
    "dead_air_longest_s": "DOUBLE",
    "turns": "STRUCT(side VARCHAR, start_s DOUBLE, end_s DOUBLE, kind VARCHAR, after_ms INTEGER)[]",
    "finding_ids": "VARCHAR[]",
    "findings": "VARCHAR[]",
    "not_measured": "VARCHAR[]",
    "problem": "VARCHAR",
}  # fmt: skip
"""The names of the columns with their types in Parquet, in order."""


def empty_row(call: ListedCall) -> Row:
    """Return the row of a call of which no file was read."""
    row: Row = {DATE: day_of(call), **dict.fromkeys(COLUMNS)}
    row |= {"folder": utf8(call.folder), "call": utf8(call.call)}
    return row | {"finding_ids": [], "findings": [], "not_measured": []}
