"""A bot, as a program for `serve --exec`: it lets the caller talk for a second and sends them on to sales."""

import json
import os
import time

time.sleep(1)
with open(int(os.environ["AUDIOSOCKET_EVENTS_FD"]), "wb", buffering=0) as events:
    events.write(json.dumps({"hangup": True, "result": "sales"}).encode() + b"\n")
    time.sleep(0.5)
