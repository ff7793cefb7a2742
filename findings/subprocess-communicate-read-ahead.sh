#!/bin/sh
# Python 3.11 to 3.13, subprocess: after a line was read from process.stdout (readline, or a loop over it),
# process.communicate() with a time limit, or with two pipes, returns what comes afterwards without the lines that the
# reader had taken from the pipe together with that one. They are in its buffer, and lost: tests that wait for one line
# and then collect the rest miss a line now and then, on busy machines mostly.
# Seen: "read: first, communicate: ''" of a process that printed "first" and "second". Exits with 1 if that changes.
set -eu
seen=$(python3 - <<'END'
import subprocess, sys
process = subprocess.Popen(
    [sys.executable, "-c", "print('first'); print('second')"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
)
process.wait()  # so that both lines are in the pipe
first = process.stdout.readline().strip()
print(f"read: {first}, communicate: {process.communicate(timeout=10)[0]!r}")
END
)
echo "$seen"
[ "$seen" = "read: first, communicate: ''" ]
