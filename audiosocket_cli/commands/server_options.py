"""Options of the commands that run until they are stopped, and take calls from many: `serve` and `proxy`."""

from __future__ import annotations

import click

from audiosocket_cli.commands.params import (
    POSITIVE_SECONDS,
    SECONDS,
    AddressParam,
    CountParam,
    NetworkParam,
    SizeParam,
)
from audiosocket_cli.commands.path_param import FOLDER, PathParam, file_option

listen_option = click.option(
    "--listen", type=AddressParam(), default="127.0.0.1:9092", show_default=True, help="Where to listen."
)

record_option = click.option(
    "--record",
    type=PathParam(FOLDER),
    metavar="DIR",
    help="Record each call to DIR/<uuid>.wav, or by a name with the fields {uuid} {date} {time} {peer}.",
)

detect_dtmf_option = click.option("--detect-dtmf", is_flag=True, help="Also detect digits as tones in the audio.")

calls_option = click.option("--calls", type=CountParam(), metavar="N", help="End after N calls.")

max_calls_option = click.option("--max-calls", type=CountParam(), metavar="N", help="Refuse more than N calls at once.")

max_calls_from_option = click.option(
    "--max-calls-from",
    type=CountParam(),
    metavar="N",
    help="Refuse more than N calls at once from one address, or from one /64 of IPv6.",
)

min_free_option = click.option(
    "--min-free", type=SizeParam(), help="Stop recording below this much free disk space, such as 500M or 2G."
)

idle_timeout_option = click.option(
    "--idle-timeout", type=POSITIVE_SECONDS, metavar="TIME", help="Hang up when nothing arrives for this long."
)

max_duration_option = click.option(
    "--max-duration", type=POSITIVE_SECONDS, metavar="TIME", help="Hang up calls that last longer than this."
)

allow_from_option = click.option(
    "--allow-from",
    type=NetworkParam(),
    multiple=True,
    help="Accept calls only from this network, such as 10.0.0.0/8 (repeatable).",
)

on_call_end_option = click.option(
    "--on-call-end",
    metavar="CMD",
    help="Run a program after each call, with AUDIOSOCKET_UUID, _RECORDING, _JSON, _DURATION_S, … in its environment.",
)

metrics_option = click.option(
    "--metrics",
    type=AddressParam(needs_port=True),
    help="Serve Prometheus metrics on this address, at /metrics. Needs prometheus-client (the extra metrics).",
)

health_option = click.option(
    "--health",
    type=AddressParam(needs_port=True),
    help="Answer health checks on this address, at /healthz: 200 ready, or 503 and why not. --metrics does so too.",
)

drain_option = click.option(
    "--drain",
    type=SECONDS,
    metavar="TIME",
    help="On SIGTERM or Ctrl-C stop accepting calls, and give those in progress this long to end, such as 10m.",
)

drain_delay_option = click.option(
    "--drain-delay",
    type=SECONDS,
    metavar="TIME",
    default="0",
    help="With --drain: first go on accepting calls for this long, with 503 at /healthz, so that a load balancer sees "
    "that before the port is closed.",
)

proxy_protocol_option = click.option(
    "--proxy-protocol",
    is_flag=True,
    help="Expect a PROXY protocol header (v1 or v2) before each call, with the caller's own address.",
)

proxy_from_option = click.option(
    "--proxy-from",
    type=NetworkParam(),
    multiple=True,
    help="With --proxy-protocol: accept connections only from this network (repeatable).",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print events as JSON, one object per line.")

log_file_option = file_option(
    "--log-file", "Append the log to this file, not to standard output. It may be rotated at any time."
)
