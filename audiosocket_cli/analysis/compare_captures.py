"""Compares answers in captures, in a separate process: a line of standard input names two files, a line of standard
output has the result, as JSON.

Comparing takes tenths of a second, in which a proxy could not serve its calls. `server.comparing` starts this process.
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
"""A larger capture is not compared: its audio is in memory several times. A call of a quarter of an hour, slin both
ways, is smaller."""

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
    """Compare until standard input ends. Signals are ignored: the parent handles them, and requests are completed."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    os.nice(_NICE)
    for line in sys.stdin:
        expected, seen = json.loads(line)
        sys.stdout.write(json.dumps(compared(Path(expected), Path(seen))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
