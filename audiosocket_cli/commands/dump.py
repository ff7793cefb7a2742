"""`audiosocket dump`: what is in a capture."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from audiosocket_cli.commands.params import AnyKindParam, TimeParam
from audiosocket_cli.commands.path_param import FILE_OR_FOLDER, PathParam
from audiosocket_cli.commands.text_param import TextParam
from audiosocket_cli.commands.to_option import FORMATS, ToOptionCommand, UntilParam
from audiosocket_cli.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from audiosocket_cli.analysis.dumping import DumpRequest, Form
    from audiosocket_cli.call.recording.wav_export import WavExport


@click.command(cls=ToOptionCommand, short_help="Show what is in a capture: who said what, when, what is wrong.")
@click.argument("captures", metavar="CAPTURE…", nargs=-1, required=True)
@click.option("--each", is_flag=True, help="Show a line for each frame.")
@click.option("--hex", "with_hex", is_flag=True, help="The same, with each payload in hexadecimal.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines, one for each frame; replay reads them.")
@click.option("--stats", is_flag=True, help="Show figures of both sides; with --json one object for each call.")
@click.option("--kind", "kinds", type=AnyKindParam(), multiple=True, help="Show frames of this kind only (repeatable).")
@click.option("--side", type=click.Choice(["caller", "server"]), help="Show frames of this side only.")
@click.option(
    "--call",
    type=TextParam("the first digits of a UUID"),
    metavar="UUID",
    help="Show this call only; the first digits of the UUID are enough.",
)
@click.option("--from", "from_s", type=TimeParam(), help="Begin at this time of the call, such as 12.5 or 1:12.5.")
@click.option("--to", "to_s", type=UntilParam(), help="End at this time of the call.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help="Stop after N rows; with --stats after N calls, with other options after N frames.",
)
@click.option(
    "--wav",
    type=PathParam(FILE_OR_FOLDER, path_type=str),
    metavar="DIR|FILE.wav",
    help="Also write each call to DIR/<uuid>.wav, or one call to FILE.wav (a second to FILE-2.wav), from --from on.",
)
@click.option(
    "--convert",
    type=(click.Choice(FORMATS), str),
    metavar="FORMAT OUT",
    help="Write calls as pcapng, jsonl or bin (one side's bytes) to OUT, or - for a pipe; --to FORMAT OUT is the same.",
)
@click.option("--follow", is_flag=True, help="Wait for more at the end of the file, as it grows.")
@click.option("--resync", is_flag=True, help="Go on with the next whole frame after damage.")
@click.option("--strict", is_flag=True, help="Exit with 1 when there are findings.")
@click.option("--force", is_flag=True, help="Overwrite OUT if it exists.")
@click.pass_context
def command(
    ctx: click.Context, /, captures: tuple[str, ...], each: bool, with_hex: bool, as_json: bool, stats: bool,
    kinds: tuple[frozenset[int], ...], side: str | None, call: str | None, from_s: float | None, to_s: float | None,
    limit: int | None, wav: str | None, convert: tuple[str, str] | None, follow: bool, resync: bool, strict: bool,
    force: bool,
) -> None:  # fmt: skip
    """Show what is in a capture: who said what, when, and what is wrong with it.

    \b
    Examples:
      audiosocket dump call.pcapng
      audiosocket dump capture.bin --resync
      audiosocket dump pbx.pcap --stats
      audiosocket dump pbx.pcap --call 8f269582 --wav ./calls
      audiosocket dump pbx.pcap --call 8f269582 --from 1:00 --to 1:30 \\
        --wav part.wav
      audiosocket dump rotated/pbx.pcap*
      audiosocket dump pbx.pcap --call 8f269582 --to pcapng call.pcapng
      audiosocket dump pbx.pcap.gz --json | jq 'select(.digit)'
      ssh -T pbx tcpdump -i any -w - -U port 9092 | audiosocket dump - --follow

    CAPTURE is what --capture wrote, what tcpdump or Wireshark captured (pcap, pcapng), JSON lines, or the bytes of one
    side as nc and socat keep them; packed (gzip, xz, bzip2, zstd, lz4) or not, or - for standard input. The
    format is recognised by content. Several pcap or pcapng files that continue each other, as in a rotation, are joined
    by time.

    Exits with 0, with 1 for findings with --strict, with 5 when a file is damaged or cut (everything before the damage
    is shown), with 6 when it holds no call, or nothing that was selected.
    """
    from audiosocket_cli.analysis.dumping import Copy, DumpRequest
    from audiosocket_cli.analysis.selection import Selection

    form = _form(each or with_hex, with_hex, as_json, stats, copies=convert is not None)
    if force and not convert and not (wav and Path(wav).suffix.lower() == ".wav"):
        raise UsageError(
            "--force overwrites what --to FORMAT OUT writes, or --wav FILE.wav: name one, or leave out --force"
        )
    selection = Selection.of(call, side, kinds, from_s, to_s)
    if convert and len(captures) > 1:
        raise UsageError(f"--to {convert[0]} takes one capture, not {len(captures)}")
    if follow and len(captures) > 1:
        raise UsageError(f"--follow takes one capture, not {len(captures)}: it has no end")
    copy = Copy(*convert, force) if convert else None
    request = DumpRequest(captures, form, selection, limit, follow, resync, strict, copy)
    ctx.exit(_run(request, wav, force=force))


def _form(each: bool, with_hex: bool, as_json: bool, stats: bool, *, copies: bool) -> Form:
    """Return the form that the options ask for. Raises `UsageError` for two."""
    from audiosocket_cli.analysis.dumping import Form

    if copies and (each or as_json or stats):
        raise UsageError("--to FORMAT writes a file of its own: leave out --each, --hex, --json and --stats")
    if stats and each:
        raise UsageError("--stats and --each exclude each other: choose one")
    if as_json and each:
        raise UsageError("--json is a line for each frame, with its payload: leave out --each and --hex")
    if stats:
        return Form.STATS_JSON if as_json else Form.STATS
    if each:
        return Form.FRAMES_HEX if with_hex else Form.FRAMES
    return Form.FRAMES_JSON if as_json else Form.ROWS


def _run(request: DumpRequest, wav_name: str | None, *, force: bool) -> int:
    """Show what is asked for, and return the exit code. WAV files are complete, however it ends."""
    from audiosocket_cli.analysis.dumping import dump
    from audiosocket_cli.jobs.outcome import Outcome
    from audiosocket_cli.ui.console import drop_output
    from audiosocket_cli.ui.dump_notes import SaidNotes, say_wav
    from audiosocket_cli.ui.dump_sinks import sink_for

    wav: WavExport | None = None
    if wav_name is not None:
        from audiosocket_cli.call.recording.wav_export import WavExport

        wav = WavExport(wav_name, request.selection, force=force)
    try:
        result = dump(request, sink_for(request), SaidNotes(), wav)
    except BrokenPipeError:  # whoever reads has seen enough, as head does
        drop_output()
        return ExitCode.DONE
    finally:
        if wav is not None:
            wav.close()
            say_wav(wav)
    has_failed = (request.strict and result.findings) or (wav and (wav.errors or wav.pauses))
    return Outcome(
        signal.SIGINT if result.interrupted else None,
        damaged=bool(result.damages),
        failed=bool(has_failed),
        found_nothing=not result.frames and not result.is_full,
    ).exit_code
