"""The shortest relay between AudioSocket and a bot of Twilio's kind: `websocket_relay.py PORT URL`.

Nothing is paced, measured or kept: a frame becomes a message, and a message becomes frames.
"""

import asyncio
import base64
import contextlib
import json
import sys
import warnings

import uvloop
from websockets.asyncio.client import ClientConnection, connect

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop  # in C; left the standard library with Python 3.13

UUID, DIGIT, AUDIO = 0x01, 0x03, 0x10
FRAME_BYTES = 320


async def to_bot(reader: asyncio.StreamReader, bot: ClientConnection, stream: str) -> None:
    chunk = 0
    while True:
        kind, high, low = await reader.readexactly(3)
        payload = await reader.readexactly(high << 8 | low)
        if kind != AUDIO:
            continue
        chunk += 1
        media = {
            "track": "inbound",
            "chunk": str(chunk),
            "timestamp": str(20 * chunk),
            "payload": base64.b64encode(audioop.lin2ulaw(payload, 2)).decode(),
        }
        told = {"event": "media", "sequenceNumber": str(chunk + 1), "streamSid": stream, "media": media}
        await bot.send(json.dumps(told))


async def from_bot(bot: ClientConnection, writer: asyncio.StreamWriter) -> None:
    async for message in bot:
        told = json.loads(message)
        if told["event"] == "media":
            samples = audioop.ulaw2lin(base64.b64decode(told["media"]["payload"]), 2)
            for start in range(0, len(samples), FRAME_BYTES):
                part = samples[start : start + FRAME_BYTES]
                writer.write(bytes((AUDIO, len(part) >> 8, len(part) & 255)) + part)


async def relay(url: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    stream = "MZ" + (await reader.readexactly(19))[3:].hex()
    async with connect(url, compression=None) as bot:
        await bot.send(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
        await bot.send(json.dumps({"event": "start", "sequenceNumber": "1", "streamSid": stream, "start": {}}))
        answering = asyncio.create_task(from_bot(bot, writer))
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            await to_bot(reader, bot, stream)
        answering.cancel()
    writer.close()


async def main() -> None:
    port, url = int(sys.argv[1]), sys.argv[2]
    server = await asyncio.start_server(lambda *streams: relay(url, *streams), "127.0.0.1", port, backlog=1024)
    print("ready", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
