"""The facts of a call, as names and texts; its findings with their cure; and what was not measured, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from audiosocket_cli.analysis.rows import Row
from audiosocket_cli.finding import id_of, untagged
from audiosocket_cli.finding_pages import cure_of, finding_ids, plain_sentence_of
from audiosocket_cli.model import Side
from audiosocket_cli.report.call_marks import longest_gap
from audiosocket_cli.report.json_values import MAX_TEXT, count_of, list_of, mapping_of, number_of, text_of
from audiosocket_cli.text import counted

Fact = tuple[str, str]

MAX_FINDINGS: Final = 100
_MAX_VARIABLES: Final = 50
_MAX_SHOWN_DIGITS: Final = 64

_PAUSED: Final = {"server-silent": (Side.SERVER,), "both-silent": tuple(Side)}
"""Findings on pauses, which are at the longest gap of these sides."""


def title_of(call: Mapping[str, Any], name: str) -> str:
    """Return the title of a call's page; `name` is that of its recording, where there is no more than that."""
    uuid = text_of(call.get("uuid"), 40) or text_of(call.get("call"), 40)
    return f"Call {uuid}" if uuid else f"Recording {text_of(name)}"


def facts_of(call: Mapping[str, Any]) -> list[Fact]:
    """Return what a call's JSON says of it, names and texts."""
    return [(name, text) for name, text in _facts(call) if text]


def _facts(call: Mapping[str, Any]) -> Iterator[Fact]:
    yield "UUID", text_of(call.get("uuid"))
    yield "caller", text_of(call.get("peer")) or text_of(call.get("caller_address"))
    yield "server", text_of(mapping_of(call.get("relay")).get("target")) or text_of(call.get("server_address"))
    yield "began", text_of(call.get("started_at"), 40).replace("T", " ")
    yield "length", "".join(_named(call, (("duration_s", "{:.1f} s"),)))
    yield "ended", _ending(call)
    yield "digits", _digits(call)
    yield "result", text_of(call.get("result"))
    for name, value in list(mapping_of(call.get("variables")).items())[:_MAX_VARIABLES]:
        yield f"variable {text_of(name, 80)}", text_of(value)
    for side in Side:
        yield f"{side}'s audio", ", ".join(_side(mapping_of(call.get(side.value))))
    yield "recording", ", ".join(_recording(mapping_of(call.get("recording"))))
    for name, keys in (("program", "command"), ("bridge", "url"), ("bot", "function")):
        yield name, ", ".join(_bot(mapping_of(call.get(name)), keys))
    yield "remarks", "; ".join(text_of(text) for text in list_of(call.get("remarks"))[:10])


def _ending(call: Mapping[str, Any]) -> str:
    by, how, reason = (text_of(call.get(name), 300) for name in ("ended_by", "ended_how", "ended_reason"))
    return untagged(reason) or (f"{how} by the {by}" if how and by else how or by)


def _digits(call: Mapping[str, Any]) -> str:
    pressed = [call.get("dtmf"), *(mapping_of(call.get(side.value)).get("dtmf") for side in Side)]
    digits = [text_of(mapping_of(press).get("digit"), 8) for presses in pressed for press in list_of(presses)]
    shown = "".join(digits[:_MAX_SHOWN_DIGITS])
    return f"{shown}… ({len(digits)} in all)" if len(digits) > _MAX_SHOWN_DIGITS else shown


def _side(side: Mapping[str, Any]) -> Iterator[str]:
    audio_s = number_of(side.get("audio_s"))
    if audio_s is not None:
        yield f"{audio_s:.1f} s" if audio_s else "none"
    if audio_s:
        yield from _named(side, (("level_dbfs", "{:.1f} dBFS"), ("peak_dbfs", "peak {:.1f} dBFS")), least=-200.0)
    yield from _named(
        side,
        (
            ("first_speech_s", "first speech at {:.2f} s"),
            ("jitter_ms", "jitter {:.1f} ms"),
            ("worst_ahead_ms", "largest burst {:.0f} ms"),
        ),
    )
    count, gaps_s = count_of(side.get("gap_count")), number_of(side.get("gaps_s"))
    if count is not None and gaps_s is not None:
        yield f"{counted(count, 'gap')}, {gaps_s:.2f} s in all" if count else "no gaps"
    late, worst_ms = count_of(side.get("late_frames")), number_of(side.get("worst_lateness_ms"))
    if late is not None:
        worst = f", {worst_ms:.0f} ms at most" if late and worst_ms is not None else ""
        yield f"{counted(late, 'frame') if late else 'no frame'} sent late{worst}"
    lost = count_of(side.get("lost_bytes"))
    if lost:
        yield f"{counted(lost, 'byte')} lost"


def _named(values: Mapping[str, Any], forms: Iterable[tuple[str, str]], least: float = 0.0) -> Iterator[str]:
    for name, form in forms:
        number = number_of(values.get(name), least)
        if number is not None:
            text = form.format(number)
            yield text.replace("-", "\N{MINUS SIGN}") if "dBFS" in form else text


def _recording(recording: Mapping[str, Any]) -> Iterator[str]:
    yield from filter(None, (text_of(recording.get("layout"), 40), text_of(recording.get("decoded"), 40)))
    yield from _named(recording, (("rate_hz", "{:.0f} Hz"), ("duration_s", "{:.1f} s")))
    if error := text_of(recording.get("error"), 200):
        yield f"not complete: {error}"


def _bot(bot: Mapping[str, Any], what: str) -> Iterator[str]:
    given = bot.get(what)
    name = " ".join(text_of(word, 200) for word in given) if isinstance(given, list) else text_of(given, 300)
    if name:
        yield name
    yield from _named(bot, (("ran_s", "ran {:.1f} s"), ("said_s", "said {:.1f} s"), ("unread_s", "{:.1f} s unread")))
    yield from _named(bot, (("exit_code", "exit code {:.0f}"),))
    for key in ("stopped_by", "error"):
        if text := text_of(bot.get(key), 200):
            yield text if key == "error" else f"stopped by {text}"


def findings_of(call: Mapping[str, Any], rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Return the findings of a call, each with what it is, its cure and its place in time, as far as these are
    known."""
    places = {row.text: row.at_s for row in rows if row.what == "finding"}
    texts = [text for text in list_of(call.get("findings")) if isinstance(text, str)][:MAX_FINDINGS]
    found = []
    for text in texts:
        finding_id = id_of(text) or ""
        at_s = places.get(text)
        if at_s is None and finding_id in _PAUSED:
            at_s = longest_gap(call, _PAUSED[finding_id])
        about = plain_sentence_of(finding_id) if finding_id in finding_ids() else ""
        found.append(
            {
                "id": text_of(finding_id, 80),
                "text": text_of(untagged(text), MAX_TEXT),
                "about": about,
                "cure": cure_of(finding_id),
                "at_s": None if at_s is None else round(at_s, 3),
            }
        )
    return found


def not_measured_in(call: Mapping[str, Any]) -> list[Fact]:
    """Return what a call's JSON does not say, and why."""
    if not any(mapping_of(call.get(side.value)) for side in Side):
        return [("digits, gaps, jitter, the end", "they are in the JSON of a call, and there is none")]
    missing = []
    for side in Side:
        figures = mapping_of(call.get(side.value))
        if not figures:
            missing.append((f"{side}'s figures", "there is no JSON of the call that has them"))
        elif "gaps" not in figures:
            missing.append(
                (f"gaps of the {side}", "they are measured of a side that is heard; this side was sent from here")
            )
        if count_of(figures.get("late_frames")):
            missing.append((f"when the {side}'s frames were late", "they are counted, and not listed"))
    more = len(list_of(call.get("findings"))) - MAX_FINDINGS
    if more > 0:
        missing.append(("more findings", f"{more} more are in the JSON"))
    return missing
