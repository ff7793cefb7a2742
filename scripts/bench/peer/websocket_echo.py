"""A bot of Twilio's kind that says what it hears, message by message: `websocket_echo.py PORT`."""

import json
import sys

import uvloop
from websockets.asyncio.server import ServerConnection, serve


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        told = json.loads(message)
        if told["event"] == "media":
            media = {"payload": told["media"]["payload"]}
            await connection.send(json.dumps({"event": "media", "streamSid": told["streamSid"], "media": media}))
        elif told["event"] == "stop":
            return


async def main() -> None:
    port = int(sys.argv[1])
    async with serve(echo, "127.0.0.1", port, compression=None, backlog=1024) as server:
        print("ready", server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
