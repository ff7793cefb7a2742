"""Headers of the handshake, as people write them."""

from __future__ import annotations

import re
from typing import Final

_HEADER: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*)")

_SECRET: Final = re.compile(r"auth|cookie|key|token|secret|password|credential", re.IGNORECASE)
"""What the name of a header that holds a secret has in it."""


def parse_header(line: str) -> tuple[str, str] | None:
    """Return the name and the value of a line `Name: value`; None if it is not one."""
    match = _HEADER.fullmatch(line.strip())
    if match is None or not match[2].isascii() or match[1].lower().startswith("sec-websocket-"):
        return None
    return match[1], match[2].strip()


def may_be_secret(name: str) -> bool:
    """Whether the value of a header is for nobody to see, by its name."""
    return bool(_SECRET.search(name))
