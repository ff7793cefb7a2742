"""What a server is asked for, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from audiosocket_cli.call.events import Listening
from audiosocket_cli.call.faults.fault_plan import FaultPlan
from audiosocket_cli.call.live_call import CallOptions
from audiosocket_cli.call.recording.destinations import Output
from audiosocket_cli.capture.writing import CaptureOutput
from audiosocket_cli.net.address import Address
from audiosocket_cli.net.http_server import MAX_CONNECTIONS, descriptors_for
from audiosocket_cli.server.admission import AdmissionOptions, Network
from audiosocket_cli.server.drain import DrainOptions

_OWN_DESCRIPTORS: Final = 32
"""The most open files of a server without calls, some spare ones included."""

_QUESTION_DESCRIPTORS: Final = 2
"""Open files of a call while --authorize runs, before its own program starts: the output and the errors of that
command."""

API_CONNECTIONS: Final = 64
"""Requests that are answered at once through the API: as many calls may end together, and each dialplan asks for its
result."""


WEB_CONNECTIONS: Final = 128
"""Connections of browsers at once; each page that is open has one all the time, and loads what it shows over others."""


class Balance(StrEnum):
    """Which server gets the next call."""

    FIRST = "first"  # that is up, in the order given
    ROUND_ROBIN = "round-robin"
    LEAST = "least"  # with the fewest calls


@dataclass(frozen=True, slots=True)
class MirrorOptions:
    """A second server that hears the same callers, and where its calls are recorded and captured."""

    target: Address
    record: Output | None = None
    capture: CaptureOutput | None = None


@dataclass(frozen=True, slots=True)
class RelayOptions:
    """Where calls are passed on to."""

    targets: Sequence[Address]
    balance: Balance = Balance.FIRST
    send_proxy: int | None = None
    """The version of the PROXY protocol in whose header each server is told who calls; None sends none."""
    mirror: MirrorOptions | None = None
    """The mirror: it hears the same callers, and its answers are not passed on."""
    faults: FaultPlan | None = None
    """Faults that are put into calls; shared by all calls."""


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """Where calls can be asked about and ended over HTTP, and who may."""

    address: Address | None = None
    """Where all of it is answered."""
    twilio: Address | None = None
    """Where only what Twilio's clients ask is answered; may be the same address."""
    token_file: Path | None = None
    """A file that holds the password; else the environment may have it."""

    @property
    def servers(self) -> int:
        """How many HTTP servers that takes."""
        return len({self.address, self.twilio} - {None})


@dataclass(frozen=True, slots=True)
class WebOptions:
    """Where a server shows its calls in a browser, and who may look."""

    address: Address
    token_file: Path | None = None
    """A file that holds the password; else the environment may have it."""
    certificate: Path | None = None
    """The file of the certificate, with those that signed it; None serves without TLS."""
    key: Path | None = None
    """The file of its key; None: the same file."""
    client_ca: Path | None = None
    """Authorities, one of which must have signed the certificate of a browser; None asks for no certificate."""


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """What a server was asked for."""

    listen: Address
    call: CallOptions
    calls: float = math.inf
    """End after this many calls."""
    max_calls: float = math.inf
    """Refuse more than this many at once."""
    max_calls_from: float = math.inf
    """Refuse more than this many at once from one address."""
    admission: AdmissionOptions = field(default_factory=AdmissionOptions)
    program: str | None = None
    """The command line of the program that answers, shown beside the address."""
    bridge: str | None = None
    """The URL of the bot that answers, as it may be shown, where one is reached by a WebSocket."""
    on_call_end: Sequence[str] | None = None
    """A program to run after each call, with what is known of it in the environment."""
    metrics: Address | None = None
    """Where to serve metrics to Prometheus."""
    health: Address | None = None
    """Where to answer health checks, beside `metrics`."""
    api: ApiOptions = field(default_factory=ApiOptions)
    """Where calls can be asked about and ended."""
    web: WebOptions | None = None
    """Where calls are shown in a browser."""
    drain: DrainOptions | None = None
    """How long calls may go on once it is told to stop; None hangs them up at once."""
    proxies: Sequence[Network] | None = None
    """Who may say for whom they call, by the PROXY protocol: these networks, or all where there are none of them. None
    takes callers for whom they are, without such a header."""
    relay: RelayOptions | None = None
    """Where calls are passed on to; None answers them here."""
    owns_process: bool = True
    """Whether the process is ours: signals end the server, and it may have as many files open as the system allows."""

    @property
    def name(self) -> str:
        """What it is that answers calls, or passes them on."""
        return "server" if self.relay is None else "proxy"

    @property
    def ended_through(self) -> str:
        """The options over which calls can be ended on order, as in the reason of such an end."""
        named = (("--api", self.api.servers), ("--web", self.web is not None))
        return " or ".join(name for name, is_there in named if is_there) or "--api"

    @property
    def descriptors_of_call(self) -> int:
        """How many open files a call takes."""
        record = self.call.record
        recording = 0 if record is None else 1 + record.has_json
        asking = _QUESTION_DESCRIPTORS if self.admission.authorize is not None else 0
        of_connection = (self.call.capture is not None) + max(recording + self.call.source_descriptors, asking)
        if self.relay is None:
            return 1 + of_connection
        servers = 1 if self.relay.mirror is None else 2
        return 1 + servers + servers * of_connection

    @property
    def own_descriptors(self) -> int:
        """How many open files it takes beside its calls."""
        watched = (self.metrics is not None) + (self.health is not None)
        api = self.api.servers * descriptors_for(API_CONNECTIONS)
        web = 0 if self.web is None else descriptors_for(WEB_CONNECTIONS)  # half of that for the files they read
        return _OWN_DESCRIPTORS + watched * descriptors_for(MAX_CONNECTIONS) + api + web

    @property
    def descriptors(self) -> float:
        """Open files needed for `max_calls` calls; infinite when their number has no bound."""
        return self.own_descriptors + self.max_calls * self.descriptors_of_call

    def lack_of_descriptors(self, limit: float) -> str | None:
        """Say that a process which may have so many open files cannot hold as many calls as it may have, if so."""
        if math.isinf(self.descriptors) or self.descriptors <= limit:
            return None
        return (
            f"--max-calls {self.max_calls:g} may take {self.descriptors:g} open files, and {limit:g} are allowed: "
            f"raise `ulimit -n`, or LimitNOFILE= of a unit file"
        )

    def has_descriptors(self, limit: float, calls: int, refused: int) -> bool:
        """Whether a process that may have so many open files has enough for another call beside these, and for all
        that those have yet to open: their recordings and the JSON at their end."""
        return self.own_descriptors + refused + (calls + 1) * self.descriptors_of_call <= limit

    def listening(self, addresses: Sequence[Address], *, passed: bool = False, is_open: bool = True) -> Listening:
        """Return the event that says where calls are accepted, and what becomes of them."""
        record, capture = self.call.record, self.call.capture
        return Listening(
            *addresses[0],
            record=str(record) if record else None,
            program=self.program,
            bridge=self.bridge,
            capture=str(capture) if capture else None,
            addresses=tuple(map(str, addresses)),
            host_name="" if passed else self.listen.host,
            passed=passed,
            targets=() if self.relay is None else tuple(map(str, self.relay.targets)),
            mirror=None if self.relay is None or self.relay.mirror is None else str(self.relay.mirror.target),
            is_open=is_open,
        )


@dataclass(slots=True)
class ServeSummary:
    """What came of it: connections by outcome, and how it ended."""

    calls: int = 0
    refused: int = 0
    failed: int = 0
    """Connections that never became a call."""
    checks: int = 0
    """Connections that were closed without a byte, as health checks are."""
    failed_recordings: int = 0
    failed_captures: int = 0
    mirrored_same: int = 0
    mirrored_different: int = 0
    mirrored_gone: int = 0
    mirrored_unknown: int = 0
    """Calls by the result of their mirror; those that were not compared are unknown."""
    faults: int = 0
    """Calls that an error of our own ended."""
    failed_hooks: int = 0
    unwritten: int = 0
    """Lines of the log that could not be written, and captures that could not be completed at the end."""
    odd_calls: int = 0
    """Calls with findings."""
    faulted_calls: int = 0
    """Calls into which faults were put."""
    caller_audio_s: float = 0.0
    signal: int | None = None
    """The signal that ended it, if one did."""
