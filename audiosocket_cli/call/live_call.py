"""A call while it lasts, whoever dialled: what watches it, and what is left of it when it is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audiosocket_cli.call.bots.program import Program
from audiosocket_cli.call.events import CallEnded, CaptureFailed, DigitHeard, EventTap, RecordingFailed, Report
from audiosocket_cli.call.phases import Limits
from audiosocket_cli.call.recording.destinations import Output
from audiosocket_cli.call.recording.disk_thread import Disk
from audiosocket_cli.call.recording.recording import Decode, Layout, Recording
from audiosocket_cli.call.session import Session
from audiosocket_cli.call.sources.basic import Source
from audiosocket_cli.call.taps.capturing import CaptureTap, Capturing
from audiosocket_cli.call.taps.dtmf import DtmfTap
from audiosocket_cli.call.taps.speech import SilenceWatch
from audiosocket_cli.call.taps.stats import CallStats, call_result
from audiosocket_cli.call.taps.tap import FLUSH_S, QUICK_FLUSH_S, Tap
from audiosocket_cli.capture.writing import CaptureOutput
from audiosocket_cli.model import Digit


@dataclass(frozen=True, slots=True)
class CallOptions:
    """What is done with each call."""

    make_source: Callable[[], Source]
    """Called for each call: what it is told."""
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
    make_taps: Callable[[Source], Sequence[Tap]] = lambda source: ()
    """Called for each call, with its source: who else watches it."""
    until_silence_s: float | None = None
    """Hang up when the other side was silent for so long."""
    limits: Limits = field(default_factory=Limits)
    disk: Disk = field(default_factory=Disk)
    """What writes the recordings' files."""
    source_descriptors: int = 0
    """How many open files what each call is told takes at most."""

    @property
    def takes_stdout(self) -> bool:
        """Whether data of calls goes to standard output, which is no place for a log then."""
        return any(output is not None and output.has_stdout for output in (self.record, self.capture))


class LiveCall:
    """A session with all that watches it."""

    __slots__ = (
        "_json",
        "_report",
        "capture_error",
        "capturing",
        "on_over",
        "program",
        "recording",
        "recording_error",
        "refusal",
        "session",
        "stats",
    )

    def __init__(self, session: Session, options: CallOptions, report: Report, capturing: Capturing) -> None:
        """Give the session its taps; `report` gets the call's events; `capturing` is that of the session's wire."""
        self.session = session
        self.capturing = capturing
        self.capture_error: str | None = None
        """Why the capture is not complete, if it is not."""
        self.stats = CallStats()
        self.recording: Recording | None = None
        self.program = session.source if isinstance(session.source, Program) else None
        self.recording_error: str | None = None
        """Why the recording, or the JSON beside it, is not complete, if it is not."""
        self.refusal: str | None = None
        """Why it was turned away at the door, if it was."""
        self.on_over: Callable[[LiveCall, Exception | None], object] = lambda live, error: None
        """Told by `over`."""
        self._json: Path | None = None
        self._report = report
        taps: list[Tap] = [EventTap(report)]
        if options.record is not None:
            self.recording = Recording(
                options.layout,
                options.record,
                rate_hz=options.rate_hz,
                decode=options.decode,
                disk=options.disk,
                with_json=True,
                on_failure=self._lose_recording,
            )
            taps.append(self.recording)
        taps.append(self.stats)
        if capturing.error is not None:
            self._lose_capture(capturing.error)
        elif capturing.trace is not None:
            capturing.trace.on_failure = self._lose_capture
            if capturing.trace.error is not None:
                self._lose_capture(capturing.trace.error)
            taps.append(CaptureTap(capturing.trace))
        if self.program is not None:
            self.program.report = report
            taps.append(self.program)
        if options.detect_dtmf:
            taps.append(DtmfTap(self._note_digit))
        if options.until_silence_s is not None:
            reason = f"silent for {options.until_silence_s:g} s"
            taps.append(SilenceWatch(options.until_silence_s, lambda: self._hang_up_soon(reason)))
        is_awaited = options.detect_dtmf or options.until_silence_s is not None
        session.watch(
            [*taps, *options.make_taps(session.source)],
            flush_s=QUICK_FLUSH_S if is_awaited else FLUSH_S,
            each_arrival=capturing.trace is not None,
        )

    @property
    def files(self) -> list[Path]:
        """The recording's files."""
        return self.recording.paths if self.recording else []

    @property
    def capture_file(self) -> Path | None:
        """The capture's file, if it has one."""
        return self.capturing.trace.path if self.capturing.trace else None

    def over(self, error: Exception | None) -> None:
        """The session has ended, by an error of ours if there is one."""
        self.on_over(self, error)

    def turn_away(self, reason: str) -> None:
        """Hang up on a caller who was not let in."""
        if not self.session.ended and not self.session.begun and self.session.failure is None:
            self.refusal = reason
            self.session.hang_up(reason)

    def abort(self) -> None:
        """End it now, and what belongs to it; `conclude` still has to be awaited."""
        self.session.abort()
        if self.program is not None:
            self.program.kill()
        if self.recording is not None:
            self.recording.abort()
        self.capturing.abort()

    async def conclude(self) -> dict[str, Any] | None:
        """Finish the recording and the program, write and report the result, and return it.

        None when it never became a call.
        """
        try:
            return await self._conclude()
        finally:
            self._untie()

    def _untie(self) -> None:
        """Make those who watched the call forget it: then it is gone from memory at once, and not when Python looks for
        what refers to itself, thousands of calls later."""
        if self.session.call is not None:
            self.session.call.on_note = _ignore
        if self.recording is not None:
            self.recording.on_failure = _ignore
        if self.capturing.trace is not None:
            self.capturing.trace.on_failure = _ignore

    async def _conclude(self) -> dict[str, Any] | None:
        await self.capturing.finish()
        call = self.session.call
        if call is None or call.ending is None:
            return None
        if self.program is not None:
            await self.program.finish()
        if self.recording is not None:
            await self.recording.finish()
        self.stats.part(call)
        result = call_result(call, self.stats, self.recording)
        if self.program is not None:
            result["program"] = self.program.as_dict()
        if self.capturing.is_wanted:
            result["capture"] = self.capturing.as_dict()
        if self.files and self.recording is not None and self.recording.output.has_json:
            try:
                self._json = await asyncio.to_thread(self.recording.output.write_json, self.files[0], result)
            except OSError as error:
                self._lose_recording(error, "cannot write its JSON: ")
        self._report(CallEnded(call, result, self.files, self.capture_file))
        return result

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
        facts["RECORDING"] = str(self.files[0].absolute()) if self.files else ""
        facts["JSON"] = str(self._json.absolute()) if self._json else ""
        return {f"AUDIOSOCKET_{name}": value for name, value in facts.items()}

    def _note_digit(self, digit: Digit) -> None:
        assert self.session.call is not None
        if not self.session.call.press(digit):
            return
        self._report(DigitHeard(self.session.call, digit))
        if self.program is not None:
            self.program.digit(digit.at_s, digit.digit)

    def _lose_recording(self, error: OSError, what: str = "") -> None:
        if isinstance(error, BrokenPipeError):
            self._hang_up_soon("nobody reads the recording any more")
            return
        assert self.session.call is not None
        reason = what + (error.strerror or str(error))
        self.recording_error = reason
        self._report(RecordingFailed(self.session.call, reason))

    def _lose_capture(self, error: OSError) -> None:
        if isinstance(error, BrokenPipeError):  # whoever read it has had enough
            self._report(CaptureFailed(self.session.peer, "nobody reads it any more"))
            return
        self.capture_error = error.strerror or str(error)
        self._report(CaptureFailed(self.session.peer, self.capture_error))

    def _hang_up_soon(self, reason: str) -> None:
        # A tap may not end the call under the other taps' feet.
        asyncio.get_running_loop().call_soon(self.session.hang_up, reason)


def _ignore(_: object) -> None:
    """Be told of what no longer matters."""
