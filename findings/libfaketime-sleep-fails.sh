#!/bin/sh
# libfaketime 0.9.10 (Debian 12) with Python 3.11, seen 2026-11: where the time of day is set by hours and the monotonic
# clock is left alone (FAKETIME_DONT_FAKE_MONOTONIC=1), `time.sleep` raises OSError "Invalid argument", in either
# direction. From 3.11 on Python sleeps until an instant of the monotonic clock, and the library corrects that instant by
# the hours that it does not add to the clock. `select.select` with a timeout sleeps as it should. So a thread that
# sleeps dies of a test that sets the clock, and nothing else does.
# Seen: "time.sleep: [Errno 22] Invalid argument; select: slept".
#
# Exits with 1 if that changes. Needs apt-get (Debian or Ubuntu) and Python 3.11; takes 5 s.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q libfaketime >/dev/null 2>&1 || { apt-get update -q >/dev/null && apt-get download -q libfaketime >/dev/null; }
for package in *.deb; do dpkg -x "$package" .; done
library=$(find "$PWD" -name libfaketime.so.1)
cat > sleeps.py <<'END'
import select
import time


def tried(sleep):
    begun_s = time.monotonic()
    try:
        sleep()
    except OSError as error:
        return error
    return "slept" if time.monotonic() - begun_s < 5 else "slept too long"


print(f"time.sleep: {tried(lambda: time.sleep(0.1))}; select: {tried(lambda: select.select([], [], [], 0.1))}")
END
for hours in +5h -5h; do
    seen=$(LD_PRELOAD=$library FAKETIME=$hours FAKETIME_DONT_FAKE_MONOTONIC=1 timeout 30 python3 sleeps.py)
    echo "$hours: $seen"
    [ "$seen" = "time.sleep: [Errno 22] Invalid argument; select: slept" ]
done
