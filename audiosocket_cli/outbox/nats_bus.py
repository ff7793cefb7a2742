"""Events on NATS JetStream: each is published to PREFIX.EVENT under an id by which the stream knows a repetition.

The library belongs to an event loop, which runs on a thread of its own. It is not left to reconnect by itself: then it
buffers what cannot be sent, and raises once that is too much. Here each connection is new, and the sender waits.

With tls:// nothing is told before the connection is encrypted. The library alone would send user and password in the
clear to a server that does not ask for TLS.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import ssl
import threading
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult

from audiosocket_cli.errors import UsageError
from audiosocket_cli.libraries import install_line
from audiosocket_cli.outbox.bus import DELIVERED, Answer, Done, Fate
from audiosocket_cli.outbox.webhook import shown

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.js import JetStreamContext

PARALLEL: Final = 256
"""Events that may be on their way, each of another call."""

MAX_BYTES: Final = 512 << 10
"""Half of what a server takes if nobody says otherwise."""

_HEADER_BYTES: Final = 512
"""More than the headers of a message take, which count for the server's limit, too."""

_CONNECT_S: Final = 5.0
_ACK_S: Final = 10.0
_PING_S: Final = 20
"""How often a connection is tried out: after three without an answer it is given up."""
_LOOK_S: Final = 5.0
_CLOSE_S: Final = 0.5

_TOO_LARGE: Final = 10054
"""JetStream's error code where a message is larger than its stream takes."""


@dataclass(frozen=True, slots=True)
class NatsLogin:
    """Who we are, as variables of the environment say; the names are those of the `nats` command."""

    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    creds: str | None = None
    """A file with a JWT and a seed."""
    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    """Files of TLS: whom to believe, and our own."""

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> NatsLogin:
        """Take it from an environment."""
        names = ("USER", "PASSWORD", "TOKEN", "CREDS", "CA", "CERT", "KEY")
        login = cls(**{name.lower(): environ.get(f"NATS_{name}") or None for name in names})
        if login.user is not None and login.password is None and login.token is None:
            return replace(login, user=None, token=login.user)  # as for that command
        return login


Work = Callable[[], Coroutine[Any, Any, Answer]]


class NatsBus:
    """Publishes events to JetStream."""

    def __init__(self, url: SplitResult, prefix: str, login: NatsLogin, *, parallel: int = PARALLEL) -> None:
        """`url` is nats:// or tls:// with a host; `prefix` is the first part of all subjects.

        Raises `UsageError` where the library, or a file of the login, is missing or cannot be used.
        """
        _check_library(login)
        self.name = f"{url.scheme}://{url.netloc}/{prefix}"
        self.parallel = parallel
        self.max_bytes = MAX_BYTES
        self._server = f"{url.scheme}://{url.netloc}"
        self._prefix = prefix
        self._login = login
        self._tls = _TlsContext.of(login)
        self._wants_tls = url.scheme == "tls"
        self._client: Client | None = None
        self._stream: JetStreamContext | None = None
        self._complaint = ""
        """What the server has said last of what it does not like."""
        self._connecting = asyncio.Lock()
        self._loop = asyncio.new_event_loop()
        self._is_closed = False
        self._publishing: set[asyncio.Task[Any]] = set()
        """Tasks that wait for the server to have stored an event."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name="nats", daemon=True)
        self._thread.start()

    def look(self, done: Done) -> None:
        """Connect, and find out whether a stream takes our subjects; never waits."""
        self._begin(self._look, done)

    def send(self, event: str, event_id: str, body: bytes, done: Done) -> None:
        """Begin to publish an event; never waits."""
        self._begin(partial(self._publish, f"{self._prefix}.{event}", event_id, body), done)

    def close(self) -> None:
        """End the connection, with what is on its way."""
        with contextlib.suppress(RuntimeError):  # closed already
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            self._is_closed = True
            self._loop.run_until_complete(self._end())
        finally:
            self._loop.close()

    async def _end(self) -> None:
        await self._disconnect()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _begin(self, work: Work, done: Done) -> None:
        with contextlib.suppress(RuntimeError):  # it is closed
            self._loop.call_soon_threadsafe(self._start, work, done)

    def _start(self, work: Work, done: Done) -> None:
        if not self._is_closed:
            task = self._loop.create_task(self._answer(work, done))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, work: Work, done: Done) -> None:
        try:
            answer = await work()
        except Exception as error:  # of the library, or of what the server sent: else the event would wait for ever
            answer = Answer(Fate.FAILED, shown(f"{type(error).__name__}: {error}"))
        done(answer)

    # One event.

    async def _publish(self, subject: str, event_id: str, body: bytes) -> Answer:
        import nats.errors
        import nats.js.errors

        try:
            stream = await self._connected()
        except Exception as error:
            return Answer(Fate.AWAY, self._why(error))
        if len(body) > self.max_bytes:  # as this server takes less than the last: it is made to fit when sent again
            return Answer(Fate.FAILED, f"it is larger than {self.max_bytes:,} bytes")
        task = asyncio.current_task()
        assert task is not None
        self._publishing.add(task)
        try:
            await stream.publish(subject, body, timeout=_ACK_S, headers={"Nats-Msg-Id": event_id})
        except asyncio.CancelledError:
            if self._is_closed:
                raise
            task.uncancel()
            return Answer(Fate.AWAY, self._complaint or "the connection was lost")
        except nats.js.errors.NoStreamResponseError:
            return Answer(Fate.AWAY, self._no_stream(subject))
        except nats.js.errors.APIError as error:
            return _judge(error)
        except nats.errors.TimeoutError:
            return Answer(Fate.FAILED, self._complaint or f"no answer within {_ACK_S:g} s")
        except Exception as error:
            is_lost = self._client is not None and not self._client.is_connected
            return Answer(Fate.AWAY if is_lost else Fate.FAILED, self._why(error))
        finally:
            self._publishing.discard(task)
        self._complaint = ""
        return DELIVERED

    def _no_stream(self, subject: str) -> str:
        return (
            f"no stream takes {subject}: nats stream add {_stream_name(self._prefix)} "
            f'--subjects "{self._prefix}.>" --defaults'
        )

    async def _look(self) -> Answer:
        import nats.js.errors

        try:
            await self._connected()
        except Exception as error:
            return Answer(Fate.AWAY, self._why(error))
        assert self._client is not None
        subject = f"{self._prefix}.ended"
        try:
            await self._client.jsm(timeout=_LOOK_S).find_stream_name_by_subject(subject)
        except nats.js.errors.NotFoundError:
            return Answer(Fate.AWAY, self._no_stream(subject))
        except nats.js.errors.ServiceUnavailableError:
            return Answer(Fate.AWAY, "JetStream is not enabled on the server, or for this account")
        except Exception:  # not everybody who may publish may ask
            return DELIVERED
        return DELIVERED

    # The connection.

    async def _connected(self) -> JetStreamContext:
        """Return the stream context of a connection, a new one if there is none. Raises what the library raises."""
        async with self._connecting:
            if self._client is None or self._stream is None or not self._client.is_connected:
                await self._disconnect()
                self._client = await self._connect()
                self._stream = self._client.jetstream(timeout=_ACK_S)
                self.max_bytes = max(0, min(MAX_BYTES, self._client.max_payload - _HEADER_BYTES))
            return self._stream

    async def _connect(self) -> Client:
        from nats.aio.client import Client
        from nats.errors import NoServersError

        client, login, tls = Client(), self._login, self._tls
        self._complaint = ""
        tls.has_begun = False

        def once_encrypted(value: str) -> str:
            if self._wants_tls and not tls.has_begun:
                raise _NotEncryptedError
            return value

        try:
            await client.connect(
                self._server,
                name="audiosocket",
                allow_reconnect=False,
                max_reconnect_attempts=1,  # counts at the first connection, too; 0 would be without end
                reconnect_time_wait=0,
                connect_timeout=int(_CONNECT_S),
                ping_interval=_PING_S,
                error_cb=self._note,
                closed_cb=self._on_closed,
                tls=tls,
                user=None if login.user is None else lambda: once_encrypted(login.user or ""),
                password=None if login.password is None else lambda: once_encrypted(login.password or ""),
                token=None if login.token is None else lambda: once_encrypted(login.token or ""),
                user_credentials=login.creds,
            )
            if self._wants_tls and not tls.has_begun:
                raise _NotEncryptedError
        except NoServersError:
            raise ConnectionError(self._complaint or "it cannot be reached") from None
        except BaseException:
            await _close(client)
            raise
        return client

    async def _disconnect(self) -> None:
        client, self._client, self._stream = self._client, None, None
        if client is not None:
            await _close(client)

    async def _note(self, error: Exception) -> None:
        """Keep what the library reports beside its calls, as a permission that is missing."""
        self._complaint = self._why(error)

    async def _on_closed(self) -> None:
        """The connection has ended: the library would let all that is on its way wait until its time is over."""
        for task in self._publishing:
            task.cancel()

    def _why(self, error: Exception) -> str:
        if isinstance(error, TimeoutError | asyncio.TimeoutError):
            return f"no answer within {_CONNECT_S:g} s"
        if isinstance(error, ssl.SSLCertVerificationError):
            return shown(f"its certificate is not valid: {error.verify_message}")
        if isinstance(error, OSError) and error.strerror:  # asyncio's own text names the address once more
            return shown((os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror).lower())
        return shown(str(error).removeprefix("nats: ").strip("' ") or type(error).__name__)


async def _close(client: Client) -> None:
    """Close a connection. After a TLS handshake that failed the library would wait for ever for its end."""
    with contextlib.suppress(Exception):
        await asyncio.wait_for(client.close(), _CLOSE_S)


class _NotEncryptedError(Exception):
    """The server does not ask for TLS."""

    def __str__(self) -> str:
        return "the server does not encrypt: give it a certificate, or write nats:// in place of tls://"


class _TlsContext(ssl.SSLContext):
    """A TLS context that knows whether it was used."""

    has_begun = False

    @classmethod
    def of(cls, login: NatsLogin) -> _TlsContext:
        """Make one. Raises `UsageError` where a file cannot be used."""
        context = cls(ssl.PROTOCOL_TLS_CLIENT)
        try:
            if login.ca is None:
                context.load_default_certs()
            else:
                context.load_verify_locations(login.ca)
            if login.cert is not None:
                context.load_cert_chain(login.cert, login.key)
        except (OSError, ssl.SSLError) as error:
            files = ", ".join(filter(None, (login.ca, login.cert, login.key)))
            reason = shown(str(error.strerror or error).lower())
            raise UsageError(f"cannot use NATS_CA, NATS_CERT or NATS_KEY ({files}): {reason}") from None
        return context

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        self.has_begun = True
        return super().wrap_bio(*args, **kwargs)


def _judge(error: Any) -> Answer:
    """Judge an error of JetStream: the stream's limits, or its state."""
    reason = shown(str(error.description or f"error {error.err_code or error.code}"))
    return Answer(Fate.REFUSED if error.err_code == _TOO_LARGE else Fate.FAILED, reason)


def _stream_name(prefix: str) -> str:
    return prefix.replace(".", "-").upper()


def _check_library(login: NatsLogin) -> None:
    try:
        importlib.import_module("nats.aio.client")
    except ImportError:
        raise UsageError(f"--events to NATS needs nats-py: {install_line('nats-py')}") from None
    if login.creds is not None and importlib.util.find_spec("nkeys") is None:
        raise UsageError(f"NATS_CREDS needs nkeys: {install_line('nkeys')}")
