"""What came of a call in which somebody talked, and what sound cards there are: as text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from audiosocket_cli.audio.sound_card import Device
from audiosocket_cli.call.bots.talker import Talker
from audiosocket_cli.net.client import PlacedCall
from audiosocket_cli.text import counted
from audiosocket_cli.ui.results import placed_json, placed_lines

TALK_SCHEMA: Final = "audiosocket.talk/1"

DEVICE_SCHEMA: Final = "audiosocket.device/1"


def talk_lines(placed: PlacedCall, talker: Talker) -> list[str]:
    """Return the result of a call that we placed as lines of text."""
    return placed_lines(placed, f"digits {_digits(talker) or 'none'}") + talker_lines(talker)


def talk_json(placed: PlacedCall, talker: Talker) -> dict[str, Any]:
    """Return the same as a JSON object, units in the keys."""
    return placed_json(TALK_SCHEMA, placed, talker.facts()["talk"])


def talker_lines(talker: Talker) -> list[str]:
    """Return what is known of our side only."""
    facts = talker.facts()["talk"]
    lines = []
    if facts["turns"]:
        median, worst = f"{facts['answered_median_ms']:.0f} ms", f"{facts['answered_max_ms']:.0f} ms"
        lines.append(f"answered {counted(facts['turns'], 'time')}, in {median} (median), {worst} at most")
    return [*lines, *(f"{end} {_end(facts[end])}" for end in ("microphone", "loudspeaker"))]


def _end(facts: dict[str, Any]) -> str:
    """Say what an end of the sound did."""
    parts = [f"{facts['name']} at {facts['rate_hz']} Hz"]
    if facts["over"]:
        parts.append(f"{facts['dropped_ms']:g} ms dropped")
    if facts["under"]:
        parts.append(f"{facts['padded_ms']:g} ms padded")
    if facts["left_out_ms"] or facts["repeated_ms"]:
        parts.append(f"clock followed by {facts['repeated_ms'] - facts['left_out_ms']:+g} ms")
    if facts.get("card_faults"):
        parts.append(f"{counted(facts['card_faults'], 'fault')} of the card")
    if facts.get("error"):
        parts.append(facts["error"])
    return ", ".join(parts)


def _digits(talker: Talker) -> str:
    return "".join(digit for _, digit in talker.pressed)


def device_lines(devices: Sequence[Device]) -> list[str]:
    """Return sound cards as a table, for people; `*` marks what is used where nobody chooses."""
    rows: list[tuple[str, ...]] = [("", "input", "output", "rate", "name")]
    for each in devices:
        marks = [
            "-" if not each.has(kind) else f"{'* ' if each.is_default(kind) else ''}{count}"
            for kind, count in (("input", each.inputs), ("output", each.outputs))
        ]
        rows.append((str(each.number), *marks, f"{each.rate_hz} Hz", each.name))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    return [
        "  ".join([*(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows
    ]


def device_json(device: Device) -> dict[str, Any]:
    """Return a sound card as a JSON object, units in the keys."""
    return {"schema": DEVICE_SCHEMA, **device._asdict()}
