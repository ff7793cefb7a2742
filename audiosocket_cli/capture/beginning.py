"""Whether a file is a recording or a capture, for commands that take both: by its first bytes, and by its name only
where they do not tell."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from audiosocket_cli.audio.raw_capture import begins_call
from audiosocket_cli.audio.recognition import HEAD_BYTES, foreign_sound, is_sound, is_sound_suffix
from audiosocket_cli.capture.packing import PACKED
from audiosocket_cli.capture.pcap import MAGICS
from audiosocket_cli.capture.pcapng import MAGIC
from audiosocket_cli.capture.resync import find_frames

_JSON: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{\s*[\"}]")


def is_recording(head: bytes, path: Path) -> bool:
    """Whether a file with these first bytes is a recording, rather than a capture, JSON, or nothing of both."""
    if begins_capture(head):
        return False
    return is_sound(head) or is_sound_suffix(path.suffix) or foreign_sound(head) is not None


def begins_capture(head: bytes) -> bool:
    """Whether the first `HEAD_BYTES` of a file are those of packets, of JSON, of frames, or of what is packed."""
    is_marked = head.startswith((MAGIC, *MAGICS)) or PACKED.match(head) is not None or _JSON.match(head) is not None
    return is_marked or begins_call(head) or find_frames(head, ends=len(head) < HEAD_BYTES) == 0
