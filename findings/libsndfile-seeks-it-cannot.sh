#!/bin/sh
# soundfile 0.14.0 with libsndfile 1.2.2: two kinds of file that play, and that `soundfile.read` refuses all the same.
# A FLAC file that was written to a pipe (ffmpeg does not know its length then, and says 0) has 2^63-1 frames and is
# called seekable, so that `read(8000)` fails with "Internal psf_fseek() failed": soundfile seeks after each read, to
# where it is already. GSM in WAV ("wav49", the voicemail of Asterisk) cannot seek, and `soundfile.read` says "frames
# must be specified". Both give all their samples where `seekable` is overridden to say no, and frames are asked for.
# Needs ffmpeg. Seen: "flac: seekable True, 9223372036854775807 frames, read fails, forward 16000" and
# "gsm: seekable False, 16000 frames, read fails, forward 16000". Exits with 1 if that changes.
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


class Forward(soundfile.SoundFile):
    def seekable(self):
        return False


for name in ("flac", "gsm"):
    with open(f"{folder}/{name}", "rb") as file, soundfile.SoundFile(file.fileno(), closefd=False) as sound:
        facts = f"seekable {sound.seekable()}, {sound.frames} frames"
    try:
        with open(f"{folder}/{name}", "rb") as file:
            soundfile.read(file.fileno(), closefd=False)
        facts += ", read works"
    except (soundfile.LibsndfileError, ValueError):
        facts += ", read fails"
    count = 0
    with open(f"{folder}/{name}", "rb") as file, Forward(file.fileno(), closefd=False) as sound:
        while block := len(sound.read(4000)):
            count += block
    print(f"{name}: {facts}, forward {count}")
END
seen=$("$folder/venv/bin/python" "$folder/show.py" "$folder")
echo "$seen"
[ "$seen" = "flac: seekable True, 9223372036854775807 frames, read fails, forward 16000
gsm: seekable False, 16000 frames, read fails, forward 16000" ]
