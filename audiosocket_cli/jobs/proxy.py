"""`proxy`: passes calls on to servers, and watches both sides."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from audiosocket_cli.call.faults.fault_plan import FaultPlan
from audiosocket_cli.call.faults.fault_spec import FaultSpec
from audiosocket_cli.call.live_call import CallOptions
from audiosocket_cli.call.phases import Limits
from audiosocket_cli.call.recording.destinations import FileOutput
from audiosocket_cli.call.recording.recording import Decode, Layout
from audiosocket_cli.jobs.answering import answer_calls
from audiosocket_cli.jobs.job import outcome_of_server
from audiosocket_cli.jobs.outcome import Outcome
from audiosocket_cli.jobs.outputs import capture_output, folder_output, prepare
from audiosocket_cli.jobs.serve import command_words
from audiosocket_cli.net.address import Address
from audiosocket_cli.server.admission import AdmissionOptions, Network
from audiosocket_cli.server.drain import DrainOptions
from audiosocket_cli.server.options import Balance, MirrorOptions, RelayOptions, ServeOptions, WebOptions
from audiosocket_cli.ui.console import is_terminal

if TYPE_CHECKING:
    from audiosocket_cli.jobs.sending import SendingWanted


@dataclass(frozen=True, slots=True)
class ProxyWanted:
    """The command line."""

    server: Address
    target: tuple[Address, ...]
    balance: str
    listen: Address
    mirror: Address | None
    send_proxy: str | None
    fault: tuple[FaultSpec, ...]
    faults: Path | None
    seed: int | None
    record: Path | None
    layout: str
    decode: str
    capture: str | None
    detect_dtmf: bool
    calls: int | None
    max_calls: int | None
    max_calls_from: int | None
    min_free: int | None
    idle_timeout: float | None
    max_duration: float | None
    allow_from: tuple[Network, ...]
    on_call_end: str | None
    shell: bool
    metrics: Address | None
    health: Address | None
    web: WebOptions | None
    drain: float | None
    drain_delay: float
    proxy_protocol: bool
    proxy_from: tuple[Network, ...]
    as_json: bool
    log_file: Path | None
    sending: SendingWanted | None = None


def proxy(wanted: ProxyWanted) -> Outcome:
    """Pass calls on until stopped. Raises `UsageError`, `FileError` and `NetworkError`."""
    return outcome_of_server(
        answer_calls(_options(wanted), as_json=wanted.as_json, log_file=wanted.log_file, sending=wanted.sending)
    )


def _options(wanted: ProxyWanted) -> ServeOptions:
    version = None if wanted.send_proxy is None else int(wanted.send_proxy.removeprefix("v"))
    targets = tuple(dict.fromkeys((wanted.server, *wanted.target)))
    call = _call_options(wanted)
    return ServeOptions(
        wanted.listen,
        call,
        calls=wanted.calls or math.inf,
        max_calls=wanted.max_calls or math.inf,
        max_calls_from=wanted.max_calls_from or math.inf,
        admission=AdmissionOptions(wanted.allow_from),
        on_call_end=None if wanted.on_call_end is None else command_words(wanted.on_call_end, shell=wanted.shell),
        metrics=wanted.metrics,
        health=wanted.health,
        web=wanted.web,
        drain=None if wanted.drain is None else DrainOptions(wanted.drain, wanted.drain_delay),
        proxies=wanted.proxy_from if wanted.proxy_protocol else None,
        relay=RelayOptions(targets, Balance(wanted.balance), version, _mirror_options(wanted, call), _faults(wanted)),
    )


def _mirror_options(wanted: ProxyWanted, call: CallOptions) -> MirrorOptions | None:
    if wanted.mirror is None:
        return None
    record = None
    if wanted.record is not None:
        record = FileOutput.in_folder(wanted.record).beside("mirror")
        prepare(record)
    return MirrorOptions(wanted.mirror, record, None if call.capture is None else call.capture.beside("mirror"))


def _faults(wanted: ProxyWanted) -> FaultPlan | None:
    if not wanted.fault and wanted.faults is None:
        return None
    return FaultPlan(wanted.fault, wanted.faults, wanted.seed)


def _call_options(wanted: ProxyWanted) -> CallOptions:
    output, disk = folder_output(wanted.record, wanted.min_free)
    return CallOptions(
        record=output,
        layout=Layout(wanted.layout),
        decode=Decode(wanted.decode),
        capture=capture_output(wanted.capture),
        detect_dtmf=wanted.detect_dtmf,
        disk=disk,
        limits=Limits(math.inf, wanted.idle_timeout or math.inf, wanted.max_duration or math.inf),
        is_watched=is_terminal(sys.stdout) or is_terminal(sys.stderr),
    )
