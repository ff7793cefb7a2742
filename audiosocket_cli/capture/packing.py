"""Packed inputs: gzip, xz, bzip2, and, where Python can, zstd and lz4, unpacked as they come; all others named."""

from __future__ import annotations

import contextlib
import importlib
import re
import shlex
import zlib
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from audiosocket_cli.capture.window import READ_BYTES, Read, Window
from audiosocket_cli.errors import FileError
from audiosocket_cli.libraries import install_line

_STEP_BYTES: Final = 4096
"""Packed bytes are unpacked in such steps: what a member leaves over is copied, and members can be tiny."""

_MAX_PACKED: Final = 3
"""How often an input may be packed in itself. There are files that unpack to themselves."""

_MAX_MEMORY_BYTES: Final = 256 << 20
"""What unpacking may take: xz -9 needs 65 MiB, zstd 8 to 128."""


class _Packing(NamedTuple):
    """One way to pack, known by how it begins."""

    name: str
    magic: bytes
    make: Callable[[], Any] | None
    """Makes what unpacks one member, with the methods of `bz2.BZ2Decompressor`; raises `ImportError` where that needs
    what is not there. None for what nothing here unpacks."""
    command: str
    """What does so elsewhere."""
    package: str = ""
    """The Python package that it needs."""


def _gzip() -> Any:
    return _Gunzip()


def _bzip2() -> Any:
    return importlib.import_module("bz2").BZ2Decompressor()


def _xz() -> Any:
    return importlib.import_module("lzma").LZMADecompressor(memlimit=_MAX_MEMORY_BYTES)


def _zstd() -> Any:
    try:
        module = importlib.import_module("compression.zstd")  # from Python 3.14 on
    except ImportError:
        module = importlib.import_module("backports.zstd")
    return module.ZstdDecompressor()


def _lz4() -> Any:
    return importlib.import_module("lz4.frame").LZ4FrameDecompressor()


_PACKINGS: Final = (
    _Packing("gzip", b"\x1f\x8b\x08", _gzip, "gzip -dc"),
    _Packing("xz", b"\xfd7zXZ\0", _xz, "xz -dc"),
    _Packing("lzma", b"\x5d\0\0", _xz, "xz -dc"),
    _Packing("bzip2", b"BZh", _bzip2, "bzip2 -dc"),
    _Packing("zstd", b"\x28\xb5\x2f\xfd", _zstd, "zstd -dc", "backports.zstd"),
    _Packing("lz4", b"\x04\x22\x4d\x18", _lz4, "lz4 -dc", "lz4"),
    _Packing("lz4 (an old form)", b"\x02\x21\x4c\x18", None, "lz4 -dc"),
    _Packing("zstd or lz4 (its skippable frames)", b"\x2a\x4d\x18", None, "zstd -dc"),
    _Packing("compress", b"\x1f\x9d", None, "gzip -dc"),
    _Packing("lzip", b"LZIP", None, "lzip -dc"),
    _Packing("lzop", b"\x89LZO", None, "lzop -dc"),
    _Packing("7-Zip", b"7z\xbc\xaf\x27\x1c", None, "7z x -so"),
    _Packing("ZIP", b"PK\x03\x04", None, "unzip -p"),
    _Packing("RAR", b"Rar!", None, "unrar p -inul"),
    _Packing("snappy", b"\xff\x06\0\0sNaPpY", None, "python3 -m snappy -d -i"),
)
PACKED: Final = re.compile(
    b"|".join(re.escape(each.magic) for each in _PACKINGS if len(each.magic) > 3 and not each.magic.isalnum())
    + rb"|\x1f\x8b\x08|BZh[1-9]1AY&SY"
)
"""Where packed bytes begin, even in text."""

_MAX_MAGIC: Final = 10
_SKIPPABLE: Final = range(0x50, 0x60)
"""What the first byte of a skippable frame may be, of zstd and of lz4."""

_TAR: Final = b"ustar"
_TAR_AT: Final = 257


def unpack(read: Read, name: str) -> tuple[Read, Window, list[Unpacked]]:
    """Return how to read an input unpacked, its beginning, and what unpacks it, the outermost first.

    Raises `FileError`, with the line to run, for what can only be unpacked elsewhere.
    """
    window = Window(read)
    layers: list[Unpacked] = []
    while len(layers) < _MAX_PACKED and (packing := _packing_of(window)):
        layers.append(Unpacked(read, window.data, packing, name))
        read = layers[-1].read
        window = Window(read)
    return read, window, layers


def _packing_of(window: Window) -> _Packing | None:
    window.ensure(1)
    for size in range(1, _MAX_MAGIC + 1):  # no more is waited for than what may still become one
        begun = window.data[:size]
        skippable = begun[:1] and begun[0] in _SKIPPABLE
        likely = [one for one in _PACKINGS if one.magic.startswith(begun)]
        if skippable:
            likely += [one for one in _PACKINGS if "skippable" in one.name and one.magic.startswith(begun[1:])]
        whole = [one for one in likely if one.magic == begun or (skippable and one.magic == begun[1:])]
        if whole:
            return whole[0]
        if not likely or not window.ensure(size + 1):
            return None
    return None


def is_tar(window: Window) -> bool:
    """Whether what comes is a tar archive."""
    window.ensure(_TAR_AT + len(_TAR))
    return window.data[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR


def unpacking_line(command: str, name: str) -> str:
    """Return what to type to unpack a file for `dump`."""
    source = "" if name == "standard input" else f" {shlex.quote(name)}"
    return f"{command}{source} | audiosocket dump -"


class Unpacked:
    """Unpacks an input, of any number of members, as it comes. `fault` says why it ended, if not in order."""

    def __init__(self, read: Read, data: bytes, packing: _Packing, name: str) -> None:
        """Raises `FileError` where nothing here unpacks it."""
        self.fault: str | None = None
        self.offset = 0
        """How many bytes have come out."""
        self._packing = packing
        self._read = read
        self._packed = memoryview(data)
        self._ended = False
        self._unpack: Any
        try:
            self._unpack = packing.make() if packing.make else None
        except ImportError:
            self._unpack = None
        if not self._unpack:
            cure = unpacking_line(packing.command, name)
            package = f" (or: {install_line(packing.package)})" if packing.package else ""
            raise FileError(f"cannot read {name}: it is packed with {packing.name}; unpack it first: {cure}{package}")

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, as soon as there are some; b"" at the end, and where the input breaks."""
        parts: list[bytes] = []
        have = 0
        while have < size and not self._ended:
            if not self._packed and (self._unpack.needs_input or self._unpack.eof):
                if have:
                    break  # what comes next may have to be waited for
                self._packed = memoryview(self._read(READ_BYTES))
                if not self._packed:
                    self._end(None if self._unpack.eof else f"the {self._packing.name} stream is cut")
                    break
            part = self._step(size - have)
            parts.append(part)
            have += len(part)
        self.offset += have
        return b"".join(parts)

    def _step(self, size: int) -> bytes:
        step = bytes(self._packed[:_STEP_BYTES]) if self._unpack.needs_input or self._unpack.eof else b""
        if self._unpack.eof:
            padding = len(step) - len(step.lstrip(b"\0"))  # some writers pad, after the last member or between two
            if padding:
                self._packed = self._packed[padding:]
                return b""
            assert self._packing.make
            self._unpack = self._packing.make()
        try:
            data: bytes = self._unpack.decompress(step, size)
        except Exception as error:  # each library has one of its own
            self._end(f"the {self._packing.name} stream is damaged ({str(error).split(': ')[-1].lower()})")
            return error.salvaged if isinstance(error, _GzipError) else b""
        left = len(self._unpack.unused_data or b"") if self._unpack.eof else 0  # lz4 has None for nothing
        self._packed = self._packed[len(step) - left :]
        return data

    def _end(self, fault: str | None) -> None:
        self._ended, self.fault = True, fault


class _GzipError(Exception):
    """A gzip stream is damaged; `salvaged` is what can be had up to there."""

    def __init__(self, error: zlib.error, salvaged: bytes) -> None:
        super().__init__(str(error))
        self.salvaged = salvaged


class _Gunzip:
    """One member of gzip, unpacked as `bz2.BZ2Decompressor` does it."""

    def __init__(self) -> None:
        self._unpack = zlib.decompressobj(wbits=31)
        self._left = b""

    @property
    def eof(self) -> bool:
        return self._unpack.eof

    @property
    def needs_input(self) -> bool:
        return not self._left and not self._unpack.eof

    @property
    def unused_data(self) -> bytes:
        return self._unpack.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        data = self._left + data
        before = self._unpack.copy()
        try:
            unpacked = self._unpack.decompress(data, max_length)
        except zlib.error as error:
            raise _GzipError(error, _up_to_damage(before, data)) from None
        self._left = self._unpack.unconsumed_tail
        return unpacked


def _up_to_damage(unpack: zlib._Decompress, step: bytes) -> bytes:
    """Return what can be had of a step that fails: zlib gives nothing of it, unless it gets a byte at a time."""
    parts = []
    with contextlib.suppress(zlib.error):
        for at in range(len(step)):
            parts.append(unpack.decompress(step[at : at + 1]))
    return b"".join(parts)
