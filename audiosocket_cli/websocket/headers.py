"""Headers of the handshake, as people write them, and files of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from audiosocket_cli.disk import small_text
from audiosocket_cli.errors import FileError

_HEADER: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*)")

_MAX_HEADERS_BYTES: Final = 65536

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


def headers_of(path: Path | None) -> list[tuple[str, str]]:
    """Return the headers of a file, a line each; empty lines and those that begin with # are left out. Raises
    `FileError`, which names lines and shows none."""
    if path is None:
        return []
    text = small_text(path, _MAX_HEADERS_BYTES, "headers, 'Name: value' in each line")
    headers = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        header = parse_header(line)
        if header is None:
            raise FileError(f"line {number} of {path} is not a header: write 'Name: value'")
        headers.append(header)
    return headers
