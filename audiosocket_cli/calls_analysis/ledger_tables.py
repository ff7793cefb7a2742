"""The tables of the ledger, and its longer queries. Names of files are bytes, as they are on the disk."""

from __future__ import annotations

from typing import Final

from audiosocket_cli.calls_index.mirrors import is_of_mirror

SCHEMA: Final = (
    # `date` is the part that the row is in; NULL: the files hold no call.
    "CREATE TABLE IF NOT EXISTS calls (folder BLOB, call BLOB, version TEXT, date TEXT, PRIMARY KEY (folder, call))",
    "CREATE INDEX IF NOT EXISTS calls_date ON calls (date)",
    (
        "CREATE TABLE IF NOT EXISTS waiting (folder BLOB, call BLOB, version TEXT, date TEXT, row TEXT, "
        "PRIMARY KEY (folder, call))"
    ),
)

TEMPORARY: Final = (
    (
        "CREATE TEMP TABLE files (folder BLOB, call BLOB, name BLOB, size INTEGER, version TEXT, changed_s REAL, "
        "PRIMARY KEY (folder, call, name)) WITHOUT ROWID"
    ),
    "CREATE TEMP TABLE listed (folder BLOB, call BLOB, version TEXT, PRIMARY KEY (folder, call)) WITHOUT ROWID",
    "CREATE TEMP TABLE sources (source BLOB)",
)

MIRRORS: Final = f"DELETE FROM files WHERE {is_of_mirror('files', 'call')}"

TO_MEASURE: Final = """
SELECT listed.folder AS folder, listed.call AS call FROM listed
LEFT JOIN waiting ON waiting.folder = listed.folder AND waiting.call = listed.call
LEFT JOIN calls ON calls.folder = listed.folder AND calls.call = listed.call
WHERE listed.version IS NOT coalesce(waiting.version, calls.version)
"""

GONE: Final = """
SELECT count(*) FROM calls WHERE date IS NOT NULL
AND EXISTS (SELECT 1 FROM sources WHERE folder = source OR substr(folder, 1, length(source) + 1) = source || x'2f')
AND NOT EXISTS (SELECT 1 FROM listed WHERE listed.folder = calls.folder AND listed.call = calls.call)
"""

WAITING_DAYS: Final = """
SELECT date FROM waiting WHERE date IS NOT NULL UNION
SELECT calls.date FROM waiting JOIN calls ON calls.folder = waiting.folder AND calls.call = waiting.call
WHERE calls.date IS NOT NULL ORDER BY 1
"""

WAITING_IN: Final = """
SELECT waiting.folder, waiting.call FROM waiting
LEFT JOIN calls ON calls.folder = waiting.folder AND calls.call = waiting.call
WHERE waiting.date = ? OR calls.date = ?
"""

ALL_WAITING: Final = "INSERT OR REPLACE INTO calls SELECT folder, call, version, date FROM waiting"
