#!/bin/sh
# obstore 0.12.1 (PyPI): one object whose name has an empty part ("calls//x"), "..", or a control character, all of which
# S3 allows, makes `list` raise InvalidPathError: nothing of its page of up to 1,000 objects is listed, and nothing after
# it. A folder's own mark ("calls/day/", as web consoles make) is listed as an object "calls/day", which nobody can read.
# Seen: "calls/a//b: InvalidPathError, nothing listed", the same for "..", and "calls/day/: listed as calls/day".
# Exits with 1 if that changes. Needs python3 with venv; takes 10 s.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check obstore==0.12.1
seen=$("$folder/venv/bin/python" - <<'PYTHON'
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import obstore
from obstore.store import S3Store


class Store(BaseHTTPRequestHandler):
    """Lists two objects as S3 does: a good one, and `odd`."""

    odd = ""

    def do_GET(self):
        contents = "".join(
            f"<Contents><Key>{name}</Key><LastModified>2026-11-30T12:00:00.000Z</LastModified>"
            "<ETag>&quot;5d41402abc4b2a76b9719d911017c592&quot;</ETag><Size>5</Size></Contents>"
            for name in ("calls/0.wav", self.odd)
        )
        body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
threading.Thread(target=server.serve_forever, daemon=True).start()
store = S3Store("bucket", endpoint=f"http://127.0.0.1:{server.server_port}", access_key_id="a", secret_access_key="b",
                region="us-east-1", client_options={"allow_http": True})
for Store.odd in ("calls/a//b", "calls/../b", "calls/day/"):
    found, end = [], ""
    try:
        for batch in obstore.list(store, "calls", chunk_size=1):
            found += [meta["path"] for meta in batch if meta["path"] != "calls/0.wav"]
            end = "listed as " + ", ".join(found)
    except Exception as error:
        end = f"{type(error).__name__}, {'something' if end else 'nothing'} listed"
    print(f"{Store.odd}: {end}")
PYTHON
)
echo "$seen"
[ "$seen" = "calls/a//b: InvalidPathError, nothing listed
calls/../b: InvalidPathError, nothing listed
calls/day/: listed as calls/day" ]
