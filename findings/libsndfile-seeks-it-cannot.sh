#!/bin/sh
# soundfile 0.14.0 with libsndfile 1.2.2: two kinds of file that play, and that `SoundFile.read()` refuses all the same.
# A FLAC file that was written to a pipe (ffmpeg does not know its length then, and says 0) is called seekable and has
# 9223372036854775807 frames: read() tries to make room for as many ("array is too big"). GSM in WAV ("wav49", the
# voicemail of Asterisk) knows its frames and cannot seek: read() says "frames must be specified", and seek(0) fails,
# even at the beginning. Both give all their samples where frames are asked for until there are none.
# Needs ffmpeg. Seen: "flac: seekable True, 9223372036854775807 frames, read ValueError, seek works, in blocks 16000"
# and "gsm: seekable False, 16000 frames, read ValueError, seek LibsndfileError, in blocks 16000".
# Exits with 1 if that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check soundfile==0.14.0 numpy 2>/dev/null
ffmpeg -v error -f lavfi -i sine=440:r=8000:d=2 -f flac - | cat >"$folder/flac"
cat >"$folder/show.py" <<'END'
import sys
import numpy, soundfile

folder = sys.argv[1]
soundfile.write(f"{folder}/gsm", numpy.zeros(16000, numpy.int16), 8000, "GSM610", format="WAV")


def outcome(path, do):
    with open(path, "rb") as file, soundfile.SoundFile(file.fileno(), closefd=False) as sound:
        try:
            do(sound)
        except (soundfile.LibsndfileError, ValueError) as error:
            return type(error).__name__
    return "works"


for name in ("flac", "gsm"):
    path = f"{folder}/{name}"
    count = 0
    with open(path, "rb") as file, soundfile.SoundFile(file.fileno(), closefd=False) as sound:
        facts = f"seekable {sound.seekable()}, {sound.frames} frames"
        while count < 16000:
            count += len(sound.read(4000))
    read, seek = (outcome(path, do) for do in (lambda sound: sound.read(), lambda sound: sound.seek(0)))
    print(f"{name}: {facts}, read {read}, seek {seek}, in blocks {count}")
END
seen=$("$folder/venv/bin/python" "$folder/show.py" "$folder")
echo "$seen"
[ "$seen" = "flac: seekable True, 9223372036854775807 frames, read ValueError, seek works, in blocks 16000
gsm: seekable False, 16000 frames, read ValueError, seek LibsndfileError, in blocks 16000" ]
