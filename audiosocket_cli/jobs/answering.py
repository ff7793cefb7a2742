"""Running a server for a command: its log, its table of live calls and its summary."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from audiosocket_cli.errors import UsageError
from audiosocket_cli.jobs.outputs import close_capture
from audiosocket_cli.jobs.sending_life import begin_sending, ended_on_failure, ending, report_to, with_figures_of
from audiosocket_cli.libraries import install_line
from audiosocket_cli.net.loop import run
from audiosocket_cli.server.api import WEB_TOKEN_VARIABLE
from audiosocket_cli.server.options import ServeOptions, ServeSummary
from audiosocket_cli.server.server import Callbacks, Server
from audiosocket_cli.server.service import Service, begin_service
from audiosocket_cli.ui.console import is_terminal, say
from audiosocket_cli.ui.event_log import EventLog
from audiosocket_cli.ui.event_text import summary_line
from audiosocket_cli.ui.log_file import LogFile

if TYPE_CHECKING:
    from audiosocket_cli.jobs.sending import SendingWanted


def answer_calls(
    options: ServeOptions, *, as_json: bool, log_file: Path | None = None, sending: SendingWanted | None = None
) -> ServeSummary:
    """Answer calls to the end, with the log in a file, on stdout or, where data goes there, on stderr."""
    log_to_stderr = options.call.takes_stdout
    stream = sys.stderr if log_to_stderr else sys.stdout
    file = None if log_file is None else LogFile(log_file)
    log = EventLog(as_json=as_json, to_stderr=log_to_stderr, file=file)
    service = begin_service(options, log.complain, log.reopen if file else None)
    begin_pages(options, service, log.complain)
    outgoing = begin_sending(sending, log, options.call, as_json=as_json)
    news = service.news
    callbacks = Callbacks(
        metrics=with_figures_of(outgoing, service).on_metrics,
        news=None if news is None else partial(news.take, 0),
        attach=None if news is None else news.attach,
        attach_watch=None if service.watching is None else service.watching.attach_watch,
    )
    with ended_on_failure(outgoing):
        server = Server(
            options, report_to(outgoing, log), log.complain,
            listening=service.listening, readiness=service.readiness, callbacks=callbacks,
        )  # fmt: skip
    with contextlib.ExitStack() as stack:
        if is_terminal(stream) and (file is not None or not as_json):
            from audiosocket_cli.ui.dashboard import calls_table

            def title(live: int) -> str:
                counts = server.summary
                return f"{live} live, {counts.calls} answered, {counts.refused} refused, {counts.failed} failed"

            log.write_above(stack.enter_context(calls_table(server.live, title, stream)))
        stack.enter_context(log)
        with ending(outgoing, log.note) as sent:
            summary = run(server.run())
        log.note(summary_line(summary))
    summary.unwritten += log.lost + (not close_capture(options.call.capture)) + sent.is_lost
    say(summary_line(summary))
    sent.say()
    return summary


def begin_pages(options: ServeOptions, service: Service, say: Callable[[str], object]) -> None:
    """Begin to show calls in a browser, where that is asked for. Raises `UsageError` when a library for it is
    missing, and whatever `begin_web` raises."""
    given = os.environ.pop(WEB_TOKEN_VARIABLE, "")  # no program gets it
    if options.web is None:
        return
    try:
        from audiosocket_cli.web.begin import begin_web
    except ImportError as error:
        if (error.name or "").startswith("audiosocket_cli"):
            raise
        raise UsageError(f"--web needs starlette and uvicorn: {install_line('starlette')} uvicorn") from None
    begin_web(options, service, say, token=given)


def answer_with_workers(
    options: ServeOptions, workers: int, *, as_json: bool, log_file: Path | None, sending: SendingWanted | None = None
) -> ServeSummary:
    """Answer calls in several processes, which are this command line again."""
    from audiosocket_cli.server.workers import Workers

    call = options.call
    if any(output is not None and (output.single or output.has_stdout) for output in (call.record, call.capture)):
        raise UsageError("--workers needs a file for each call: name a folder for --record and --capture")

    def command(channel: int) -> list[str]:
        return [sys.executable, "-m", "audiosocket_cli", sys.argv[1], "--worker", str(channel), *sys.argv[2:]]

    file = None if log_file is None else LogFile(log_file)
    with EventLog(as_json=as_json, file=file) as log:
        service = begin_service(options, log.complain, log.reopen if file else None)
        begin_pages(options, service, log.complain)
        outgoing = begin_sending(sending, log, options.call, as_json=as_json)
        with ending(outgoing, log.note) as sent:
            summary = run(Workers(options, workers, command, log, with_figures_of(outgoing, service)).run())
        log.note(summary_line(summary))
    summary.unwritten += log.lost + sent.is_lost
    say(summary_line(summary))
    sent.say()
    return summary


def answer_as_worker(
    options: ServeOptions, channel: int, *, as_json: bool, sending: SendingWanted | None = None
) -> None:
    """Answer calls as one of several processes, until told to stop on a socket with this descriptor."""
    from audiosocket_cli.server.worker import Worker

    worker = Worker(channel)
    with EventLog(as_json=as_json) as log:
        outgoing = begin_sending(sending, log, options.call, as_json=as_json, delivers=False)
        with ending(outgoing, log.note):
            run(worker.run(options, report_to(outgoing, log), say))
