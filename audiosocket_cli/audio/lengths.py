"""The lengths that sound files other than little-endian WAV state, and whether they are true. For WAV: `wav_header`."""

from __future__ import annotations

from typing import BinaryIO, Final, NamedTuple

_UNKNOWN_BYTES: Final = 0x7F000000
"""From here on, a size of 32 bits means "until the end": sox writes this one, others write 0xFFFFFFFF."""

_MIN_LOST_BYTES: Final = 1024
"""At least this much after a header that says 0 is sound whose writer died."""

_AU_IN_BLOCKS: Final = range(23, 27)
_AIFF_IN_BLOCKS: Final = (b"GSM ", b"ima4")
_WAV_TAGS_OF_SAMPLES: Final = (1, 3, 6, 7, 0xFFFE)

_SEARCHED_BYTES: Final = 64 << 20
_BLOCK_BYTES: Final = 1 << 20

_OGG_PAGE_BYTES: Final = 65307
"""No page of Ogg is longer (RFC 3533)."""

_MAX_MARK_BYTES: Final = 16


def promised_bytes(head: bytes) -> int | None:
    """Return the length in bytes that the header of an AIFF, AU, W64 or big-endian WAV file states, or None."""
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
    """Return how to correct a header that tells a length of 0, or an unknown one, so that libsndfile plays to the end
    of a file of `size` bytes: the position, and the bytes to put there. None when nothing needs correcting."""
    if head.startswith(b".snd") and len(head) >= 24 and not int.from_bytes(head[8:12], "big"):
        return (8, b"\xff" * 4) if size > int.from_bytes(head[4:8], "big") + _MIN_LOST_BYTES else None
    if head.startswith(b"caff"):
        at, width, unknown = _data_at(head, 8, 8), 8, (0, (1 << 64) - 1)
        begins = at + 16  # after an edit count
    elif head.startswith(b"RIFX"):
        at, width, unknown = _data_at(head, 12, 4), 4, (0, (1 << 32) - 1)
        begins = at + 8
    else:
        return None
    is_unknown = at > 0 and int.from_bytes(head[at + 4 : at + 4 + width], "big") in unknown
    if not is_unknown or size < begins + _MIN_LOST_BYTES:
        return None
    return at + 4, min(size - at - 4 - width, (1 << 8 * width - 1) - 1).to_bytes(width, "big")


def _data_at(head: bytes, at: int, width: int) -> int:
    """Return where the chunk of the samples begins, among chunks with big-endian sizes of `width` bytes; 0 for
    nowhere."""
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


class JoinMark(NamedTuple):
    """How and where the second of two joined files begins, of which libsndfile plays the first only."""

    format: str
    begins: bytes
    at: int
    is_exact: bool
    """Whether it is exactly there, if anywhere; otherwise it may be anywhere after that."""


def join_mark(head: bytes) -> JoinMark | None:
    """Return how to recognise a second file after the one with this head; None where both play, and for WAV."""
    promised = promised_bytes(head)
    if promised is not None and not head.startswith(b"RIFX"):
        if head.startswith(b"FORM"):
            return JoinMark("AIFF" if head[8:11] == b"AIF" else "SVX", b"FORM", promised + (promised & 1), True)
        return (
            JoinMark("AU", head[:4], promised, True)
            if head.startswith(b".snd")
            else JoinMark("W64", head[:16], promised, True)
        )
    if head.startswith(b"caff"):
        at = _data_at(head, 8, 8)
        size = int.from_bytes(head[at + 4 : at + 12], "big", signed=True)
        return JoinMark("CAF", head[:6], at + 12 + size, False) if at and size > 0 else None
    if head.startswith(b"fLaC"):
        return JoinMark("FLAC", b"fLaC\0\0\0\x22", 1, False)
    if head.startswith(b"OggS"):
        begins = head.find(b"OggS\0\0")  # all streams that play at the same time have begun before
        return JoinMark("Ogg", b"OggS\0\x02", begins if begins > 0 else len(head), False)
    if has_frame_count(head):
        tag = b"Xing" if b"Xing" in head else b"Info"
        return JoinMark("MP3", tag + b"\0\0\0", head.index(tag) + 4, False)
    return None


def what_is_joined(file: BinaryIO, head: bytes, size: int) -> str | None:
    """Return the format of files that are joined in one of `size` bytes where libsndfile plays the first only."""
    mark = join_mark(head)
    if mark is None:
        return None
    watch = EndWatch(head, begin=mark.at)
    file.seek(min(mark.at, size))
    most = len(mark.begins) if mark.is_exact else _SEARCHED_BYTES
    while most > 0 and watch.joined is None and (data := file.read(min(most, _BLOCK_BYTES))):
        watch.feed(data)
        most -= len(data)
    return watch.joined


def is_cut_ogg(file: BinaryIO, head: bytes, size: int) -> bool:
    """Whether a file of `size` bytes is Ogg, and lacks its last page."""
    if not head.startswith(b"OggS"):
        return False
    file.seek(max(0, size - _OGG_PAGE_BYTES))
    watch = EndWatch(head, begin=size)
    while data := file.read(_OGG_PAGE_BYTES):
        watch.feed(data)
    return watch.is_cut_ogg


class EndWatch:
    """Watches a sound file pass, and tells whether another file follows it, and whether an Ogg file lacks its end."""

    def __init__(self, head: bytes, *, begin: int = 0) -> None:
        """Watch the file that begins with `head`, from offset `begin` on."""
        self.joined: str | None = None
        """The format of a second file, once that has begun."""
        self._mark = join_mark(head)
        self._is_ogg = head.startswith(b"OggS")
        self._at = begin
        self._tail = b""

    def feed(self, data: bytes) -> None:
        """Take what comes next."""
        if self._mark is not None and self.joined is None:
            self._look(data, self._mark)
        kept = _OGG_PAGE_BYTES if self._is_ogg else _MAX_MARK_BYTES
        self._tail = (self._tail + data)[-kept:]
        self._at += len(data)

    def _look(self, data: bytes, mark: JoinMark) -> None:
        seen = self._tail[-len(mark.begins) :] + data
        skipped = mark.at - (self._at + len(data) - len(seen))
        found = seen.find(mark.begins, max(0, skipped))
        if found >= 0 and (not mark.is_exact or found == skipped):
            self.joined = mark.format

    @property
    def is_cut(self) -> bool:
        """Whether fewer bytes came than the header promises."""
        return self._mark is not None and self._mark.is_exact and self._at < self._mark.at - 1  # which may be padding

    @property
    def is_cut_ogg(self) -> bool:
        """Whether it is Ogg, and its latest page is not whole or not marked as the last (RFC 3533)."""
        if not self._is_ogg:
            return False
        page = self._tail[self._tail.rfind(b"OggS") :]
        sizes = page[27 : 27 + page[26]] if len(page) > 26 else b""
        is_whole = len(page) > 26 and len(sizes) == page[26] and len(page) >= 27 + len(sizes) + sum(sizes)
        return not (is_whole and page[5] & 4)
