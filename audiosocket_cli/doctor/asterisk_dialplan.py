"""The dialplan of an Asterisk: its AudioSocket lines, judged, and the servers that they name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from audiosocket_cli.finding import Diagnosis, Status

_SERVER: Final = re.compile(r"AudioSocket(?:/|\([^,]*,\s*)(?P<server>(?:\[[^\]]+\]|[\w.-]+):\d+)", re.IGNORECASE)


def servers_named(lines: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(match["server"] for line in lines for match in _SERVER.finditer(line)))
