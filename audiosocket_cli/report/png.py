"""Pictures in shades of grey as PNG (ISO/IEC 15948), for pages that colour them."""

from __future__ import annotations

import struct
import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_NO_FILTER: Final = 0
"""Each row begins with the filter that it went through: shades of few levels are the smallest without one."""


def grey_png(shades: NDArray[np.uint8]) -> bytes:
    """Return an image of 8-bit shades, shape (height, width), neither of which is 0; the top row comes first."""
    height, width = shades.shape
    rows = np.full((height, width + 1), _NO_FILTER, np.uint8)
    rows[:, 1:] = shades
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(rows.tobytes(), 9)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
