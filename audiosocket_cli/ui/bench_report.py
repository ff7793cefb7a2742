"""A load's verdict and result as text and CSV, and the line that shows how it goes."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from rich.console import Console
from rich.live import Live
from rich.text import Text

from audiosocket_cli.analysis.histogram import Histogram
from audiosocket_cli.asterisk.facts import BURST_MS
from audiosocket_cli.bench.caller import MAX_JUDGED
from audiosocket_cli.bench.figures import ERRORS, Figures
from audiosocket_cli.bench.limit import Search
from audiosocket_cli.bench.plan import Progress
from audiosocket_cli.bench.result import BenchResult
from audiosocket_cli.bench.verdict import Change, shown
from audiosocket_cli.finding import id_of
from audiosocket_cli.text import counted
from audiosocket_cli.ui.console import is_terminal, say
from audiosocket_cli.ui.wrapping import wrapped

_PLAIN_EVERY_S: Final = 10.0
_BAR_CELLS: Final = 40
_MAX_BARS: Final = 12
_MAX_REASONS: Final = 5

ROWS: Final = (
    ("connect", "connect"),
    ("first byte", "first_byte"),
    ("first speech", "first_speech"),
    ("turn", "turn"),
    ("echo", "echo"),
    ("  from when sent", "echo_actual"),
    ("jitter", "jitter"),
    ("barge-in", "barge_in"),
    ("hangup", "hangup"),
    ("our lateness", "lateness"),
)
"""The rows of the table of times: how each is called, and its metric."""

LOOKED_AT: Final = f"the first {MAX_JUDGED} calls of each process"
"""In which calls findings are looked for."""

ADVICE: Final = "use fewer --calls, more --processes, or a quieter or a second machine"


def verdict_lines(result: BenchResult, failures: Sequence[str], worse: Sequence[Change], judged: int) -> list[str]:
    """Return what a result comes to, for people, to stand first: INVALID, failed, passed, or how many calls failed.

    `failures` says which thresholds broke, `worse` what got worse by too much; `judged` is how many there were of both.
    """
    lines = []
    if result.invalid:
        lines = wrapped("INVALID: ", f"these figures say nothing about the server: {ADVICE}")
        lines += [line for fault in result.invalid for line in wrapped("INVALID: ", fault)]
    broken = [*failures, *result.failures, *map(_regression, worse)]
    lines += [line for failure in broken for line in wrapped("failed: ", failure)]
    if lines:
        return lines
    errors = f"{counted(result.errors, 'error')} in" if result.errors else "no errors in"
    calls = f"{errors} {counted(result.figures.counts['placed'], 'call')}"
    return [f"passed: {judged} of {judged} checks, {calls}" if judged else calls]


def _regression(change: Change) -> str:
    before, now = shown(change.name, change.before), shown(change.name, change.now)
    return f"{change.name} is {now}, and was {before}: {change_text(change.worse or 0.0)}"


def bench_lines(result: BenchResult) -> list[str]:
    """Return a result for people: a table of times, what went wrong, a histogram of the answer."""
    counts = result.figures.counts
    calls = f"{counts['placed']} calls placed, {counts['connected']} connected, at most {result.calls_at_once} at once"
    lines = wrapped("", f"{load_text(result.settings)}: {calls}, {result.elapsed_s:.1f} s")
    if counts["left_out"]:
        lines.append(f"{counts['left_out']} calls left out: --max-calls was reached")
    lines += _table(result)
    lines += wrapped("", errors_text(result))
    for reason, count in result.figures.reasons.most_common(_MAX_REASONS):
        lines += wrapped(f"  {count} x ", reason)
    lines += wrapped("", stream_text(result))
    for finding, count in finding_lines(result.figures):
        lines += wrapped("", f"finding in {count} of {LOOKED_AT}: {finding}", hang=2)
    lines += _histogram(result)
    return lines


def finding_lines(figures: Figures, most: int = _MAX_REASONS) -> list[tuple[str, int]]:
    """Return a line for each kind of finding, the most frequent first, and in how many calls it was found.

    Of lines that differ in their figures it is the most frequent one.
    """
    text_by_id: dict[str, str] = {}
    for text, _ in figures.findings.most_common():
        text_by_id.setdefault(id_of(text) or "", text)
    return [(text_by_id[each], count) for each, count in figures.finding_ids.most_common(most)]


def load_text(settings: dict[str, Any]) -> str:
    """Return what a load was meant to be."""
    if settings["stages"]:
        stages = ", ".join(f"{stage['calls']} for {stage['duration_s']:g} s" for stage in settings["stages"])
        what = f"stages of {stages}"
    elif settings["rate"] is not None:
        what = f"{settings['rate']:g} calls a second for {settings['duration_s']:g} s"
    else:
        what = f"{settings['calls']} at once for {settings['duration_s']:g} s"
    return f"{what} to {settings['target']}, {settings['kind']}, frames of {settings['frame_ms']} ms"


def _table(result: BenchResult) -> Iterable[str]:
    yield f"{'in ms':<16} {'count':>9} {'p50':>9} {'p95':>9} {'p99':>9} {'max':>9}"
    for title, name in ROWS:
        times = result.figures.times[name]
        values = [times.percentile_ms(percent) for percent in (50, 95, 99)]
        values.append(times.max_ms if times.count else None)
        cells = " ".join(f"{'-' if value is None else f'{value:.1f}':>9}" for value in values)
        yield f"{title:<16} {times.count:>9} {cells}"


def errors_text(result: BenchResult) -> str:
    """Return which errors there were, and what else a server did not do."""
    counts = result.figures.counts
    found = ", ".join(f"{counts[name]} {name}" for name in ERRORS if counts[name])
    text = f"errors: {found or 'none'}"
    for name, words in (
        ("ended_by_server", "calls ended by the server"),
        ("hangups_unanswered", "hangups that it did not answer within 2 s"),
        ("turns_unanswered", "turns unanswered when we spoke again"),
        ("barge_ins_ignored", "barge-ins ignored"),
    ):
        if counts[name]:
            text += f"; {counts[name]} {words}"
    return text


def stream_text(result: BenchResult) -> str:
    """Return how the audio of the server came, and what it used."""
    counts, values = result.figures.counts, result.values()
    text = (
        f"heard {result.figures.heard_audio_s:.1f} s of audio, {shown('audio_rate', values['audio_rate'])} s a second"
    )
    text += (
        f"; {counted(counts['gaps_40'], 'gap')} over 40 ms, {counts['gaps_60']} over 60, {counts['gaps_100']} over 100"
    )
    text += f"; {counted(counts['bursts'], 'burst')} over {BURST_MS} ms"
    if result.usage:
        text += f"; server {result.usage['cpu_percent']:.1f} % CPU, {result.usage['rss_mib']:.1f} MiB"
    return text


def _histogram(result: BenchResult) -> Iterable[str]:
    for title, name in (("echo", "echo"), ("turn", "turn"), ("first byte", "first_byte")):
        times = result.figures.times[name]
        if times.count:
            yield f"{title}, from when it was due:"
            yield from _bars(times)
            return


def _bars(times: Histogram) -> Iterable[str]:
    bars = times.bars(_MAX_BARS)
    most = max(count for _, _, count in bars)
    for from_ms, to_ms, count in bars:
        bar = "█" * max(int(count > 0), round(_BAR_CELLS * count / most))
        yield f"{from_ms:>9.2f} to {to_ms:>8.2f} ms {count:>8} {bar}".rstrip()


def change_lines(found: list[Change], worse: list[Change]) -> list[str]:
    """Return a comparison with an older result as a table."""
    rows = [("compared", "before", "now", "change")]
    for change in found:
        words = "" if change.worse is None else change_text(change.worse)
        mark = " REGRESSION" if change in worse else ""
        rows.append((change.name, shown(change.name, change.before), shown(change.name, change.now), words + mark))
    return [f"{name:<18} {before:>11} {now:>11}  {words}".rstrip() for name, before, now, words in rows]


def change_text(worse: float) -> str:
    """Return by how much a value is worse or better, as `Change.worse` tells it."""
    if not worse:
        return "same"
    if worse > 1:
        times = 1 + worse
        return f"{times:.1f} times as much" if times < 10 else f"{times:,.0f} times as much"
    return f"{abs(worse):.0%} {'worse' if worse > 0 else 'better'}"


def csv_lines(result: BenchResult) -> list[str]:
    """Return all values as CSV: name, value."""
    rows = (f"{name},{'' if value is None else f'{value:.3f}'}" for name, value in result.values().items())
    return ["name,value", *rows]


def limit_lines(search: Search) -> list[str]:
    """Return what the search for the largest load came to: its verdict, and each step."""
    broke = search.broke
    if broke is None:
        lines = [f"the limit is beyond {search.held} calls at once: raise --max-calls to go on"]
    else:
        lines = [f"{search.held} calls at once held" if search.held else "no load held"]
        if broke.ours:
            lines += wrapped("", f"the generator, not the server, was the limit at {broke.calls} calls: {ADVICE}")
    for step in search.steps:
        lines += wrapped(f"{step.calls:>6} calls: ", "; ".join(step.failures) or "held")
    return lines


def limit_json(search: Search) -> dict[str, Any]:
    """Return the same as a JSON object."""
    broke = search.broke
    return {
        "schema": "audiosocket.bench-limit/1",
        "held_calls": search.held,
        "broke_calls": broke and broke.calls,
        "generator_was_the_limit": bool(broke and broke.ours),
        "steps": [{"calls": step.calls, "failures": list(step.failures)} for step in search.steps],
    }


@contextlib.contextmanager
def bench_progress(total_s: float) -> Iterator[Callable[[Progress], None]]:
    """Yield a function that shows progress: one live line on a terminal, elsewhere a line every 10 s."""
    if is_terminal(sys.stderr):
        with Live(Text(""), console=Console(stderr=True), refresh_per_second=4, transient=True) as live:
            yield lambda progress: live.update(
                Text(_progress_line(progress, total_s), no_wrap=True, overflow="ellipsis")
            )
        return
    told_s = 0.0

    def tell(progress: Progress) -> None:
        nonlocal told_s
        if progress.elapsed_s - told_s >= _PLAIN_EVERY_S:
            told_s = progress.elapsed_s
            say(_progress_line(progress, total_s))

    yield tell


def _progress_line(progress: Progress, total_s: float) -> str:
    figures = progress.figures
    parts = [f"{progress.elapsed_s:.0f} of {total_s:.0f} s", f"{progress.live_calls} calls"]
    for title, name in (("echo", "echo"), ("turn", "turn"), ("first byte", "first_byte"), ("our lateness", "lateness")):
        times = figures.times[name]
        if times.count:
            parts.append(f"{title} p95 {times.percentile_ms(95):.1f} ms")
    failed = sum(figures.counts[name] for name in ERRORS)
    return ", ".join([*parts, f"{failed} errors"])
