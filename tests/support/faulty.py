"""A small echo server in plain sockets that does all that `check` asks for, and servers that have one fault each.

A fault is one method that differs. `FAULTY` names for each case the server that fails it, and no other case.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import RFC_4122, UUID

from audiosocket_cli.codec import RATE_BY_KIND, Kind, kind_name

HANGUP = b"\0\0\0"
SILENCE = b"\x10\x01\x40" + bytes(320)
_IDLE_S = 0.2


class OverError(Exception):
    """The caller is gone."""


@dataclass(eq=False)
class Call:
    """One connection."""

    socket: socket.socket
    began_s: float = field(default_factory=time.monotonic)
    buffer: bytes = b""
    reads: int = 0
    """Since the frame began."""
    part_s: float = 0.0
    """When the last bytes came."""
    has_uuid: bool = False
    inside_frame: bool = False
    frames: int = 0
    """Audio frames so far."""
    first_kind: int = -1
    held: bytes = b""
    due_s: float = 0.0
    is_left_open: bool = False


class EchoServer:
    """Sends back what it hears, and silence while it hears nothing."""

    def __init__(self, port: int = 0) -> None:
        self.listener = socket.create_server(("127.0.0.1", port), backlog=256)
        self.port = int(self.listener.getsockname()[1])
        self.calls: set[Call] = set()
        self.left_open: list[socket.socket] = []
        self.free = threading.Event()
        self.free.set()
        self.scans = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # a close alone does not end an accept
        self.listener.close()
        self.drop_others(None)
        for each in self.left_open:
            each.close()

    def drop_others(self, but: Call | None) -> None:
        """What a crash does that ends all calls."""
        for call in list(self.calls):
            if call is not but:
                with contextlib.suppress(OSError):
                    call.socket.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._connection, args=(Call(connection),), daemon=True).start()

    def _connection(self, call: Call) -> None:
        try:
            self.opening(call)
            call.has_uuid = True
            self.calls.add(call)
            self.opened(call)
            while True:
                self.frame(call, *self.read_frame(call))
        except OverError:
            self.closed(call)
        except OSError:
            self.was_reset(call)
        finally:
            self.calls.discard(call)
            if not call.is_left_open:
                call.socket.close()

    # Reading.

    def opening(self, call: Call) -> None:
        kind, uuid = self.read_frame(call)
        if kind != Kind.UUID or not self.takes(uuid):
            raise OverError

    def takes(self, uuid: bytes) -> bool:
        return len(uuid) == 16

    def read_frame(self, call: Call) -> tuple[int, bytes]:
        call.reads = 0
        call.inside_frame = False
        header = self.take(call, 3)
        size = self.length_of(header)
        payload = self.take(call, size, 3)
        call.inside_frame = False
        return header[0], payload

    def length_of(self, header: bytes) -> int:
        return int(struct.unpack(">H", header[1:])[0])

    def take(self, call: Call, size: int, at: int = 0) -> bytes:
        """Return the next bytes, the first of which is byte `at` of its frame."""
        while len(call.buffer) < size:
            call.inside_frame = bool(at or call.buffer)
            self.wait(call, at + len(call.buffer))
            data = call.socket.recv(65536)
            if not data:
                raise OverError
            call.reads += 1
            call.part_s = time.monotonic()
            call.buffer = self.received(call, call.buffer + data)
        call.inside_frame = True
        taken, call.buffer = call.buffer[:size], call.buffer[size:]
        return taken

    def received(self, call: Call, data: bytes) -> bytes:
        return data

    def wait(self, call: Call, arrived: int) -> None:
        """Wait for more, of a frame of which so many bytes have arrived."""
        while not select.select([call.socket], [], [], _IDLE_S)[0]:
            if call.has_uuid:
                self.idle(call)

    # What it does.

    def opened(self, call: Call) -> None:
        self.send(call, SILENCE)

    def frame(self, call: Call, kind: int, payload: bytes) -> None:
        if kind in RATE_BY_KIND:
            call.frames += 1
            call.first_kind = kind if call.first_kind < 0 else call.first_kind
            if payload:
                self.audio(call, kind, payload)
            else:
                self.empty(call)
        elif kind == Kind.DTMF:
            self.digit(call, payload)
        elif kind == Kind.HANGUP:
            self.hangup(call)
        elif kind == Kind.ERROR:
            self.error(call)
        else:
            self.unknown(call)

    def audio(self, call: Call, kind: int, payload: bytes) -> None:
        self.send(call, frame_of(kind, payload))

    def idle(self, call: Call) -> None:
        self.send(call, SILENCE)

    def empty(self, call: Call) -> None:
        pass

    def digit(self, call: Call, payload: bytes) -> None:
        pass

    def hangup(self, call: Call) -> None:
        raise OverError

    def error(self, call: Call) -> None:
        raise OverError

    def unknown(self, call: Call) -> None:
        pass

    def closed(self, call: Call) -> None:
        """The caller has closed, or is not wanted."""

    def was_reset(self, call: Call) -> None:
        pass

    def send(self, call: Call, data: bytes) -> None:
        call.socket.sendall(data)


def frame_of(kind: int, payload: bytes) -> bytes:
    return struct.pack(">BH", kind, len(payload)) + payload


class HearsEightOfARead(EchoServer):
    def received(self, call: Call, data: bytes) -> bytes:
        is_usual = all(data.startswith(SILENCE[:3], at) for at in range(0, len(data), len(SILENCE)))
        return data[: 8 * len(SILENCE)] if is_usual else data


class _Impatient(EchoServer, ABC):
    """Gives up a frame whose parts are 30 ms apart."""

    @abstractmethod
    def gives_up(self, arrived: int) -> bool:
        """Whether it waits no longer, once so many bytes of a frame are there."""

    def wait(self, call: Call, arrived: int) -> None:
        if call.has_uuid and self.gives_up(arrived) and not select.select([call.socket], [], [], 0.03)[0]:
            call.buffer = b""
            raise ImpatienceError
        super().wait(call, arrived)

    def read_frame(self, call: Call) -> tuple[int, bytes]:
        while True:
            try:
                return super().read_frame(call)
            except ImpatienceError:
                continue


class ImpatienceError(Exception):
    """A frame is given up."""


class ImpatientInHeader(_Impatient):
    def gives_up(self, arrived: int) -> bool:
        return 0 < arrived < 3


class ImpatientAfterHeader(_Impatient):
    def gives_up(self, arrived: int) -> bool:
        return arrived == 3


class ImpatientInPayload(_Impatient):
    def gives_up(self, arrived: int) -> bool:
        return arrived > 3


class ReadsFiftyTimesAFrame(EchoServer):
    def audio(self, call: Call, kind: int, payload: bytes) -> None:
        if call.reads <= 50:
            super().audio(call, kind, payload)


class KnowsOneLength(EchoServer):
    def audio(self, call: Call, kind: int, payload: bytes) -> None:
        if kind != Kind.SLIN or len(payload) == 320:
            super().audio(call, kind, payload)


class ReadsSignedLengths(EchoServer):
    def length_of(self, header: bytes) -> int:
        size = super().length_of(header)
        if size > 0x7FFF:
            raise OverError
        return size


class TakesEmptyForTheEnd(EchoServer):
    def empty(self, call: Call) -> None:
        raise OverError


class ClosesOnUnknown(EchoServer):
    def unknown(self, call: Call) -> None:
        raise OverError


class ChecksUuids(EchoServer):
    def takes(self, uuid: bytes) -> bool:
        return super().takes(uuid) and UUID(bytes=uuid).variant == RFC_4122


class ForgetsWhatFollowsTheUuid(EchoServer):
    def opening(self, call: Call) -> None:
        super().opening(call)
        if len(call.buffer) >= 3 * len(SILENCE) and call.buffer.startswith(SILENCE[:3]):
            call.buffer = b""


class HastyForUuid(EchoServer):
    def opening(self, call: Call) -> None:
        if not select.select([call.socket], [], [], 0.5)[0]:
            raise OverError
        super().opening(call)


class ReadsUuidAtOnce(EchoServer):
    def received(self, call: Call, data: bytes) -> bytes:
        if not call.has_uuid and call.reads == 1 and len(data) < 19 and data[:1] == b"\x01":
            raise OverError
        return data


class ClosesOnDigit(EchoServer):
    def digit(self, call: Call, payload: bytes) -> None:
        raise OverError


class _DeafTo(EchoServer):
    """Hears nothing in calls of one kind."""

    kind = Kind.SLIN

    def audio(self, call: Call, kind: int, payload: bytes) -> None:
        if not (kind == call.first_kind == self.kind):
            super().audio(call, kind, payload)


def deaf_to(kind: Kind) -> type[EchoServer]:
    return type(f"DeafTo{kind.name.title()}", (_DeafTo,), {"kind": kind})


class LosesAFrame(EchoServer):
    def audio(self, call: Call, kind: int, payload: bytes) -> None:
        if call.frames != 130:
            super().audio(call, kind, payload)


class KeepsFirstKind(EchoServer):
    def audio(self, call: Call, kind: int, payload: bytes) -> None:
        if kind == call.first_kind:
            super().audio(call, kind, payload)


class CrashesOnError(EchoServer):
    def error(self, call: Call) -> None:
        self.drop_others(call)
        raise OverError


class IgnoresHangup(EchoServer):
    def hangup(self, call: Call) -> None:
        pass


class RefusesCalls(EchoServer):
    def opened(self, call: Call) -> None:
        self.send(call, HANGUP)
        raise OverError


class SlowToSpeak(EchoServer):
    def opened(self, call: Call) -> None:
        threading.Timer(0.6, self._late, (call,)).start()

    def _late(self, call: Call) -> None:
        call.due_s = 1.0
        with contextlib.suppress(OSError):
            self.send(call, SILENCE)

    def idle(self, call: Call) -> None:
        if call.due_s:
            super().idle(call)


class SilentWhenIdle(EchoServer):
    def idle(self, call: Call) -> None:
        pass


class HastyForAudio(EchoServer):
    def idle(self, call: Call) -> None:
        if not call.frames and time.monotonic() - call.began_s > 3.0:
            raise OverError
        super().idle(call)


class EndsHolds(EchoServer):
    def idle(self, call: Call) -> None:
        if call.frames and time.monotonic() - call.part_s > 1.4 and not call.inside_frame:
            raise OverError
        super().idle(call)


class PlaysSlowly(EchoServer):
    def audio(self, call: Call, kind: int, payload: bytes) -> None:
        call.due_s = max(time.monotonic(), call.due_s + 0.0216)
        time.sleep(max(0.0, call.due_s - time.monotonic()))
        super().audio(call, kind, payload)


class PlaysInABurst(EchoServer):
    def send(self, call: Call, data: bytes) -> None:
        call.held += data
        if not 110 <= call.frames < 130:
            whole, call.held = call.held, b""
            super().send(call, whole)


class PlaysLongFrames(EchoServer):
    def audio(self, call: Call, kind: int, payload: bytes) -> None:
        if kind != Kind.SLIN or len(payload) != 320:
            self._flush(call)
            super().audio(call, kind, payload)
            return
        call.held += payload
        if len(call.held) == 5 * 320:
            self._flush(call)

    def idle(self, call: Call) -> None:
        self._flush(call)
        super().idle(call)

    def _flush(self, call: Call) -> None:
        held, call.held = call.held, b""
        if held:
            self.send(call, frame_of(Kind.SLIN, held))


class SendsHeadersApart(EchoServer):
    def audio(self, call: Call, kind: int, payload: bytes) -> None:
        if call.frames % 20:
            super().audio(call, kind, payload)
            return
        self.send(call, struct.pack(">BH", kind, len(payload)))
        time.sleep(0.012)
        self.send(call, payload)


class _AnswersDigits(EchoServer):
    """Sends a frame after each digit."""

    answer = b""

    def digit(self, call: Call, payload: bytes) -> None:
        self.send(call, self.answer)


def answers_digits(kind: int, payload: bytes) -> type[EchoServer]:
    return type("AnswersDigits", (_AnswersDigits,), {"answer": frame_of(kind, payload)})


class ClosesBare(EchoServer):
    def audio(self, call: Call, kind: int, payload: bytes) -> None:
        if call.frames >= 170:
            raise OverError
        super().audio(call, kind, payload)


class GoesOnAfterTheEnd(EchoServer):
    def hangup(self, call: Call) -> None:
        call.has_uuid = False
        raise OverError

    def closed(self, call: Call) -> None:
        with contextlib.suppress(OSError):
            while call.has_uuid:
                self.send(call, SILENCE)
                time.sleep(_IDLE_S)


class LeavesHalfFramesOpen(EchoServer):
    def closed(self, call: Call) -> None:
        if call.has_uuid and call.inside_frame:
            call.is_left_open = True
            self.left_open.append(call.socket)


class CrashesWithoutUuid(EchoServer):
    def closed(self, call: Call) -> None:
        if not call.has_uuid and time.monotonic() - call.began_s > 0.1 and not call.buffer:
            self.drop_others(call)


class _CrashesOnReset(EchoServer, ABC):
    """Ends all calls when one is reset in some state."""

    @abstractmethod
    def is_at_fault(self, call: Call) -> bool:
        """Whether the call is in that state."""

    def was_reset(self, call: Call) -> None:
        if self.is_at_fault(call):
            self.drop_others(call)


class CrashesOnResetBeforeUuid(_CrashesOnReset):
    def is_at_fault(self, call: Call) -> bool:
        return not call.has_uuid and time.monotonic() - call.began_s > 0.1


class CrashesOnResetInFrame(_CrashesOnReset):
    def is_at_fault(self, call: Call) -> bool:
        return call.has_uuid and call.inside_frame


class CrashesOnResetInCall(_CrashesOnReset):
    def is_at_fault(self, call: Call) -> bool:
        return call.has_uuid and not call.inside_frame


class _Mixes(EchoServer):
    """Sends what one caller says to another, while there are so many."""

    least, most = 9, 12

    def audio(self, call: Call, kind: int, payload: bytes) -> None:
        calls = sorted(self.calls, key=id)
        if self.least <= len(calls) <= self.most and call in calls:
            call = calls[calls.index(call) - 1]
        super().audio(call, kind, payload)


class RefusesMany(EchoServer):
    def opened(self, call: Call) -> None:
        if len(self.calls) > 15:
            raise OverError
        super().opened(call)


class LeaksShortCalls(EchoServer):
    def was_reset(self, call: Call) -> None:
        self.closed(call)

    def closed(self, call: Call) -> None:
        if call.has_uuid and call.frames <= 1:
            self.left_open.append(call.socket.dup())


class WaitsForAllInHalfFrames(EchoServer):
    def wait(self, call: Call, arrived: int) -> None:
        if call.has_uuid and arrived > 3 and not select.select([call.socket], [], [], 0.1)[0]:
            self.free.clear()
            select.select([call.socket], [], [])
            self.free.set()
        super().wait(call, arrived)

    def frame(self, call: Call, kind: int, payload: bytes) -> None:
        self.free.wait(20)
        super().frame(call, kind, payload)


class CrashesOnHttp(EchoServer):
    def received(self, call: Call, data: bytes) -> bytes:
        if not call.has_uuid and data.startswith(b"GET "):
            self.drop_others(call)
            raise OverError
        return data


class CrashesOnScans(EchoServer):
    def was_reset(self, call: Call) -> None:
        self.closed(call)

    def closed(self, call: Call) -> None:
        if not call.has_uuid:
            self.scans += 1
            if self.scans > 10:
                self.scans = 0
                self.drop_others(call)


FAULTY: dict[str, type[EchoServer]] = {
    "frame/coalesced": HearsEightOfARead,
    "frame/split-header": ImpatientInHeader,
    "frame/split-after-header": ImpatientAfterHeader,
    "frame/split-payload": ImpatientInPayload,
    "frame/byte-by-byte": ReadsFiftyTimesAFrame,
    "frame/other-lengths": KnowsOneLength,
    "frame/largest": ReadsSignedLengths,
    "frame/empty-payload": TakesEmptyForTheEnd,
    "frame/unknown-kind": ClosesOnUnknown,
    "uuid/any-bytes": ChecksUuids,
    "uuid/with-audio": ForgetsWhatFollowsTheUuid,
    "uuid/late": HastyForUuid,
    "uuid/split": ReadsUuidAtOnce,
    "kind/digits": ClosesOnDigit,
    "kind/slin": LosesAFrame,
    **{f"kind/{kind_name(kind)}": deaf_to(Kind(kind)) for kind in RATE_BY_KIND if kind != Kind.SLIN},
    "kind/change": KeepsFirstKind,
    "kind/error": CrashesOnError,
    "kind/hangup": IgnoresHangup,
    "start/goes-on": RefusesCalls,
    "start/speaks-first": SlowToSpeak,
    "idle/says-something": SilentWhenIdle,
    "idle/never-speaks": HastyForAudio,
    "idle/hold": EndsHolds,
    "pace/rate": PlaysSlowly,
    "pace/bursts": PlaysInABurst,
    "pace/frame-length": PlaysLongFrames,
    "pace/whole-frames": SendsHeadersApart,
    "sends/kinds": answers_digits(Kind.DTMF, b"1"),
    "sends/empty": answers_digits(Kind.SLIN, b""),
    "sends/odd": answers_digits(Kind.SLIN, bytes(321)),
    "sends/huge": answers_digits(Kind.SLIN, bytes(17_000)),
    "sends/rates": answers_digits(Kind.SLIN16, bytes(640)),
    "end/hangup-frame": ClosesBare,
    "end/half-close": GoesOnAfterTheEnd,
    "end/caller-closes": LeavesHalfFramesOpen,
    "end/no-uuid": CrashesWithoutUuid,
    "end/reset-before-uuid": CrashesOnResetBeforeUuid,
    "end/reset-in-frame": CrashesOnResetInFrame,
    "end/reset-in-call": CrashesOnResetInCall,
    "load/10-calls": _Mixes,
    "load/100-calls": RefusesMany,
    "load/short-calls": LeaksShortCalls,
    "hostile/half-frame": WaitsForAllInHalfFrames,
    "hostile/port-scan": CrashesOnScans,
    "hostile/http": CrashesOnHttp,
}
"""For each case the server that has its fault."""


@contextlib.contextmanager
def serving(server: type[EchoServer] = EchoServer) -> Iterator[EchoServer]:
    """Run a server until the block ends."""
    running = server()
    try:
        yield running
    finally:
        running.close()


if __name__ == "__main__":  # as a command: the port, and perhaps the case whose fault it has
    import sys

    FAULTY.get(sys.argv[2] if len(sys.argv) > 2 else "", EchoServer)(int(sys.argv[1]))
    sys.stderr.write("listening\n")
    threading.Event().wait()
