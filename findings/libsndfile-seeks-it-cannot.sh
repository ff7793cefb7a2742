#!/bin/sh
# soundfile 0.14.0 with libsndfile 1.2.2: two kinds of file that play, and that `SoundFile.read()` refuses all the same.
# A FLAC file that was written to a pipe (ffmpeg does not know its length then, and says 0) is called seekable and has
# 9223372036854775807 frames: read() tries to make room for as many ("array is too big"), and in blocks the last one is
# lost to "Internal psf_fseek() failed", as soundfile seeks after each read, to where it is already. GSM in WAV
# ("wav49", the voicemail of Asterisk) knows its frames and cannot seek: read() says "frames must be specified", and
# seek(0) fails, even at the beginning. Both give all their samples where `seekable` is overridden to say no.
# Needs ffmpeg. Seen: "flac: seekable True, 9223372036854775807 frames, read ValueError, seek works, in blocks 12000, forward 16000"
# and "gsm: seekable False, 16000 frames, read ValueError, seek LibsndfileError, in blocks 16000, forward 16000".
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


class Forward(soundfile.SoundFile):
    def seekable(self):
        return False


def frames_in_blocks(path, kind):
    count = 0
    with open(path, "rb") as file, kind(file.fileno(), closefd=False) as sound:
        try:
            while block := len(sound.read(4000)):
                count += block
        except soundfile.LibsndfileError:
            pass
    return count


for name in ("flac", "gsm"):
    path = f"{folder}/{name}"
    with open(path, "rb") as file, soundfile.SoundFile(file.fileno(), closefd=False) as sound:
        facts = f"seekable {sound.seekable()}, {sound.frames} frames"
    read, seek = (outcome(path, do) for do in (lambda sound: sound.read(), lambda sound: sound.seek(0)))
    blocks, forward = (frames_in_blocks(path, kind) for kind in (soundfile.SoundFile, Forward))
    print(f"{name}: {facts}, read {read}, seek {seek}, in blocks {blocks}, forward {forward}")
END
seen=$("$folder/venv/bin/python" "$folder/show.py" "$folder")
echo "$seen"
[ "$seen" = "flac: seekable True, 9223372036854775807 frames, read ValueError, seek works, in blocks 12000, forward 16000
gsm: seekable False, 16000 frames, read ValueError, seek LibsndfileError, in blocks 16000, forward 16000" ]
