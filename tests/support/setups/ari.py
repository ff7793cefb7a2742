"""An ARI application, as a program: `python ari.py PARTIES` makes a bridge of AudioSocket's channel and others."""

from __future__ import annotations

import json
import sys
import time
import urllib.parse
import urllib.request
import uuid
from typing import Any

from websockets.sync.client import connect

BASE = "127.0.0.1:8088/ari"
KEY = "api_key=bot:bot"


def ask(method: str, path: str, **query: str) -> Any:
    """Make one request, and return what it answers."""
    url = f"http://{BASE}/{path}?{KEY}&{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=10) as answer:
        body = answer.read()
        return json.loads(body) if body else None


def main(parties: int) -> None:
    with connect(f"ws://{BASE}/events?app=bot&{KEY}", close_timeout=0.2):
        bridge = ask("POST", "bridges", type="mixing")["id"]
        media = ask(
            "POST", "channels/externalMedia", app="bot", external_host="127.0.0.1:9092", format="slin16",
            encapsulation="audiosocket", transport="tcp", data=str(uuid.uuid4()),
        )["id"]  # fmt: skip
        others = [ask("POST", "channels", endpoint="Local/200@phones", app="bot")["id"] for _ in range(parties - 1)]
        time.sleep(0.5)
        ask("POST", f"bridges/{bridge}/addChannel", channel=",".join([media, *others]))
        print("answered", flush=True)
        time.sleep(3)
        for channel in (*others, media):
            ask("DELETE", f"channels/{channel}")
        ask("DELETE", f"bridges/{bridge}")


if __name__ == "__main__":
    main(int(sys.argv[1]))
