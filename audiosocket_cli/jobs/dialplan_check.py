"""`dialplan --check`: what is wrong with somebody's dialplan, and the lines to write."""

from __future__ import annotations

from collections.abc import Sequence

from audiosocket_cli.asterisk.releases import Release
from audiosocket_cli.errors import UsageError
from audiosocket_cli.jobs.outcome import Outcome


def check_dialplans(names: Sequence[str], release: Release | None, *, as_json: bool) -> Outcome:
    """Read dialplans (- is standard input), and tell what is wrong in them for a release, or for any (None)."""
    raise UsageError("--check: not yet")
