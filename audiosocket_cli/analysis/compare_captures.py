"""Compares answers in captures, in a process of its own: two names on a line of standard input, and what came of it on
a line of standard output, as JSON.

Comparing takes tenths of a second, in which whoever has calls to look after could not. `server.comparing` starts this.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, Final

from audiosocket_cli.analysis.compare import answer_in, differences
from audiosocket_cli.capture.opening import open_capture
from audiosocket_cli.errors import AudioSocketError

MAX_BYTES: Final = 32 << 20
"""A larger capture is not compared: its audio is held in memory, several times over. A quarter of an hour of slin both
ways has less."""

_NICE: Final = 10


def compared(expected: Path, seen: Path) -> dict[str, Any]:
    """Return the `differences` between the answers in two captures of one call each, or the `failure`, as JSON
    values."""
    try:
        for path in (expected, seen):
            if path.stat().st_size > MAX_BYTES:
                return {"failure": f"{path.name} is larger than {MAX_BYTES >> 20} MiB: too long to compare"}
        found = differences(*(answer_in(open_capture(path)) for path in (expected, seen)))
    except OSError as error:
        return {"failure": f"cannot compare {error.filename}: {(error.strerror or str(error)).lower()}"}
    except (AudioSocketError, MemoryError) as error:
        return {"failure": str(error) or "not enough memory to compare"}
    return {"differences": [one.as_dict() for one in found]}


def main() -> None:
    """Compare until standard input ends. Signals are for who started this: what is asked for is done to the end."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    os.nice(_NICE)
    for line in sys.stdin:
        expected, seen = json.loads(line)
        sys.stdout.write(json.dumps(compared(Path(expected), Path(seen))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
