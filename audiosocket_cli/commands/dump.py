"""`audiosocket dump`: what is in a capture."""

from __future__ import annotations

import json
import math
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from audiosocket_cli.commands.params import AnyKindParam, TimeParam
from audiosocket_cli.errors import ExitCode, FileError, UsageError

if TYPE_CHECKING:
    from audiosocket_cli.capture.items import CapturedCall, Damage, Item
    from audiosocket_cli.capture.opening import Capture
    from audiosocket_cli.capture.runs import Run
    from audiosocket_cli.review.calls import CallReview, Shown
    from audiosocket_cli.review.exports import WavExport
    from audiosocket_cli.review.selection import Selection


FORMATS: Final = ("pcapng", "jsonl", "bin")


class _DumpCommand(click.Command):
    """A command whose option --to takes a time, or a format and a name."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        args = list(args)
        end = args.index("--") if "--" in args else len(args)
        for at in range(end - 1, -1, -1):
            option, joined, value = args[at].partition("=")
            if option != "--to":
                continue
            name_at = at + (1 if joined else 2)
            value = value if joined else "".join(args[at + 1 : at + 2])
            if value not in FORMATS:
                continue
            name = args[name_at] if name_at < len(args) else ""
            if not name or (name.startswith("-") and name != "-"):
                raise click.UsageError(
                    f"--to {value} needs a name to write to: --to {value} FILE, or - for a pipe", ctx
                )
            args[at : name_at + 1] = ["--convert", value, name]
        return super().parse_args(ctx, args)


class _UntilParam(TimeParam):
    """A time; whoever meant a format is told which there are."""

    def fail(self, message: str, param: click.Parameter | None = None, ctx: click.Context | None = None) -> Any:
        formats = ", ".join(FORMATS)
        super().fail(f"{message}; or a format and a name: {formats} FILE (--wav DIR writes WAV)", param, ctx)


@click.command(cls=_DumpCommand)
@click.argument("captures", metavar="CAPTURE…", nargs=-1, required=True)
@click.option("--each", is_flag=True, help="A line for each frame.")
@click.option("--hex", "with_hex", is_flag=True, help="… and its payload in hexadecimal.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines, one a frame, which replay takes.")
@click.option("--stats", is_flag=True, help="Figures of both sides; with --json an object for each call.")
@click.option("--kind", "kinds", type=AnyKindParam(), multiple=True, help="Frames of this kind only; more than once.")
@click.option("--side", type=click.Choice(["caller", "server"]), help="Frames of this side only.")
@click.option("--call", metavar="UUID", help="This call only; the first digits do.")
@click.option("--from", "from_s", type=TimeParam(), help="From this time of the call on, as 12.5 or 1:12.5.")
@click.option("--to", "to_s", type=_UntilParam(), help="Up to this time of the call.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help="Stop after N rows, calls with --stats, or frames with all else.",
)
@click.option(
    "--wav",
    type=str,
    metavar="DIR|FILE.wav",
    help="Write each call to DIR/<uuid>.wav, too, or the call to FILE.wav, a second one to FILE-2.wav; from --from on.",
)
@click.option(
    "--convert",
    type=(click.Choice(FORMATS), str),
    metavar="FORMAT OUT",
    help="Write it as pcapng, jsonl or bin (one side's bytes) to OUT, or to - for a pipe; --to FORMAT OUT, too.",
)
@click.option("--follow", is_flag=True, help="Wait for more at the end of the file, as it grows.")
@click.option("--resync", is_flag=True, help="Search on after damage.")
@click.option("--strict", is_flag=True, help="Exit with 1 when there are findings.")
@click.option("--force", is_flag=True, help="Overwrite OUT if it is there.")
@click.pass_context
def command(ctx: click.Context, /, captures: tuple[str, ...], **given: Any) -> None:
    """Show what is in a capture: who said what, when, and what is wrong with it.

    \b
    Examples:
      audiosocket dump call.pcapng
      audiosocket dump capture.bin --resync
      audiosocket dump pbx.pcap --stats
      audiosocket dump pbx.pcap --call 8f269582 --wav ./calls
      audiosocket dump pbx.pcap --call 8f269582 --from 1:00 --to 1:30 --wav part.wav
      audiosocket dump rotated/pbx.pcap*
      audiosocket dump pbx.pcap --call 8f269582 --to pcapng call.pcapng
      audiosocket dump pbx.pcap.gz --json | jq 'select(.digit)'
      ssh -T pbx tcpdump -i any -w - -U port 9092 | audiosocket dump - --follow

    CAPTURE is what --capture wrote, what tcpdump or Wireshark captured (pcap, pcapng), JSON lines, or the bytes of one
    side as nc and socat keep them; packed (gzip, xz, bzip2, zstd, lz4) or not, or - for standard input. Its content
    says which it is. Several of pcap and pcapng that go on from each other, as of a rotation, are joined by time.

    Exits with 0, with 1 for findings with --strict, with 5 when a file is damaged or cut (all before the damage is
    shown), with 6 when there is no call in it, or nothing that is selected.
    """
    # Frames are small: threads that BLAS would start with cost more than they bring.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    ctx.exit(_Dump(**given).run(captures))


class _Dump:
    """One run of the command: what was asked for, and what came of it so far."""

    def __init__(
        self,
        *,
        each: bool,
        with_hex: bool,
        as_json: bool,
        stats: bool,
        convert: tuple[str, str] | None,
        wav: str | None,
        follow: bool,
        resync: bool,
        strict: bool,
        force: bool,
        limit: int | None,
        **wanted: Any,
    ) -> None:
        if convert and (each or with_hex or as_json or stats):
            raise UsageError("--to FORMAT writes a file of its own: leave --each, --hex, --json and --stats out")
        if stats and (each or with_hex):
            raise UsageError("--stats and --each exclude each other: choose one")
        if as_json and (each or with_hex):
            raise UsageError("--json is a line for each frame, with its payload: leave --each and --hex out")
        if force and not convert and not (wav and Path(wav).suffix.lower() == ".wav"):
            raise UsageError(
                "--force overwrites what --to FORMAT OUT writes, or --wav FILE.wav: name one, or leave --force out"
            )
        self._each, self._with_hex, self._as_json, self._stats = each or with_hex, with_hex, as_json, stats
        self._convert, self._force, self._wav_name, self._limit = convert, force, wav, limit
        self._follow, self._resync, self._strict = follow, resync, strict
        self._selection = _selection(**wanted)
        self._wav: WavExport | None = None
        self._file = ""
        """The name of the capture, where there are several."""
        self._calls = self._frames = self._findings = self._damages = self._shown = 0
        self._interrupted = False

    def run(self, names: tuple[str, ...]) -> int:
        from audiosocket_cli.capture.joining import joined_captures
        from audiosocket_cli.ui.console import say

        if self._convert and len(names) > 1:
            raise UsageError(f"--to {self._convert[0]} takes one capture, not {len(names)}")
        if self._follow and len(names) > 1:
            raise UsageError(f"--follow takes one capture, not {len(names)}: it has no end")
        # A script's background jobs start with it ignored, and are told to end with it all the same.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            for capture in joined_captures(names, resync=self._resync) if len(names) > 1 else names:
                self._file = capture if isinstance(capture, str) and len(names) > 1 else ""
                try:
                    self._dump(capture)
                except FileError as error:
                    if len(names) == 1:
                        raise
                    self._damages += 1
                    say(str(error))
                if self._is_full or self._interrupted:
                    break
        except BrokenPipeError:
            # Whoever reads has seen enough, as head does; the exit's own flush must succeed.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            self._complete_wav()
            return ExitCode.DONE
        self._complete_wav()
        return self._exit_code()

    def _dump(self, what: Capture | str) -> None:
        """Show a capture, or one by its name."""
        from audiosocket_cli.capture.opening import open_capture
        from audiosocket_cli.ui.console import line_bytes, put_bytes, put_lines, say

        calls, frames, damages = self._calls, self._frames, self._damages
        capture = open_capture(what, resync=self._resync, follow=self._follow) if isinstance(what, str) else what
        name = what if isinstance(what, str) else capture.name
        if self._convert:
            self._write(name, *self._convert, capture)
        elif self._follow:
            for line in self._lines(capture):
                put_bytes([line_bytes(line)])  # `put` would go on when nobody reads any more
        else:
            put_lines(self._lines(capture))
        for why, count in capture.packets_left_out.items():
            say(f"{name}: left out {count} packet{'' if count == 1 else 's'} {why}")
        if capture.dropped:
            say(
                f"{name}: {capture.dropped} packets were dropped while it was captured: tcpdump -s 0 -B 16384 -w FILE "
                "keeps more"
            )
        if self._calls == calls:
            say(f"{name}: {self._why_no_call(capture, damaged=self._damages > damages)}")
        elif self._frames == frames and not self._is_full:
            say(f"{name}: {self._why_nothing()}")

    def _why_no_call(self, capture: Capture, *, damaged: bool) -> str:
        if self._selection.call is not None and not damaged:
            return f"no call in it has a UUID that begins with {self._selection.call!r}"
        if capture.format == "raw":
            return "there is no call in it; is it a capture at all? There are pcapng, pcap, JSON lines and raw bytes"
        others = f", only {capture.ignored} other TCP connections" if capture.ignored else ""
        cut = "; their packets are cut, and tcpdump -s 0 keeps them whole" if capture.is_cut else ""
        return f"there is no call in it{others}{cut}"

    def _why_nothing(self) -> str:
        if self._selection.is_part_of_calls:
            return "nothing in it is selected by --kind, --side, --from and --to"
        return "there is not one whole frame in it"

    @property
    def _is_full(self) -> bool:
        return self._limit is not None and self._shown >= self._limit

    def _exit_code(self) -> int:
        from audiosocket_cli.commands.outcome import worst

        failed = self._wav is not None and self._wav.errors
        codes = {
            ExitCode.INTERRUPTED: self._interrupted,
            ExitCode.DAMAGED: self._damages,
            ExitCode.NOTHING: not self._frames and not self._is_full,
            ExitCode.NEGATIVE: failed or (self._strict and self._findings),
        }
        return worst(code for code, holds in codes.items() if holds)

    def _lines(self, capture: Capture) -> Iterator[str]:
        if self._each or (self._as_json and not self._stats):
            return self._frame_lines(self._selected(capture))
        return self._review_lines(capture)

    def _read(self, found: Iterable[Run | Item], capture: Capture) -> Iterator[Any]:
        """Yield all that a capture holds, and count it. Whoever interrupts gets to see the end of what there is."""
        from audiosocket_cli.capture.items import Damage, Opened, Over

        going_on: dict[CapturedCall, None] = {}
        rare = (Opened, Over, Damage)  # the question is asked for each frame
        try:
            for one in found:
                if isinstance(one, rare):
                    if isinstance(one, Opened):
                        going_on[one.call] = None
                        self._calls += self._selection.takes_call(one.call)
                    elif isinstance(one, Over):
                        going_on.pop(one.call, None)
                        self._tell_remarks(one.call)
                    else:
                        self._tell_damage(one, capture)
                yield one
        except KeyboardInterrupt:
            self._interrupted = True
            yield from map(Over, going_on)

    def _tell_remarks(self, call: CapturedCall) -> None:
        """Say what there is to know of how a call was captured, where that has no row."""
        from audiosocket_cli.ui.console import say
        from audiosocket_cli.ui.timeline import short_name

        if self._selection.takes_call(call) and (self._convert or self._each or (self._as_json and not self._stats)):
            for text in call.remarks:
                say(f"{f'{self._file}: ' if self._file else ''}call {short_name(call)}: {text}")

    def _tell_damage(self, damage: Damage, capture: Capture) -> None:
        from audiosocket_cli.ui.console import say
        from audiosocket_cli.ui.timeline import damage_line

        self._damages += 1
        line = damage_line(damage, cure="" if capture.is_beyond_resync else "--resync searches on")
        file = self._file or (capture.current.name if capture.current is not capture else "")
        say(f"{file}: {line}" if file else line)

    def _items(self, capture: Capture) -> Iterator[Item]:
        """Yield all, frame by frame, on its way past what writes WAV files and what judges."""
        items: Iterator[Item] = self._read(capture, capture)
        if self._wav_name is not None:
            from audiosocket_cli.review.exports import WavExport

            self._wav = self._wav or WavExport(self._wav_name, self._selection, force=self._force)
            items = self._wav.watch(items, both=capture.format != "raw")
        return items

    def _selected(self, capture: Capture) -> Iterator[Item]:
        """Yield what is selected, frame by frame, up to the limit."""
        from audiosocket_cli.capture.items import Captured

        items = self._items(capture)
        if self._strict:
            from audiosocket_cli.review.calls import judged

            items = judged(items, self._selection, self._note_findings)
        most = math.inf if self._limit is None else self._limit - self._shown
        frames = 0
        try:
            for item in self._selection.items(items):
                frames += isinstance(item, Captured)
                yield item
                if frames >= most:
                    return
        finally:
            self._frames += frames
            self._shown += frames

    def _note_findings(self, call: CallReview) -> None:
        self._findings += len(call.findings)

    def _frame_lines(self, items: Iterable[Item]) -> Iterator[str]:
        from audiosocket_cli.capture.items import Captured, Opened
        from audiosocket_cli.capture.jsonl import item_line
        from audiosocket_cli.ui.timeline import frame_line, hex_lines, other_line

        if self._as_json:
            yield from filter(None, map(item_line, items))
            return
        headings: dict[CapturedCall | None, str | None] = {}  # of calls of which nothing is selected so far
        for item in items:
            named = self._calls > 1
            if isinstance(item, Captured):
                line: str | None = frame_line(item, named=named)
            else:
                line = other_line(item, named=named, file=self._file)
            if isinstance(item, Opened) and self._selection.is_part_of_calls:
                headings[item.call] = line
            elif line is not None:
                heading = headings.pop(getattr(item, "call", None), None) if headings else None
                yield from filter(None, (heading, line))
                if self._with_hex and isinstance(item, Captured):
                    yield from hex_lines(item.frame.payload)

    def _review_lines(self, capture: Capture) -> Iterator[str]:
        from audiosocket_cli.capture.items import Damage
        from audiosocket_cli.review.calls import CallRow, Summary, at_once, in_turn, review
        from audiosocket_cli.ui.timeline import shown_lines

        calls = review(self._runs(capture), self._selection, with_rows=not self._stats, live=self._follow)
        for shown in at_once(calls) if self._follow else in_turn(calls):
            if isinstance(shown, Summary):
                self._frames += sum(side.frames for side in shown.call.sides.values())
                self._findings += len(shown.call.findings) if self._stats else 0
            elif isinstance(shown, CallRow):
                self._findings += shown.row.what == "finding"
            if self._stats:
                yield from self._stats_lines(shown)
            elif not isinstance(shown, Damage):  # that was told on stderr
                yield from shown_lines(shown, named=self._follow, file=self._file)
            self._shown += isinstance(shown, Summary if self._stats else CallRow)
            if self._is_full:
                return

    def _stats_lines(self, shown: Shown) -> Iterator[str]:
        from audiosocket_cli.review.calls import Summary
        from audiosocket_cli.ui.timeline import stats_lines

        if isinstance(shown, Summary):
            result = shown.call.as_dict()
            file = shown.call.call.file or self._file
            yield from [json.dumps(result, ensure_ascii=False)] if self._as_json else stats_lines(result, file=file)

    def _runs(self, capture: Capture) -> Iterator[Run | Item]:
        """Yield all in runs of frames; from raw bytes they come as such."""
        from audiosocket_cli.capture.runs import in_runs

        if capture.format == "raw" and self._wav_name is None:
            return self._read(capture.runs(), capture)
        return in_runs(self._items(capture))

    def _write(self, name: str, format_name: str, out: str, capture: Capture) -> None:
        from audiosocket_cli import __version__
        from audiosocket_cli.review.exports import as_bytes, as_jsonl, as_pcapng
        from audiosocket_cli.review.saving import write_file
        from audiosocket_cli.ui.console import put_bytes

        items = self._selected(capture)
        if format_name == "pcapng":
            pieces = as_pcapng(items, f"audiosocket {__version__}")
        else:
            pieces = as_jsonl(items) if format_name == "jsonl" else as_bytes(items)
        if out == "-":
            if format_name != "jsonl" and sys.stdout.isatty():
                raise UsageError(f"cannot write {format_name} to a terminal: pipe it to a program, or name a file")
            for some in ([piece] for piece in pieces) if self._follow else [pieces]:
                put_bytes(some)
            return
        if name != "-" and os.path.exists(out) and os.path.samefile(name, out):
            raise UsageError(f"cannot write {out}: it is the capture itself; choose another name")
        write_file(out, pieces, force=self._force)

    def _complete_wav(self) -> None:
        from audiosocket_cli.ui.console import say, shown_path

        if self._wav is None:
            return
        self._wav.close()
        if self._wav.is_one_file and len(self._wav.files) > 1:
            say(f"{self._wav_name} has room for one call, the first: the others are in files beside it")
        for path in self._wav.files:
            say(f"wrote {shown_path(path)}")
        for note in self._wav.notes:
            say(note)
        for error in self._wav.errors:
            say(f"a WAV file is not complete: {error}")


def _selection(
    *, kinds: tuple[frozenset[int], ...], side: str | None, call: str | None, from_s: float | None, to_s: float | None
) -> Selection:
    from audiosocket_cli.asterisk import Side
    from audiosocket_cli.review.selection import Selection

    if from_s is not None and to_s is not None and from_s >= to_s:
        raise UsageError(f"--from {from_s:g} is not before --to {to_s:g}: there is no time between them")
    return Selection(
        call,
        Side(side) if side else None,
        frozenset().union(*kinds),
        -math.inf if from_s is None else from_s,
        math.inf if to_s is None else to_s,
    )
