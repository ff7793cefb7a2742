"""Judges a dialplan's AudioSocket lines by a table of rules: `judge`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from audiosocket_cli.asterisk.plan import addresses, codecs, surroundings, uuids
from audiosocket_cli.asterisk.plan.complaint import Complaint, Facts, Rule
from audiosocket_cli.asterisk.plan.dialplan import Dialplan, Ignored
from audiosocket_cli.asterisk.plan.uses import Use, destinations_of, uses_in
from audiosocket_cli.asterisk.releases import Release
from audiosocket_cli.finding import Diagnosis, Status
from audiosocket_cli.text import counted

LINES_ID: Final = "dialplan-lines"
"""What says how many lines were looked at."""

IGNORED_ID: Final = "line-ignored"

UNREAD_ID: Final = "dialplan-unread"

_FORM: Final = Rule(
    "form-mixed-up",
    "audiosocket_exec, app_audiosocket.c; audiosocket_request, chan_audiosocket.c",
    surroundings.mixed_up,
)

_SWAPPED: Final = Rule("arguments-swapped", "uuid_parse in audiosocket_exec and audiosocket_request", uuids.swapped)

RULES: Final = (
    _FORM,
    _SWAPPED,
    Rule("no-answer", "audiosocket_run, app_audiosocket.c: AST_STATE_UP", surroundings.no_answer),
    Rule("no-server", "ast_audiosocket_connect, res_audiosocket.c", addresses.no_server),
    Rule("no-port", "PARSE_PORT_REQUIRE in ast_audiosocket_connect", addresses.no_port),
    Rule("port-out-of-range", "seen on 22.10: 99999 connects to 34463", addresses.port_out_of_range),
    Rule("address-without-brackets", "ast_sockaddr_split_hostport, netsock2.c", addresses.without_brackets),
    Rule("address-malformed", "ast_sockaddr_resolve, netsock2.c", addresses.malformed),
    Rule("address-example", "RFC 2606", addresses.example),
    Rule("address-by-name", "seen on 22.10: getaddrinfo in ast_sockaddr_resolve, 10 s", addresses.by_name),
    Rule("uuid-malformed", "uuid_parse in audiosocket_exec and audiosocket_request", uuids.malformed),
    Rule("uuid-unset", "audiosocket_exec: UUID is required", uuids.unset),
    Rule("uuid-example", "the protocol page", uuids.example),
    Rule("uuid-fixed", "ast_audiosocket_init, res_audiosocket.c", uuids.fixed),
    Rule("many-codecs", "dial_exec_full, app_dial.c; ast_format_cache_get", codecs.many_codecs),
    Rule("no-codec", "audiosocket_request, chan_audiosocket.c: ast_format_cap_get_format", codecs.no_codec),
    Rule("codec-without-kind", "ast_audiosocket_send_frame, res_audiosocket.c", codecs.without_kind),
    Rule("unknown-codec", "ast_format_cache_get in audiosocket_request", codecs.unknown_codec),
    Rule("rate-unsupported", "ast_audiosocket_send_frame, since 20.17, 21.12, 22.7, 23.1", codecs.rate_unsupported),
    Rule("dial-forks", "dial_exec_full, app_dial.c: strsep(&rest, \"&\")", surroundings.dial_forks),
    Rule("no-tryexec", "audiosocket_exec returns -1; tryexec_exec, app_exec.c", surroundings.no_tryexec),
    Rule("lines-not-run", "OPT_GO_ON, app_dial.c; audiosocket_run before 20.14", surroundings.not_run),
    Rule("format-set-in-vain", "ast_set_read_format in audiosocket_exec", surroundings.format_in_vain),
)  # fmt: skip

_ALONE: Final = (_FORM, _SWAPPED)
"""Where one of these finds something, the other rules would only say it again."""


def judge(dialplan: Dialplan, release: Release | None = None) -> list[Diagnosis]:
    """Return what is wrong with a dialplan's AudioSocket lines, line by line, and how many of them are right.

    Without a release it is judged as by the newest. No AudioSocket line gives an empty list, unless something was not
    read or Asterisk ignores a line that names AudioSocket.
    """
    facts = Facts(dialplan, release)
    found = list(_unread(dialplan)) + list(_ignored(dialplan, facts))
    right = 0
    for use in facts.uses:
        of_use = list(_judged(use, facts))
        right += not of_use
        found += of_use
    if facts.uses:
        found.append(_summary(dialplan, right, len(facts.uses)))
    return found


def servers_of(dialplan: Dialplan) -> list[str]:
    """Return the addresses that AudioSocket lines name, as far as they are known: HOST:PORT, each once."""
    facts = Facts(dialplan, None)
    servers = [addresses.righted(use, facts) for use in uses_in(dialplan) if facts.server(use)]
    known = [facts.values.expanded(use.step, text) for use, text in zip(facts.uses, servers, strict=False)]
    return list(dict.fromkeys(text for text in known if "$" not in text))


def _judged(use: Use, facts: Facts) -> Iterator[Diagnosis]:
    is_alone = False
    for rule in RULES:
        if is_alone and rule.id != "no-answer":
            continue
        for complaint in rule.look(use, facts):
            is_alone = is_alone or rule in _ALONE
            yield _diagnosis(rule, complaint, use, facts)


def _diagnosis(rule: Rule, complaint: Complaint, use: Use, facts: Facts) -> Diagnosis:
    step = use.step
    return Diagnosis(
        id=rule.id,
        status=complaint.status,
        what=complaint.what,
        evidence=(step.text, *complaint.evidence),
        cure=complaint.cure,
        lines=tuple(_lines(rule, complaint, use, facts)),
        where=str(step.place),
    )


def _lines(rule: Rule, complaint: Complaint, use: Use, facts: Facts) -> Iterator[str]:
    """Yield the lines to write in place of a use's: they cure all that is wrong with its arguments."""
    step, lead = use.step, use.step.lead
    for application in complaint.before:
        yield facts.line(step, application)
        lead = " same => n," if lead else ""
    dialled = destinations_of(step)
    if rule.id == "dial-forks" and dialled:
        for other in facts.uses:
            if other.step is step:
                yield facts.line(step, _application(other, facts, others=()))
        return
    text = _application(use, facts)
    yield f"{lead}{text}" if lead else facts.line(step, text)


def _application(use: Use, facts: Facts, others: tuple[str, ...] = ()) -> str:
    call, server = uuids.righted(use, facts), addresses.righted(use, facts)
    if _is_swapped(use, facts):
        call, server = use.server or call, (use.call or server).strip()
        call = call if "${" in call and call != "${EXTEN}" else "${UUID()}"
    if not use.is_channel:
        return _wrapped(use, f"AudioSocket({call},{server})")
    dialled = destinations_of(use.step)
    options = (dialled.options if dialled else "") or "g"
    timeout = dialled.timeout if dialled else ""
    return _wrapped(use, f"Dial(AudioSocket/{server}/{call}/c({codecs.righted(use, facts)}),{timeout},{options})")


def _wrapped(use: Use, text: str) -> str:
    return f"TryExec({text})" if use.wrapper == "tryexec" else text


def _is_swapped(use: Use, facts: Facts) -> bool:
    return next(uuids.swapped(use, facts), None) is not None


def _ignored(dialplan: Dialplan, facts: Facts) -> Iterator[Diagnosis]:
    for ignored in dialplan.ignored:
        if _matters(ignored):
            yield Diagnosis(
                IGNORED_ID, Status.FAULT, f"Asterisk ignores this line: {ignored.why}", (ignored.line.text.strip(),),
                ignored.cure, where=str(ignored.line.place),
            )  # fmt: skip


def _matters(ignored: Ignored) -> bool:
    text = ignored.line.text.lower()
    return "audiosocket(" in text or "audiosocket/" in text


def _unread(dialplan: Dialplan) -> Iterator[Diagnosis]:
    for place, why in dialplan.unread:
        yield Diagnosis(
            UNREAD_ID,
            Status.UNKNOWN,
            f"not read from here on: {why}",
            where=str(place),
            cure="check the rest by itself",
        )


def _summary(dialplan: Dialplan, right: int, number: int) -> Diagnosis:
    what = f"{counted(number, 'AudioSocket line')}, "
    what += "all right" if right == number else f"nothing wrong with {right} of them" if number > 1 else "see there"
    return Diagnosis(LINES_ID, Status.OK, what, where=dialplan.name)
