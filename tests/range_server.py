"""A server of files by ranges of bytes that is slow, breaks off or fails: `python range_server.py FOLDER MODE`.

It prints its port. It is a process of its own because GDAL holds the interpreter's lock while it opens a remote file.
Modes: `plain`; `slow`; `dropped`, where every third request is hung up on without an answer; `broken`, where every
fifth long answer breaks off half-way; `busy`, where every third answer is 500; `down`, where all are; `silent`, which
takes requests and never answers; `signed`, where those that are not signed by a key of S3's, named `known`, are refused
as S3 does.
"""

from __future__ import annotations

import http.server
import os
import re
import sys
import threading
import time
from pathlib import Path

LONG = 10_000  # bytes
counts = {"all": 0, "long": 0}
counting = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by the mode of the server."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def refuse(self) -> None:
        said = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said)

    def answer(self) -> None:
        mode = sys.argv[2]
        place = Path(self.path.split("?", maxsplit=1)[0].lstrip("/"))
        with counting:
            counts["all"] += 1
            number = counts["all"]
        if mode == "silent":
            time.sleep(3600.0)
        if mode == "signed" and "Credential=known/" not in self.headers.get("Authorization", ""):
            self.refuse()
            return
        if mode == "dropped" and number % 3 == 0:
            self.close_connection = True
            self.connection.close()
            return
        if mode == "down" or (mode == "busy" and number % 3 == 0):
            self.send_error(500)
            return
        if not place.is_file():
            self.send_error(404)
            return
        whole = place.read_bytes()
        first, last, partial = 0, len(whole) - 1, False
        if found := re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or ""):
            first, last, partial = int(found[1]), min(int(found[2] or last), last), True
        part = whole[first : last + 1]
        self.send_response(206 if partial else 200)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Accept-Ranges", "bytes")
        if partial:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(whole)}")
        self.end_headers()
        if self.command == "HEAD":
            return
        if mode == "slow":
            time.sleep(0.2)
        if mode == "broken" and len(part) > LONG:
            with counting:
                counts["long"] += 1
                breaks = counts["long"] % 5 == 2
            if breaks:
                self.wfile.write(part[: len(part) // 2])
                self.wfile.flush()
                self.close_connection = True
                self.connection.close()
                return
        self.wfile.write(part)


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 (of clients that hang up)
    server.serve_forever()
