"""Options that do nothing without another: typed, they are refused; from the environment, they wait for their call."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.bots import SILENCE, Heard, bot
from support.running import run


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["play", "x.wav", "127.0.0.1:9", "--layout", "stereo"], "--layout does nothing without --record: "),
        (["play", "x.wav", "127.0.0.1:9", "--force"], "--force does nothing without --record or --capture: "),
        (["play", "x.wav", "--listen", "127.0.0.1:0", "--layout", "mix"], "--layout does nothing without --record: "),
        (["talk", "127.0.0.1:9", "--layout", "stereo"], "--layout does nothing without --record: "),
        (["talk", "127.0.0.1:9", "--force"], "--force does nothing without --record or --capture or --output: "),
        (["talk", "127.0.0.1:9", "--wait", "3"], "--wait does nothing without --input: "),
        (["talk", "--input", "x.wav", "--input-device", "1"], "--input-device does nothing with --input: "),
        (["inject-dtmf", "1", "127.0.0.1:9", "--layout", "caller"], "--layout does nothing without --record: "),
        (["inject-dtmf", "1", "127.0.0.1:9", "--timeout", "3"], "--timeout does nothing without --after-silence: "),
        (["replay", "x.pcapng", "--layout", "caller"], "--layout does nothing without --record: "),
        (["replay", "x.pcapng", "--tolerance", "0.3"], "--tolerance does nothing without --expect: "),
        (["replay", "x.pcapng", "--least-correlation", "0.3"], "--least-correlation does nothing without --expect: "),
        (["serve", "--grace", "1"], "--grace does nothing without --exec or --bot: "),
        (["serve", "--api-token-file", "x"], "--api-token-file does nothing without --api or --bridge-api: "),
        (["serve", "--authorize-timeout", "1"], "--authorize-timeout does nothing without --authorize: "),
        (["serve", "--echo", "--silence", "full"], "--silence is for calls to which nothing else is sent: "),
        (["serve", "--layout", "stereo"], "--layout stereo needs a recording: add --record DIR"),
        (["bench", "127.0.0.1:9", "--force"], "--force does nothing without --output: "),
        (["bench", "127.0.0.1:9", "--stages", "1:1s", "--duration", "3s"], "--stages say how long each lasts: "),
        (["bench", "report", "x.json", "--calls", "3"], "bench report shows what was measured: leave out --calls"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_option_without_effect_is_refused(args: list[str], says: str) -> None:
    done = run(*args)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert says in done.stderr


def test_the_environment_may_say_what_a_call_has_no_use_for(tone_file: Path) -> None:
    def quiet(heard: Heard) -> bytes:
        return SILENCE

    with bot(quiet) as target:
        assert run("play", tone_file, target, AUDIOSOCKET_PLAY_LAYOUT="stereo").returncode == 0
