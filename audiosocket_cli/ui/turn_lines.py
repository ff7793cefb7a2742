"""The turn figures of a call in words: what each side did in its column, and the rest in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audiosocket_cli.model import Side
from audiosocket_cli.text import counted

NOT_MEASURED = "turns: not measured (audiosocket help turn-figures says why)"


def turn_rows(turns: Mapping[str, Any] | None) -> list[tuple[str, list[str]]]:
    """Return rows with a cell for each side, from the JSON values of turns."""
    if turns is None:
        return []
    rows = [("speech", [f"{turns['talk_s'][side]:.2f} s" for side in Side])]
    for name in ("interruptions", "backchannels"):
        counts = [turns[name][side] for side in Side]
        if any(counts):
            rows.append((name, [str(count) for count in counts]))
    latency = turns["latency_ms"]
    if latency is not None:
        rows.append(("answers", ["-", str(latency["count"])]))
        rows += [(f"answer {name}", ["-", f"{latency[name]} ms"]) for name in ("p50", "p95", "max")]
    return rows


def turn_line(turns: Mapping[str, Any] | None) -> str:
    """Return what is neither side's."""
    if turns is None:
        return NOT_MEASURED
    dead_air = turns["dead_air"]
    silence = "no dead air"
    if dead_air["count"]:
        silence = f"dead air {counted(dead_air['count'], 'time')}, {dead_air['total_s']:.2f} s in all"
        silence += f", {dead_air['longest_s']:.2f} s the longest"
    return f"turns: both spoke for {turns['overlap_s']:.2f} s; {silence}"
