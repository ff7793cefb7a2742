"""All that is looked at of one Asterisk, in order; where it does not answer, what its files alone tell."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from audiosocket_cli.doctor.asterisk_cli import AsteriskCli, NoAnswerError
from audiosocket_cli.doctor.asterisk_dialplan import servers_named
from audiosocket_cli.doctor.asterisk_version import look_at_version
from audiosocket_cli.doctor.channels import look_at_channels
from audiosocket_cli.doctor.connections import look_at_connections
from audiosocket_cli.doctor.control_socket import several, why_no_answer
from audiosocket_cli.doctor.look import Look
from audiosocket_cli.doctor.modules import look_at_modules
from audiosocket_cli.doctor.place import Place
from audiosocket_cli.doctor.process_view import ProcessView, view_process
from audiosocket_cli.doctor.servers import look_at_servers
from audiosocket_cli.doctor.translation import look_at_translation
from audiosocket_cli.finding import Diagnosis, Status

_Found = Sequence[Diagnosis]


def looks_at_asterisk(place: Place) -> list[Look]:
    """Return what there is to look at of the Asterisk at a place."""
    return _Asterisk(AsteriskCli(place)).looks()


class _Asterisk:
    def __init__(self, cli: AsteriskCli) -> None:
        self._cli = cli
        self._is_silent = False
        self._view: ProcessView | NoAnswerError | None = None

    def looks(self) -> list[Look]:
        cli = self._cli
        return [
            Look(f"Asterisk ({cli.place} -rx …)", self._talk),
            self._look("modules", "module-missing", lambda: look_at_modules(cli)),
            self._look("codecs", "codec-missing", lambda: look_at_translation(cli)),
            self._look("channels", "channels-stuck", lambda: look_at_channels(cli)),
            self._look("connections", "close-wait", self._connections),
            self._look("the servers that the dialplan names", "server-refuses", self._servers),
        ]

    def _look(self, title: str, finding_id: str, look: Callable[[], Awaitable[_Found]]) -> Look:
        """Return a look that is left out where Asterisk does not answer at all."""

        async def run() -> _Found:
            if self._is_silent:
                return ()
            try:
                return await look()
            except NoAnswerError as error:
                return [Diagnosis(finding_id, Status.UNKNOWN, title, (str(error),))]

        return Look(title, run)

    async def _talk(self) -> _Found:
        try:
            found = await look_at_version(self._cli)
        except NoAnswerError as error:
            self._is_silent = True
            return [why_no_answer(self._cli.place, error)]
        other = several(self._cli.place)
        return [*found, *([other] if other else [])]

    async def _process(self) -> ProcessView:
        """Return what is seen of its process, looked at once. Raises `NoAnswerError`."""
        if self._view is None:
            try:
                self._view = await view_process(self._cli)
            except NoAnswerError as error:
                self._view = error
        if isinstance(self._view, NoAnswerError):
            raise self._view
        return self._view

    async def _named(self) -> list[str]:
        return servers_named((await self._cli.ask("dialplan show")).splitlines())

    async def _connections(self) -> _Found:
        return await look_at_connections(self._cli, await self._process(), await self._named())

    async def _servers(self) -> _Found:
        try:
            view: ProcessView | None = await self._process()
        except NoAnswerError:
            view = None
        return await look_at_servers(self._cli.place, view, await self._named())
