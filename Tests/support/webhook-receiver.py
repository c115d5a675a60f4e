"""A receiver of webhooks for tests: an HTTP server on a loopback port of its own.

    webhook-receiver.py FOLDER [PORT]

It writes FOLDER/port when it listens, and every request as a line of JSON to FOLDER/requests. How it
answers, it reads for each request from FOLDER/answer: a status, "slow" (200 after half a second),
"silent" (never), or "half" (closes in the middle of the answer).
"""

import json
import os
import pathlib
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

folder = pathlib.Path(sys.argv[1])
lock = threading.Lock()


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer in two pieces would wait 40 ms for the first one's acknowledgement.
    wbufsize = -1

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        answer = (folder / "answer").read_text().strip()
        request = {"path": self.path, "headers": dict(self.headers), "body": body, "answer": answer}
        with lock, open(folder / "requests", "a") as log:
            log.write(json.dumps(request) + "\n")
        if answer == "silent":
            time.sleep(60)
        elif answer == "half":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Le")
            self.close_connection = True
        else:
            if answer == "slow":
                time.sleep(0.5)
            self.send_response(200 if answer == "slow" else int(answer))
            if answer == "429":
                self.send_header("Retry-After", "1")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

    def log_message(self, *arguments):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2]) if len(sys.argv) > 2 else 0), Receiver)
server.daemon_threads = True
(folder / "port.new").write_text(str(server.server_address[1]))
os.replace(folder / "port.new", folder / "port")
server.serve_forever()
