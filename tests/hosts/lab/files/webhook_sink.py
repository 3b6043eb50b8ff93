"""Keep every POST over HTTPS, one line of JSON each. Runs on the services host.

Arguments: port, file, certificate, key, token. Who does not know the token is refused.
"""

from __future__ import annotations

import json
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PORT, FILE, CERTIFICATE, KEY, TOKEN = sys.argv[1:]


class Sink(BaseHTTPRequestHandler):
    """Answer as ntfy does."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        known = self.headers["Authorization"] == f"Bearer {TOKEN}"
        if known:
            with Path(FILE).open("a", encoding="utf-8") as kept:
                line = {"path": self.path, "body": body, **dict(self.headers)}
                kept.write(f"{json.dumps(line)}\n")
        self.send_response(200 if known else 403)
        self.end_headers()
        self.wfile.write(b"{}" if known else b"unauthorized")


context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(CERTIFICATE, KEY)
server = ThreadingHTTPServer(("", int(PORT)), Sink)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
