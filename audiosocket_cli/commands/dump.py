"""`audiosocket dump`: what is in a capture."""

from __future__ import annotations

import itertools
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from audiosocket_cli.commands.params import AnyKindParam, TimeParam
from audiosocket_cli.errors import ExitCode, FileError, UsageError

if TYPE_CHECKING:
    from audiosocket_cli.capture.items import Item
    from audiosocket_cli.capture.opening import Capture
    from audiosocket_cli.capture.runs import Run
    from audiosocket_cli.review.exports import WavExport
    from audiosocket_cli.review.selection import Selection


FORMATS: Final = ("pcapng", "jsonl", "bin")


class _DumpCommand(click.Command):
    """A command whose option --to takes a time, or a format and a name."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for at, (word, following) in enumerate(itertools.pairwise(args)):
            if word == "--to" and following in FORMATS:
                args = [*args[:at], "--convert", *args[at + 1 :]]
        return super().parse_args(ctx, args)


@click.command(cls=_DumpCommand)
@click.argument("captures", metavar="CAPTURE…", nargs=-1, required=True)
@click.option("--each", is_flag=True, help="A line for each frame.")
@click.option("--hex", "with_hex", is_flag=True, help="… and its payload in hexadecimal.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines, one a frame, which replay takes.")
@click.option("--stats", is_flag=True, help="Figures of both sides; with --json an object for each call.")
@click.option("--kind", "kinds", type=AnyKindParam(), multiple=True, help="Frames of this kind only; more than once.")
@click.option("--side", type=click.Choice(["caller", "server"]), help="Frames of this side only.")
@click.option("--call", metavar="UUID", help="This call only; the first digits do.")
@click.option("--from", "from_s", type=TimeParam(), help="From this time of the call on.")
@click.option("--to", "to_s", type=TimeParam(), help="Up to this time of the call.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Stop after N lines or frames.")
@click.option("--wav", type=click.Path(path_type=Path), metavar="DIR", help="Write each call to DIR/<uuid>.wav, too.")
@click.option(
    "--convert",
    type=(click.Choice(FORMATS), str),
    metavar="FORMAT OUT",
    help="Write it as pcapng, jsonl or bin (one side's bytes) to OUT, or to - for a pipe; --to FORMAT OUT, too.",
)
@click.option("--follow", is_flag=True, help="Wait for more at the end of the file, as it grows.")
@click.option("--resync", is_flag=True, help="Search on behind damage.")
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
      audiosocket dump pbx.pcap.gz --json | jq 'select(.digit)'
      ssh pbx tcpdump -i any -w - -U port 9092 | audiosocket dump - --follow

    CAPTURE is what --capture wrote, what tcpdump or Wireshark captured (pcap, pcapng), JSON lines, or the bytes of one
    side as nc and socat keep them; packed with gzip or not, or - for standard input. Its content says which it is.

    Exits with 0, with 1 for findings with --strict, with 5 when a file is damaged or cut (all before the damage is
    shown), with 6 when there is no call in it, or nothing that is selected.
    """
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
        wav: Path | None,
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
        self._each, self._with_hex, self._as_json, self._stats = each or with_hex, with_hex, as_json, stats
        self._convert, self._force, self._wav_folder, self._limit = convert, force, wav, limit
        self._follow, self._resync, self._strict = follow, resync, strict
        self._selection = _selection(**wanted)
        self._wav: WavExport | None = None
        self._calls: set[str] = set()
        self._frames = self._findings = self._damages = 0

    def run(self, names: tuple[str, ...]) -> int:
        from audiosocket_cli.capture.opening import open_capture
        from audiosocket_cli.ui.console import put_lines, say

        if self._convert and len(names) > 1:
            raise UsageError(f"--to {self._convert[0]} takes one capture, not {len(names)}")
        for name in names:
            capture = open_capture(name, resync=self._resync, follow=self._follow)
            if self._convert:
                self._write(*self._convert, capture)
            else:
                lines = self._lines(capture)
                put_lines(itertools.islice(lines, self._limit), at_once=self._follow)
            for why, count in capture.packets_left_out.items():
                say(f"{name}: left out {count} packets {why}")
            if not self._calls:
                others = f", only {capture.ignored} other TCP connections" if capture.ignored else ""
                say(f"{name}: there is no call in it{others}")
        if self._wav is not None:
            self._tell_wav(self._wav)
        return self._exit_code()

    def _exit_code(self) -> int:
        if self._damages:
            return ExitCode.DAMAGED
        if not self._calls or not self._frames:
            return ExitCode.NOTHING
        failed = self._wav is not None and self._wav.errors
        return ExitCode.NEGATIVE if failed or (self._strict and self._findings) else ExitCode.DONE

    def _lines(self, capture: Capture) -> Iterator[str]:
        if self._each or (self._as_json and not self._stats):
            return self._frame_lines(self._items(capture))
        return self._review_lines(capture)

    def _items(self, capture: Capture) -> Iterator[Item]:
        """Yield what is selected, frame by frame, and count it."""
        from audiosocket_cli.capture.items import Captured

        items: Iterator[Item] = self._selection.items(capture)
        if self._wav_folder is not None:
            items = self._wav_of(capture).watch(items)
        for item in items:
            if isinstance(item, Captured):
                self._frames += 1
            else:
                self._count(item)
            yield item

    def _wav_of(self, capture: Capture) -> WavExport:
        from audiosocket_cli.review.exports import WavExport

        if self._wav is None:
            assert self._wav_folder is not None
            self._wav = WavExport(self._wav_folder, both=capture.format != "raw")
        return self._wav

    def _count(self, one: Run | Item) -> None:
        from audiosocket_cli.capture.items import Damage, Opened
        from audiosocket_cli.ui.console import say
        from audiosocket_cli.ui.timeline import damage_line

        if isinstance(one, Opened):
            self._calls.add(one.call.name)
        elif isinstance(one, Damage):
            self._damages += 1
            say(damage_line(one))

    def _frame_lines(self, items: Iterable[Item]) -> Iterator[str]:
        from audiosocket_cli.capture.items import Captured
        from audiosocket_cli.capture.jsonl import item_line
        from audiosocket_cli.ui.timeline import frame_line, other_line

        for item in items:
            if self._as_json:
                line = item_line(item)
            elif isinstance(item, Captured):
                timed, named = item.call.started_ns is not None, len(self._calls) > 1
                line = frame_line(item, named=named, timed=timed, with_hex=self._with_hex)
            else:
                line = other_line(item)
            if line is not None:
                yield line

    def _review_lines(self, capture: Capture) -> Iterator[str]:
        from audiosocket_cli.capture.items import Damage
        from audiosocket_cli.review.calls import Summary, at_once, in_turn, review
        from audiosocket_cli.ui.timeline import shown_lines, stats_lines

        most_s = _FOLLOWED_S if self._follow else math.inf
        calls = review(self._runs(capture), with_rows=not self._stats, most_s=most_s)
        for shown in at_once(calls) if self._follow else in_turn(calls):
            if isinstance(shown, Summary):
                self._findings += len(shown.call.findings)
            if isinstance(shown, Damage):
                continue  # it was told on stderr
            if not self._stats:
                yield from shown_lines(shown, named=self._follow)
            elif isinstance(shown, Summary):
                result = shown.call.as_dict()
                yield from [json.dumps(result, ensure_ascii=False)] if self._as_json else stats_lines(result)

    def _runs(self, capture: Capture) -> Iterator[Run | Item]:
        """Yield what is selected in runs of frames, and count it."""
        from audiosocket_cli.capture.runs import Run, in_runs

        if self._wav_folder is not None:
            yield from in_runs(self._items(capture))
            return
        for one in self._selection.runs(capture):
            if isinstance(one, Run):
                self._frames += len(one.at_s)
            else:
                self._count(one)
            yield one

    def _write(self, format_name: str, out: str, capture: Capture) -> None:
        from audiosocket_cli import __version__
        from audiosocket_cli.review.exports import as_bytes, as_jsonl, as_pcapng
        from audiosocket_cli.ui.console import put_bytes

        items = self._items(capture)
        if format_name == "pcapng":
            pieces = as_pcapng(items, f"audiosocket {__version__}")
        else:
            pieces = as_jsonl(items) if format_name == "jsonl" else as_bytes(items)
        if out == "-":
            if format_name != "jsonl" and sys.stdout.isatty():
                raise UsageError(f"cannot write {format_name} to a terminal: pipe it to a program, or name a file")
            put_bytes(pieces)
            return
        write_file(out, pieces, force=self._force)

    def _tell_wav(self, wav: WavExport) -> None:
        from audiosocket_cli.ui.console import say
        from audiosocket_cli.ui.lines import shown_path

        for path in wav.files:
            say(f"wrote {shown_path(path)}")
        for error in wav.errors:
            say(f"a WAV file is not complete: {error}")


_FOLLOWED_S: Final = 5.0
"""A row of a live view holds no more audio than this: somebody waits for it."""


def _selection(
    *, kinds: tuple[frozenset[int], ...], side: str | None, call: str | None, from_s: float | None, to_s: float | None
) -> Selection:
    from audiosocket_cli.asterisk import Side
    from audiosocket_cli.review.selection import Selection

    return Selection(
        call,
        Side(side) if side else None,
        frozenset().union(*kinds),
        -math.inf if from_s is None else from_s,
        math.inf if to_s is None else to_s,
    )


def write_file(name: str, pieces: Iterable[bytes], *, force: bool) -> None:
    """Write a file that only the user can read; one that is there is not touched without `force`. Raises `UsageError`
    for a name that cannot be, `FileError` where writing fails."""
    path = Path(name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_CREAT | os.O_WRONLY | (os.O_TRUNC if force else os.O_EXCL)
        with open(os.open(path, flags, 0o600), "wb") as file:
            for piece in pieces:
                file.write(piece)
    except FileExistsError:
        raise UsageError(f"cannot write {name}: it exists; choose another name or add --force") from None
    except OSError as error:
        raise FileError(f"cannot write {name}: {(error.strerror or str(error)).lower()}") from None
