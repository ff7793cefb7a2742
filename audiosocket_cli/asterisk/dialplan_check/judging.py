"""Judges a dialplan's AudioSocket lines by a table of rules: `judge`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from audiosocket_cli.asterisk.dialplan_check import addresses, codecs, surroundings, uuids
from audiosocket_cli.asterisk.dialplan_check.complaint import Complaint, Facts, Rule
from audiosocket_cli.asterisk.dialplan_check.dialplan import Dialplan, Ignored, MediaRequest, Place
from audiosocket_cli.asterisk.dialplan_check.extensions_conf import uncommented
from audiosocket_cli.asterisk.dialplan_check.external_media import as_use, missing_in
from audiosocket_cli.asterisk.dialplan_check.righting import righted_fork, righted_lines
from audiosocket_cli.asterisk.dialplan_check.uses import Use
from audiosocket_cli.asterisk.releases import Release
from audiosocket_cli.finding import Diagnosis, Status
from audiosocket_cli.text import counted

LINES_ID: Final = "dialplan-lines"
"""What says how many lines were looked at."""

IGNORED_ID: Final = "line-ignored"

UNREAD_ID: Final = "dialplan-unread"

REQUEST_ID: Final = "external-media-incomplete"

_REQUEST_FORM: Final = "external_host=HOST:PORT&encapsulation=audiosocket&transport=tcp&format=slin&data=UUID"

_OF_REQUESTS: Final = frozenset(
    ["no-port", "port-out-of-range", "address-without-brackets", "address-malformed", "address-example",
     "uuid-malformed", "uuid-example", "uuid-fixed", "codec-without-kind", "unknown-codec", "rate-unsupported"]
)  # fmt: skip
"""Rules for what externalMedia has, too."""

_FORM: Final = Rule("form-mixed-up", "audiosocket_exec; audiosocket_request; dial_exec_full", surroundings.mixed_up)

_BRACKET: Final = Rule("bracket-missing", "pbx_load_config, pbx_config.c: strrchr", surroundings.bracket_missing)

_SWAPPED: Final = Rule("arguments-swapped", "uuid_parse in audiosocket_exec and audiosocket_request", uuids.swapped)

_MAX_USES: Final = 10_000
"""AudioSocket lines that are judged."""

_IN_VAIN: Final = Rule("format-set-in-vain", "ast_set_read_format in audiosocket_exec", surroundings.format_in_vain)

_FORK: Final = Rule("dial-forks", 'dial_exec_full, app_dial.c: strsep(&rest, "&")', surroundings.dial_forks)

RULES: Final = (
    _BRACKET,
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
    Rule("func-missing", "load_module, func_uuid.c, since 20.12, 21.7, 22.2, 23.0", uuids.no_function),
    Rule("uuid-example", "the protocol page", uuids.example),
    Rule("uuid-fixed", "ast_audiosocket_init, res_audiosocket.c", uuids.fixed),
    Rule("many-codecs", "dial_exec_full, app_dial.c; ast_format_cache_get", codecs.many_codecs),
    Rule("no-codec", "audiosocket_request, chan_audiosocket.c: ast_format_cap_get_format", codecs.no_codec),
    Rule("codec-without-kind", "ast_audiosocket_send_frame, res_audiosocket.c", codecs.without_kind),
    Rule("unknown-codec", "ast_format_cache_get in audiosocket_request", codecs.unknown_codec),
    Rule("rate-unsupported", "ast_audiosocket_send_frame, since 20.17, 21.12, 22.7, 23.1", codecs.rate_unsupported),
    _FORK,
    Rule("dial-options-misplaced", "dial_exec_full: Invalid answer timeout", surroundings.options_misplaced),
    Rule("priority-missing", "ast_spawn_extension, pbx.c", surroundings.never_reached),
    Rule("no-tryexec", "audiosocket_exec returns -1; tryexec_exec, app_exec.c", surroundings.no_tryexec),
    Rule("lines-not-run", "OPT_GO_ON, app_dial.c; audiosocket_run before 20.14", surroundings.not_run),
    _IN_VAIN,
)  # fmt: skip

_ALONE: Final = (_BRACKET, _FORM, _SWAPPED)
"""Where one of these finds something, the others would only say it again; an answer can be missing all the same."""


def judge(dialplan: Dialplan, release: Release | None = None) -> list[Diagnosis]:
    """Return what is wrong with a dialplan's AudioSocket lines, line by line, and how many of them are right.

    Without a release it is judged as by the newest. No AudioSocket line gives an empty list, unless something was not
    read or Asterisk ignores a line that names AudioSocket.
    """
    facts = Facts(dialplan, release)
    found = list(_unread(dialplan)) + list(_ignored(dialplan))
    right = 0
    for number, use in enumerate(facts.uses):
        if number == _MAX_USES:
            found.append(_not_read(use.step.place, f"it has more than {_MAX_USES:,} AudioSocket lines"))
            break
        of_use = list(_judged(use, facts))
        right += not of_use
        found += of_use
    for request in dialplan.requests:
        of_request = list(_judged_request(request, facts))
        right += not of_request
        found += of_request
    if right:
        found.append(_summary(right, min(len(facts.uses), _MAX_USES) + len(dialplan.requests)))
    return found


def servers_of(dialplan: Dialplan) -> list[str]:
    """Return the addresses that AudioSocket lines name, as far as they are known: HOST:PORT, each once;
    what is wrong with the address is not one."""
    facts = Facts(dialplan, None)
    known = (facts.server(use) for use in facts.uses if addresses.is_right(use, facts))
    return list(dict.fromkeys(server for server in known if server and "$" not in server))


def _judged(use: Use, facts: Facts) -> Iterator[Diagnosis]:
    alone: Rule | None = None
    for rule in RULES:
        if alone is None or (rule.id == "no-answer" and alone is not _BRACKET):
            for complaint in rule.look(use, facts):
                alone = rule if rule in _ALONE else alone
                yield _diagnosis(rule, complaint, use, facts)


def _judged_request(request: MediaRequest, facts: Facts) -> Iterator[Diagnosis]:
    """Judge a request of externalMedia: what it needs, and what it has in common with a Dial()."""
    where, evidence = str(request.place), (request.text,)
    missing = " and ".join(missing_in(request))
    if missing:
        what = f"externalMedia without {missing}: Asterisk refuses it, or uses RTP"
        yield Diagnosis(REQUEST_ID, Status.FAULT, what, evidence, "give all of these", (_REQUEST_FORM,), where)
    use = as_use(request)
    for rule in RULES:
        if rule.id in _OF_REQUESTS:
            for status, what, *_ in rule.look(use, facts):
                yield Diagnosis(rule.id, status, what, evidence, "write it as here", (_REQUEST_FORM,), where)


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
    """Yield the lines to write."""
    if rule is _BRACKET:
        text, _ = uncommented(use.step.text)
        if text.endswith("\\"):
            return
        yield text + "".join(close * (text.count(start) - text.count(close)) for start, close in ("{}", "()"))
    elif rule is _FORK:
        yield from righted_fork(use, facts)
    elif rule is not _IN_VAIN:
        yield from righted_lines(use, facts, before=complaint.before)


def _ignored(dialplan: Dialplan) -> Iterator[Diagnosis]:
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
    yield from (_not_read(place, why) for place, why in dialplan.unread)


def _not_read(place: Place, why: str) -> Diagnosis:
    return Diagnosis(UNREAD_ID, Status.UNKNOWN, f"not read: {why}", cure="check that by itself", where=str(place))


def _summary(right: int, number: int) -> Diagnosis:
    what = f"{counted(number, 'AudioSocket line')}, "
    what += "all right" if right == number else f"nothing wrong with {right} of them"
    return Diagnosis(LINES_ID, Status.OK, what)
