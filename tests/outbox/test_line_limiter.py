"""Lines that could come in floods."""

from __future__ import annotations

from audiosocket_cli.outbox.line_limiter import LineLimiter


def test_a_flood_is_told_once_and_counted() -> None:
    lines: list[str] = []
    now_s = 0.0
    limiter = LineLimiter(lines.append, lambda: now_s)
    for number in range(5):
        limiter.tell("call", f"call {number}")
    limiter.tell("event", "an event")
    assert lines == ["call 0", "an event"]
    now_s = 31.0
    limiter.tell("call", "call 5")
    assert lines[2:] == ["call 5 (and 4 more before)"]
    limiter.tell("call", "call 6")
    limiter.close()
    limiter.close()
    assert lines[3:] == ["and 1 more call likewise"]
