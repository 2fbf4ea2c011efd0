"""TLS servers with certificates made for the test: policies over HTTPS on port 443, SMTP with STARTTLS on port 25.

As a program, `python3 secure.py ADDRESS CERTIFICATE KEY` serves both until it is ended. What a policy's host does is
in its name: the host mta-sts.slow.org is slow.
"""

import contextlib
import http.server
import socket
import ssl
import subprocess
import sys
import threading
import time

LACKING = "version: STSv1\nmode: {mode}\nmx: mail.elsewhere.org\nmax_age: 86400\n"
NAMING = ("version: STSv1\r\nmode: {mode}\r\nmx: mail.elsewhere.org\r\nmx: mail.doecom.net\r\n"
          "mx: tls.doecom.net\r\nmax_age: 86400\r\n")
POLICIES = {
    "mta-sts.enforce.org": NAMING.format(mode="enforce"),
    "mta-sts.trusted.org": NAMING.format(mode="enforce"),
    "mta-sts.by-wildcard.org": "version: STSv1\nmode: testing\nmx: *.doecom.net\nmax_age: 1\n",
    "mta-sts.lacking.org": LACKING.format(mode="enforce"),
    "mta-sts.testing.org": LACKING.format(mode="testing"),
    "mta-sts.off.org": LACKING.format(mode="none"),
    "mta-sts.no-mode.org": "version: STSv1\nmx: mail.doecom.net\nmax_age: 1\n",
    "mta-sts.wrong-name.org": NAMING.format(mode="enforce"),
}
HOSTILE = ("redirecting", "huge", "endless", "slow", "silent", "wrong-type")
NAMES = [*(name for name in POLICIES if "wrong" not in name), *(f"mta-sts.{each}.org" for each in HOSTILE),
         "tls.doecom.net"]


def make(folder):
    """Make an authority and a certificate by it for NAMES in `folder`: ca.pem, crt.pem, key.pem."""
    names = ",".join("DNS:" + name for name in NAMES)
    for command in (
        ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Authority", "-days", "30",
         "-keyout", "ca.key", "-out", "ca.pem"],
        ["req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=server", "-keyout", "key.pem",
         "-out", "request.pem", "-addext", "subjectAltName=" + names],
        ["x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "29",
         "-copy_extensions", "copy", "-out", "crt.pem"],
    ):
        subprocess.run(["openssl", *command], cwd=folder, check=True, capture_output=True)


class Policy(http.server.BaseHTTPRequestHandler):
    """Answers by the name of the host that is asked for."""

    def do_GET(self):
        host = self.headers["Host"]
        kind = host.split(".")[1]
        assert self.path == "/.well-known/mta-sts.txt"
        if kind == "silent":
            time.sleep(3600)
        self.send_response(301 if kind == "redirecting" else 200)
        if kind == "redirecting":
            self.send_header("Location", "https://mta-sts.enforce.org/.well-known/mta-sts.txt")
        self.send_header("Content-Type", "text/html" if kind == "wrong-type" else "text/plain; charset=utf-8")
        self.end_headers()
        with contextlib.suppress(OSError):
            while kind in ("huge", "endless", "slow"):
                self.wfile.write(b"x: y\n" * (1 if kind == "slow" else 20000))
                if kind == "huge":
                    break
                time.sleep(0.5)
        self.wfile.write(POLICIES.get(host, NAMING.format(mode="enforce")).encode())

    def log_message(self, *_):
        pass


def smtp(listener, context):
    """Serve SMTP that takes no recipient, with STARTTLS."""
    def talk(connection):
        with contextlib.suppress(OSError), connection:
            connection.sendall(b"220 tls.doecom.net ESMTP\r\n")
            while True:
                verb = connection.recv(4096)[:4].upper()
                if not verb or verb == b"QUIT":
                    return
                if verb == b"STAR":
                    connection.sendall(b"220 go ahead\r\n")
                    connection = context.wrap_socket(connection, server_side=True)
                elif verb == b"EHLO":
                    connection.sendall(b"250-tls.doecom.net\r\n250 STARTTLS\r\n")
                else:
                    connection.sendall(b"550 no\r\n" if verb == b"RCPT" else b"250 fine\r\n")

    while True:
        threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()


if __name__ == "__main__":
    address, certificate, key = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    mail = socket.create_server((address, 25))
    threading.Thread(target=smtp, args=(mail, context), daemon=True).start()
    pages = http.server.ThreadingHTTPServer((address, 443), Policy)
    pages.socket = context.wrap_socket(pages.socket, server_side=True, do_handshake_on_connect=False)
    pages.serve_forever()
