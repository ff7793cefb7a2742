"""How long sound files other than little-endian WAV say that they are, and whether that is true. For WAV: `wavfile`."""

from __future__ import annotations

from typing import BinaryIO, Final

_UNKNOWN_BYTES: Final = 0x7F000000
"""From here on, sizes of 32 bits stand for "until the end": so does this of sox, and 0xFFFFFFFF of others."""

_LEAST_LOST_BYTES: Final = 1024
"""No less than this after a header that says 0 is sound whose writer died."""

_AU_IN_BLOCKS: Final = range(23, 27)
_AIFF_IN_BLOCKS: Final = (b"GSM ", b"ima4")
_WAV_TAGS_OF_SAMPLES: Final = (1, 3, 6, 7, 0xFFFE)

_SEARCHED_BYTES: Final = 64 << 20
_BLOCK_BYTES: Final = 1 << 20


def promised_bytes(head: bytes) -> int | None:
    """Return how long AIFF, AU, W64 and big-endian WAV files say that they are, where they do."""
    if len(head) < 24:
        return None
    if head.startswith((b"FORM", b"RIFX")):
        promised = int.from_bytes(head[4:8], "big") + 8
    elif head.startswith(b".snd"):
        promised = int.from_bytes(head[4:8], "big") + int.from_bytes(head[8:12], "big")
    elif head.startswith(b"riff"):
        promised = int.from_bytes(head[16:24], "little")
    else:
        return None
    return promised if promised < _UNKNOWN_BYTES or (head.startswith(b"riff") and promised < 1 << 62) else None


def size_correction(head: bytes, size: int) -> tuple[int, bytes] | None:
    """Return where a header says that its samples are 0 bytes, or unknown, and libsndfile would not play them to the
    end of a file of `size` bytes; and what should stand there. None where it would."""
    if head.startswith(b".snd") and len(head) >= 24 and not int.from_bytes(head[8:12], "big"):
        return (8, b"\xff" * 4) if size > int.from_bytes(head[4:8], "big") + _LEAST_LOST_BYTES else None
    if head.startswith(b"caff"):
        at, width, unknown = _data_at(head, 8, 8), 8, (0, (1 << 64) - 1)
        begins = at + 16  # behind an edit count
    elif head.startswith(b"RIFX"):
        at, width, unknown = _data_at(head, 12, 4), 4, (0, (1 << 32) - 1)
        begins = at + 8
    else:
        return None
    is_unknown = at > 0 and int.from_bytes(head[at + 4 : at + 4 + width], "big") in unknown
    if not is_unknown or size < begins + _LEAST_LOST_BYTES:
        return None
    return at + 4, min(size - at - 4 - width, (1 << 8 * width - 1) - 1).to_bytes(width, "big")


def _data_at(head: bytes, at: int, width: int) -> int:
    """Return where the chunk of the samples begins, in chunks with big-endian sizes of so many bytes; 0 for nowhere."""
    while len(head) >= at + 4 + width:
        if head.startswith(b"data", at):
            return at
        size = int.from_bytes(head[at + 4 : at + 4 + width], "big")
        at += 4 + width + size + (size & 1 if width == 4 else 0)
    return 0


def is_in_blocks(head: bytes) -> bool:
    """Whether an AU, AIFF or W64 file holds blocks, such as of GSM, which libsndfile does not read from a pipe."""
    if head.startswith(b".snd"):
        return int.from_bytes(head[12:16], "big") in _AU_IN_BLOCKS
    if head.startswith(b"FORM"):
        at = head.find(b"COMM")
        return at > 0 and head[8:12] == b"AIFC" and head[at + 26 : at + 30] in _AIFF_IN_BLOCKS
    if head.startswith(b"riff"):
        at = head.find(b"fmt ")
        return at > 0 and int.from_bytes(head[at + 24 : at + 26], "little") not in _WAV_TAGS_OF_SAMPLES
    return False


def has_frame_count(head: bytes) -> bool:
    """Whether an MP3 says how long it is."""
    return b"Xing" in head or b"Info" in head


def what_is_joined(file: BinaryIO, head: bytes, size: int) -> str | None:
    """Return the format of files that are joined in one of `size` bytes where libsndfile plays the first only."""
    promised = promised_bytes(head)
    if head.startswith(b".snd") and promised is not None:
        file.seek(min(promised, size))
        return "AU" if file.read(4) == b".snd" else None
    if head.startswith(b"fLaC"):
        return "FLAC" if _finds(file, size, b"fLaC\0\0\0\x22", 1) else None
    if head.startswith(b"OggS"):
        begins = head.find(b"OggS\0\0")  # all that sounds at once has begun before
        return "Ogg" if _finds(file, size, b"OggS\0\x02", begins if begins > 0 else len(head)) else None
    if has_frame_count(head):
        tag = b"Xing" if b"Xing" in head else b"Info"
        return "MP3" if _finds(file, size, tag + b"\0\0\0", head.index(tag) + 4) else None
    return None


def _finds(file: BinaryIO, size: int, wanted: bytes, at: int) -> bool:
    """Whether bytes are in a file, from `at` on, as far as is looked."""
    file.seek(at)
    data = b""
    while file.tell() < min(size, _SEARCHED_BYTES) and (more := file.read(_BLOCK_BYTES)):
        data = data[-len(wanted) :] + more
        if wanted in data:
            return True
    return False
