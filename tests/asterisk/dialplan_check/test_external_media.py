"""Requests of ARI's externalMedia, in the forms that programs write them in."""

from __future__ import annotations

import pytest

from audiosocket_cli.asterisk.dialplan_check.judging import judge
from audiosocket_cli.asterisk.dialplan_check.reading import read_dialplan
from audiosocket_cli.asterisk.releases import parse_release
from audiosocket_cli.finding import Status

URL = (
    "curl -X POST 'http://h:8088/ari/channels/externalMedia?app=bot&external_host=127.0.0.1%3A9092"
    "&encapsulation=audiosocket&transport=tcp&format=slin&data=$UUID'"
)
JSON = """POST /ari/channels/externalMedia
{
  "app": "bot",
  "external_host": "127.0.0.1:9092", "encapsulation": "audiosocket",
  "transport": "tcp",
  "format": "slin",
  "data": "<uuid>"
}"""
OBJECT = """const media = await client.channels.externalMedia({
  app: 'bot', external_host: `${HOST}:9092`,
  format: 'slin', encapsulation: 'audiosocket', transport: 'tcp', data: callId,
})"""
KEYWORDS = """media = client.externalMedia(app="bot", external_host=server,
    encapsulation="audiosocket", transport="tcp", format="slin", data=str(call))"""


def found_in(text: str, release: str = "22.10") -> list[str]:
    plan = read_dialplan(text.splitlines(), "bot.js")
    assert len(plan.requests) == 1
    return [each.id for each in judge(plan, parse_release(release)) if each.status is not Status.OK]


@pytest.mark.parametrize("text", [URL, JSON, OBJECT, KEYWORDS], ids=["url", "json", "object", "keywords"])
def test_what_is_complete_is_right(text: str) -> None:
    assert found_in(text) == []


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("encapsulation=audiosocket&", "", "external-media-incomplete"),
        ("transport=tcp&", "", "external-media-incomplete"),
        ("transport=tcp", "transport=udp", "external-media-incomplete"),
        ("&data=$UUID", "", "external-media-incomplete"),
        ("format=slin&", "", "external-media-incomplete"),
        ("%3A9092", "", "no-port"),
        ("9092", "99092", "port-out-of-range"),
        ("format=slin", "format=ulaw", "codec-without-kind"),
        ("format=slin", "format=pcm", "unknown-codec"),
        ("data=$UUID", "data=call-1", "uuid-malformed"),
    ],
)
def test_each_fault_is_found_once(old: str, new: str, finding: str) -> None:
    assert old in URL
    assert found_in(URL.replace(old, new)) == [finding]


def test_the_release_decides_on_the_format() -> None:
    assert found_in(OBJECT.replace("'slin'", "'slin16'"), "20.12") == ["rate-unsupported"]


@pytest.mark.parametrize(
    "text",
    [
        "ari.externalMedia({app: 'x', external_host: 'h:4000', format: 'ulaw'})",
        URL.replace("audiosocket&transport=tcp", "rtp&transport=udp"),
        "externalMedia is what ARI calls it",
    ],
)
def test_requests_for_others_are_left_alone(text: str) -> None:
    plan = read_dialplan(text.splitlines(), "x")
    assert plan.requests == judge(plan) == []


def test_two_requests_are_told_apart() -> None:
    text = "\n".join([OBJECT, "", OBJECT.replace("'slin'", "'alaw'")])
    first, second = read_dialplan(text.splitlines(), "x").requests
    assert (first.place.number, second.place.number) == (1, 6)
    assert (first.settings["format"], second.settings["format"]) == ("slin", "alaw")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (('params = {"app": app, "external_host": f"{h}:1", "format": "ulaw", "encapsulation": "audiosocket",\n'
         '  "transport": "tcp", "data": str(new)}\nawait post(f"{base}/channels/externalMedia", params=params)'),
         ["codec-without-kind"]),
        (("const body = {\n  external_host: '127.0.0.1:99999',\n  format: 'slin',\n  encapsulation: 'audiosocket',\n"
         "  transport: 'tcp',\n  data: id,\n};\nawait post('/channels/externalMedia', body);"),
         ["port-out-of-range"]),
        ("const BASE = { encapsulation: 'audiosocket', transport: 'tcp' };\npost({ ...BASE, data: id });", []),
    ],
    ids=["one-line", "lines", "in parts"],
)  # fmt: skip
def test_parameters_may_come_before_the_url(text: str, found: list[str]) -> None:
    assert found_in(text) == found
