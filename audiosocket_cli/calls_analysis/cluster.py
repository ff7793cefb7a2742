"""Calls measured by a Dask cluster that somebody runs already: `--dask tcp://scheduler:8786`.

A task is a few calls, as each costs Dask half as much time as a call takes. No more are under way than keep all workers
busy. Dask repeats what a worker did not finish. A task that was under way on four workers as they died may hold what
they died of, or have been beside it: its calls are tried once more, each with nothing else under way, and then named.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import queue
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from audiosocket_cli.calls_analysis.attempt import VERSION, Attempt, attempt, attempt_all
from audiosocket_cli.calls_analysis.here import Done
from audiosocket_cli.calls_analysis.listed_call import ListedCall
from audiosocket_cli.errors import AudioSocketError, MissingLibraryError, NetworkError, UsageError
from audiosocket_cli.libraries import first_line, install_line
from audiosocket_cli.stores.store_url import is_store_url
from audiosocket_cli.text import printable

Tell = Callable[[str], object]
MeasureOne = Callable[[ListedCall], Attempt]
"""Measures a call, on a worker."""

_CONNECT_S: Final = 10.0
_WORKERS_S: Final = 120.0
"""How long to wait for a worker when there is none: one that died is started again by its nanny."""
_LOOK_S: Final = 0.5
_FETCH_S: Final = 10.0
"""A result that takes longer to come is lost."""
_TASK_CALLS: Final = 8
"""Calls of one task: a quarter of a second of work for calls of 20 s."""
_AHEAD: Final = 3
"""Tasks under way for each thread of a worker."""
_MIN_AHEAD: Final = 4
_THEIR_VERSION: Final = "__import__('audiosocket_cli.calls_analysis.attempt', fromlist=['VERSION']).VERSION"
"""An expression, as a function of ours cannot be asked where it may not be."""

_KILLS: Final = "4 workers ended while they measured it, twice"


def measure_on(url: str, calls: Iterable[ListedCall], tell: Tell, measure_one: MeasureOne = attempt) -> Iterator[Done]:
    """Yield calls as they are measured, in any order.

    Raises `UsageError` for a URL that is not one, `NetworkError` where the scheduler cannot be reached, goes away, has
    no worker for two minutes, or a worker that cannot measure, and `MissingLibraryError`.
    """
    with _connected(url, tell) as client:
        cluster = _Cluster(client, url, tell, measure_one)
        try:
            cluster.check_workers()
            yield from cluster.work(iter(calls))
        except AudioSocketError:
            raise
        except (OSError, TimeoutError, RuntimeError) as error:
            raise NetworkError(_went_away(printable(url), f" ({printable(first_line(error)):.200})")) from None


def _went_away(url: str, why: str = "") -> str:
    return f"the Dask scheduler {url} went away{why}: what was measured is kept, and the same command goes on"


@contextlib.contextmanager
def _connected(url: str, tell: Tell) -> Iterator[Any]:
    distributed = _distributed()
    for name in ("distributed", *logging.root.manager.loggerDict):
        if name.partition(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL)  # what matters is told in our words
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            distributed.comm.get_address_host_port(url, strict=True)  # the client starts a loop before it looks
            asyncio.run(_shake_hands(distributed, url))
            client = distributed.Client(url, timeout=_CONNECT_S, set_as_default=False)
        except (ValueError, ImportError, RuntimeError) as error:
            raise UsageError(
                f"{printable(url)!r:.100} is not the address of a Dask scheduler ({first_line(error)}): write "
                "tcp://HOST:8786"
            ) from None
        except TypeError as error:
            raise UsageError(
                f"cannot use {printable(url)} ({printable(first_line(error))}): Dask takes certificates from its "
                "settings, as DASK_DISTRIBUTED__COMM__TLS__CA_FILE"
            ) from None
        except (OSError, TimeoutError, AssertionError) as error:  # the last where its loop did not start in 10 s
            raise NetworkError(
                f"cannot reach the Dask scheduler {printable(url)}: {printable(first_line(error))}; is dask scheduler "
                "running there?"
            ) from None
    for each in warned:
        if "Mismatched versions" in str(each.message):
            tell("the Dask workers have other versions of libraries than this machine: if a call fails, look there")
    try:
        yield client
    finally:
        with contextlib.suppress(Exception):  # a scheduler that is gone has nothing to be told
            client.close(timeout=2)


async def _shake_hands(distributed: Any, url: str) -> None:
    """Find that a scheduler answers. A client waits without limit for what accepts a connection, and says nothing."""
    arguments = distributed.security.Security().get_connection_args("client")
    try:
        async with asyncio.timeout(2 * _CONNECT_S):
            comm = await distributed.comm.connect(url, timeout=_CONNECT_S, **arguments)
    except TimeoutError:
        raise TimeoutError(f"nothing that a scheduler says came within {2 * _CONNECT_S:.0f} s") from None
    comm.abort()


class _Cluster:
    """A cluster that we are connected to."""

    def __init__(self, client: Any, url: str, tell: Tell, measure_one: MeasureOne) -> None:
        self._client, self._url, self._tell, self._measure_one = client, printable(url), tell, measure_one
        self._finished: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._tasks: dict[str, tuple[Any, list[ListedCall]]] = {}
        """The futures under way, with their calls, by their keys."""
        self._numbers = itertools.count()
        self._suspects: deque[ListedCall] = deque()
        self._seen_at_s = time.monotonic()
        """When there was a worker last."""
        self._is_told = False

    # Who is there.

    def check_workers(self) -> None:
        """Find that each worker has this package, in this version. Raises `NetworkError`."""
        while not self._threads():
            self._wait_for_workers()
        for worker, version in self._client.run(eval, _THEIR_VERSION, on_error="return").items():
            if isinstance(version, ImportError):
                raise self._unfit(
                    worker, f"has no audiosocket-cli, or an old one ({printable(first_line(version)):.100})"
                )
            if version != VERSION and not isinstance(version, Exception):  # that worker has just died
                raise self._unfit(worker, f"has audiosocket-cli {printable(str(version)):.100}, and not {VERSION}")

    def _unfit(self, worker: str, what: str) -> NetworkError:
        cure = f"install audiosocket-cli {VERSION.split()[0]} there, and start it again"
        return NetworkError(f"the Dask worker {printable(str(worker))} {what}: {cure}")

    def _threads(self) -> int:
        if self._client.status != "running":
            raise NetworkError(_went_away(self._url))
        count = int(sum(self._client.nthreads().values()))
        if count:
            self._seen_at_s, self._is_told = time.monotonic(), False
        return count

    def _wait_for_workers(self) -> None:
        away_s = time.monotonic() - self._seen_at_s
        if away_s > _WORKERS_S:
            raise NetworkError(
                f"{self._url} has had no worker for {_WORKERS_S:.0f} s: start some with dask worker {self._url}; what "
                "was measured is kept, and the same command goes on"
            )
        if away_s > 2 * _LOOK_S and not self._is_told:
            self._is_told = True
            self._tell(f"{self._url} has no worker at the moment: waiting for one")
        time.sleep(_LOOK_S)

    # Work.

    def work(self, calls: Iterator[ListedCall]) -> Iterator[Done]:
        """Yield what is done: first all calls, then those again, one by one, that may have ended their workers."""
        first = next(calls, None)
        if first is None:
            return
        self._check_sight(first)
        calls = itertools.chain([first], calls)
        for _ in range(max(_MIN_AHEAD, _AHEAD * self._threads())):
            self._submit(list(itertools.islice(calls, _TASK_CALLS)))
        while self._tasks:
            finished = self._next_finished()
            self._submit(list(itertools.islice(calls, _TASK_CALLS)))
            for done in finished:
                if done.killed is None:
                    yield done
                else:
                    self._suspects.append(done.call)
        for call in self._suspects:
            self._submit([call])
            yield from self._next_finished()

    def _check_sight(self, call: ListedCall) -> None:
        """Find that all workers see the files. Raises `NetworkError`."""
        if is_store_url(call.folder):
            return
        path = os.path.join(call.folder, call.files[0].name)
        for worker, sees in self._client.run(os.path.exists, path, on_error="return").items():
            if sees is False and os.path.exists(path):
                raise NetworkError(
                    f"the Dask worker {printable(str(worker))} has no {printable(path)}: mount the folder there under "
                    "the same name, or analyze a bucket"
                )

    def _submit(self, calls: list[ListedCall]) -> None:
        if not calls:
            return
        key = f"audiosocket-{os.getpid()}-{time.time_ns()}-{next(self._numbers)}"
        future = self._client.submit(attempt_all, self._measure_one, calls, key=key, pure=False)
        self._tasks[key] = future, calls
        future.add_done_callback(self._finished.put)

    def _next_finished(self) -> list[Done]:
        """Wait for a task, and return what came of its calls."""
        while True:
            try:
                future = self._finished.get(timeout=_LOOK_S)
            except queue.Empty:
                if not self._threads():
                    self._wait_for_workers()
                continue
            if future.key in self._tasks and (finished := self._finish(future)) is not None:
                del self._tasks[future.key]
                return finished

    def _finish(self, future: Any) -> list[Done] | None:
        """Return what came of a task; None where its result was lost with its worker, so that Dask runs it again."""
        _, calls = self._tasks[future.key]
        if future.status == "cancelled":
            raise NetworkError(_went_away(self._url))
        try:
            error = future.exception(timeout=_FETCH_S)
            if error is None:
                attempts = future.result(timeout=_FETCH_S)
                return [self._checked(call, found) for call, found in zip(calls, attempts, strict=True)]
        except TimeoutError:
            future.add_done_callback(self._finished.put)
            return None
        if type(error).__name__ == "KilledWorker":
            return [Done(call, Attempt(), _KILLS) for call in calls]
        if isinstance(error, ImportError | AttributeError):
            raise self._unfit(self._url, f"cannot load what measures ({printable(first_line(error)):.100})")
        return [Done(call, Attempt(later=f"internal error: {printable(repr(error)):.200}")) for call in calls]

    def _checked(self, call: ListedCall, found: Attempt) -> Done:
        if found.version != VERSION:
            raise self._unfit(f"of {self._url}", f"has audiosocket-cli {found.version}, and not {VERSION}")
        if found.is_gone and not is_store_url(call.folder):
            gone = [file.name for file in call.files if os.path.exists(os.path.join(call.folder, file.name))]
            if len(gone) == len(call.files):
                raise NetworkError(
                    f"a Dask worker has no {printable(os.path.join(call.folder, gone[0]))}: mount the folder there "
                    "under the same name, or analyze a bucket"
                )
        return Done(call, found)


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise MissingLibraryError(
            f"distributed, which speaks with Dask clusters, cannot be loaded ({first_line(error)}): "
            f"{install_line('distributed')}"
        ) from None
    return distributed


def check_dask() -> None:
    """Raise `MissingLibraryError` where there is no library that speaks with a cluster."""
    _distributed()
