#!/bin/sh
# obstore 0.12.1 (PyPI): a create-only put (mode="create") whose answer is lost by a close, or is a 503, after the store
# has made the object, is sent again by obstore itself, and ends in AlreadyExistsError: about the object that it has made.
# After a reset it is not sent again: GenericError, and the object is there. So neither error says that the content of
# somebody else is there, or that nothing is: compare the content before calling it a conflict, or lost.
# Seen: "close: 2 requests, AlreadyExistsError, stored", the same for 503, and "reset: 1 request, GenericError, stored".
# Exits with 1 if that changes. Needs python3 with venv; takes 10 s.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check obstore==0.12.1
seen=$("$folder/venv/bin/python" - <<'PYTHON'
import socket, struct, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import obstore
from obstore.store import S3Store


class Store(BaseHTTPRequestHandler):
    """Keeps objects as S3 does, with If-None-Match. The first answer to a put is lost in the way its name says."""

    protocol_version = "HTTP/1.1"
    objects, requests = {}, []

    def do_PUT(self):
        name = self.path.rsplit("/", 1)[1]
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.requests.append(name)
        assert self.headers["If-None-Match"] == "*"
        if name in self.objects:
            return self.answer(412)
        self.objects[name] = body
        if name == "503":
            return self.answer(503)
        if name == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        self.close_connection = True

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass

    def handle(self):
        try:
            super().handle()
        except (OSError, ValueError):  # of a connection that we have reset
            pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
threading.Thread(target=server.serve_forever, daemon=True).start()
store = S3Store("calls", endpoint=f"http://127.0.0.1:{server.server_port}", access_key_id="a", secret_access_key="b",
                region="us-east-1", client_options={"allow_http": True})
for way in ("close", "503", "reset"):
    try:
        obstore.put(store, way, b"hello", mode="create")
        end = "no error"
    except Exception as error:
        end = type(error).__name__
    count = Store.requests.count(way)
    stored = "stored" if Store.objects.get(way) == b"hello" else "not stored"
    print(f"{way}: {count} request{'s' * (count > 1)}, {end}, {stored}")
PYTHON
)
echo "$seen"
[ "$seen" = "close: 2 requests, AlreadyExistsError, stored
503: 2 requests, AlreadyExistsError, stored
reset: 1 request, GenericError, stored" ]
