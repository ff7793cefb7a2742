"""All that is looked at of one Asterisk, in order; where it does not answer, what its files alone tell."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from audiosocket_cli.asterisk.dialplan_check.dialplan import Dialplan
from audiosocket_cli.asterisk.dialplan_check.judging import servers_of
from audiosocket_cli.doctor.look import Look
from audiosocket_cli.doctor.pbx.asterisk_cli import AsteriskCli, NoAnswerError, channels_of
from audiosocket_cli.doctor.pbx.asterisk_dialplan import judge_files, judge_running, running_dialplan
from audiosocket_cli.doctor.pbx.asterisk_use import Use, has_ari_program, servers_in, serves_ari, use_in
from audiosocket_cli.doctor.pbx.asterisk_version import look_at_version
from audiosocket_cli.doctor.pbx.channels import look_at_channels
from audiosocket_cli.doctor.pbx.connections import judge_connections, judge_time
from audiosocket_cli.doctor.pbx.control_socket import several, why_no_answer
from audiosocket_cli.doctor.pbx.logger_files import look_at_left_log, look_at_own_log
from audiosocket_cli.doctor.pbx.modules import look_at_modules
from audiosocket_cli.doctor.pbx.place import CannotRunError, Place, TookTooLongError
from audiosocket_cli.doctor.pbx.process_view import ProcessView, view_process
from audiosocket_cli.doctor.pbx.translation import look_at_translation
from audiosocket_cli.doctor.server.servers import look_at_servers
from audiosocket_cli.finding import Diagnosis, Status

_Found = Sequence[Diagnosis]
_T = TypeVar("_T")

_FILES_S: Final = 3.0
"""How long a program that does nothing may take there."""


def looks_at_asterisk(place: Place) -> list[Look]:
    """Return what there is to look at of the Asterisk at a place."""
    return _Asterisk(AsteriskCli(place)).looks()


class _Asterisk:
    """One Asterisk, while it is looked at: what takes long is looked at once."""

    def __init__(self, cli: AsteriskCli) -> None:
        self._cli = cli
        self._is_silent = False
        self._files: bool | None = None
        """Whether its files can be read where it does not answer; None: not tried yet."""
        self._view: ProcessView | NoAnswerError | None = None
        self._plan: Dialplan | NoAnswerError | None = None

    def looks(self) -> list[Look]:
        cli = self._cli
        return [
            Look("Asterisk", self._talk),
            self._look("modules", "module-missing", self._modules),
            self._look("codecs", "codec-missing", lambda: look_at_translation(cli)),
            self._look("dialplan", "no-audiosocket-line", self._dialplan, from_files=self._dialplan_files),
            self._look("its servers", "server-refuses", self._servers),
            self._look("channels", "channels-stuck", lambda: look_at_channels(cli)),
            self._look("connections", "close-wait", self._connections),
            self._look(
                "log", "log-unread", lambda: look_at_own_log(cli), from_files=lambda: look_at_left_log(cli.place)
            ),
        ]

    def _look(
        self,
        title: str,
        finding_id: str,
        look: Callable[[], Awaitable[_Found]],
        *,
        from_files: Callable[[], Awaitable[_Found]] | None = None,
    ) -> Look:
        """Return a look; where Asterisk does not answer at all, one at its files, or none."""

        async def run() -> _Found:
            if self._is_silent:
                return await from_files() if from_files is not None and await self._has_files() else ()
            try:
                return await look()
            except NoAnswerError as error:
                if isinstance(error.__cause__, TookTooLongError):
                    return [why_no_answer(self._cli.place, error)]
                return [Diagnosis(finding_id, Status.UNKNOWN, title, (str(error),))]

        return Look(title, run)

    async def _has_files(self) -> bool:
        """Whether files can be read there: where the way to it hangs, each would be waited for in vain."""
        if self._files is None:
            self._files = self._cli.place.root is not None
            with contextlib.suppress(CannotRunError):
                self._files = self._files or (await self._cli.place.run("true", seconds=_FILES_S)).code == 0
        return self._files

    async def _talk(self) -> _Found:
        try:
            await self._cli.version()
            found = await look_at_version(self._cli, await self._use())
        except NoAnswerError as error:
            self._is_silent = True
            return [why_no_answer(self._cli.place, error)]
        other = several(self._cli.place)
        return [*found, *([other] if other else [])]

    async def _modules(self) -> _Found:
        return await look_at_modules(self._cli, await self._use())

    async def _dialplan(self) -> _Found:
        plan = await self._dialplan_now()
        use = use_in(plan)
        has_ari = use.ari or await has_ari_program(self._cli)
        may_ari = not use.is_some and not has_ari and await serves_ari(self._cli)
        return judge_running(plan, await self._cli.release(), self._cli.place, has_ari=has_ari, may_ari=may_ari)

    async def _dialplan_files(self) -> _Found:
        return await judge_files(self._cli.place)

    async def _connections(self) -> _Found:
        view = await self._process()
        calls = channels_of(await self._cli.ask("core show channels concise"))
        servers = [*await self._servers_named(), *servers_in(calls)]
        place = self._cli.place
        return [*judge_connections(view, servers, place), *judge_time(view, await self._cli.release(), place)]

    async def _servers(self) -> _Found:
        try:
            view: ProcessView | None = await self._process()
        except NoAnswerError:
            view = None
        return await look_at_servers(self._cli.place, view, await self._servers_named())

    async def _use(self) -> Use:
        try:
            return use_in(await self._dialplan_now())
        except NoAnswerError:
            return Use()

    async def _servers_named(self) -> list[str]:
        try:
            return servers_of(await self._dialplan_now())
        except NoAnswerError:
            return []

    async def _dialplan_now(self) -> Dialplan:
        """Return the dialplan that runs, read once. Raises `NoAnswerError`."""
        if self._plan is None:
            self._plan = await _or_error(running_dialplan(self._cli))
        if isinstance(self._plan, NoAnswerError):
            raise self._plan
        return self._plan

    async def _process(self) -> ProcessView:
        """Return what is seen of its process, looked at once. Raises `NoAnswerError`."""
        if self._view is None:
            self._view = await _or_error(view_process(self._cli))
        if isinstance(self._view, NoAnswerError):
            raise self._view
        return self._view


async def _or_error(wanted: Awaitable[_T]) -> _T | NoAnswerError:
    try:
        return await wanted
    except NoAnswerError as error:
        return error
