"""One of several processes that answer calls on one port: a server that takes orders from its parent."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import json
import socket
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from audiosocket_cli.call.bots.process import Process
from audiosocket_cli.call.events import Listening, Report
from audiosocket_cli.net.listen import ListeningSockets
from audiosocket_cli.server.limits import SharedCallLimits
from audiosocket_cli.server.metrics import Snapshot
from audiosocket_cli.server.options import ServeOptions
from audiosocket_cli.server.server import Callbacks, Server
from audiosocket_cli.server.worker_process import (
    LISTENING_FD,
    SHARED_FD,
)

_BEAT_S: Final = 0.5

_MAX_UNSENT_BYTES: Final = 1 << 17
"""With so much on its way, the sound of calls and their levels are not told."""


class Worker:
    """A server in its own process, which follows orders from its channel."""

    def __init__(self, descriptor: int) -> None:
        """Take the channel, a socket with this descriptor, and wait for the first orders."""
        self._channel = socket.socket(fileno=descriptor)
        with self._channel.makefile("rb", buffering=0) as orders_only:
            orders = json.loads(orders_only.readline())
        self._number: int = orders["number"]
        self._workers: int = orders["workers"]
        self._wants_metrics: bool = orders["metrics"]
        self._wants_news: bool = orders["news"]
        self._is_watched: bool = orders["watch"]
        self._sockets: int = orders["sockets"]
        self._stay_open: bool = orders["stay_open"]
        self._waiting = b""
        self._unsent = b""

    async def run(self, options: ServeOptions, report: Report, complain: Callable[[str], object]) -> None:
        """Serve until told to stop."""
        call_limits = SharedCallLimits(SHARED_FD, self._number, self._workers, options.calls, options.max_calls)

        def report_all_but_where(event: Any) -> None:
            if isinstance(event, Listening):
                self._send({"ready": True})
            else:
                report(event)

        sockets = [socket.socket(fileno=LISTENING_FD + at) for at in range(self._sockets)]
        listening = ListeningSockets(sockets, stay_open=self._stay_open)
        callbacks = Callbacks(
            metrics=self._send_metrics if self._wants_metrics else None,
            enough=partial(self._send, {"enough": True}),
            reloaded=partial(self._send, {"reloaded": True}),
            news=self._send_news if self._wants_news else None,
        )
        server = Server(
            options, report_all_but_where, complain, call_limits=call_limits, listening=listening, callbacks=callbacks
        )
        Process.watchers.append(lambda group, runs: self._send({"program": group, "runs": runs}))
        self._channel.setblocking(False)
        if self._is_watched:
            server.watch_calls(None, {"watch": True})
        loop = asyncio.get_running_loop()
        loop.add_reader(self._channel.fileno(), self._on_orders, server)
        beating = asyncio.create_task(_beat(call_limits), name="signs of life")
        try:
            summary = await server.run()
        finally:
            beating.cancel()
            loop.remove_reader(self._channel.fileno())
        self._channel.setblocking(True)
        self._send({"summary": dataclasses.asdict(summary)})

    def _send(self, what: dict[str, Any]) -> None:
        self._unsent += json.dumps(what, default=_text_of).encode() + b"\n"
        self._push()

    def _send_metrics(self, snapshot: Snapshot) -> None:
        self._push()
        if not self._unsent:  # else the parent does not read: newer snapshots follow
            self._send({"metrics": snapshot})

    def _send_news(self, news: dict[str, Any]) -> bool:
        if len(self._unsent) > _MAX_UNSENT_BYTES and ("samples" in news or "levels" in news):
            self._push()
            return False  # the parent does not read: what calls sound like now is of no use later
        self._send({"news": news})
        return True

    def _push(self) -> None:
        try:
            while self._unsent:
                self._unsent = self._unsent[self._channel.send(self._unsent) :]
        except BlockingIOError:
            pass
        except OSError:  # the parent is gone
            self._unsent = b""

    def _on_orders(self, server: Server) -> None:
        try:
            data = self._channel.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:  # the parent is gone
            asyncio.get_running_loop().remove_reader(self._channel.fileno())
            server.stop()
            return
        *lines, self._waiting = (self._waiting + data).split(b"\n")
        orders = {
            "stop": server.stop,
            "abort": server.abort,
            "drain": server.drain,
            "enough": server.enough,
            "reload": server.reload,
        }
        for line in lines:
            match json.loads(line):
                case {"do": "end", "call": int(number), "result": result, "by_bot": by_bot}:
                    server.end_call((0, number), result, by_bot)
                case {"do": "watch", "what": dict(wanted)}:
                    server.watch_calls(None, wanted)
                case {"do": str(what)}:
                    orders[what]()


def _text_of(samples: bytes) -> str:
    return base64.b64encode(samples).decode()


async def _beat(call_limits: SharedCallLimits) -> None:
    while True:
        call_limits.beat()
        await asyncio.sleep(_BEAT_S)
