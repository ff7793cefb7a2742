"""ARI externalMedia: a shell script that connects a caller and a server, and the configuration that it needs."""

from __future__ import annotations

import secrets
from typing import Final

from audiosocket_cli.asterisk.dialplan.plan import PlanFile
from audiosocket_cli.asterisk.dialplan.wish import Wish
from audiosocket_cli.asterisk.releases import Behaviour, since

USER: Final = "audiosocket"

_HTTP: Final = """\
; The HTTP server that ARI needs, for this machine only.
[general]
enabled = yes
bindaddr = 127.0.0.1
bindport = 8088
"""

_ARI: Final = """\
; Who may use ARI. Put it into /etc/asterisk/ari.conf, then: asterisk -rx 'module reload res_ari.so'
[general]
enabled = yes

[{user}]
type = user
read_only = no
password = {password}
"""

_SCRIPT: Final = """\
#!/bin/sh
# Connects a caller who is in Stasis(audiosocket) to the server at {server}: sh ari.sh CHANNEL
# CHANNEL is the channel.id of the event StasisStart. An application has to be connected to take the events, as by
#   websocat "ws://127.0.0.1:8088/ari/events?app=audiosocket&api_key=USER:PASSWORD"
# It does the same three requests for each caller.
set -eu
ari=${{ARI:-http://127.0.0.1:8088/ari}}
user=${{ARI_USER:-{login}}}
caller=$1
call=$(cat /proc/sys/kernel/random/uuid) # a new UUID for each call; the server sees it before the answer is here

post() {{ # PATH [CURL'S OPTIONS]
    path=$1
    shift
    curl --fail-with-body --silent --show-error --user "$user" --request POST "$ari/$path" "$@"
}}

post "bridges/bridge-$call?type=mixing"

{request}
# Nothing is heard before both are in the bridge. The server's channel does not end with the caller's: delete it when
# ChannelLeftBridge or StasisEnd says that the caller has gone.
post "bridges/bridge-$call/addChannel?channel=$caller,audiosocket-$call"
"""


_NEEDED: Final = """\
# All of encapsulation, transport and data are needed: without encapsulation it is RTP, answered with 200, and nothing
# connects. format has to be one that AudioSocket carries: slin, slin16 …
"""

_AS_JSON: Final = """\
post channels/externalMedia --header 'Content-Type: application/json' --data @- <<JSON
{{
  "app": "audiosocket",
  "channelId": "audiosocket-$call",
  "external_host": "{server}",
  "encapsulation": "audiosocket",
  "transport": "tcp",
  "data": "$call",
  "format": "{codec}"
}}
JSON
# The same as one line:
"""

_AS_QUERY: Final = """\
post "channels/externalMedia?app=audiosocket&channelId=audiosocket-$call&external_host={server}&{query}"
"""


def ari_files(wish: Wish) -> list[PlanFile]:
    """Return the script, and unless FreePBX makes them the files that let it in, with a new password."""
    password = secrets.token_urlsafe(16)
    is_freepbx = wish.style == "freepbx"
    login = "USER:PASSWORD" if is_freepbx else f"{USER}:{password}"
    script = _SCRIPT.format(server=wish.server, login=login, request=_request(wish))
    files = [PlanFile("ari.sh", script.splitlines(), is_secret=not is_freepbx, is_program=True)]
    if is_freepbx:
        return files
    return [
        *files,
        PlanFile("ari.conf", _ARI.format(user=USER, password=password).splitlines(), is_secret=True),
        PlanFile("http.conf", _HTTP.splitlines()),
    ]


def _request(wish: Wish) -> str:
    """Return the request as JSON with the query beside it; as the query alone for releases that read no body."""
    query = f"encapsulation=audiosocket&transport=tcp&data=$call&format={wish.codec}"
    line = _AS_QUERY.format(server=wish.server, query=query)
    if not wish.release.has(Behaviour.EXTERNAL_MEDIA_BODY):
        return f"{_NEEDED}# Asterisk before {since(Behaviour.EXTERNAL_MEDIA_BODY)} takes no JSON.\n{line}"
    return f"{_NEEDED}{_AS_JSON.format(server=wish.server, codec=wish.codec)}# {line}"
