"""What gets the events: a receiver of webhooks, which believes no signature that it has not checked itself."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "whsec_" + base64.b64encode(b"a secret of the faults' own, 32 b").decode()


@dataclass(frozen=True)
class Received:
    """A webhook that came, with its order among all."""

    id: str
    uuid: str | None
    event: str
    body: bytes


class Receiver:
    """Listens on a free port, and keeps all that comes, in order."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.faults: list[str] = []
        """What was wrong with requests."""
        self._lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                receiver.take(dict(self.headers), body)
                self.send_response(204)
                self.send_header("Connection", "close")
                self.end_headers()
                self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                """A request that was cut is what the faults do."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def take(self, headers: dict[str, str], body: bytes) -> None:
        """Check a webhook and keep it. A body that was cut on its way is shorter than it says, and is no webhook."""
        told = {name.lower(): value for name, value in headers.items()}
        if len(body) != int(told.get("content-length", 0)):
            return
        name = told.get("webhook-id", "")
        event: dict[str, Any] = json.loads(body)
        with self._lock:
            if not is_signed(told, body):
                self.faults.append(f"the signature of event {name} is wrong")
            if event.get("id") != name:
                self.faults.append(f"event {event.get('id')} came under the id {name}")
            self.received.append(Received(name, event.get("uuid"), str(event.get("event")), body))

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def is_signed(headers: dict[str, str], body: bytes) -> bool:
    """Whether a webhook has a signature as the Standard Webhooks specification says."""
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signed = f"{headers.get('webhook-id')}.{headers.get('webhook-timestamp')}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(f"v1,{expected}", each) for each in headers.get("webhook-signature", "").split())
