"""What takes webhooks, for measurements of those who send them: python webhook_receiver.py PORT

Answers each POST with 204 on a connection that stays, and a GET with the number of POSTs so far.
"""

from __future__ import annotations

import asyncio
import re
import sys


class Receiver:
    """Counts what came."""

    def __init__(self) -> None:
        self.count = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
                await reader.readexactly(int(length[1]) if length else 0)
                writer.write(self._answer(is_post=head.startswith(b"POST")))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _answer(self, *, is_post: bool) -> bytes:
        if is_post:
            self.count += 1
            return b"HTTP/1.1 204 No Content\r\n\r\n"
        body = str(self.count).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


async def main() -> None:
    server = await asyncio.start_server(Receiver().serve, "127.0.0.1", int(sys.argv[1]))
    print("ready", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
