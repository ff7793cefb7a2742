"""What a capture lacks, in words: who judges a call, or repeats it, has to say so."""

from __future__ import annotations

from audiosocket_cli.capture.opening import Capture
from audiosocket_cli.model import Side
from audiosocket_cli.text import counted


def left_out_of(capture: Capture) -> list[str]:
    """Say which packets of a capture, read to its end, hold nothing that can be read, and how many it dropped."""
    said = [f"left out {counted(count, 'packet')} {why}" for why, count in capture.packets_left_out.items()]
    if capture.dropped:
        said.append(
            f"{counted(capture.dropped, 'packet')} {'was' if capture.dropped == 1 else 'were'} dropped while it was "
            "captured: tcpdump -s 0 -B 16384 -w FILE keeps more"
        )
    return said


def missing_of(side: Side, missing_bytes: int) -> list[str]:
    """Say how many bytes of a side the capture lost, where it lost any."""
    lost = f"{counted(missing_bytes, 'byte')} of the {side} {'is' if missing_bytes == 1 else 'are'}"
    return [f"{lost} missing from the capture: tcpdump -s 0 -B 16384 keeps more"] if missing_bytes else []
