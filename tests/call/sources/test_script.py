"""A script: said, and held against what the other side does."""

from __future__ import annotations

import io
import json
import math
import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosocket_cli.call.sources.actions import Action, Cue, Hangup
from audiosocket_cli.call.sources.basic import Source
from audiosocket_cli.call.sources.expecting import Expectation
from audiosocket_cli.call.sources.script import Script, read_script
from audiosocket_cli.capture.opening import Capture, open_capture
from audiosocket_cli.codec import Frame, Kind, digit_frame
from audiosocket_cli.errors import FileError, UsageError
from audiosocket_cli.model import Side
from support.replayed import HELLO, Scripted, audio, play
from support.segments import lost_before_the_end


@pytest.mark.parametrize(
    ("actions", "other", "failures"),
    [
        ([*HELLO, Expectation("audio", 0.8, 2)], Scripted(loud=range(30, 60)), []),
        ([*HELLO, Expectation("audio", 0.3, 2)], Scripted(loud=range(30, 60)),
         ["line 2: expected audio within 300 ms, which did not come"]),
        ([*HELLO, Expectation("audio", 5, 2), Expectation("silence", 2, 3)], Scripted(loud=range(10, 60)), []),
        ([*HELLO, Expectation("silence", 0.3, 3)], Scripted(loud=range(999)),
         ["line 3: expected silence within 300 ms, which did not come"]),
        ([*HELLO, Expectation("hangup", 5, 4)], Scripted(end=100), []),
        ([*HELLO, Expectation("hangup", 1, 4)], Scripted(),
         ["line 4: expected hangup within 1000 ms, which did not come"]),
        ([*HELLO, Expectation("audio", math.inf, 2)], Scripted(end=20),
         ["line 2: expected audio, which did not come"]),
    ],
    ids=["audio", "late audio", "silence", "no silence", "hangup", "no hangup", "hangup instead"],
)  # fmt: skip
def test_a_script_waits_for_what_it_expects(actions: list[Action], other: Source, failures: list[str]) -> None:
    source, _, _ = play(actions, other=other)
    assert source.failures == failures


def test_what_follows_an_expectation_is_said_once_it_is_met() -> None:
    actions = [*HELLO, Expectation("audio", 5, 2), Expectation("silence", 5, 3), Cue(None, digit_frame("7"))]
    _, heard, _ = play(actions, other=Scripted(loud=range(50, 100)))
    assert [digit for _, digit in heard.digits] == ["7"]
    assert heard.digits[0][0] == pytest.approx(2.0 + 0.5, abs=0.06)


def test_a_script_can_hang_up() -> None:
    _, heard, caller = play([*HELLO, Hangup(), Cue(None, audio(9))])
    assert len(heard.heard) == 5
    assert caller.call is not None
    assert caller.call.ending is not None
    assert caller.call.ending.by is Side.CALLER


def test_the_servers_frames_that_asterisk_would_not_take_are_left_out(tmp_path: Path) -> None:
    lines = [
        {"t": 0.0, "side": "server", "digit": "5"},
        {"t": 0.1, "side": "server", "kind": "slin", "payload": ""},
        {"t": 0.2, "side": "server", "kind": "slin", "payload": "AAAA"},
        {"t": 0.3, "side": "server", "kind": "hangup", "payload": ""},
    ]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, lines)))
    script = read_script(open_capture(tmp_path / "x.jsonl"), Side.SERVER)
    assert [action.frame for action in script.actions if isinstance(action, Cue)] == [Frame(Kind.SLIN, bytes(3))]
    assert (script.left_out, script.ended_by) == (2, Side.SERVER)


def test_a_part_of_a_capture_is_played(tmp_path: Path) -> None:
    lines = [{"call": "a", "t": number, "digit": str(number)} for number in range(6)]
    lines += [{"call": "b", "t": 0, "digit": "9"}]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, lines)))
    script = read_script(open_capture(tmp_path / "x.jsonl"), Side.CALLER, from_s=2, to_s=4)
    assert script.actions == [Cue(0, digit_frame("2")), Cue(1, digit_frame("3"))]
    script = read_script(open_capture(tmp_path / "x.jsonl"), Side.CALLER, call="b")
    assert script.actions == [Cue(0, digit_frame("9"))]


def script_of(*lines: dict[str, object], side: Side = Side.CALLER) -> Script:
    data = "\n".join(map(json.dumps, lines)).encode()
    return read_script(Capture(io.BytesIO(data).read, "x", scripts=True), side, name="x")


def test_silence_is_as_long_as_it_is_said_to_be() -> None:
    script = script_of({"silence_ms": 50}, {"silence_ms": 20, "kind": "slin16", "t": 3})
    assert [(cue.at_s, cue.frame.kind, len(cue.frame.payload)) for cue in script.actions if isinstance(cue, Cue)] == [
        (None, Kind.SLIN, 320), (None, Kind.SLIN, 320), (None, Kind.SLIN, 160), (3.0, Kind.SLIN16, 640),
    ]  # fmt: skip
    assert script.has_steps


def test_steps_become_what_is_done() -> None:
    script = script_of({"expect": "audio", "within_ms": 1500}, {"hangup": True})
    assert script.actions == [Expectation("audio", 1.5, 1), Hangup()]
    assert script.has_steps
    with pytest.raises(UsageError, match="--max-gap is for captures"):
        script.shorten_gaps(1.0)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ({"expect": "noise"}, "cannot expect 'noise': choose from audio, silence, hangup"),
        ({"hangup": 1}, '"hangup" is 1: write true, or leave the line out'),
        ({"silence_ms": "2"}, "\"silence_ms\" is '2', which is not a number of milliseconds: write one as 1500"),
        ({"silence_ms": 1e9}, '"silence_ms" is 1000000000.0, which is more than a day'),
        (
            {"silence_ms": 20, "within_ms": 2},
            '"within_ms" does not go with "silence_ms": choose from kind, silence_ms, t',
        ),
        ({"silence_ms": 20, "kind": "dtmf"}, "kind dtmf carries no audio"),
        ({"play": "/no/such/file.wav"}, "cannot read /no/such/file.wav: no such file or directory"),
    ],
)
def test_a_step_that_cannot_be_is_named_with_its_line(line: dict[str, object], says: str) -> None:
    with pytest.raises(FileError, match=re.escape(f"cannot replay x: line 2: {says}")):
        script_of({"silence_ms": 20}, line)


@given(st.lists(st.floats(0, 10), min_size=1, max_size=20).map(sorted), st.floats(0.1, 3))
def test_no_gap_is_longer_than_allowed_and_shorter_ones_stay(times_s: list[float], most_s: float) -> None:
    script = Script([Cue(at_s, audio(1)) for at_s in times_s], end_s=times_s[-1] + 5)
    script.shorten_gaps(most_s)
    after_s = [0.0, *(action.at_s or 0.0 for action in script.actions if isinstance(action, Cue))]
    for old_s, new_s in zip(pairwise([0.0, *times_s]), pairwise(after_s), strict=True):
        assert new_s[1] - new_s[0] == pytest.approx(min(most_s, old_s[1] - old_s[0]))
    assert script.end_s == pytest.approx(after_s[-1] + min(5, most_s))


def test_a_loop_says_it_again_after_its_end() -> None:
    script = Script([Cue(0.0, audio(1)), Cue(None, audio(2))], end_s=2.0)
    script.repeat(3)
    assert [action.at_s for action in script.actions if isinstance(action, Cue)] == [0.0, None, 2.0, None, 4.0, None]
    assert script.end_s == 6.0
    with pytest.raises(UsageError, match="which is more than a day"):
        script.repeat(10**7)


@pytest.mark.parametrize("side", list(Side), ids=str)
def test_who_closed_first_ended_it_though_a_frame_before_that_is_missing(side: Side) -> None:
    capture = Capture(io.BytesIO(lost_before_the_end(side)).read, "x")
    assert read_script(capture, Side.CALLER).ended_by is side
