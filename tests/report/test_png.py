"""PNG that others read: the same shades come out."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from audiosocket_cli.report.png import grey_png


def shades_in(data: bytes) -> np.ndarray:
    """Read a PNG of one shade per byte and without filters, chunk by chunk; sums are checked."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + size]
        assert struct.unpack_from(">I", data, at + 8 + size)[0] == zlib.crc32(kind + body)
        chunks[kind] = body
        at += 12 + size
    width, height, *form = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert form == [8, 0, 0, 0, 0]
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert not rows[:, 0].any()
    return rows[:, 1:]


@pytest.mark.parametrize("shape", [(1, 1), (64, 4096), (3, 7)])
def test_shades_come_out_as_they_went_in(shape: tuple[int, int]) -> None:
    shades = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    assert (shades_in(grey_png(shades)) == shades).all()
