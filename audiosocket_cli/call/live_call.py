"""A live call, whoever dialled: its taps, and its result at the end. Its kinds: `session_call`, `relayed_call`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from weakref import ref

from audiosocket_cli.call.bots.bot import Bot
from audiosocket_cli.call.events import CallEnded, CaptureFailed, DigitHeard, EventTap, RecordingFailed, Report
from audiosocket_cli.call.peek import Peek
from audiosocket_cli.call.phases import Limits
from audiosocket_cli.call.recording.destinations import Output
from audiosocket_cli.call.recording.disk_thread import Disk
from audiosocket_cli.call.recording.recording import Decode, Layout, Recording
from audiosocket_cli.call.sources.basic import Silence, Source
from audiosocket_cli.call.taps.capturing import CaptureTap, Capturing
from audiosocket_cli.call.taps.dtmf import DtmfTap
from audiosocket_cli.call.taps.speech import SilenceWatch
from audiosocket_cli.call.taps.stats import CallStats, call_result
from audiosocket_cli.call.taps.tap import FLUSH_S, QUICK_FLUSH_S, RELAXED_FLUSH_S, Tap
from audiosocket_cli.call.wire import Link, SocketWire
from audiosocket_cli.capture.writing import CaptureOutput
from audiosocket_cli.model import Call, Digit, Side


@dataclass(frozen=True, slots=True)
class CallOptions:
    """What is done with each call."""

    make_source: Callable[[], Source] = Silence
    """Makes the source of each call that no bot answers."""
    record: Output | None = None
    capture: CaptureOutput | None = None
    """Where what passes on the wire goes."""
    layout: Layout = Layout.CALLER
    rate_hz: int | None = None
    """The rate of recordings; that of the audio when None."""
    decode: Decode = Decode.SLIN
    """How recordings read what is heard."""
    detect_dtmf: bool = False
    """Whether to listen for digits in the audio."""
    make_bot: Callable[[Report], Bot] | None = None
    """Makes the bot of each call, if bots answer; it reports its events to the argument."""
    make_taps: Callable[[Source], Sequence[Tap]] = lambda source: ()
    """Makes further taps of each call, given its source."""
    until_silence_s: float | None = None
    """Hang up when the other side was silent for so long."""
    limits: Limits = field(default_factory=Limits)
    disk: Disk = field(default_factory=Disk)
    """What writes the recordings' files."""
    source_descriptors: int = 0
    """The most open files that the source of a call takes."""
    is_watched: bool = True
    """Whether somebody may look at a call's figures while it goes on."""

    @property
    def flush_s(self) -> float:
        """Seconds between batches for the taps: fewer if anything waits for what they find."""
        if self.detect_dtmf or self.until_silence_s is not None:
            return QUICK_FLUSH_S
        needs_audio = self.record is not None or self.capture is not None or self.make_bot is not None
        return FLUSH_S if self.is_watched or needs_audio else RELAXED_FLUSH_S

    @property
    def takes_stdout(self) -> bool:
        """Whether data of calls goes to standard output, which is no place for a log then."""
        return any(output is not None and output.has_stdout for output in (self.record, self.capture))


class Life(Protocol):
    """What drives a live call, as all see it who are not its driver: a `Session` or a `Relay`."""

    call: Call | None
    begun: bool
    ended: bool
    failure: str | None

    @property
    def closed_silently(self) -> bool:
        """Whether the peer came and went without ever having sent a byte, as health checks do."""

    @property
    def age_s(self) -> float:
        """Seconds since the call's start, or its whole length once it has ended; 0.0 before the UUID."""

    def peek(self) -> Peek:
        """Return a look at what passes from now on, until `end_peek`."""

    def end_peek(self, peek: Peek) -> None:
        """End a look. Safe to call twice."""

    def catch_up(self) -> None:
        """Let all peeks see what has come so far."""

    def read_each(self, *, each: bool) -> None:
        """Read each frame as it comes, for as long as somebody listens; or in bulk again, where that was done."""

    def admit(self) -> None:
        """Admit a caller who waits for it."""

    def hang_up(self, reason: str) -> None:
        """End the call from our side. Safe to call twice."""

    def stop(self, reason: str) -> None:
        """End the call from our side, soon."""

    def abort(self) -> None:
        """End it now. Safe to call twice."""


class LiveCall:
    """A call that goes on, with all that watches it. The subclass makes its `session`, before anything else is done."""

    __slots__ = (
        "__weakref__",
        "_json",
        "_report",
        "bot",
        "capture_error",
        "capturing",
        "peer",
        "recording",
        "recording_error",
        "refusal",
        "session",
        "stats",
        "through",
        "wire",
    )

    session: Life

    def __init__(self, link: Link, options: CallOptions, report: Report, *, me: Side, stats: CallStats) -> None:
        """Make the recording and the capture of a connection in which we are `me`. `report` gets its events."""
        self._report = report
        self.through = link.through
        self.peer = link.peer
        self.stats = stats
        self.bot: Bot | None = None
        self.capture_error: str | None = None
        """Why the capture is not complete, if it is not."""
        self.recording_error: str | None = None
        """Why the recording, or the JSON beside it, is not complete, if it is not."""
        self.refusal: str | None = None
        """Why it was not admitted, if it was not."""
        self._json: Path | None = None
        lose = _WeakTell(self, LiveCall._lose_capture)
        self.capturing = Capturing.begin(options.capture, link, me, options.disk, lose)
        self.recording = self._recording(options)
        self.wire = self._make_wire(link)

    def _make_wire(self, link: Link) -> SocketWire:
        """Return the wire over its connection."""
        return SocketWire(link.socket, self.capturing.trace)

    def _recording(self, options: CallOptions) -> Recording | None:
        if options.record is None:
            return None
        return Recording(
            options.layout,
            options.record,
            rate_hz=options.rate_hz,
            decode=options.decode,
            disk=options.disk,
            with_json=True,
            on_failure=_WeakTell(self, LiveCall._lose_recording),
        )

    def _taps(self, options: CallOptions) -> Iterator[Tap]:
        """Yield all that watches it, each of its kind in its place."""
        yield EventTap(self._report)
        if self.recording is not None:
            yield self.recording
        yield self.stats
        if self.capturing.trace is not None:
            yield CaptureTap(self.capturing.trace)
        if self.bot is not None:
            yield self.bot
        if options.detect_dtmf:
            yield DtmfTap(self._note_digit)
        if options.until_silence_s is not None:
            reason = f"silent for {options.until_silence_s:g} s"
            yield SilenceWatch(options.until_silence_s, partial(self._hang_up_soon, reason))

    @property
    def files(self) -> list[Path]:
        """The recording's files."""
        return self.recording.paths if self.recording else []

    @property
    def capture_file(self) -> Path | None:
        """The capture's file, if it has one."""
        return self.capturing.trace.path if self.capturing.trace else None

    @property
    def stalls(self) -> int:
        """How often a side had to wait because the other did not read; of a call that is passed on."""
        return 0

    @property
    def mirrored(self) -> str | None:
        """The result of its mirror, in one word, once a call with a mirror has ended."""
        return None

    @property
    def mirrored_files(self) -> list[Path]:
        """The recordings of its mirror, their JSON, and its capture."""
        return []

    @property
    def json_file(self) -> Path | None:
        """The JSON beside the recording, once it is there."""
        return self._json

    def turn_away(self, reason: str) -> None:
        """Hang up on a caller who was not let in."""
        if not self.session.ended and not self.session.begun and self.session.failure is None:
            self.refusal = reason
            self.session.hang_up(reason)

    def stop(self, reason: str) -> None:
        """End it from our side, soon, and what belongs to it. Safe to call when it has ended."""
        if not self.session.ended:
            self.session.stop(reason)

    def abort(self) -> None:
        """End it now, and what belongs to it; `conclude` still has to be awaited."""
        self.session.abort()
        if self.bot is not None:
            self.bot.kill()
        if self.through is not None:
            self.through.kill()
        if self.recording is not None:
            self.recording.abort()
        self.capturing.abort()

    async def conclude(self) -> dict[str, Any] | None:
        """Finish the recording and the bot, write and report the result, and return it.

        None when it never became a call.
        """
        await self.capturing.finish()
        odd = () if self.through is None else await self.through.finish()
        call = self.session.call
        if call is None or call.ending is None:
            return None
        for text in odd:
            call.note(text)
        if self.bot is not None:
            await self.bot.finish()
        if self.recording is not None:
            await self.recording.finish()
        self.stats.note_undelivered(call)
        result = call_result(call, self.stats, self.recording) | self._own_facts()
        if self.capturing.is_wanted:
            result["capture"] = self.capturing.as_dict()
        if self.files and self.recording is not None and self.recording.output.has_json:
            try:
                self._json = await asyncio.to_thread(self.recording.output.write_json, self.files[0], result)
            except OSError as error:
                self._lose_recording(error, "cannot write its JSON: ")
        self._report(CallEnded(call, result, self.files, self.capture_file, self._json, self.mirrored_files))
        return result

    def _own_facts(self) -> dict[str, Any]:
        """Return what is known of a call of its kind only, as JSON values."""
        facts = {} if self.bot is None else self.bot.facts()
        return facts if self.through is None else facts | self.through.facts()

    def facts(self, result: dict[str, Any]) -> dict[str, str]:
        """Return what is known of the ended call as environment variables for a command."""
        facts = {
            "UUID": result["uuid"],
            "PEER": result["peer"],
            "DURATION_S": str(result["duration_s"]),
            "ENDED_BY": result["ended_by"],
            "ENDED_HOW": result["ended_how"],
            "ENDED_REASON": result["ended_reason"],
            "DIGITS": "".join(press["digit"] for press in result["dtmf"]),
        }
        facts["RESULT"] = result.get("result", "")
        facts["RECORDING"] = str(self.files[0].absolute()) if self.files else ""
        facts["JSON"] = str(self._json.absolute()) if self._json else ""
        assert self.session.call is not None
        told = {f"AUDIOSOCKET_{name}": value for name, value in facts.items()}
        return {**self.session.call.environment(), **told}

    def _note_digit(self, digit: Digit) -> None:
        assert self.session.call is not None
        if not self.session.call.press(digit):
            return
        self._report(DigitHeard(self.session.call, digit))
        if self.bot is not None:
            self.bot.digit(digit.at_s, digit.digit)

    def _lose_recording(self, error: OSError, what: str = "") -> None:
        if isinstance(error, BrokenPipeError):
            self._hang_up_soon("nobody reads the recording any more")
            return
        assert self.session.call is not None
        reason = what + (error.strerror or str(error))
        self.recording_error = reason
        self._report(RecordingFailed(self.session.call, reason))

    def _lose_capture(self, error: OSError) -> None:
        if isinstance(error, BrokenPipeError):  # its reader has closed the pipe
            self._report(CaptureFailed(self.peer, "nobody reads it any more"))
            return
        self.capture_error = error.strerror or str(error)
        self._report(CaptureFailed(self.peer, self.capture_error))

    def _hang_up_soon(self, reason: str) -> None:
        # Not at once: the other taps must get this batch first.
        asyncio.get_running_loop().call_soon(self.session.hang_up, reason)


class _WeakTell:
    """Tells a live call of a failure without keeping it alive. Its parts report failures through it: a strong reference
    would form a cycle, which stays in memory until Python's next full collection, thousands of calls later."""

    __slots__ = ("_live", "_lose")

    def __init__(self, live: LiveCall, lose: Callable[[LiveCall, OSError], None]) -> None:
        self._live = ref(live)
        self._lose = lose

    def __call__(self, error: OSError) -> None:
        live = self._live()
        if live is not None:
            self._lose(live, error)
