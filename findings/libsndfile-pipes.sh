#!/bin/sh
# libsndfile 1.2.2 (the wheel of soundfile 0.14.0) reading from a pipe by its descriptor, as `cat FILE |` gives it. WAV,
# Ogg and MP3 come whole; FLAC, the format that streams best, does not open ("flac decoder lost sync"), though the same
# bytes open as a file; CAF opens, says how long it is and gives nothing; and RF64 gives a few frames less than it says
# and no error. So opening a pipe that libsndfile accepts proves nothing about what comes out of it.
# Seen: WAV 16000 of 16000, OGG 16000, MP3 16000, FLAC error, CAF 0 of 16000, RF64 15996 of 16000.
# Exits with 1 if that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check soundfile==0.14.0 numpy 2>/dev/null
cat >"$folder/show.py" <<'END'
import os, sys, threading
import numpy, soundfile

folder = sys.argv[1]
samples = 0.3 * numpy.sin(2 * numpy.pi * 440 * numpy.arange(16000) / 8000)


class Forward(soundfile.SoundFile):
    def seekable(self):  # soundfile seeks with each read otherwise
        return False


def frames_through_a_pipe(data):
    ours, theirs = os.pipe()

    def write():
        with open(theirs, "wb") as pipe:
            pipe.write(data)

    threading.Thread(target=write, daemon=True).start()
    try:
        with Forward(ours, closefd=False) as file:
            count = 0
            while block := len(file.read(4000)):
                count += block
            return count
    except soundfile.LibsndfileError:
        return "error"


for kind in ("WAV", "OGG", "MP3", "FLAC", "CAF", "RF64"):
    path = f"{folder}/tone.{kind}"
    soundfile.write(path, samples, 8000, format=kind)
    with open(path, "rb") as file:
        print(kind, frames_through_a_pipe(file.read()))
END
seen=$("$folder/venv/bin/python" "$folder/show.py" "$folder" | tr '\n' ' ')
echo "$seen"
[ "$seen" = "WAV 16000 OGG 16000 MP3 16000 FLAC error CAF 0 RF64 15996 " ]
