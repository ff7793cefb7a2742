"""What Asterisk sends, in numbers."""

from __future__ import annotations

import pytest

from audiosocket_cli.asterisk.facts import frame_bytes, samples_per_frame
from audiosocket_cli.codec import kind_name

FRAME_BYTES = {
    0x10: 320,
    0x11: 480,
    0x12: 640,
    0x13: 960,
    0x14: 1280,
    0x15: 1764,
    0x16: 1920,
    0x17: 3840,
    0x18: 7680,
}


@pytest.mark.parametrize(("kind", "size"), FRAME_BYTES.items(), ids=map(kind_name, FRAME_BYTES))
def test_20_ms_of_audio_have_the_size_that_asterisk_sends(kind: int, size: int) -> None:
    assert frame_bytes(kind) == size
    assert samples_per_frame(kind) * 2 == size
