"""What a capture lacks is said in words, by whoever judges or repeats a call."""

from __future__ import annotations

from audiosocket_cli.capture.lacks import left_out_of, missing_of
from audiosocket_cli.capture.opening import Capture
from audiosocket_cli.model import Side
from support.captures import in_pieces
from support.lacking import encrypted


def test_packets_that_cannot_be_read_are_left_out() -> None:
    capture = Capture(in_pieces(encrypted(), 4096), "x")
    assert left_out_of(capture) == []  # nothing was read yet
    assert list(capture) == []
    assert left_out_of(capture) == ["left out 21 packets in IPsec (ESP), encrypted"]


def test_missing_bytes_are_counted() -> None:
    assert missing_of(Side.CALLER, 0) == []
    assert missing_of(Side.CALLER, 1) == [
        "1 byte of the caller is missing from the capture: tcpdump -s 0 -B 16384 keeps more"
    ]
    assert missing_of(Side.SERVER, 646)[0].startswith("646 bytes of the server are missing")
