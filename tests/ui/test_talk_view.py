"""The line that a terminal shows while somebody talks."""

from __future__ import annotations

import io

from rich.console import Console

from audiosocket_cli.audio.files import MadeSound
from audiosocket_cli.audio.pcm import tone
from audiosocket_cli.call.bots.sound_ends import FileMicrophone
from audiosocket_cli.call.bots.talker import Talker, TalkOptions
from audiosocket_cli.call.sources.prompts import Prompt
from audiosocket_cli.ui.talk_view import TalkLine, talk_line


def talker() -> Talker:
    sound = MadeSound("tone", lambda rate_hz: tone(440, rate_hz, 1.0), 1.0)
    microphone, speaker = (FileMicrophone(Prompt(sound), 8000) for _ in range(2))
    return Talker(TalkOptions(microphone, speaker, kind=0x10))


def test_it_has_the_time_both_levels_and_the_delays() -> None:
    one = talker()
    one.said_dbfs, one.heard_dbfs = -18.0, -60.0
    assert talk_line(one).plain == "0:00  you ███████     they             delay 0 + 0 ms"


def test_keys_and_turns_are_there_once_there_are_any() -> None:
    one = talker()
    for digit in "1234567890123#":
        one.press(digit)
    one.turns.answered_s.append(0.4824)
    one.options.microphone.buffer.put(bytes(960))
    assert "keys 34567890123#  answered in 482 ms  delay 60 + 0 ms" in talk_line(one).plain


def test_it_stays_on_one_line() -> None:
    one = talker()
    for digit in "123456789012":
        one.press(digit)
    assert len(Console(file=io.StringIO(), width=40).render_lines(TalkLine([one]))) == 1
    assert len(Console(file=io.StringIO(), width=40).render_lines(talk_line(one))) == 1


def test_before_the_call_it_says_so() -> None:
    assert TalkLine([]).__rich__().plain == "calling …"
    assert TalkLine([talker()]).__rich__().plain == "calling …"
