"""A short call to a server, and what is wrong with how it took it: `check` in six seconds.

First the caller says nothing, as on hold: a server has to speak then. Then it says 2 s of noise with a digit in the
middle, and at last it closes. All that the server sends meanwhile is looked at.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

from audiosocket_cli.asterisk.facts import BURST_MS, FRAME_GAP_MS, SILENCE_TIMEOUT_S, is_burst
from audiosocket_cli.asterisk.releases import Behaviour, Release, since
from audiosocket_cli.check.pacing import made_up_once, usual_ms, worst_burst_s
from audiosocket_cli.check.probe import MAX_BYTES, HeardFrame, Patience, Probe
from audiosocket_cli.check.trial import Setting, Trial
from audiosocket_cli.codec import (
    HEADER_BYTES,
    RATE_BY_KIND,
    SAMPLE_BYTES,
    Kind,
    digit_frame,
    encode,
    is_audio,
    kind_name,
)
from audiosocket_cli.doctor.pbx.process_view import sockets_here
from audiosocket_cli.doctor.server.foreign_server import foreign_server, name_opening
from audiosocket_cli.doctor.server.server_audio import MISLABELLED, audio_findings
from audiosocket_cli.finding import Diagnosis, Status
from audiosocket_cli.model import How, Side
from audiosocket_cli.net.address import Address
from audiosocket_cli.text import counted

_FRAMES: Final = 50
"""Frames of noise before the digit, and after it."""

_DIGIT: Final = "5"

_LAST_S: Final = 0.3
"""How long after our last frame the server's are still taken in."""

_CLOSE_S: Final = 2.0
"""How long the server may take to close after us."""

_EARLY_S: Final = 1.0
"""A server that closes earlier, and has said nothing, takes no call."""

_MAX_SAMPLES: Final = 8096
"""What Asterisk's translators take at once (`ast_translate`, main/translate.c)."""

_MAX_BYTES: Final = _MAX_SAMPLES * SAMPLE_BYTES + 1

_MAX_USUAL_BYTES: Final = 7680
"""20 ms at 192 kHz."""

_MIN_UNREAD_BYTES: Final = 16_000
"""Half of what we say is unread at the end: a server that reads is never so far behind."""

_MIN_LEFT_BYTES: Final = 1000
"""The kernel counts our end as a byte, too."""

_SILENCE_CURE: Final = "send silence always, also where there is nothing to say: at least one frame each 100 ms"

_OTHER_PORT: Final = "is the port right? AudioSocket has no TLS and no HTTP"

_OUR_LATENESS_S: Final = 0.03

_BROKEN_FRAMES: Final = frozenset(
    {"frame-too-long", "server-dies-in-frame", "server-sends-unknown-kind", "server-splits-frames"}
)
"""Where these are found, what is in the frames tells nothing."""


async def try_call(server: Address, release: Release) -> list[Diagnosis]:
    """Place it, and say what was wrong; that it went well, where nothing was. Raises `NetworkError`."""
    trial = Trial(Setting(server, release=release), "doctor")
    try:
        patience = _patience_of(release)
        probe = await trial.call(patience=patience)
        return await _Call(server, release, trial, probe, patience).judge()
    finally:
        await trial.close()


def _patience_of(release: Release) -> Patience:
    """Return how long a release waits inside a frame; where it waits for a whole header, how long we do."""
    gap_s = FRAME_GAP_MS / 1000
    return Patience(
        gap_s if release.has(Behaviour.SPLIT_HEADER) else 0.0, gap_s if release.has(Behaviour.SPLIT_PAYLOAD) else 0.0
    )


class _Call:
    """The call, while it is placed and judged."""

    def __init__(self, server: Address, release: Release, trial: Trial, probe: Probe, patience: Patience) -> None:
        self._server = server
        self._release = release
        self._trial = trial
        self._probe = probe
        self._patience = patience
        self._unread_bytes = 0
        """What the server had not read when we ended."""
        self._left_bytes = 0
        """What it had still not read `_CLOSE_S` later."""
        self._timed = 0
        """How many frames came while we spoke: only then do we know how late we were ourselves."""
        self._fell_silent = False
        """Whether it spoke, and then sent nothing for 2 s, while we said nothing either."""
        self._closed_s: float | None = None
        """How long the server took to close after us; None where it did not."""

    async def judge(self) -> list[Diagnosis]:
        """Place it, and say what was wrong."""
        probe = self._probe
        spoke_first = await probe.until(lambda: bool(probe.frames) or bool(probe.unfinished), SILENCE_TIMEOUT_S)
        if foreign := await self._foreign():
            return [self._found("not-audiosocket", foreign, _OTHER_PORT)]
        if probe.is_over and not probe.spoke and probe.ended_s - probe.passed.connected_s < _EARLY_S:
            return [self._at_once()]
        first_s = probe.frames[0].at_s - probe.passed.connected_s if probe.frames else None
        await self._speak()
        if foreign := await self._foreign():
            return [self._found("not-audiosocket", foreign, _OTHER_PORT)]
        await self._end()
        found = [*self._silence(spoke_first), *self._frames(), *self._flow(), *self._ending()]
        if not _BROKEN_FRAMES.intersection(each.id for each in found):
            found += audio_findings(probe, self._trial.said, str(self._server))
        if any(each.id in MISLABELLED for each in found):
            found = [each for each in found if each.id != "server-bursts"]
        return found or [self._well(first_s)]

    async def _speak(self) -> None:
        probe = self._probe
        await self._trial.speak(probe, _FRAMES)
        await probe.send(encode(digit_frame(_DIGIT)))
        await self._trial.speak(probe, _FRAMES)
        self._timed = len(probe.frames)
        await probe.until_ended(_LAST_S)
        if len(probe.frames) == self._timed and probe.spoke:
            await self._wait_for_silence()

    async def _wait_for_silence(self) -> None:
        """See whether a server that has nothing to say sends silence."""
        probe = self._probe
        known = len(probe.passed.events)
        rest_s = self._last_came_s() + SILENCE_TIMEOUT_S + _LAST_S - time.monotonic()
        await probe.until(lambda: len(probe.passed.events) > known, rest_s)
        self._fell_silent = len(probe.passed.events) == known and not probe.is_over and not probe.flooded

    def _last_came_s(self) -> float:
        events = self._probe.passed.events
        came = (event.at_s for event in reversed(events) if event.side is Side.SERVER)
        return next(came, self._probe.passed.connected_s)

    async def _end(self) -> None:
        """Close as the end of a call does, and see whether the server follows."""
        probe = self._probe
        if probe.is_over or probe.flooded:
            return
        self._unread_bytes = unread_bytes(probe.passed.theirs, probe.passed.ours)
        begun_s = time.monotonic()
        probe.half_close()
        if await probe.until_ended(_CLOSE_S):
            self._closed_s = time.monotonic() - begun_s
        else:
            self._left_bytes = unread_bytes(probe.passed.theirs, probe.passed.ours)

    @property
    def _is_unread(self) -> bool:
        """Whether the server does not read."""
        behind = self._unread_bytes > _MIN_UNREAD_BYTES or self._left_bytes > _MIN_LEFT_BYTES
        return behind or self._probe.stalled

    async def _foreign(self) -> str | None:
        """Say what it is, where it is not AudioSocket."""
        received = b"".join(event.data for event in self._probe.passed.events if event.side is Side.SERVER)[:64]
        if name := name_opening(received):
            return f"what answers there is not an AudioSocket server: {name}"
        if self._probe.ended is None or received:
            return None
        name = await foreign_server(self._server)
        return f"what answers there is not an AudioSocket server: {name}" if name else None

    def _at_once(self) -> Diagnosis:
        return self._found(
            "server-accepts-and-closes",
            f"it takes the connection, and {self._probe.how_it_ended()}, without a frame",
            "look at the server's own log: does it refuse an unknown UUID, or is it a proxy whose own server is gone?",
        )

    def _silence(self, spoke_first: bool) -> Iterator[Diagnosis]:
        if spoke_first and self._fell_silent:
            yield self._found(
                "server-silent",
                f"after it had spoken, it sent nothing for {SILENCE_TIMEOUT_S:g} s: AudioSocket() ends a call in which "
                "nobody sends anything for so long, as on hold",
                _SILENCE_CURE, Status.WARNING,
            )  # fmt: skip
        if spoke_first or (self._probe.is_over and self._probe.hung_up):
            return
        if self._probe.spoke:
            yield self._found(
                "server-waits",
                f"it waits for the caller: it sent nothing for {SILENCE_TIMEOUT_S:g} s, and spoke when the caller did; "
                "some calls stay mute",
                "send silence from the moment the UUID arrives: 320 zeros each 20 ms, by a clock",
            )
        elif self._closed_s is not None or not self._probe.is_over:
            yield self._found(
                "server-silent",
                f"it sent nothing in {self._probe.since_s:.0f} s: AudioSocket() ends a call in which nobody sends "
                f"anything for {SILENCE_TIMEOUT_S:g} s, as on hold",
                _SILENCE_CURE,
            )

    def _frames(self) -> Iterator[Diagnosis]:
        """Yield what is wrong with single frames."""
        if not self._release.has(Behaviour.STRICT):
            return
        if wrong := self._forbidden():
            is_digit = wrong[0].kind == Kind.DTMF
            yield self._found(
                "server-sends-digits" if is_digit else "server-sends-unknown-kind",
                f"it sent {self._described(wrong)}, which ends the call",
                "send digits as tones in the audio" if is_digit else "send audio (10 to 18) and hangups (00) only",
            )
        if empty := [frame for frame in self._probe.frames if is_audio(frame.kind) and not frame.payload_bytes]:
            yield self._found(
                "server-sends-empty-audio", f"it sent {self._described(empty)}, which ends the call",
                "send nothing in place of it, or 20 ms of silence",
            )  # fmt: skip
        others = [frame for frame in self._probe.frames if is_audio(frame.kind) and frame.kind != Kind.SLIN]
        if others and not self._release.has(Behaviour.RATES):
            yield self._found(
                "rate-unsupported",
                f"it sent {self._described(others)}, and Asterisk {self._release} takes 8000 Hz only",
                "convert the audio to 8000 Hz, or update Asterisk",
            )  # fmt: skip

    def _flow(self) -> Iterator[Diagnosis]:
        """Yield what is wrong with when its bytes came, and whether it reads."""
        probe = self._probe
        if long := [frame for frame in probe.frames if is_audio(frame.kind) and frame.payload_bytes > _MAX_BYTES]:
            yield self._found(
                "frame-too-long", f"it sent {self._described(long)}: Asterisk takes {_MAX_SAMPLES:,} samples at most",
                _swapped_length(long[0]) or "send 20 ms in each frame",
            )  # fmt: skip
        elif not self._forbidden():
            yield from self._cuts()
        frames = probe.frames[: self._timed]
        burst_s = 0.0 if made_up_once(frames) else worst_burst_s(frames)
        late = probe.lateness_s > max(_OUR_LATENESS_S, (burst_s - BURST_MS / 1000) / 2)
        if probe.flooded or (is_burst(burst_s) and not late):
            much = f"more than {MAX_BYTES >> 20} MiB" if probe.flooded else f"{burst_s * 1000:.0f} ms of audio"
            yield self._found(
                "server-bursts", f"it sent {much} ahead of the clock: what queues up in Asterisk is thrown away",
                "send one frame of 20 ms each 20 ms, by the clock",
            )  # fmt: skip
        if self._is_unread:
            yield self._found(
                "server-stalls",
                f"it does not read: {max(self._unread_bytes, self._left_bytes):,} bytes of the caller lay unread",
                "read always, also while the server speaks or waits for something",
            )  # fmt: skip

    def _cuts(self) -> Iterator[Diagnosis]:
        """Yield that frames came in parts. A header in parts ends no call with the releases that wait for its rest."""
        cuts = self._probe.cuts
        ending = [cut for cut in cuts if cut.arrived_bytes >= HEADER_BYTES or self._patience.header_s == 0]
        if not cuts:
            return
        arrived = (ending or cuts)[0].arrived_bytes
        part = "the header" if arrived == HEADER_BYTES else counted(arrived, "byte")
        frames = max(len(self._probe.frames), len(cuts))
        came = f"{len(cuts)} of its {frames} frames came in parts: of one, {part} came, and no more in time"
        yield self._found(
            "server-splits-frames",
            f"{came}, which ends the call"
            if ending
            else f"{came}; only Asterisk {since(Behaviour.SPLIT_HEADER)} and later wait for the rest of a header",
            "send each frame, header and payload, with one send, and set TCP_NODELAY",
            Status.FAULT if ending else Status.WARNING,
        )

    def _ending(self) -> Iterator[Diagnosis]:
        probe = self._probe
        if probe.ended is not None and self._closed_s is None:
            if probe.unfinished:
                yield self._found(
                    "server-dies-in-frame",
                    f"it {probe.how_it_ended()}, inside a frame: {len(probe.unfinished)} bytes of one had come",
                    "look at the server's own log: it crashed, or sent a length that is not that of its payload",
                )
            elif probe.ended is How.RESET and not probe.hung_up:
                yield self._found(
                    "server-closes-unread",
                    f"it {probe.how_it_ended()}: it closed with the caller's audio unread, or crashed; the dialplan "
                    "does not go on after that",
                    "before closing, send 00 00 00, and read to the end; look at the server's own log",
                )
            elif probe.spoke and not probe.hung_up:
                at_s = probe.ended_s - probe.passed.connected_s
                yield self._found(
                    "server-no-hangup",
                    f"it closed the connection after {at_s:.1f} s, in the middle of the call, without a hangup frame: "
                    "it ended the call in that way, or it crashed",
                    "look at the server's own log; before closing, send 00 00 00, and read to the end", Status.WARNING,
                )  # fmt: skip
            elif not probe.spoke:
                yield self._at_once()
        elif self._closed_s is None and not probe.flooded and not self._is_unread:
            yield self._found(
                "left-open", f"it left the connection open for {_CLOSE_S:g} s after the caller's end",
                "close when a read returns the end of the stream", Status.WARNING,
            )  # fmt: skip

    def _well(self, first_s: float | None) -> Diagnosis:
        """Say that nothing was wrong."""
        usual = usual_ms(self._probe.frames)
        audio = f"{kind_name(usual[2])} in frames of {usual[0]:g} ms" if usual else "no audio"
        first = f"it spoke {first_s * 1000:.0f} ms after the UUID" if first_s is not None else "it said nothing"
        end = f", and it hung up after {self._probe.ended_s - self._probe.passed.connected_s:.1f} s"
        hung_up = end if self._probe.hung_up and self._closed_s is None else ""
        return self._found("server-answers", f"a short call went well: {first}, {audio}{hung_up}", "", Status.OK)

    def _found(self, finding: str, what: str, cure: str, status: Status = Status.FAULT) -> Diagnosis:
        return Diagnosis(finding, status, what, cure=cure, where=str(self._server))

    def _forbidden(self) -> list[HeardFrame]:
        """Return the frames of kinds that Asterisk refuses: it does so at their header, whether the rest comes or
        not."""
        rest = self._probe.unfinished[:HEADER_BYTES]
        last = [HeardFrame(self._last_came_s(), rest[0], int.from_bytes(rest[1:]))] if len(rest) == HEADER_BYTES else []
        return [frame for frame in [*self._probe.frames, *last] if _is_forbidden(frame)]

    def _described(self, frames: Sequence[HeardFrame]) -> str:
        first = frames[0]
        at_s = first.at_s - self._probe.passed.connected_s
        more = f", and {len(frames) - 1} more such" if len(frames) > 1 else ""
        return f"a frame of kind {kind_name(first.kind)} with {first.payload_bytes} bytes after {at_s:.1f} s{more}"


def _is_forbidden(frame: HeardFrame) -> bool:
    return frame.kind not in RATE_BY_KIND and frame.kind != Kind.HANGUP


def _swapped_length(frame: HeardFrame) -> str:
    """Return the cure for a length whose bytes are the wrong way round; empty where it is not that of a usual frame."""
    swapped = int.from_bytes(frame.payload_bytes.to_bytes(2), "little")
    if swapped % SAMPLE_BYTES or swapped > _MAX_USUAL_BYTES:
        return ""
    return f"send the high byte of the length first: with its bytes the other way round it is {swapped}"


def unread_bytes(theirs: Any, ours: Any) -> int:
    """Return how much a server on this machine has not read of a connection, by the addresses of its ends; 0 where
    that cannot be seen."""
    ends = (_end(theirs), _end(ours))
    return next((each.unread_bytes for each in sockets_here() if (each.local, each.remote) == ends), 0)


def _end(sockaddr: Any) -> tuple[str, int]:
    return str(sockaddr[0]).removeprefix("::ffff:"), int(sockaddr[1])
