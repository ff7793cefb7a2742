"""A captured call: rows in the order of time, findings in their place with their cure, one call after the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from audiosocket_cli.asterisk.facts import EXAMPLE_UUID
from audiosocket_cli.asterisk.findings import EXAMPLE_UUID_FINDING
from audiosocket_cli.audio.pcm import FULL_SCALE, Samples, to_slin, tone
from audiosocket_cli.capture.items import (
    Captured,
    CapturedCall,
    Ended,
    Item,
    Lost,
    Opened,
    Over,
    Remark,
)
from audiosocket_cli.codec import Frame, Kind, digit_frame
from audiosocket_cli.model import Side
from support.captured import (
    QUIET,
    STARTED_NS,
    UUID_1,
    a_call,
    cut,
    reviewed,
    sent,
    speech,
    steady,
    told,
    whole,
)
from support.captures import items_of
from support.segments import lost_before_the_end


def findings(items: Sequence[Item]) -> list[str]:
    return reviewed(items)[0].findings


def server_says(frames: Sequence[Frame], times_s: Sequence[float], *, seconds: float = 2.0) -> list[Item]:
    """A call in which the caller is as callers are."""
    call = a_call()
    caller = sent(call, Side.CALLER, speech(seconds), steady(0.02, round(seconds * 50)))
    return whole(call, caller, sent(call, Side.SERVER, frames, times_s))


def test_a_normal_call_is_told_in_order_and_nothing_is_found() -> None:
    call = a_call()
    caller = sent(call, Side.CALLER, [*speech(1.0), digit_frame("5"), *[QUIET] * 50],
                  [*steady(0.02, 50), 1.01, *steady(1.02, 50)])  # fmt: skip
    server = sent(call, Side.SERVER, [QUIET] * 50 + speech(1.0) + [Frame(Kind.HANGUP)], [*steady(0.01, 100), 2.01])
    result, rows = reviewed(whole(call, caller, server, 2.03))
    assert told(rows) == [
        f"0.00 caller uuid {UUID_1}",
        "0.01 server silence x50 1.00 s",
        "0.02 caller audio x50 1.00 s -15 dBFS",
        "1.01 caller digit 5",
        "1.01 server audio x50 1.00 s -15 dBFS",
        "1.02 caller silence x50 1.00 s",
        "2.01 server hangup",
        "2.03 caller closed",
        "2.03 server closed",
    ]
    assert result.findings == []


@pytest.mark.parametrize("step_s", [0.01, 0.02, 0.03, 0.06])
@pytest.mark.parametrize("kind", [Kind.SLIN, Kind.SLIN16, Kind.SLIN48])
def test_normal_calls_of_all_sorts_have_no_findings(step_s: float, kind: Kind) -> None:
    rate_hz = {Kind.SLIN: 8000, Kind.SLIN16: 16000, Kind.SLIN48: 48000}[kind]
    call, count = a_call(), round(3 / step_s)
    frames = cut(tone(440, rate_hz, 3.0), round(rate_hz * step_s), kind)
    rng = np.random.default_rng(1)
    late_s = rng.uniform(0, 0.03, count).tolist()
    caller = [at_s + more_s for at_s, more_s in zip(steady(step_s, count, step_s), late_s, strict=True)]
    items = whole(call, sent(call, Side.CALLER, frames, sorted(caller)),
                  sent(call, Side.SERVER, frames, steady(0.01, count, step_s)))  # fmt: skip
    assert findings(items) == []


def mu_law(samples: Samples) -> bytes:
    """G.711, by its formula rather than by a table."""
    signal = np.clip(samples / FULL_SCALE, -1, 1)
    magnitude = np.round(np.log1p(255 * np.abs(signal)) / np.log1p(255) * 127).astype(np.uint8)
    return bytes((~(magnitude | np.where(signal < 0, 0x80, 0).astype(np.uint8))).tobytes())


def sung(seconds: float) -> Samples:
    """Something between a tone and speech: a tone whose pitch and loudness change."""
    t = np.arange(round(8000 * seconds)) / 8000
    signal = 6000 * (1 + np.sin(5 * t)) * np.sin(2 * np.pi * (300 * t + 40 * np.sin(3 * t)))
    return np.asarray(signal, np.int16)


@pytest.mark.parametrize("timed", [True, False], ids=["timed", "raw"])
def test_mu_law_labelled_slin_is_found(timed: bool) -> None:
    call = a_call(timed=timed)
    data = mu_law(sung(4.0))
    frames = [Frame(Kind.SLIN, data[at : at + 160]) for at in range(0, len(data), 160)]
    caller = sent(call, Side.CALLER, frames, steady(0.02, 200) if timed else [0.0] * 200)
    server = sent(call, Side.SERVER, [QUIET] * 200, steady(0.01, 200)) if timed else []
    (finding,) = findings(whole(call, caller, server))
    assert finding == (
        "µ-law labelled slin, which is noise: use c(slin), as in Dial(AudioSocket/HOST:PORT/UUID/c(slin)) [caller-ulaw]"
    )


ONLY = "a frame of kind {}: only audio and hangup are allowed"
HANGUP = "the calling party hung up"


@pytest.mark.parametrize(
    ("frame", "row", "finding", "finding_id"),
    [
        (digit_frame("5"), "server digit 5", f"{ONLY.format('dtmf')} (send in-band", "server-sends-digits"),
        (Frame(Kind.ERROR, b"\x01"), f"server error {HANGUP}", ONLY.format("error"), "server-sends-unknown-kind"),
        (Frame(Kind.UUID, UUID_1.bytes), f"server uuid {UUID_1}", ONLY.format("uuid"), "server-sends-unknown-kind"),
        (Frame(0x7F, b"abc"), "server 0x7f 3 bytes: 61 62 63", ONLY.format("0x7f"), "server-sends-unknown-kind"),
        (Frame(Kind.SLIN), "server slin 0 bytes", "an audio frame of length 0", "server-sends-empty-audio"),
    ],
    ids=["digit", "error", "uuid", "unknown", "empty"],
)
def test_what_ends_a_call_in_asterisk_is_found_where_it_is(
    frame: Frame, row: str, finding: str, finding_id: str
) -> None:
    items = server_says([*speech(1.0), frame, *speech(1.0)], [*steady(0.01, 50), 1.005, *steady(1.01, 50)])
    call, rows = reviewed(items)
    assert len(call.findings) == 1
    assert call.findings[0].startswith(f"the server sent {finding}")
    assert call.findings[0].endswith(f"; Asterisk ends the call here [{finding_id}]")
    assert call.as_dict()["finding_ids"] == [finding_id]
    lines = told(rows)
    at = lines.index(f"1.00 {row}")
    assert lines[at + 1] == f"1.00 finding: {call.findings[0]}"


def test_a_finding_is_next_to_its_frame_be_another_at_the_same_time() -> None:
    items = server_says([*speech(1.0), digit_frame("5"), Frame(Kind.HANGUP)], [*steady(0.01, 50), 1.01, 1.01])
    lines = [line.split(" ", 2)[1:] for line in told(reviewed(items)[1])]
    at = lines.index(["server", "digit 5"])
    assert [line[0] for line in lines[at : at + 3]] == ["server", "finding:", "server"]


def test_a_frame_that_keeps_coming_in_parts_is_not_a_finding() -> None:
    """Asterisk waits 5 ms for each part."""
    items = server_says(speech(2.0), steady(0.01, 100))
    split = [
        item._replace(begun_s=item.at_s - 0.012, gap_s=0.004)
        if isinstance(item, Captured) and item.side is Side.SERVER else item
        for item in items
    ]  # fmt: skip
    assert findings(split) == []


def test_a_frame_that_came_in_parts_is_found_once_however_many_there_are() -> None:
    items = server_says(speech(2.0), steady(0.01, 100))
    split = [
        item._replace(begun_s=item.at_s - 0.012 - number / 1e5, gap_s=0.012 + number / 1e5)
        if isinstance(item, Captured) and item.side is Side.SERVER and number % 7 == 0 else item
        for number, item in enumerate(items)
    ]  # fmt: skip
    (finding,) = findings(split)
    assert finding.startswith("a frame of the server came in parts 1")
    assert finding.endswith("send each frame with one send, and set TCP_NODELAY [server-splits-frames]")


def test_a_frame_that_came_in_parts_within_5_ms_is_fine() -> None:
    items = server_says(speech(2.0), steady(0.01, 100))
    assert findings([item._replace(begun_s=item.at_s - 0.004, gap_s=0.004) if isinstance(item, Captured) else item
                     for item in items]) == []  # fmt: skip


def test_a_silent_server_is_found() -> None:
    items = server_says((speech(3.0))[:150], steady(0.01, 75) + steady(4.01, 75), seconds=6.0)
    (finding,) = findings(items)
    assert finding.startswith("the server sent nothing for 2.5 s: where the caller's audio pauses too, Asterisk ends")
    assert finding.endswith("; send silence [server-silent]")


def test_a_server_that_says_nothing_at_all_is_found() -> None:
    (finding,) = findings(server_says([], [], seconds=5.0))
    assert finding.startswith("the server sent nothing for 5.0 s")


def test_a_server_of_whom_a_capture_holds_nothing_is_not_to_blame() -> None:
    call = a_call(None)
    items: list[Item] = [Opened(call, 0.0), *sent(call, Side.CALLER, speech(5.0), steady(0.02, 250)), Over(call)]
    assert findings(items) == []


def test_behind_a_hangup_nobody_is_expected_to_say_anything() -> None:
    call = a_call()
    caller = sent(call, Side.CALLER, speech(6.0), steady(0.02, 300))
    server = sent(call, Side.SERVER, [*speech(1.0), Frame(Kind.HANGUP)], [*steady(0.01, 50), 1.01])
    assert findings(whole(call, caller, server, 10.0)) == []


def test_that_neither_side_sends_is_found_where_it_begins() -> None:
    call = a_call()
    times_s = steady(0.02, 50) + steady(3.52, 50)
    caller, server = (sent(call, side, speech(2.0), times_s) for side in Side)
    result, rows = reviewed(whole(call, caller, server))
    assert [finding[:47] for finding in result.findings] == [
        "neither side sent anything for 2.5 s: AudioSock",
        "the server sent nothing for 2.5 s: where the ca",
    ]
    lines = told(rows)
    at = next(at for at, line in enumerate(lines) if "neither side" in line)
    assert lines[at].startswith("1.00 finding: ")
    assert lines.index("3.52 caller audio x50 1.00 s -15 dBFS") > at
    assert lines.index("0.02 caller audio x50 1.00 s -15 dBFS") < at


def test_that_neither_side_sends_before_the_end_is_found() -> None:
    call = a_call()
    caller, server = (sent(call, side, speech(1.0), steady(0.02, 50)) for side in Side)
    assert findings(whole(call, caller, server, end_s=4.0))[0].startswith("neither side sent anything for 3.0 s")


def test_a_burst_is_found_and_called_out_in_its_place() -> None:
    times_s = [*steady(0.01, 50), *[1.01] * 15, *steady(1.03, 85)]
    result, rows = reviewed(server_says(speech(3.0), times_s, seconds=3.0))
    (finding,) = result.findings
    assert finding.startswith("290 ms of the server's audio came at once: ")
    assert ": a bridge in Asterisk drops what is beyond 80 ms; send one frame each 20 ms" in finding
    lines = told(rows)
    at = lines.index("1.01 server burst x15 0.30 s in 0 ms")
    assert lines[at + 1].endswith(f" finding: {finding}")
    assert 1.0 < float(lines[at + 1].split()[0]) < 1.6


def test_a_wav_header_is_found_and_odd_lengths_are() -> None:
    header = b"RIFF\x24\x7d\x00\x00WAVEfmt \x10\x00\x00\x00" + bytes(300)
    frames = [Frame(Kind.SLIN, header[:320]), *speech(1.0), Frame(Kind.SLIN, bytes(319))]
    assert findings(server_says(frames, steady(0.01, 52))) == [
        (
            "1 of the server's audio frames have an odd length, after which samples are out of step: "
            "cut audio between samples, at even offsets [odd-length]"
        ),
        "the server sent a WAV file's header as sound, which is heard as a click: send its samples only [wav-header]",
    ]


def test_the_example_uuid_is_found() -> None:
    call = a_call(EXAMPLE_UUID)
    caller, server = (sent(call, side, speech(1.0), steady(0.02, 50)) for side in Side)
    assert findings(whole(call, caller, server)) == [EXAMPLE_UUID_FINDING]


@pytest.mark.parametrize("disorder", ["byte-swapped", "shifted"])
def test_disordered_samples_are_found(disorder: str) -> None:
    data = to_slin(sung(2.0))
    data = np.frombuffer(data, "<i2").byteswap().tobytes() if disorder == "byte-swapped" else data[1:] + b"\0"
    frames = [Frame(Kind.SLIN, data[at : at + 320]) for at in range(0, len(data), 320)]
    (finding,) = findings(server_says(frames, steady(0.01, 100)))
    assert finding.startswith(f"the server's audio is {disorder}")


def test_what_is_lost_and_what_others_remarked_have_rows() -> None:
    call = a_call(me=Side.SERVER)
    items = whole(call, sent(call, Side.CALLER, speech(0.2), steady(0.02, 10)), [])
    items[-3:-3] = [Lost(call, 0.2, Side.CALLER, 323, "missing from the capture"), Remark(call, 0.2, "look here"),
                    Remark(call, 0.2, "digit 5")]  # fmt: skip
    lines = told(reviewed(items)[1])
    assert lines[1:] == [
        "0.02 caller audio x10 0.20 s -15 dBFS",
        "0.20 caller lost 323 bytes missing from the capture",
        "0.20 comment: look here",
        "0.20 caller closed",
        "0.20 server closed",
    ]


def test_many_digits_at_once_are_one_row_and_all_are_known() -> None:
    call = a_call(timed=False)
    keys = "1234567890*#" * 7
    items = whole(call, sent(call, Side.CALLER, [digit_frame(key) for key in keys], [0.0] * len(keys)), [])
    result, rows = reviewed(items)
    assert told(rows)[1:] == [f"0.00 caller digits {keys[:64]}… x84"]
    assert "".join(press.digit for press in result.sides[Side.CALLER].digits) == keys


def test_nine_digits_at_once_are_all_known() -> None:
    call = a_call(timed=False)
    items = whole(call, sent(call, Side.CALLER, [digit_frame(key) for key in "123456789"], [0.0] * 9), [])
    assert told(reviewed(items)[1])[1:] == ["0.00 caller digits 123456789 x9"]


def test_frames_that_say_nothing_sensible_are_told_as_they_are() -> None:
    call = a_call()
    frames = [Frame(Kind.DTMF, b"x"), Frame(Kind.UUID, b"short"), Frame(Kind.DTMF, b""), Frame(0x42, bytes(20))]
    lines = told(reviewed(whole(call, sent(call, Side.CALLER, frames, [0.1, 0.2, 0.3, 0.4]), []))[1])
    assert lines[1:5] == [
        "0.10 caller dtmf payload 78 is not a DTMF digit",
        "0.20 caller uuid a UUID has 16 bytes, not 5",
        "0.30 caller dtmf payload of 0 bytes is not a DTMF digit",
        "0.40 caller 0x42 20 bytes: 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 …",
    ]


def test_a_call_that_ends_on_a_reset_says_so() -> None:
    call = CapturedCall("1", started_ns=STARTED_NS)
    items: list[Item] = [Opened(call, 0.0), *sent(call, Side.CALLER, speech(0.1), steady(0.02, 5)),
                         Ended(call, 0.2, Side.SERVER, True), Over(call)]  # fmt: skip
    result, rows = reviewed(items)
    assert told(rows)[-1] == "0.20 server reset"
    assert (result.as_dict()["ended_by"], result.as_dict()["ended_how"]) == ("server", "reset")


@pytest.mark.parametrize("side", list(Side), ids=str)
def test_who_closed_first_ended_it_though_a_frame_before_that_is_missing(side: Side) -> None:
    result, rows = reviewed(items_of(lost_before_the_end(side)))
    assert [line.split()[1] for line in told(rows) if line.endswith("closed")] == [str(side), str(side.other)]
    assert (result.as_dict()["ended_by"], result.as_dict()["ended_how"]) == (side.value, "closed")
