"""What ARI is asked, and who may ask. A real Asterisk is asked in tests/system/test_dialplans.py."""

from __future__ import annotations

import json
import re
import subprocess
from urllib.parse import parse_qsl

from audiosocket_cli.asterisk.dialplan.ari import ari_files
from audiosocket_cli.asterisk.dialplan.wish import wish
from audiosocket_cli.asterisk.releases import parse_release


def text_of(name: str, style: str = "extensions") -> str:
    made = wish(("bot:9092",), style=style, codec="slin16")  # type: ignore[arg-type]
    return next("\n".join(file.lines) for file in ari_files(made) if file.name == name)


def test_json_and_the_query_ask_for_the_same() -> None:
    script = text_of("ari.sh")
    body = json.loads(re.findall(r"^\{.*?^\}", script, re.DOTALL | re.MULTILINE)[0])
    query = dict(parse_qsl(re.findall(r'# post "channels/externalMedia\?(.*)"', script)[0]))
    assert body == query
    needed = {"encapsulation": "audiosocket", "transport": "tcp", "data": "$call", "format": "slin16"}
    assert needed.items() <= body.items()
    assert body["external_host"] == "bot:9092"


def test_a_release_that_takes_no_json_is_asked_by_the_query() -> None:
    script = "\n".join(ari_files(wish(release=parse_release("18.6")))[0].lines)
    assert "<<JSON" not in script
    assert '\npost "channels/externalMedia?app=audiosocket&' in script


def test_the_script_is_one_for_sh() -> None:
    assert subprocess.run(["sh", "-n"], input=text_of("ari.sh"), text=True, check=False).returncode == 0


def test_who_may_ask_is_new_each_time_and_the_same_in_both_files() -> None:
    files = {file.name: "\n".join(file.lines) for file in ari_files(wish())}
    password = re.findall(r"^password = (\S+)$", files["ari.conf"], re.MULTILINE)[0]
    assert len(password) > 16
    assert f"audiosocket:{password}}}" in files["ari.sh"]
    assert password not in text_of("ari.conf")


def test_what_holds_a_password_is_secret() -> None:
    assert {file.name: file.is_secret for file in ari_files(wish())} == {
        "ari.sh": True, "ari.conf": True, "http.conf": False,
    }  # fmt: skip


def test_freepbx_makes_its_own_users() -> None:
    (script,) = ari_files(wish(style="freepbx"))
    assert "USER:PASSWORD" in "\n".join(script.lines)
    assert not script.is_secret
