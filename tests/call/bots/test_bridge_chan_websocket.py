"""The queue of Asterisk's channel driver, as it is in 22.10, and what our own counts that it loses in silence."""

from __future__ import annotations

from typing import Any

import pytest

from audiosocket_cli.call.bots.bridge_chan_websocket import ChanWebSocketDialect, PlainTextDialect
from audiosocket_cli.call.bots.speaker import Failed
from audiosocket_cli.websocket.messages import Hangup
from support.bridged import Talking, talking

FRAME = b"\1\2" * 160


@pytest.fixture
def bot() -> Talking:
    return talking(ChanWebSocketDialect, 8000)


def command(name: str, **more: str) -> bytes:
    words = "".join(f',"{key}":"{value}"' for key, value in more.items())
    return f'{{"command":"{name}"{words}}}'.encode()


def told(bot: Talking) -> list[str]:
    """What the bot was told since the last time: events, with their correlation."""
    return [
        event["event"] + "".join(f" {event[key]}" for key in event if key == "correlation_id") for event in bot.events()
    ]


def status(bot: Talking) -> dict[str, Any]:
    bot.hear(command("GET_STATUS"))
    (found,) = bot.events()
    assert found.pop("event") == "STATUS"
    return found


def test_the_first_event_has_the_format_and_the_variables(bot: Talking) -> None:
    bot.call.variables = {"K": "V"}
    bot.dialect.begin(0x10)
    (start,) = bot.events()
    assert (start["event"], start["format"], start["optimal_frame_size"]) == ("MEDIA_START", "slin", 320)
    assert (start["channel_id"], start["channel_variables"]) == (str(bot.call.uuid), {"K": "V"})


@pytest.mark.parametrize(
    ("rate_hz", "name", "size"),
    [(8000, "slin", 320), (16000, "slin16", 640), (44100, "slin44", 1764), (192000, "slin192", 7680)],
)
def test_each_rate_has_its_format(rate_hz: int, name: str, size: int) -> None:
    bot = talking(ChanWebSocketDialect, rate_hz)
    bot.dialect.begin(0x10)
    (start,) = bot.events()
    assert (start["format"], start["optimal_frame_size"]) == (name, size)


def test_whole_frames_are_played_and_what_is_left_over_is_dropped_and_counted(bot: Talking) -> None:
    bot.hear(FRAME * 2 + FRAME[:100], is_text=False)
    bot.hear(FRAME[:319], is_text=False)
    bot.hear(b"", is_text=False)
    assert [bot.tick()[3:] for _ in range(3)] == [FRAME, FRAME, bytes(320)]
    assert bot.dialect.dropped_s == pytest.approx(419 / 16000)
    (note,) = bot.call.notes
    assert note.startswith("audio of the bot that does not fill a frame of 320 bytes is dropped, as by Asterisk: ")


def test_while_it_buffers_nothing_is_lost_and_the_last_of_it_is_filled_up(bot: Talking) -> None:
    bot.hear(command("START_MEDIA_BUFFERING"))
    data = bytes(range(1, 251)) * 4
    for piece in (data[:100], data[100:700], data[700:]):
        bot.hear(piece, is_text=False)
    assert status(bot)["queue_length"] == 3
    assert status(bot)["bulk_media"] is True
    bot.hear(command("START_MEDIA_BUFFERING"))  # once more changes nothing
    bot.hear(command("STOP_MEDIA_BUFFERING", correlation_id="x"))
    assert status(bot)["queue_length"] == 4
    assert status(bot)["bulk_media"] is False
    heard, answers = b"", []
    for _ in range(6):
        heard += bot.tick()[3:]
        answers.append(told(bot))
    assert heard == data.ljust(6 * 320, b"\0")
    assert answers == [[], [], [], [], ["MEDIA_BUFFERING_COMPLETED x"], []]
    assert (bot.dialect.dropped_s, bot.call.notes) == (0.0, [])


def test_marks_are_answered_in_their_places(bot: Talking) -> None:
    for name in ("a", "b"):
        bot.hear(FRAME, is_text=False)
        bot.hear(command("MARK_MEDIA", correlation_id=name))
    bot.hear(command("MARK_MEDIA"))
    answers = []
    for _ in range(4):
        bot.tick()
        answers.append(told(bot))
    assert answers == [[], ["MEDIA_MARK_PROCESSED a"], ["MEDIA_MARK_PROCESSED b", "MEDIA_MARK_PROCESSED "], []]


def test_a_flush_answers_no_mark_and_ends_the_buffering(bot: Talking) -> None:
    bot.hear(command("START_MEDIA_BUFFERING"))
    bot.hear(FRAME * 5 + FRAME[:50], is_text=False)
    bot.hear(command("MARK_MEDIA", correlation_id="a"))
    bot.hear(command("REPORT_QUEUE_DRAINED"))
    bot.hear(command("FLUSH_MEDIA"))
    assert status(bot) | {"channel_id": ""} == {
        "channel_id": "", "queue_length": 0, "xon_level": 800, "xoff_level": 900, "queue_full": False,
        "bulk_media": False, "media_paused": False,
    }  # fmt: skip
    for _ in range(3):
        assert not any(bot.tick()[3:])
    assert told(bot) == ["QUEUE_DRAINED"]
    assert bot.dialect.dropped_s == 0  # as it wanted


def test_a_full_queue_is_told_at_900_again_below_800_and_takes_no_more_than_1000(bot: Talking) -> None:
    bot.hear(FRAME * 899, is_text=False)
    assert told(bot) == []
    bot.hear(FRAME, is_text=False)
    bot.hear(FRAME, is_text=False)
    assert told(bot) == ["MEDIA_XOFF"]
    bot.hear(FRAME * 98, is_text=False)
    bot.hear(FRAME * 2, is_text=False)  # room for one message more, however long
    bot.hear(FRAME * 3, is_text=False)
    assert status(bot)["queue_length"] == 1001
    assert status(bot)["queue_full"] is True
    assert bot.dialect.dropped_s == pytest.approx(0.06)
    assert bot.call.notes == [
        (
            "the bot's audio is dropped, as by Asterisk: 1000 frames are queued; it has to heed MEDIA_XOFF "
            "[bot-audio-dropped]"
        )
    ]
    for _ in range(202):
        bot.tick()
    assert told(bot) == []
    bot.tick()
    assert told(bot) == ["MEDIA_XON"]
    assert status(bot)["queue_full"] is False


def test_the_queue_is_reported_once_when_it_is_empty(bot: Talking) -> None:
    bot.hear(FRAME, is_text=False)
    bot.hear(command("REPORT_QUEUE_DRAINED"))
    bot.tick()
    assert told(bot) == []
    for _ in range(3):
        bot.tick()
    assert told(bot) == ["QUEUE_DRAINED"]


def test_a_paused_queue_is_kept(bot: Talking) -> None:
    bot.hear(FRAME, is_text=False)
    bot.hear(command("PAUSE_MEDIA"))
    assert status(bot)["media_paused"] is True
    assert [bot.tick()[3:] for _ in range(3)] == [bytes(320)] * 3
    bot.hear(command("CONTINUE_MEDIA"))
    assert bot.tick()[3:] == FRAME


@pytest.mark.parametrize(("direction", "hears", "speaks"), [("both", 1, True), ("in", 1, False), ("out", 0, True)])
def test_audio_goes_where_the_bot_wants_it(bot: Talking, direction: str, hears: int, speaks: bool) -> None:
    bot.hear(command("SET_MEDIA_DIRECTION", direction=direction))
    bot.dialect.heard(FRAME)
    assert len(bot.outbox.take()) == hears
    bot.hear(FRAME, is_text=False)
    assert (bot.tick()[3:] == FRAME) is speaks
    assert bot.dialect.dropped_s == (0.0 if speaks else 0.02)


def test_wrong_commands_are_answered_or_noted_as_by_the_driver(bot: Talking) -> None:
    for text in (b"{", command("SET_MEDIA_DIRECTION", direction="up"), command("DANCE"), b"", b" " * 129):
        bot.hear(text)
    assert told(bot) == ["ERROR", "ERROR"]
    assert bot.call.notes == [
        "the bot's command failed: Unable to parse JSON command [bot-command]",
        "the bot's command failed: 'up' is not a valid direction for SET_MEDIA_DIRECTION. [bot-command]",
        "the bot's message is ignored: the unknown command DANCE [bot-message-ignored]",
        "the bot's message is ignored: an empty text [bot-message-ignored]",
        "the bot's message is ignored: a command of more than 128 bytes [bot-message-ignored]",
    ]


def test_a_hangup_drops_the_queue_even_when_it_is_paused(bot: Talking) -> None:
    bot.hear(FRAME * 50, is_text=False)
    bot.hear(command("MARK_MEDIA", correlation_id="a"))
    bot.hear(command("PAUSE_MEDIA"))
    bot.hear(command("ANSWER"))
    assert bot.hear(command("HANGUP")) == Hangup()
    bot.dialect.left()
    assert not any(b"".join(frame[3:] for frame in bot.rest()))
    assert told(bot) == []
    assert bot.dialect.dropped_s == 1.0
    assert "it has to wait for a mark first" in bot.call.notes[0]


def test_keys_are_told_and_the_end_is_a_close_alone(bot: Talking) -> None:
    bot.dialect.digit(1.0, "5")
    bot.dialect.ended(bot.ending)
    assert told(bot) == ["DTMF_END"]
    bot.dialect.told([Failed("cannot play x")])
    assert bot.call.notes == ["cannot play x [sound-file]"]


def test_plain_text_has_the_same_queue() -> None:
    bot = talking(PlainTextDialect, 8000)
    bot.dialect.begin(0x10)
    for text in (b"MARK_MEDIA a b", b"SET_MEDIA_DIRECTION in", b"GET_STATUS"):
        bot.hear(text)
    bot.tick()
    bot.tick()
    told = [message.data.split(b" ")[0] for message in bot.outbox.take()]
    assert told == [b"MEDIA_START", b"ERROR", b"STATUS", b"MEDIA_MARK_PROCESSED"]
