"""A server's metrics for Prometheus. Only this module needs prometheus-client: import it on demand."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from audiosocket_cli.net.http_routes import Answer, Handler, Request
from audiosocket_cli.net.http_server import wsgi_environment
from audiosocket_cli.server.metrics import Snapshot, merged


class _Family(NamedTuple):
    key: str
    """Its name in a snapshot."""
    name: str
    text: str
    labels: tuple[str, ...] = ()
    unit: float = 1.0


_COUNTERS: Final = (
    _Family("calls", "calls", "Calls that ended, by who ended them and how.", ("ended_by", "how")),
    _Family("calls_lost", "calls_lost", "Calls that an internal error ended, or that died with their worker."),
    _Family("refused", "refused", "Callers who were turned away."),
    _Family("failed_connections", "failed_connections", "Connections that never became a call, such as port scans."),
    _Family("checks", "checks", "Connections closed without a byte, as health checks do."),
    _Family("frames", "frames", "Frames by kind, and by the side that sent them.", ("kind", "side")),
    _Family("payload_bytes", "payload_bytes", "Bytes in these frames, headers left out.", ("kind", "side")),
    _Family("gaps", "gaps", "Pauses in callers' audio."),
    _Family("gap_ms", "gap_seconds", "The length of these pauses.", unit=0.001),
    _Family("late_frames", "late_frames", "Frames we sent more than 10 ms late: this machine is too busy."),
    _Family("slips", "slips", "Times we were too late to catch up, and a call's audio was shifted."),
    _Family("held_frames", "held_frames", "Frames we could not send: peer or network too slow."),
    _Family("stalls", "stalls", "Times that a side of a proxy's call waited for the other to read."),
    _Family("mirrored_same", "mirrored_same", "Calls in which the mirror of a proxy answered as the server did."),
    _Family("mirrored_different", "mirrored_different", "Calls in which the mirror answered differently."),
    _Family("mirrored_gone", "mirrored_gone", "Calls in which the mirror was down, too slow, or broke the protocol."),
    _Family("recordings_failed", "recordings_failed", "Recordings that are not complete."),
    _Family("captures_failed", "captures_failed", "Captures that are not complete."),
    _Family("hooks_failed", "hooks_failed", "Commands of --on-call-end that failed."),
    _Family("bot_blocks", "bot_blocks", "Times that a function of --bot held up all calls for 0.1 s or more."),
    _Family("bot_block_ms", "bot_block_seconds", "The length of these times.", unit=0.001),
    _Family("worker_restarts", "worker_restarts", "Workers that died and were replaced."),
)

_GAUGES: Final = (
    _Family("calls_live", "calls_live", "Calls now."),
    _Family("children", "children", "Programs of --exec that run now."),
    _Family("receive_queue_bytes", "receive_queue_bytes", "Bytes that came and are not read yet, of all calls."),
    _Family(
        "receive_queue_max_bytes",
        "receive_queue_max_bytes",
        "The same for the worst call: some 100 ms of audio when all is well; when it is full, Asterisk drops the call.",
    ),
    _Family(
        "send_queue_bytes", "send_queue_bytes", "Bytes that we sent and peers have not received yet, of all calls."
    ),
    _Family("send_queue_max_bytes", "send_queue_max_bytes", "The same for the worst call."),
    _Family("workers", "workers", "Processes that answer calls."),
)

_SENDING_COUNTERS: Final = (
    _Family("uploaded", "uploaded_calls", "Calls whose files are all in the store of --upload."),
    _Family("uploads_given_up", "upload_given_up_calls", "Calls that were given up: they were not uploaded."),
    _Family("events_sent", "events_sent", "Events that --events has delivered."),
    _Family("events_dropped", "events_dropped", "Events that are lost: refused, or too many waited."),
)
"""Where calls are sent on."""

_SENDING_GAUGES: Final = (
    _Family("upload_waiting", "upload_waiting_calls", "Calls whose files wait for --upload."),
    _Family("upload_waiting_bytes", "upload_waiting_bytes", "The size of these files."),
    _Family("events_waiting", "events_waiting", "Events that wait for --events."),
    _Family("events_waiting_bytes", "events_waiting_bytes", "Their size."),
    _Family("sending_oldest_s", "sending_oldest_seconds", "For how long the oldest of all that waits has waited."),
)

_AGE_TEXT: Final = "Age of these numbers; much more than 1 s means that a process hangs."


class Exporter(Collector):
    """Shows the newest snapshot to Prometheus."""

    def __init__(self) -> None:
        self._newest = merged([]), time.monotonic()

    def update(self, snapshot: Snapshot, at_s: float | None = None) -> None:
        """Export this snapshot from now on; `at_s` is when its oldest part was taken."""
        self._newest = snapshot, time.monotonic() if at_s is None else at_s

    def collect(self) -> Iterable[Metric]:
        """Return the newest numbers as Prometheus knows them."""
        snapshot, at_s = self._newest
        counts, levels = snapshot["counts"], {**snapshot["levels"], **snapshot["peaks"]}
        sending = [family for family in _SENDING_COUNTERS if family.key in counts]
        for key, name, text, labels, unit in (*_COUNTERS, *sending):
            counter = CounterMetricFamily(f"audiosocket_{name}", text, labels=labels)
            if not labels:
                counter.add_metric((), round(counts.get(key, 0) * unit, 3))
            for label, value in sorted(counts.items()):
                first, *values = label.split()
                if labels and first == key:
                    counter.add_metric(values, value)
            yield counter
        sending = [family for family in _SENDING_GAUGES if family.key in levels]
        for key, name, text, _, _ in (*_GAUGES, *sending):
            yield GaugeMetricFamily(f"audiosocket_{name}", text, value=levels.get(key, 0))
        age_s = round(time.monotonic() - at_s, 3)
        yield GaugeMetricFamily("audiosocket_snapshot_age_seconds", _AGE_TEXT, value=age_s)

    def route(self) -> Handler:
        """Return what answers a scrape: the library's own WSGI application, for its formats and its compression."""
        registry = CollectorRegistry()
        registry.register(self)
        application = make_wsgi_app(registry)

        def answer(request: Request) -> Answer:
            told: list[Any] = []
            body = b"".join(application(wsgi_environment(request), lambda *head: told.extend(head)))
            return Answer(int(told[0].split()[0]), body, told[1])

        return answer
