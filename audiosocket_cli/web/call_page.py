"""The page of a recorded call as a server shows it: its data, with the sound by its URL rather than inside."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audiosocket_cli.errors import UsageError


def data_of(path: Path, call: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the data of a call's page."""
    raise UsageError("this page is not there yet")


def page_of(path: Path, call: Mapping[str, Any], name: str) -> bytes:
    """Return the page of a call."""
    raise UsageError("this page is not there yet")
