#!/bin/sh
# lz4 4.4.5 (PyPI): LZ4FrameDecompressor has the methods and attributes of bz2.BZ2Decompressor and lzma.LZMADecompressor,
# but where nothing follows a frame its `unused_data` is None, where theirs is b"": len(unused_data) raises TypeError.
# Seen: "bz2 b'' lzma b'' lz4 None". Exits with 1 when that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check lz4==4.4.5
"$folder/venv/bin/python" - <<'PYTHON'
import bz2, lzma, sys
import lz4.frame

found = {}
for name, unpack, packed in (
    ("bz2", bz2.BZ2Decompressor(), bz2.compress(b"hello")),
    ("lzma", lzma.LZMADecompressor(), lzma.compress(b"hello")),
    ("lz4", lz4.frame.LZ4FrameDecompressor(), lz4.frame.compress(b"hello")),
):
    assert unpack.decompress(packed) == b"hello"
    assert unpack.eof
    found[name] = unpack.unused_data
print(" ".join(f"{name} {data!r}" for name, data in found.items()))
sys.exit(found != {"bz2": b"", "lzma": b"", "lz4": None})
PYTHON
