#!/bin/sh
# soundfile 0.14.0 with cffi 2.1.1, where memory may not be written and then executed (Linux PR_SET_MDWE, as systemd's
# MemoryDenyWriteExecute=yes sets it): a SoundFile on a Python file object (io.BytesIO, anything with read or write)
# raises MemoryError "Cannot allocate write+execute memory for ffi.callback()", while the same on a file descriptor or a
# name works. `import soundfile` works, too, so that it is seen only when the first file is opened that way.
# Seen: "object: MemoryError" and "descriptor: 800 frames". Exits with 1 if that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check soundfile==0.14.0 cffi==2.1.1 numpy 2>/dev/null
cat >"$folder/show.py" <<'END'
import ctypes, io, sys, tempfile
import numpy, soundfile
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0):
    sys.exit("this kernel has no PR_SET_MDWE (Linux 6.3): nothing to see")
samples = numpy.zeros(800, numpy.int16)
try:
    soundfile.write(io.BytesIO(), samples, 8000, format="FLAC")
    print("object: written")
except MemoryError:
    print("object: MemoryError")
with tempfile.TemporaryFile() as file:
    with soundfile.SoundFile(file.fileno(), "w", 8000, 1, "PCM_16", format="FLAC", closefd=False) as out:
        out.write(samples)
    file.seek(0)
    with soundfile.SoundFile(file.fileno(), closefd=False) as back:
        print(f"descriptor: {back.frames} frames")
END
seen=$("$folder/venv/bin/python" "$folder/show.py")
echo "$seen"
[ "$seen" = "object: MemoryError
descriptor: 800 frames" ]
