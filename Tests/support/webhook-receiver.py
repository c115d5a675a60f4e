"""A receiver of webhooks for tests: an HTTP server on a loopback port of its own.

    webhook-receiver.py FOLDER [PORT]

It writes FOLDER/port when it listens, and every request as a line of JSON to FOLDER/requests, with
the seconds since the host's start (/proc/uptime). For each request it reads its answer from
FOLDER/answer-BODY if that is there, where BODY is the request's body of letters, and else from
FOLDER/answer: a status, "late" (200 after 20 ms), "slow" (200 after half a second), "trickle" (200
byte by byte, which takes more than a second), "silent" (never), or "half" (closes in the middle of
the answer). With FOLDER/certificate.pem and FOLDER/key.pem it speaks TLS.
"""

import json
import os
import pathlib
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

folder = pathlib.Path(sys.argv[1])
lock = threading.Lock()
delays = {"late": 0.02, "slow": 0.5}


def uptime():
    return float(pathlib.Path("/proc/uptime").read_text().split()[0])


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer in two pieces would wait 40 ms for the first one's acknowledgement.
    wbufsize = -1

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        own = folder / f"answer-{body}" if body.isalpha() else folder / "answer"
        answer = (own if own.exists() else folder / "answer").read_text().strip()
        request = {"path": self.path, "headers": dict(self.headers), "body": body, "answer": answer}
        request["uptime"] = uptime()
        with lock, open(folder / "requests", "a") as log:
            log.write(json.dumps(request) + "\n")
        if answer == "silent":
            time.sleep(60)
        elif answer == "half":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Le")
            self.close_connection = True
        elif answer == "trickle":
            for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok":
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(0.03)
        else:
            time.sleep(delays.get(answer, 0))
            self.send_response(200 if answer in delays else int(answer))
            if answer == "429":
                self.send_header("Retry-After", "1")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

    def log_message(self, *arguments):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *arguments):
        """Ignores callers that give up, which is what the tests are about."""


server = Server(("127.0.0.1", int(sys.argv[2]) if len(sys.argv) > 2 else 0), Receiver)
if (folder / "key.pem").exists():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    # Each connection's own thread makes the handshake: here it would delay all others.
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
(folder / "port.new").write_text(str(server.server_address[1]))
os.replace(folder / "port.new", folder / "port")
server.serve_forever()
