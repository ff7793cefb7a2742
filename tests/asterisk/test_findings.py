"""Findings on what one side of a call sounded like, each with its cure."""

from __future__ import annotations

from typing import Any

import pytest

from audiosocket_cli.asterisk.findings import Heard, findings_on_caller, findings_on_server
from audiosocket_cli.codec import Kind

FINE = Heard(
    kind=Kind.SLIN, pace=1.0, law=None, disorder=None, has_wav_header=False, odd_bytes=0, audio_s=60.0, peak=0.5,
    offset=0.0, clipped=0.0, longest_pause_s=0.5, worst_burst_s=0.02,
)  # fmt: skip


def test_a_normal_call_has_no_findings() -> None:
    assert findings_on_caller(FINE) == []
    assert findings_on_server(FINE) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"pace": 0.5, "law": "µ-law"}, "µ-law labelled slin, which is noise: use c(slin), as in Dial("),
        ({"pace": 0.5, "law": "A-law"}, "A-law labelled slin, which is noise: use c(slin), as in Dial("),
        ({"pace": 0.5}, "µ-law, A-law or another codec labelled slin"),
        ({"pace": 0.1}, "slin audio comes 0.10 times as fast as it plays: use c(slin)"),
        ({"pace": 2.0}, "slin16 (16000 Hz) labelled slin, as Asterisk before 20.17, 21.12, 22.7 and 23.1 does"),
        ({"pace": 6.0}, "slin48 (48000 Hz) labelled slin"),
        ({"kind": Kind.SLIN16, "pace": 0.5}, "slin16 audio comes 0.50 times as fast as it plays: is its kind right?"),
        ({"pace": 0.5, "frame_s": 0.02}, "audio came slower than it plays, in whole frames: is the network too slow"),
        ({"peak": 0.0}, "the caller sent nothing but digital silence"),
        ({"clipped": 0.05}, "clipped: 5.0 % of the caller's samples are at the limit"),
        ({"offset": -0.1}, "the caller's audio is off centre by -10 %"),
    ],
    ids=["u-law", "a-law", "some-law", "gsm", "slin16", "slin48", "half-slin16", "slow", "silence", "clip", "offset"],
)
def test_what_is_wrong_with_a_callers_audio_is_one_finding(change: dict[str, Any], says: str) -> None:
    (finding,) = findings_on_caller(FINE._replace(**change))
    assert finding.startswith(says)
    assert "\n" not in finding


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"longest_pause_s": 2.1}, "the server sent nothing for 2.1 s: where the caller's audio pauses too, Asterisk"),
        ({"worst_burst_s": 0.5}, "500 ms of the server's audio came at once: a bridge in Asterisk drops what"),
    ],
    ids=["pause", "burst"],
)
def test_what_is_wrong_with_how_a_server_sends_is_one_finding(change: dict[str, Any], says: str) -> None:
    (finding,) = findings_on_server(FINE._replace(**change))
    assert finding.startswith(says)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"disorder": "byte-swapped"}, "audio is byte-swapped, which is noise: send little-endian samples"),
        ({"disorder": "shifted by one byte"}, "audio is shifted by one byte, which is noise: cut audio between"),
        ({"texture": "compressed"}, "audio is as noisy as compressed or encrypted bytes are (MP3, Opus, G.722 …): "),
        ({"has_wav_header": True}, "sent a WAV file's header as sound, which is heard as a click: send its samples"),
    ],
    ids=["swapped", "shifted", "compressed", "header"],
)
def test_bytes_out_of_order_are_a_finding_whoever_sends_them(change: dict[str, Any], says: str) -> None:
    for rules, who in ((findings_on_caller, "the caller"), (findings_on_server, "the server")):
        (finding,) = rules(FINE._replace(**change))
        assert finding.startswith(who)
        assert says in finding


def test_frames_of_odd_length_are_a_finding_unless_another_codec_explains_them() -> None:
    (finding,) = findings_on_server(FINE._replace(odd_bytes=7))
    assert finding.startswith("7 of the server's audio frames have an odd length")
    assert len(findings_on_caller(FINE._replace(odd_bytes=7, pace=0.1))) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"pace": 0.0},
        {"pace": 0.93},
        {"pace": 1.07},
        {"audio_s": 1.0, "peak": 0.0},
        {"pace": 2.0, "is_steady": False},
        {"pace": 0.8, "is_steady": False},
    ],
)
def test_too_little_to_tell_is_no_finding(change: dict[str, Any]) -> None:
    assert findings_on_caller(FINE._replace(**change)) == []
