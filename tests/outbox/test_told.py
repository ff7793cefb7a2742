"""Lines that could come in floods."""

from __future__ import annotations

from audiosocket_cli.outbox.told import Told


def test_a_flood_is_told_once_and_counted() -> None:
    lines: list[str] = []
    now_s = 0.0
    told = Told(lines.append, lambda: now_s)
    for number in range(5):
        told.line("calls", f"call {number}")
    told.line("events", "an event")
    assert lines == ["call 0", "an event"]
    now_s = 31.0
    told.line("calls", "call 5")
    assert lines[2:] == ["call 5 (and 4 more before)"]
    told.line("calls", "call 6")
    told.close()
    told.close()
    assert lines[3:] == ["and 1 more calls likewise"]
