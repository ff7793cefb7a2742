#!/bin/sh
# soundfile 0.14.0 with its own libsndfile (1.2.2): a SoundFile opened by name has a descriptor without O_CLOEXEC,
# unlike all that Python opens itself (PEP 446). A program that is started meanwhile with os.posix_spawn, os.system or
# subprocess with close_fds=False inherits the file, and keeps it open. One that is opened by a descriptor of Python's is
# not inherited.
# Seen: "by name: inherited" and "by descriptor: not inherited". Exits with 1 if that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check soundfile==0.14.0 numpy 2>/dev/null
cat >"$folder/show.py" <<'END'
import os, sys
import soundfile

path = sys.argv[1]
soundfile.write(path, [0.0] * 800, 8000)


def child_sees(number):
    look = f"import os, sys; sys.exit(os.path.exists('/dev/fd/{number}'))"
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", look], os.environ)
    return "inherited" if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) else "not inherited"


def number_of(name):
    return next(int(fd) for fd in os.listdir("/dev/fd") if os.path.realpath(f"/dev/fd/{fd}") == os.path.realpath(name))


with soundfile.SoundFile(path):
    print("by name:", child_sees(number_of(path)))
with open(path, "rb") as file, soundfile.SoundFile(file.fileno(), closefd=False):
    print("by descriptor:", child_sees(number_of(path)))
END
seen=$("$folder/venv/bin/python" "$folder/show.py" "$folder/silence.wav")
echo "$seen"
[ "$seen" = "by name: inherited
by descriptor: not inherited" ]
