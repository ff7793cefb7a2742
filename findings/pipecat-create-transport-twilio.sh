#!/bin/sh
# pipecat-ai 1.14.0 (PyPI): create_transport() takes what speaks Twilio's protocol for Twilio. Without Twilio's credentials in
# the environment it raises ValueError, and it cannot be told of another place at which calls are hung up: TwilioFrameSerializer
# takes a `base_url`, create_transport() passes none on. So a bot for something compatible makes the transport itself.
# Seen: "create_transport: ValueError; with credentials the call is hung up at api.twilio.com". Exits with 1 when that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check 'pipecat-ai[websocket]==1.14.0'
env -u TWILIO_ACCOUNT_SID -u TWILIO_AUTH_TOKEN "$folder/venv/bin/python" - <<'PYTHON'
import asyncio, json, os, sys
from loguru import logger
from pipecat.runner.types import WebSocketRunnerArguments
from pipecat.runner.utils import create_transport
from pipecat.serializers import twilio
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams

logger.remove()
START = {"event": "start", "start": {"streamSid": "MZ1", "callSid": "CA1", "customParameters": {}}}


class Call:
    """A WebSocket that has said what Twilio says first."""

    headers = {}

    async def iter_text(self):
        yield json.dumps({"event": "connected"})
        yield json.dumps(START)


async def make():
    transports = {"twilio": lambda: FastAPIWebsocketParams(audio_in_enabled=True, audio_out_enabled=True)}
    return await create_transport(WebSocketRunnerArguments(websocket=Call()), transports)


try:
    asyncio.run(make())
    found = "made"
except ValueError:
    found = "ValueError"
os.environ |= {"TWILIO_ACCOUNT_SID": "AC1", "TWILIO_AUTH_TOKEN": "secret"}
serializer = asyncio.run(make())._params.serializer
hung_up_at = twilio._build_call_resource_url("AC1", "CA1", base_url=serializer._base_url).split("/")[2]
print(f"create_transport: {found}; with credentials the call is hung up at {hung_up_at}")
sys.exit((found, hung_up_at) != ("ValueError", "api.twilio.com"))
PYTHON
