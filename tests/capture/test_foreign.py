"""What is given as a capture and is none: named for what it is, and what is one is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.capture.foreign import LineEnds, name_foreign, name_json, name_text
from audiosocket_cli.capture.pcapng import opening_blocks
from audiosocket_cli.capture.window import Window
from support.captures import in_pieces
from support.packets import a_call, pcap

CAPTURE = opening_blocks({}, "a test")


def window(data: bytes, piece: int = 1 << 20) -> Window:
    made = Window(in_pieces(data, piece))
    made.ensure(16)
    return made


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"RIFF....WAVE" + bytes(20), "it is a WAV file, not a capture"),
        (b"%PDF-1.7" + bytes(20), "it is a PDF file, not a capture"),
        (b"snoop\0\0\0" + bytes(20), "it is a capture of snoop; convert it: editcap -F pcapng IN OUT"),
        (CAPTURE.replace(b"\n", b"\r\n"), "each of its line feeds became CR LF, as through ssh -t"),
        (CAPTURE.replace(b"\r\n", b"\n"), "each CR LF in it became a line feed, as through dos2unix"),
        (b"\xff\xfe" + CAPTURE.decode("latin-1").encode("utf-16-le"), "it was made text, as by the > of PowerShell"),
    ],
    ids=["wav", "pdf", "snoop", "crlf", "lf", "powershell"],
)
def test_another_file_is_named(data: bytes, says: str) -> None:
    assert str(name_foreign(window(data), "x")).startswith(says)


@pytest.mark.parametrize("data", [CAPTURE, pcap(a_call()), b'{"schema": "x"}\n', b"\1\0\x10" + bytes(16)],
                         ids=["pcapng", "pcap", "lines", "frames"])  # fmt: skip
def test_a_capture_is_not(data: bytes) -> None:
    assert name_foreign(window(data), "x") is None
    assert name_text(window(data), "x") is None


@given(st.integers(1, 50))
def test_a_greeting_before_a_capture_is_quoted_however_slowly_it_comes(piece: int) -> None:
    says = str(name_text(window(b"Welcome to pbx1!\nLast login: today\n" + pcap(a_call()), piece), "x"))
    assert says.startswith("'Welcome to pbx1!' stands before the capture (a login greeting, or 2>&1): capture again")


def test_what_tcpdump_prints_is_not_a_capture() -> None:
    line = b"12:00:01.123456 IP 10.0.0.5.40000 > 10.0.0.9.9092: Flags [S], seq 1, win 64240, length 0\n"
    assert name_text(window(line * 3), "x") == "it is what tcpdump prints, not what it captures: say tcpdump -w FILE"


@given(st.binary(min_size=1, max_size=200))
def test_any_bytes_are_judged_in_one_line(data: bytes) -> None:
    for name in (name_foreign, name_text, lambda window, _: name_json(window)):
        reason = name(window(data), "x")
        assert reason is None or (reason.isprintable() and len(reason) < 400)


@given(st.lists(st.sampled_from([b"a", b"bc", b"\r\n", b"\n", b"\r"]), max_size=40), st.integers(1, 7))
def test_line_ends_are_counted_across_pieces(parts: list[bytes], piece: int) -> None:
    data = b"".join(parts)
    ends = LineEnds(in_pieces(data, piece), b"")
    while ends(1 << 20):
        pass
    feeds, pairs = data.count(b"\n"), data.count(b"\r\n")
    assert (ends.fault is not None) is (feeds >= 3 and pairs == feeds)


RESULT = "it is a result (audiosocket.dump/1), not a capture: give it to audiosocket report or doctor"
SPREAD = "it is JSON over several lines; a capture has one object a line, which jq -c . FILE makes of it"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b'{"schema": "audiosocket.dump/1", "call": "x", "uuid": "x"}\n', RESULT),
        (b'\xef\xbb\xbf\n{\r\n  "schema": "audiosocket.dump/1",\r\n', RESULT),
        (b'{\n  "t": 1.0,\n', SPREAD),
        (b'{"schema": "audiosocket.frames/1", "call": "x", "t": 0.0, "event": "opened"}\n', None),
        (b'{"t": 1.2, "digit": "5"}', None),
    ],
    ids=["line", "spread", "other", "capture", "script"],
)
@pytest.mark.parametrize("piece", [16, 1 << 20])
def test_other_json_is_named(data: bytes, says: str | None, piece: int) -> None:
    assert name_json(window(data, piece)) == says
