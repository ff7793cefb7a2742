#!/bin/sh
# HAProxy 2.6 (Debian 12's 2.6.12): a health check of a server line with send-proxy is not a bare connection, and its
# header is neither UNKNOWN nor that of a caller: it is a whole "PROXY TCP4" line whose two ends are the check
# connection's own, and no byte of the protocol that is checked follows. With send-proxy-v2 the same check says LOCAL.
# A server that takes "a whole header came" for "a caller is there" counts, logs and answers each check as a call.
# Seen: "send-proxy: TCP4, ends its own, then 0 bytes" and "send-proxy-v2: LOCAL, then 0 bytes".
# Exits with 1 if that changes. Needs apt-get (Debian or Ubuntu); takes 10 s.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q haproxy liblua5.3-0 libopentracing-c-wrapper0 libopentracing1 >/dev/null 2>&1 ||
    { apt-get update -q >/dev/null && apt-get download -q haproxy liblua5.3-0 libopentracing-c-wrapper0 libopentracing1 >/dev/null; }
for package in *.deb; do dpkg -x "$package" .; done
LD_LIBRARY_PATH=$(dirname "$(find . -name 'liblua5.3.so.0' | head -1)")
export LD_LIBRARY_PATH
seen=$(python3 - <<'END'
import socket, subprocess

CONFIG = """defaults
    mode tcp
    timeout connect 1s
    timeout client 5s
    timeout server 5s
listen one
    bind unix@front.socket
    server checked 127.0.0.1:{port} {how} check inter 200ms
"""


def first_check(how):
    """What the first check sends: the connection's peer, and all its bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listener, open("haproxy.cfg", "w+") as config:
        config.write(CONFIG.format(port=listener.getsockname()[1], how=how))
        config.flush()
        process = subprocess.Popen(["usr/sbin/haproxy", "-f", "haproxy.cfg"], stderr=subprocess.DEVNULL)
        try:
            listener.settimeout(10)
            connection, peer = listener.accept()
            connection.settimeout(10)
            data = b""
            try:
                while more := connection.recv(1000):
                    data += more
            except ConnectionResetError:
                pass
            return listener.getsockname(), peer, data
        finally:
            process.terminate()
            process.wait()


here, peer, data = first_check("send-proxy")
own = "PROXY TCP4 {} {} {} {}\r\n".format(peer[0], here[0], peer[1], here[1]).encode()
ends = "its own" if data.startswith(own) else repr(data)
print(f"send-proxy: TCP4, ends {ends}, then {len(data) - len(own)} bytes")
_, _, data = first_check("send-proxy-v2")
command = "LOCAL" if data[12:13] == b"\x20" else repr(data[:16])
print(f"send-proxy-v2: {command}, then {len(data) - 16 - int.from_bytes(data[14:16], 'big')} bytes")
END
)
echo "$seen"
[ "$seen" = "send-proxy: TCP4, ends its own, then 0 bytes
send-proxy-v2: LOCAL, then 0 bytes" ]
