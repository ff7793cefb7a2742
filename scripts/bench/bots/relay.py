"""The shortest bridge to a bot of Media Streams: an asyncio loop, two tasks a call, and only what has to be done.

relay.py URL. It does not pace what the bot says, and keeps, counts and judges nothing.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from typing import Any

import numpy as np
import uvloop
from websockets.asyncio.client import ClientConnection, connect

from audiosocket_cli.audio.pcm import decode_law, encode_mu_law

HEADER = b"\x10\x01\x40"


async def pass_back(bot: ClientConnection, caller: asyncio.StreamWriter) -> None:
    async for text in bot:
        message = json.loads(text)
        if message["event"] == "media":
            payload = base64.b64decode(message["media"]["payload"])
            caller.write(HEADER + decode_law(payload, "µ-law").astype(np.int16).tobytes())


async def relay(reader: asyncio.StreamReader, caller: asyncio.StreamWriter) -> None:
    uuid = (await reader.readexactly(19))[3:].hex()
    names = {"streamSid": f"MZ{uuid}", "callSid": f"CA{uuid}", "accountSid": "AC"}
    async with connect(sys.argv[1], compression=None) as bot:
        back = asyncio.create_task(pass_back(bot, caller))

        async def say(event: str, number: int, **facts: Any) -> None:
            message = {"event": event, "sequenceNumber": str(number), "streamSid": names["streamSid"], event: facts}
            await bot.send(json.dumps(message, separators=(",", ":")))

        await say("start", 1, **names)
        number = 1
        try:
            while True:
                header = await reader.readexactly(3)
                data = await reader.readexactly(header[1] << 8 | header[2])
                number += 1
                payload = base64.b64encode(encode_mu_law(data)).decode()
                at_ms = str(20 * number)
                await say("media", number, track="inbound", chunk=str(number), timestamp=at_ms, payload=payload)
        except (asyncio.IncompleteReadError, ConnectionError):
            back.cancel()
            caller.close()


async def main() -> None:
    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    print("ready", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
