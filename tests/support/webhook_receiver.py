"""A receiver of webhooks for tests: a real HTTP server, which checks each signature with a library of others."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import SplitResult, urlsplit

from standardwebhooks import Webhook

from support.running import wait_until

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqrTwjU"

Reply = tuple[int, dict[str, str], bytes]

ACCEPTED: Reply = (204, {}, b"")


class Receiver:
    """What came, and what is answered."""

    def __init__(self, reply: Callable[[dict[str, Any]], Reply | None] = lambda event: ACCEPTED) -> None:
        """`reply` answers an event; where it returns None the connection is closed without an answer."""
        self.reply = reply
        self.events: list[dict[str, Any]] = []
        """Whose signature is right, in the order in which they came."""
        self.ids: list[str] = []
        self.refused: list[str] = []
        """Why others were not."""
        self.connections = 0
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        self.server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> SplitResult:
        """Where events go."""
        assert self.server is not None
        scheme = "https" if isinstance(self.server.socket, ssl.SSLSocket) else "http"
        return urlsplit(f"{scheme}://127.0.0.1:{self.server.server_address[1]}/events?from=calls")

    def take(self, headers: dict[str, str], body: bytes) -> Reply | None:
        """Check and keep an event, and answer it."""
        with self.lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            event = Webhook(SECRET).verify(body, headers)
            with self.lock:
                self.events.append(event)
                self.ids.append(headers["webhook-id"])
            return self.reply(event)
        except Exception as error:
            self.refused.append(repr(error))
            return 400, {}, b"this is not a webhook"
        finally:
            with self.lock:
                self.at_once -= 1

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Wait until something is so."""
        wait_until(condition, self.refused)


@contextmanager
def receiving(receiver: Receiver, *, port: int = 0, context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """Run a receiver, with TLS where a context for it is given."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            receiver.connections += 1

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            reply = receiver.take(dict(self.headers.items()), body)
            if reply is None:
                self.close_connection = True
                return
            status, headers, text = reply
            self.send_response(status)
            for name, value in {"content-length": str(len(text)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # the client has gone

    server = Server(("127.0.0.1", port), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    receiver.server = server
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        json.dumps(receiver.events)  # all that was kept is JSON
