#!/bin/sh
# @fonoster/streams 0.15.20 (npm): a connection that is reset before its UUID frame ends the whole server, and all calls
# with it. The error is emitted on a stream whose listener a user can only add in onConnection, which is called when the
# UUID has come, so no server by this library can take it. A port scan, a health check that resets, or an Asterisk that
# gives up while it connects does this.
# Seen: "reset before the UUID: exit code 1, Unhandled 'error' event; reset after it: runs".
# Exits with 1 if that changes. Needs node, npm and the npm registry; takes 30 s.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{}' >package.json
npm install --silent --ignore-scripts --no-audit --no-fund @fonoster/streams@0.15.20 >/dev/null
cat >server.cjs <<'END'
const { AudioSocket } = require('@fonoster/streams');
const server = new AudioSocket();
server.onConnection((request, stream) => stream.onError(() => {}));
server.listen(Number(process.argv[2]), '127.0.0.1', () => console.log('ready'));
END
seen=$(python3 - <<'END'
import socket, struct, subprocess, time

UUID = b"\x01\x00\x10" + bytes.fromhex("40325ec25efd4bd3805f53576e581d13")


def after_reset_of(first):
    """What becomes of a server after a connection that sends this, and is reset."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    server = subprocess.Popen(["node", "server.cjs", str(port)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while b"ready" not in server.stdout.readline():
        pass
    peer = socket.create_connection(("127.0.0.1", port))
    peer.sendall(first)
    time.sleep(0.5)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    try:
        code = server.wait(2)
    except subprocess.TimeoutExpired:
        server.kill()
        server.communicate()
        return "runs"
    told = server.communicate()[1]
    return f"exit code {code}, " + ("Unhandled 'error' event" if b"Unhandled 'error' event" in told else repr(told))


print(f"reset before the UUID: {after_reset_of(b'')}; reset after it: {after_reset_of(UUID)}")
END
)
echo "$seen"
[ "$seen" = "reset before the UUID: exit code 1, Unhandled 'error' event; reset after it: runs" ]
