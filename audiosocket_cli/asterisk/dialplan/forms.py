"""The forms of a dialplan: what happens to a caller who dials the extension. Each is made for a `Wish`.

All of them were loaded and called on Asterisk 22.10.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from audiosocket_cli.asterisk.dialplan.lines import NEW_UUID, application, channel, dial
from audiosocket_cli.asterisk.dialplan.plan import Contexts, Extension, Step
from audiosocket_cli.asterisk.dialplan.wish import Wish
from audiosocket_cli.asterisk.releases import Behaviour, Release, since
from audiosocket_cli.errors import UsageError

CALL: Final = "${CALL}"

_ANSWER: Final = Step("Answer()", "first: AudioSocket() ends a call that is not answered")
_DIAL_ANSWER: Final = Step("Answer()")
_NEW_CALL: Final = Step(f"Set(CALL={NEW_UUID})", "a new UUID for each call; it names the recording")
_NEW_CALL_BY_HASH: Final = (
    Step("Set(HASH=${MD5(${UNIQUEID}${RAND()}${RAND()})})", "a new UUID for each call; it names the recording"),
    Step("Set(CALL=${HASH:0:8}-${HASH:8:4}-4${HASH:13:3}-a${HASH:17:3}-${HASH:20:12})"),
)
_HANGUP: Final = Step("Hangup()")

_DRIVER: Final = ("chan_audiosocket", "app_dial", "func_uuid")
"""Modules for `dial`."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A dialplan that is not written yet."""

    contexts: Contexts
    modules: Sequence[str]
    """What has to be loaded for it, apart from what any Asterisk has."""
    notes: Sequence[str] = field(default=())
    """Sentences for its head."""


def fitted(draft: Draft, release: Release) -> Draft:
    """Return a form without what a release lacks, where that can be had in another way."""
    if release.has(Behaviour.UUID_FUNCTION) or "func_uuid" not in draft.modules:
        return draft
    contexts = {
        name: {extension: _without_uuid_function(steps) for extension, steps in some.items()}
        for name, some in draft.contexts.items()
    }
    modules = [name for name in draft.modules if name != "func_uuid"]
    note = f"By MD5(): ${{UUID()}} is there since Asterisk {since(Behaviour.UUID_FUNCTION)}."
    return Draft(contexts, [*modules, "func_md5", "func_rand"], [*draft.notes, note])


def _without_uuid_function(steps: Extension) -> list[Step]:
    return [new for step in steps for new in (_NEW_CALL_BY_HASH if step is _NEW_CALL else (step,))]


def app(wish: Wish) -> Draft:
    """The application: 8 kHz, in every release."""
    steps = [_ANSWER, _NEW_CALL, Step(application(wish.server, CALL), "always 8 kHz"), _after_application(wish)]
    return Draft({wish.context: {wish.extension: steps}}, ["app_audiosocket", "func_uuid"])


def _after_application(wish: Wish) -> Step:
    goes_on = "" if wish.release.has(Behaviour.GOES_ON) else f"never reached before Asterisk {since(Behaviour.GOES_ON)}"
    return Step("Hangup()", goes_on)


def channel_driver(wish: Wish) -> Draft:
    """The channel driver: any rate, and a channel that can be bridged and transferred."""
    steps = [_DIAL_ANSWER, _NEW_CALL, Step(dial(wish.server, CALL, wish.codec), _why_dial(wish)), _HANGUP]
    return Draft({wish.context: {wish.extension: steps}}, _DRIVER)


def _why_dial(wish: Wish) -> str:
    return f"without c({wish.codec}) it is the caller's codec, which is noise; g: go on after the server hangs up"


def both(wish: Wish) -> Draft:
    """The two that most people want, at two extensions. Raises `UsageError` where there is no second number."""
    if not wish.extension.isdecimal():
        raise UsageError(
            f"extension {wish.extension} has no number after it for a second form: add --form app, or channel"
        )
    second = str(int(wish.extension) + 1).zfill(len(wish.extension))
    first, other = app(wish), channel_driver(wish)
    extensions = {
        wish.extension: first.contexts[wish.context][wish.extension],
        second: other.contexts[wish.context][wish.extension],
    }
    notes = [f"{wish.extension} is the application, {second} the channel driver, which can be bridged and transferred."]
    return Draft({wish.context: extensions}, _merged(first.modules, other.modules), notes)


def failover(wish: Wish) -> Draft:
    """Several servers, one after the other; never with `&`, which connects to all of them (`dial_exec_full`)."""
    if wish.release.has(Behaviour.GOES_ON):
        return _failover_by_application(wish)
    reason = (
        f"By Dial(): before Asterisk {since(Behaviour.GOES_ON)} AudioSocket() fails at the end of each call, too, and "
        "the caller would then go to the next server."
    )
    return _failover_by_driver(wish, [reason])


def failover_channel(wish: Wish) -> Draft:
    """The same with the channel driver."""
    return _failover_by_driver(wish)


def _failover_by_application(wish: Wish) -> Draft:
    servers = _several(wish)
    steps = [_ANSWER, _NEW_CALL, Step(f"TryExec({application(servers[0], CALL)})", "TryExec: go on where this fails")]
    for server in servers[1:]:
        steps.append(Step('"${TRYSTATUS}" = "SUCCESS"', "the server has had its call", goto="done"))
        steps.append(Step(f"TryExec({application(server, CALL)})"))
    steps.append(Step("Hangup()", label="done"))
    modules = ["app_audiosocket", "app_exec", "func_uuid"]
    return Draft({wish.context: {wish.extension: steps}}, modules, _ON_FAILOVER)


def _failover_by_driver(wish: Wish, notes: Sequence[str] = ()) -> Draft:
    servers = _several(wish)
    steps = [_DIAL_ANSWER, _NEW_CALL, Step(dial(servers[0], CALL, wish.codec), _why_dial(wish))]
    for server in servers[1:]:
        steps.append(Step('"${DIALSTATUS}" = "ANSWER"', "the server has had its call", goto="done"))
        steps.append(Step(dial(server, CALL, wish.codec)))
    steps.append(Step("Hangup()", label="done"))
    return Draft({wish.context: {wish.extension: steps}}, _DRIVER, [*notes, *_ON_FAILOVER])


_ON_FAILOVER: Final = (
    "A server that refuses the connection costs a few ms, one that does not answer 2 s.",
    "A proxy that accepts and then closes counts as an answer: let it refuse.",
)


def _several(wish: Wish) -> tuple[str, ...]:
    if len(wish.servers) < 2:
        raise UsageError(f"fail-over needs two servers: add one, as in dialplan {wish.server} 192.0.2.8:9092")
    return wish.servers


def transfer(wish: Wish) -> Draft:
    """The caller goes where the bot's result says, asked of `serve --api`."""
    by_dial = not wish.release.has(Behaviour.GOES_ON)
    connect = dial(wish.server, CALL, wish.codec) if by_dial else application(wish.server, CALL)
    exists = "${DIALPLAN_EXISTS(after-the-bot,${RESULT},1)}"
    steps = [
        _DIAL_ANSWER if by_dial else _ANSWER,
        _NEW_CALL,
        Step(connect, "g: go on when the bot hangs up" if by_dial else "goes on when the bot hangs up"),
        Step("Set(CURLOPT(conntimeout)=2)"),
        Step(f"Set(RESULT=${{FILTER(a-z0-9,${{CURL(http://{wish.api}/calls/{CALL}/result)}})}})", "of serve --api"),
        Step(exists, "a bot reaches these extensions only", goto="after-the-bot,${RESULT},1"),
        Step("Hangup()", "no result, or one that is not there"),
    ]
    targets = {name: [_to_phone(wish, phone), _HANGUP] for name, phone in (("sales", "200"), ("support", "201"))}
    connects_by = _DRIVER if by_dial else ("app_audiosocket", "func_uuid")
    notes = [f"The bot hangs up with a result: sales or support. It needs serve --api {wish.api}."]
    if by_dial:
        notes.append(
            f"By Dial(): before Asterisk {since(Behaviour.GOES_ON)} the dialplan does not go on after AudioSocket()."
        )
    modules = [*connects_by, "res_curl", "func_curl", "func_strings", "func_dialplan"]
    return Draft({wish.context: {wish.extension: steps}, "after-the-bot": targets}, modules, notes)


def _to_phone(wish: Wish, phone: str) -> Step:
    return Step("", goto=f"from-internal,{phone},1") if wish.style == "freepbx" else Step(f"Dial(PJSIP/{phone})")


def variables(wish: Wish) -> Draft:
    """What Asterisk knows of the caller, in a file for `serve --variables`, until the call ends.

    `FILTER` leaves out what would end a text of JSON: a caller chooses the name.
    """
    number = "${FILTER(0-9A-Za-z+*#,${CALLERID(num)})}"
    name = r"${FILTER(A-Za-z0-9 ._\x80-\xff,${CALLERID(name)})}"
    path = f"{wish.variables}/{CALL}.json"
    known = f'{{"number": "{number}", "name": "{name}", "dialled": "${{FILTER(0-9A-Za-z+*#,${{EXTEN}})}}"}}'
    steps = [
        _ANSWER,
        _NEW_CALL,
        Step(f"Set(FILE({path})={known})", "before it connects: the server reads it when the call begins"),
        Step("Set(CHANNEL(hangup_handler_push)=audiosocket-forget,s,1)", "removes the file when the call ends"),
        Step(application(wish.server, CALL)),
        _after_application(wish),
    ]
    forget = [Step(f"System(rm -f {path})"), Step("Return()")]
    notes = [
        f"It needs serve --variables {wish.variables}, on this machine.",
        "Asterisk has to be able to write into that folder, and the server to read it:",
        f"install -d -o asterisk -g audiosocket -m 2750 {wish.variables}",
    ]
    modules = [
        "app_audiosocket",
        "app_stack",
        "app_system",
        "func_callerid",
        "func_channel",
        "func_env",
        "func_strings",
    ]
    contexts = {wish.context: {wish.extension: steps}, "audiosocket-forget": {"s": forget}}
    return Draft(contexts, [*modules, "func_uuid"], notes)


def recording(wish: Wish) -> Draft:
    """Asterisk's own recording beside that of the server, under the same name."""
    steps = [
        _ANSWER,
        _NEW_CALL,
        Step(f"MixMonitor({CALL}.wav)", "in /var/spool/asterisk/monitor; the server's has the same name"),
        Step(application(wish.server, CALL)),
        Step("StopMixMonitor()"),
        _after_application(wish),
    ]
    notes = [
        "MixMonitor() follows frames, not the clock: times in which neither side sends are missing from its file.",
        "A server that always sends keeps it as long as the call; so does serve.",
    ]
    modules = ["app_audiosocket", "app_mixmonitor", "format_wav", "func_uuid"]
    return Draft({wish.context: {wish.extension: steps}}, modules, notes)


def confbridge(wish: Wish) -> Draft:
    """A conference that the server joins with the first caller, and leaves with the last."""
    bot = channel(wish.server, CALL, wish.codec)
    steps = [
        _DIAL_ANSWER,
        Step("${CONFBRIDGE_INFO(parties,${EXTEN})} > 0", "the server is there already", goto="join"),
        _NEW_CALL,
        Step(f"Originate({bot},exten,audiosocket-bot,${{EXTEN}},1,,a)", "a: do not wait for it"),
        Step("Set(CONFBRIDGE(user,marked)=yes)", "callers are marked", label="join"),
        Step("Set(CONFBRIDGE(user,quiet)=yes)"),
        Step("ConfBridge(${EXTEN})"),
        _HANGUP,
    ]
    joins = [
        Step("Set(TIMEOUT(absolute)=14400)", "the driver has no end of its own: 4 hours at most"),
        Step("Set(CONFBRIDGE(user,end_marked)=yes)", "the server leaves when the last marked one has left"),
        Step("Set(CONFBRIDGE(user,quiet)=yes)"),
        Step("ConfBridge(${EXTEN})"),
        _HANGUP,
    ]
    notes = [
        "A conference sends the server 50 frames a second, whoever is silent or on hold.",
        "It throws away what is sent to it in bursts of more than 80 ms: the server has to send at the pace of sound.",
    ]
    modules = ["chan_audiosocket", "app_confbridge", "app_originate", "bridge_softmix", "func_timeout", "func_uuid"]
    return Draft({wish.context: {wish.extension: steps}, "audiosocket-bot": {wish.extension: joins}}, modules, notes)


def parking(wish: Wish) -> Draft:
    """After the server the caller is parked for somebody to pick up; goes to the server again when nobody does."""
    steps = [
        _DIAL_ANSWER,
        _NEW_CALL,
        Step("Set(DIALLED=${EXTEN})"),
        Step(dial(wish.server, CALL, wish.codec), "g: go on after the server hangs up"),
        Step("Park(audiosocket)", "the lot of res_parking.conf"),
        _HANGUP,
    ]
    contexts = {
        wish.context: {
            wish.extension: steps,
            "_90[1-9]": [Step("ParkedCall(audiosocket,${EXTEN})", "dialled by a phone that takes the call"), _HANGUP],
        },
        "audiosocket-unparked": {
            "s": [Step("", "nobody came: the server again", goto=f"{wish.context},${{DIALLED}},1"), _HANGUP]
        },
    }
    notes = [
        "A caller on hold sends the server nothing, and does not hear it. The server has to keep sending all the same.",
        "A server that is parked itself hears the music.",
    ]
    return Draft(contexts, [*_DRIVER, "res_parking"], notes)


def stasis(wish: Wish) -> Draft:
    """The caller waits for an ARI application, which connects the server."""
    steps = [_DIAL_ANSWER, Step("Stasis(audiosocket)", "the application of ari.sh"), _HANGUP]
    modules = [
        "chan_audiosocket",
        "app_stasis",
        "res_ari_channels",
        "res_ari_bridges",
        "bridge_simple",
        "bridge_softmix",
    ]
    return Draft({wish.context: {wish.extension: steps}}, modules)


def _merged(*modules: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(name for some in modules for name in some))
