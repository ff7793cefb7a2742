"""Events as webhooks: one signed POST each, as the Standard Webhooks specification has them.

Redirects are not followed, and no proxy of the environment is used. Each of a few threads keeps its connection. What
the other side answers is read up to a bound, and so is the time that it may take in all: a thread of its own shuts
down a connection whose time is over, as a peer that sends a byte now and then keeps any other time limit from acting.
"""

from __future__ import annotations

import contextlib
import http.client
import queue
import socket
import ssl
import threading
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import SplitResult

from audiosocket_cli.outbox.bus import DELIVERED, Answer, Done, Fate
from audiosocket_cli.outbox.webhook_secret import signature
from audiosocket_cli.text import printable

PARALLEL: Final = 8
"""POSTs at once."""

MAX_BYTES: Final = 512 << 10
"""Half of what nginx lets through if nobody says otherwise."""

TIMEOUT_S: Final = 15.0
"""For one POST, from the connection to the end of its answer. The specification recommends 15 to 30 s."""

_LOOK_S: Final = 1.0
_MAX_ANSWER_BYTES: Final = 65536
_SHOWN_CHARS: Final = 200

_NOT_THE_EVENT: Final = {401, 402, 403, 404, 405, 407, 408, 410, 421, 425, 429}
"""Client errors that say nothing about the event: who may send, where to, and when."""

_PAUSES: Final = {429, 503}
"""That hold for all events."""


class Webhook:
    """Posts events to a URL."""

    def __init__(
        self,
        url: SplitResult,
        secrets: tuple[bytes, ...],
        *,
        parallel: int = PARALLEL,
        timeout_s: float = TIMEOUT_S,
        user_agent: str = "audiosocket",
    ) -> None:
        """`url` is http or https with a host; `secrets` sign each event."""
        self.name = f"{url.scheme}://{url.netloc}"
        self.parallel = parallel
        self.max_bytes = MAX_BYTES
        self._secrets = secrets
        self._path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        self._headers = {"content-type": "application/json", "user-agent": user_agent}
        self._jobs: queue.SimpleQueue[tuple[str, bytes, Done] | None] = queue.SimpleQueue()
        self._context = ssl.create_default_context() if url.scheme == "https" else None
        self._connections = [_Connection(url, self._context, timeout_s) for _ in range(parallel)]
        self._closed = threading.Event()
        for number, connection in enumerate(self._connections):
            threading.Thread(target=self._work, args=(connection,), name=f"webhook {number}", daemon=True).start()
        threading.Thread(target=self._watch, name="webhook time limits", daemon=True).start()

    def look(self, done: Done) -> None:
        """Connect, and send nothing; never waits."""
        self._jobs.put(("", b"", done))

    def send(self, event: str, event_id: str, body: bytes, done: Done) -> None:
        """Begin to post an event; never waits."""
        self._jobs.put((event_id, body, done))

    def close(self) -> None:
        """End all connections, with what is on its way."""
        self._closed.set()
        for connection in self._connections:
            self._jobs.put(None)
            connection.shut_down()

    def _work(self, connection: _Connection) -> None:
        while (job := self._jobs.get()) is not None and not self._closed.is_set():
            event_id, body, done = job
            try:
                answer = self._post(connection, event_id, body) if event_id else connection.look()
            except Exception as error:  # a fault of ours: else the event, and all of its call, would wait for ever
                connection.close()
                answer = Answer(Fate.FAILED, shown(f"internal error: {error!r}"))
            done(answer)
        connection.close()

    def _watch(self) -> None:
        while not self._closed.wait(_LOOK_S):
            now = time.monotonic()
            for connection in self._connections:
                if now > connection.until:
                    connection.shut_down()

    def _post(self, connection: _Connection, event_id: str, body: bytes) -> Answer:
        timestamp = int(time.time())
        headers = {
            **self._headers,
            "webhook-id": event_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(self._secrets, event_id, timestamp, body),
        }
        return connection.post(self._path, body, headers)


class _Connection:
    """One connection, which is kept as long as the other side keeps it."""

    def __init__(self, url: SplitResult, context: ssl.SSLContext | None, timeout_s: float) -> None:
        self._host, self._port = url.hostname or "", url.port
        self._context = context
        self._timeout_s = timeout_s
        self._connection: http.client.HTTPConnection | None = None
        self._socket: socket.socket | None = None
        """The connection's own, which that gives up once an answer without a length has begun."""
        self.until = float("inf")
        """When its time is over, on the monotonic clock."""

    def look(self) -> Answer:
        """Connect, if it is not."""
        self.until = time.monotonic() + self._timeout_s
        try:
            self._connected()
        except _FAILURES as error:
            return self._failure(error, Fate.AWAY)
        finally:
            self.until = float("inf")
        return DELIVERED

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        """Post one event, once; twice where a kept connection turns out to be closed."""
        self.until = time.monotonic() + self._timeout_s
        try:
            return self._post(path, body, headers)
        finally:
            self.until = float("inf")

    def _post(self, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        was_kept = self._connection is not None
        try:
            connection = self._connected()
        except _FAILURES as error:
            return self._failure(error, Fate.AWAY)
        try:
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
        except _FAILURES as error:
            answer = self._failure(error, Fate.FAILED)
            if was_kept and isinstance(error, _CLOSED) and time.monotonic() < self.until:
                return self._post(path, body, headers)
            return answer
        return self._read(response)

    def _connected(self) -> http.client.HTTPConnection:
        if self._connection is None:
            if self._context is None:
                connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
            else:
                connection = http.client.HTTPSConnection(
                    self._host, self._port, timeout=self._timeout_s, context=self._context
                )
            connection.connect()
            self._connection, self._socket = connection, connection.sock
        return self._connection

    def _read(self, response: http.client.HTTPResponse) -> Answer:
        try:
            text = response.read(_MAX_ANSWER_BYTES)
            is_whole = not response.read(1)
        except _FAILURES:
            text, is_whole = b"", False  # its status is there, and counts
        if not is_whole or response.will_close:
            self.close()
        return answer_of(response.status, response.reason, text, response.headers.get("retry-after"))

    def _failure(self, error: Exception, fate: Fate) -> Answer:
        is_late = time.monotonic() >= self.until
        self.close()
        if is_late or isinstance(error, TimeoutError):
            return Answer(fate, f"no answer within {self._timeout_s:g} s")
        return Answer(fate, why(error))

    def shut_down(self) -> None:
        """End the connection from another thread, so that who waits for it need not any more."""
        sock = self._socket
        if sock is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)  # an SSLSocket's own would go on in the clear

    def close(self) -> None:
        """End the connection."""
        connection, self._connection, self._socket = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.close()


_FAILURES: Final = (OSError, http.client.HTTPException, ValueError, AttributeError)
"""Of a connection that is shut down by another thread, the last two as well."""

_CLOSED: Final = (http.client.RemoteDisconnected, ConnectionError)


def answer_of(status: int, phrase: str, text: bytes, retry_after: str | None) -> Answer:
    """Judge an answer by its status."""
    if 200 <= status < 300:
        return DELIVERED
    reason = f"HTTP {status} {phrase}".strip()
    said = text.decode(errors="replace").strip().split("\n")[0]
    if said and "<" not in said:
        reason += f": {said}"
    reason = shown(reason)
    if 300 <= status < 400:
        return Answer(Fate.AWAY, f"{reason} (redirects are not followed: name the URL itself)")
    if status in _PAUSES:
        return Answer(Fate.AWAY, reason, seconds_of(retry_after))
    if 400 <= status < 500 and status not in _NOT_THE_EVENT:
        return Answer(Fate.REFUSED, reason)
    if status in _NOT_THE_EVENT and status != 408:
        return Answer(Fate.AWAY, reason, seconds_of(retry_after))
    return Answer(Fate.FAILED, reason, seconds_of(retry_after))


def seconds_of(retry_after: str | None) -> float | None:
    """Return the seconds of a header `Retry-After`, which has a number or a date; None for anything else."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())


def why(error: Exception) -> str:
    """Say in one line why a connection failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return shown(f"its certificate is not valid: {error.verify_message}")
    if isinstance(error, http.client.RemoteDisconnected):
        return "it closed the connection without an answer"
    if isinstance(error, http.client.HTTPException):
        return shown(f"its answer is not HTTP: {type(error).__name__}")
    if isinstance(error, OSError):
        return shown((error.strerror or str(error) or type(error).__name__).lower())
    return "the connection ended"


def shown(text: str) -> str:
    """Return a text of the other side as one line that is safe to show."""
    text = printable(text)
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 1]}…"
