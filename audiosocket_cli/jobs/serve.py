"""`serve`: answers calls: admission, what callers hear, what is recorded."""

from __future__ import annotations

import math
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from audiosocket_cli.asterisk.facts import POST_ROLL_MS
from audiosocket_cli.audio.files import Sound
from audiosocket_cli.call.bots.bot import Bot
from audiosocket_cli.call.bots.function import FunctionBot, FunctionOptions
from audiosocket_cli.call.bots.loading import load_function
from audiosocket_cli.call.bots.program import Program, ProgramOptions
from audiosocket_cli.call.events import Report
from audiosocket_cli.call.live_call import CallOptions
from audiosocket_cli.call.phases import Limits
from audiosocket_cli.call.recording.recording import Decode, Layout
from audiosocket_cli.call.sources.basic import Echo, PromptSource, Silence, Source
from audiosocket_cli.call.sources.prompts import Prompt
from audiosocket_cli.disk import is_folder, status_of
from audiosocket_cli.errors import UsageError
from audiosocket_cli.jobs.answering import answer_as_worker, answer_calls, answer_with_workers
from audiosocket_cli.jobs.bridge import BridgeWanted, bridge_maker
from audiosocket_cli.jobs.job import outcome_of_server
from audiosocket_cli.jobs.outcome import Outcome
from audiosocket_cli.jobs.outputs import capture_output, folder_output, open_prompt
from audiosocket_cli.net.address import Address
from audiosocket_cli.server.admission import AdmissionOptions, Network
from audiosocket_cli.server.drain import DrainOptions
from audiosocket_cli.server.options import ApiOptions, ServeOptions, WebOptions
from audiosocket_cli.ui.console import is_terminal

if TYPE_CHECKING:
    from audiosocket_cli.jobs.sending import SendingWanted

_SHELL_WORDS: Final = {"|", "||", "&", "&&", ";", "<", ">", ">>", "2>", "2>&1"}


@dataclass(frozen=True, slots=True)
class ServeWanted:
    """The command line."""

    listen: Address
    record: Path | None
    layout: str
    decode: str
    capture: str | None
    detect_dtmf: bool
    play: Path | None
    echo: bool
    tone: int | None
    loop: bool
    hangup: bool
    silence: str
    program: str | None
    exec_rate: int | None
    bot: str | None
    bot_rate: int | None
    grace: float
    bridge: BridgeWanted | None
    shell: bool
    calls: int | None
    workers: int
    many_workers: bool
    worker: int | None
    max_calls: int | None
    max_calls_from: int | None
    min_free: int | None
    uuid_timeout: float
    idle_timeout: float | None
    max_duration: float | None
    allow_from: tuple[Network, ...]
    allow_uuid: Path | None
    authorize: str | None
    authorize_timeout: float
    variables: Path | None
    on_call_end: str | None
    metrics: Address | None
    health: Address | None
    api: Address | None
    api_token_file: Path | None
    bridge_api: Address | None
    web: WebOptions | None
    drain: float | None
    drain_delay: float
    proxy_protocol: bool
    proxy_from: tuple[Network, ...]
    as_json: bool
    log_file: Path | None
    sending: SendingWanted | None = None


def serve(wanted: ServeWanted) -> Outcome:
    """Answer calls, in one process or in several. Raises `UsageError`, `FileError` and `NetworkError`."""
    options = _options(wanted)
    if wanted.worker is not None:
        answer_as_worker(options, wanted.worker, as_json=wanted.as_json, sending=wanted.sending)
        return Outcome()
    log: dict[str, Any] = {"as_json": wanted.as_json, "log_file": wanted.log_file, "sending": wanted.sending}
    if wanted.workers > 1:
        return outcome_of_server(answer_with_workers(options, wanted.workers, **log))
    return outcome_of_server(answer_calls(options, **log))


def _options(wanted: ServeWanted) -> ServeOptions:
    return ServeOptions(
        wanted.listen,
        _call_options(wanted),
        calls=wanted.calls or math.inf,
        max_calls=wanted.max_calls or math.inf,
        max_calls_from=wanted.max_calls_from or math.inf,
        admission=AdmissionOptions(
            wanted.allow_from,
            wanted.allow_uuid,
            None if wanted.authorize is None else command_words(wanted.authorize, shell=wanted.shell),
            wanted.authorize_timeout,
            _folder_of_variables(wanted.variables),
        ),
        program=wanted.program or wanted.bot,
        bridge=None if wanted.bridge is None else wanted.bridge.shown,
        on_call_end=None if wanted.on_call_end is None else command_words(wanted.on_call_end, shell=wanted.shell),
        metrics=wanted.metrics,
        health=wanted.health,
        api=ApiOptions(wanted.api, wanted.bridge_api, wanted.api_token_file),
        web=wanted.web,
        drain=None if wanted.drain is None else DrainOptions(wanted.drain, wanted.drain_delay),
        proxies=wanted.proxy_from if wanted.proxy_protocol else None,
    )


def _folder_of_variables(folder: Path | None) -> Path | None:
    if folder is not None and not is_folder(folder):
        what = "it is not a folder; name" if status_of(folder) else "there is no such folder; make it, or name"
        raise UsageError(f"cannot read variables from {folder}: {what} another for --variables")
    return folder


def _call_options(wanted: ServeWanted) -> CallOptions:
    make_source, make_bot = _source_maker(wanted), _bot_maker(wanted)
    source = make_source() if make_bot is None else make_bot(lambda event: None)
    layout = wanted.layout
    if layout == "auto":
        layout = "stereo" if source.speaks else "caller"
    output, disk = folder_output(wanted.record, wanted.min_free)
    return CallOptions(
        make_source=make_source,
        make_bot=make_bot,
        source_descriptors=source.descriptors,
        record=output,
        layout=Layout(layout),
        decode=Decode(wanted.decode),
        capture=capture_output(wanted.capture),
        detect_dtmf=wanted.detect_dtmf,
        disk=disk,
        limits=Limits(wanted.uuid_timeout, wanted.idle_timeout or math.inf, wanted.max_duration or math.inf),
        is_watched=is_terminal(sys.stdout) or is_terminal(sys.stderr),
    )


def _source_maker(wanted: ServeWanted) -> Callable[[], Source]:
    """Return what makes a source for each call, of what the caller is to be told."""
    if wanted.play is not None:
        prompt = open_prompt(Sound(wanted.play).kept())
        post_roll_ms = POST_ROLL_MS if wanted.hangup else None
        return lambda: PromptSource(prompt, times=0 if wanted.loop else 1, post_roll_ms=post_roll_ms)
    if wanted.tone is not None:
        endless = Prompt.of_tone(wanted.tone)
        return lambda: PromptSource(endless, times=0)
    says_nothing = Echo() if wanted.echo else Silence(sparse=wanted.silence == "sparse")
    return lambda: says_nothing  # shared by all calls: it has no state


def _bot_maker(wanted: ServeWanted) -> Callable[[Report], Bot] | None:
    """Return what makes the bot of each call, where one answers."""
    if wanted.bridge is not None:
        return bridge_maker(wanted.bridge)
    if wanted.bot is not None:
        function = FunctionOptions(load_function(wanted.bot), wanted.bot, wanted.bot_rate, wanted.grace)
        return partial(FunctionBot, function)
    if wanted.program is None:
        return None
    words = command_words(wanted.program, shell=wanted.shell)
    return partial(Program, ProgramOptions(words, wanted.exec_rate, wanted.grace))


def command_words(line: str, *, shell: bool) -> tuple[str, ...]:
    """Return the words of a command line, as a shell would split them, or those that give it to a shell.

    If the whole line names a program, spaces included, that is the command. Raises `UsageError` when there is no such
    program.
    """
    if shell:
        return ("/bin/sh", "-c", line)
    if shutil.which(line):
        return (line,)
    try:
        words = tuple(shlex.split(line))
    except ValueError as error:
        raise UsageError(f"cannot run {line}: {str(error).lower()}") from None
    if _SHELL_WORDS & set(words) or "$AUDIOSOCKET" in line:
        raise UsageError(f"cannot run {line}: it is for a shell; add --shell")
    if not words or shutil.which(words[0]) is None:
        raise UsageError(
            f"cannot run {line or 'nothing'}: there is no such program; is it executable, and on the PATH?"
        )
    return words
