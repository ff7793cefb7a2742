"""Names inputs that are not captures, or no longer are, with the cure."""

from __future__ import annotations

import re
from typing import Final

from audiosocket_cli.capture.packing import PACKED, is_tar, unpacking_line
from audiosocket_cli.capture.window import Read, Window

_FILES: Final = {
    b"RIFF": "a WAV file",
    b"fLaC": "a FLAC file",
    b"OggS": "an Ogg file",
    b"ID3": "an MP3 file",
    b"\x7fELF": "a program",
    b"SQLite format 3": "an SQLite database",
    b"%PDF": "a PDF file",
    b"\x89PNG": "a PNG file",
}
"""Files given by mistake, which would be taken for raw bytes otherwise."""

_OTHER_CAPTURES: Final = {
    b"snoop\0\0\0": "snoop",
    b"GMBU": "Microsoft Network Monitor",
    b"RTSS": "Microsoft Network Monitor",
    b"XCP\0": "NetXRay",
    b"TRSNIFF data": "Sniffer",
    b"\x1c\x00\x01\xac": "lcap",
    b"\x1c\x00\x01\xab": "lcap",
    b"\xac\x01\x00\x1c": "lcap",
    b"\xab\x01\x00\x1c": "lcap",
}
"""Formats of other programs, which Wireshark's editcap converts."""

_CHANGED: Final = {
    b"\r\n\r\r\r\n": "each of its line feeds became CR LF, as through ssh -t, or FTP in text mode",
    b"\n\r\n": "each CR LF in it became a line feed, as through dos2unix, or FTP in text mode",
    b"\xff\xfe": "it was made text, as by the > of PowerShell",
}
"""The first bytes of a capture that was changed on its way, and what changed it."""

_BYTE_ORDER: Final = re.compile(rb"\x1a\x2b\x3c\x4d|\x4d\x3c\x2b\x1a")
_SECTION_BYTES: Final = 12

_CURE: Final = "capture again with ssh -T HOST tcpdump -U -w - … > FILE, or copy the file with scp"

_STARTS: Final = re.compile(
    rb"\xa1\xb2\xc3\xd4|\xd4\xc3\xb2\xa1|\xa1\xb2\x3c\x4d|\x4d\x3c\xb2\xa1|\xa1\xb2\xcd\x34|\x34\xcd\xb2\xa1"
    rb"|\n\r\r\n.{4}(?:\x1a\x2b\x3c\x4d|\x4d\x3c\x2b\x1a)|\r\n\r\r\r\n|" + PACKED.pattern,
    re.DOTALL,
)
"""Where a capture begins after something else, packed or not."""

_RESULT: Final = re.compile(
    rb'(?:\xef\xbb\xbf)?\s*\{\s*"schema"\s*:\s*"(audiosocket\.(?!frames/)[a-z-]{1,40}/\d{1,3})"'
)
_SPREAD: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{[ \t\r]*\n")
_LINE: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{\s*\S[^\n]*\n")
"""How the JSON of our results begins, an object that goes over several lines, and one up to the end of a line."""
_RESULT_BYTES: Final = 200

_PRINTED: Final = re.compile(
    rb"(?:\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d\.\d+ (?:\S+ +(?:In|Out|P|B|M) +)?(?:IP6?|ARP|\d\d:)\b"
)
"""A line of what tcpdump prints."""

_TEXT: Final = re.compile(rb"[\t\n\r\x1b\x20-\x7e\x80-\xff]+")
_LOOK_BYTES: Final = 64 << 10
_QUOTED: Final = 60
_SURE_LINES: Final = 3
_MIN_TEXT: Final = 16
"""This many printable characters are text, not chance."""


def name_foreign(window: Window, name: str) -> str | None:
    """Say what an input that is not a capture is, with the cure; None if it may be one."""
    start = window.data[:16]
    for magic, what in _FILES.items():
        if start.startswith(magic):
            return f"it is {what}, not a capture"
    for magic, what in _OTHER_CAPTURES.items():
        if start.startswith(magic):
            return f"it is a capture of {what}; convert it: editcap -F pcapng IN OUT"
    if start[:1] in (b"\r", b"\n"):
        window.ensure(_SECTION_BYTES)  # no frame begins like this
    for magic, how in _CHANGED.items():
        is_section = magic[:1] != b"\n" or _BYTE_ORDER.search(window.data[:_SECTION_BYTES])
        if window.data.startswith(magic) and is_section:
            return f"{how}: {_CURE}"
    return None


def name_json(window: Window) -> str | None:
    """Say what JSON is that is not lines of a capture, by how it begins; None if it may be such."""
    while not _LINE.match(window.data, window.at) and window.size < _RESULT_BYTES and window.ensure(window.size + 1):
        pass
    result = _RESULT.match(window.data, window.at)
    if result is not None:
        return f"it is a result ({result[1].decode()}), not a capture: give it to audiosocket report or doctor"
    if _SPREAD.match(window.data, window.at):
        return "it is JSON over several lines; a capture has one object a line, which jq -c . FILE makes of it"
    return None


def name_text(window: Window, name: str) -> str | None:
    """Say what an input that begins with text is: a capture may follow a greeting. None if it is not text.

    It reads on, because more follows a greeting.
    """
    if 0x20 <= window.data[window.at] < 0x7F and is_tar(window):
        return f"it is a tar archive; take the capture out of it: {unpacking_line('tar -xOf', name)}"
    while _is_text(window):
        begun = _STARTS.search(window.data, window.at)
        if begun is not None:
            text = window.data[window.at : begun.start()]
            how = "ssh -t" if b"\r\n" in text else "a login greeting, or 2>&1"
            return f"{_quoted(text)} stands before the capture ({how}): {_CURE}, and keep ~/.bashrc silent"
        if window.size >= _LOOK_BYTES or not window.ensure(window.size + 1):
            break
    if not _is_text(window):
        return None
    if _PRINTED.search(window.data[window.at : window.at + _LOOK_BYTES]):
        return "it is what tcpdump prints, not what it captures: say tcpdump -w FILE"
    return None


def _is_text(window: Window) -> bool:
    line = window.data[window.at : window.at + _QUOTED]
    begun = _STARTS.search(window.data, window.at, window.at + _LOOK_BYTES)
    line = line[: begun.start() - window.at] if begun else line
    is_long = begun is not None or len(line) >= _MIN_TEXT
    return is_long and _TEXT.fullmatch(line) is not None and line[:1] not in (b"{", b"#", b"/")  # those may be JSON


def _quoted(text: bytes) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return repr((lines[0] if lines else b"")[:_QUOTED].decode("utf-8", "replace"))


class LineEnds:
    """Reads an input, and tells whether a carriage return precedes every line feed; of few line feeds that is
    chance."""

    def __init__(self, read: Read, begun: bytes = b"") -> None:
        """Some of it may have been read already."""
        self._read = read
        self._feeds, self._pairs = begun.count(b"\n"), begun.count(b"\r\n")
        self._last = begun[-1:]

    def __call__(self, size: int) -> bytes:
        """Return up to `size` bytes."""
        data = self._read(size)
        if self._pairs < self._feeds:
            return data  # it is known: counting takes longer than all else that is done with raw bytes
        self._feeds += data.count(b"\n")
        self._pairs += data.count(b"\r\n") + (self._last == b"\r" and data.startswith(b"\n"))
        self._last = data[-1:] or self._last
        return data

    @property
    def fault(self) -> str | None:
        """Say that line ends were changed on the way, if they were."""
        if self._feeds < _SURE_LINES or self._pairs < self._feeds:
            return None
        return f"{_CHANGED[next(iter(_CHANGED))]}: {_CURE}"
