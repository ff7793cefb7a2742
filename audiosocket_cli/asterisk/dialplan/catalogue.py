"""The forms by name, and the files that each is made of."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from audiosocket_cli.asterisk.dialplan import forms
from audiosocket_cli.asterisk.dialplan.ari import ari_files
from audiosocket_cli.asterisk.dialplan.lines import is_name
from audiosocket_cli.asterisk.dialplan.plan import PlanFile, Style
from audiosocket_cli.asterisk.dialplan.settings import parking_file, phone_file
from audiosocket_cli.asterisk.dialplan.wish import Wish
from audiosocket_cli.asterisk.dialplan.writing import ael_lines, conf_lines
from audiosocket_cli.asterisk.releases import Behaviour
from audiosocket_cli.errors import UsageError

_FILES: Final[dict[Style, str]] = {
    "extensions": "extensions.conf",
    "freepbx": "extensions_custom.conf",
    "ael": "extensions.ael",
}

_LOADED_BY: Final[dict[Style, str]] = {
    "extensions": "dialplan reload",
    "freepbx": "dialplan reload",
    "ael": "ael reload",
}

_WIDTH: Final = 118

_COMMAND: Final = re.compile(r"asterisk -rx '[^']*'")

_HARD_SPACE: Final = "\N{NO-BREAK SPACE}"


class Form(NamedTuple):
    """One thing that a dialplan can do with a server."""

    name: str
    about: str
    make: Callable[[Wish], Sequence[PlanFile]]
    options: frozenset[str] = frozenset()
    """Which of codec, variables and api it takes."""
    max_servers: int = 1
    extension: str | None = None
    """The usual extension, where it is another than that of most."""


def form_named(name: str) -> Form:
    """Return a form. Raises `UsageError`."""
    for form in FORMS:
        if form.name == name:
            return form
    raise UsageError(f"there is no form {name!r:.60}: choose from {', '.join(form.name for form in FORMS)}")


def _only(draft: Callable[[Wish], forms.Draft]) -> Callable[[Wish], list[PlanFile]]:
    return lambda wish: [_plan_file(draft(wish), wish)]


def _plan_file(draft: forms.Draft, wish: Wish) -> PlanFile:
    """Write a dialplan, with a head that says where it belongs and what it needs."""
    draft = forms.fitted(draft, wish.release)
    written = ael_lines if wish.style == "ael" else conf_lines
    mark = "//" if wish.style == "ael" else ";"
    head = [line for sentence in _head(draft, wish) for line in _comment(sentence, mark)]
    return PlanFile(_FILES[wish.style], [*head, *written(draft.contexts)])


def _head(draft: forms.Draft, wish: Wish) -> Iterator[str]:
    servers = f"server{'s' if len(wish.servers) > 1 else ''} {', '.join(wish.servers)}"
    yield f"Written by audiosocket dialplan for Asterisk {wish.release} and the AudioSocket {servers}."
    load = f"asterisk -rx '{_LOADED_BY[wish.style]}'"
    yield f"Put it into /etc/asterisk/{_FILES[wish.style]}, or beside it and #include it there; then: {load}"
    yield f"Modules: {', '.join(draft.modules)}."
    if not wish.release.has(Behaviour.BUILT):
        yield "Certified Asterisk is built without AudioSocket: select its modules in make menuselect."
    if wish.style == "freepbx":
        yield f"Choose numbers that no extension of FreePBX has: {wish.context} comes before its own."
    yield from draft.notes
    if any(map(is_name, wish.servers)):
        yield (
            "An address is safer than a name, which is looked up for each call: that takes 10 s when the name server "
            "does not answer."
        )


def _comment(sentence: str, mark: str) -> list[str]:
    """Wrap a sentence, but not in a command, which is there to be pasted."""
    whole = _COMMAND.sub(lambda match: match[0].replace(" ", _HARD_SPACE), sentence)
    wrapped = textwrap.wrap(whole, _WIDTH, break_long_words=False, break_on_hyphens=False)
    return [f"{mark} {line.replace(_HARD_SPACE, ' ')}" for line in wrapped]


def _ari(wish: Wish) -> list[PlanFile]:
    return [_plan_file(forms.stasis(wish), wish), *ari_files(wish)]


def _parking(wish: Wish) -> list[PlanFile]:
    return [_plan_file(forms.parking(wish), wish), parking_file(wish)]


def _phone(wish: Wish) -> list[PlanFile]:
    return [phone_file(wish, wish.extension)]


_CODEC: Final = frozenset({"codec"})
_MAX_SERVERS: Final = 4

FORMS: Final = (
    Form("both", "app and channel, an extension each", _only(forms.both), _CODEC),
    Form("app", "the application AudioSocket(): 8 kHz", _only(forms.app)),
    Form(
        "channel", "Dial(AudioSocket/…): any rate; can be bridged and transferred", _only(forms.channel_driver), _CODEC
    ),
    Form("failover", "app, and the next server when one fails", _only(forms.failover), max_servers=_MAX_SERVERS),
    Form("failover-channel", "the same with channel", _only(forms.failover_channel), _CODEC, _MAX_SERVERS),
    Form("transfer", "to where the bot's result says, by serve --api", _only(forms.transfer), frozenset({"api"})),
    Form("variables", "who calls, for serve --variables", _only(forms.variables), frozenset({"variables"})),
    Form("recording", "Asterisk's own recording beside the server's", _only(forms.recording)),
    Form("confbridge", "a conference with the server; goes on during a hold", _only(forms.confbridge), _CODEC),
    Form("parking", "parked for a person after the server; notes on hold", _parking, _CODEC),
    Form("ari", "ARI externalMedia: a dialplan, requests by curl, ari.conf and http.conf", _ari, _CODEC),
    Form("phone", "pjsip.conf for one test phone", _phone, max_servers=0, extension="200"),
)
"""All of them, in the order of the list."""
