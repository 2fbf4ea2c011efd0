"""The panel's own door: an HTTP server on the loopback address that slow or many clients cannot block."""

import io
import socket
import threading
import time
from contextlib import suppress
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from mxbackup.panel import forms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ADDRESS = "127.0.0.1"
CONNECTIONS = 40  # at once
REQUEST_TIME = 20  # seconds for a client to send its request
SILENCE = 10  # seconds without a byte


class Server(ThreadingMixIn, WSGIServer):
    """Serves a WSGI application on 127.0.0.1, one thread a connection, CONNECTIONS at most.

    A client has REQUEST_TIME seconds to send its request. When all places are taken, the client that has been
    sending for longest gives way to the new one; only where all are being answered the new one is sent away.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int, application: "WSGIApplication") -> None:
        """`port` 0 lets the kernel choose; `server_port` tells. Raises OSError."""
        self._lock = threading.Lock()
        # Connection -> when its request began to come in, None while it is answered.
        self._since: dict[socket.socket, float | None] = {}
        self._application = application
        super().__init__((ADDRESS, port), _Handler)
        self.set_app(self._when_read)

    def server_bind(self) -> None:
        """Bind without the DNS look-up that the base class makes."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.server_name, self.server_port = self.socket.getsockname()
        self.setup_environ()

    def _when_read(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        """Read the request's body, then let the application answer; one that is too big is not read."""
        connection = environ.pop("mxbackup.connection")
        with suppress(forms.FormError):  # the application refuses it too, with a page
            environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(forms.body_length(environ)))
        with self._lock:
            self._since[connection] = None
        # Without it the answer would name the version of Python.
        return self._application(environ, lambda status, headers, *rest: start_response(
            status, headers + [("Server", "mxbackup")], *rest))

    def process_request(self, request: "Any", client_address: "Any") -> None:
        """Find a place for a new connection, at the cost of one that is too slow."""
        deadline = time.monotonic() + 1
        while not self._place(request):
            if time.monotonic() > deadline:
                request.close()
                return
            time.sleep(0.01)
        super().process_request(request, client_address)

    def _place(self, request: socket.socket) -> bool:
        now = time.monotonic()
        with self._lock:
            reading = [(since, connection) for connection, since in self._since.items() if since is not None]
            full = len(self._since) >= CONNECTIONS
            oldest = min(reading, default=(0.0, None), key=lambda pair: pair[0])
            for since, connection in reading:
                if now - since > REQUEST_TIME or (full and connection is oldest[1]):
                    self._hang_up(connection)
            if full:
                return False
            self._since[request] = now
            return True

    @staticmethod
    def _hang_up(connection: socket.socket) -> None:
        with suppress(OSError):  # it went by itself
            connection.shutdown(socket.SHUT_RDWR)

    def shutdown_request(self, request: "Any") -> None:
        """Close a connection; what still comes in is read for a while, so that the client sees the answer."""
        with self._lock:
            self._since[request] = time.monotonic()
        deadline = time.monotonic() + 2
        with suppress(OSError):
            request.shutdown(socket.SHUT_WR)
            request.settimeout(1)
            while time.monotonic() < deadline and request.recv(1 << 16):
                pass
        with self._lock:
            del self._since[request]
        request.close()

    def handle_error(self, request: "Any", client_address: "Any") -> None:
        """Report nothing of a connection that failed; the application reports its own failures."""


class _Handler(WSGIRequestHandler):
    timeout = SILENCE

    def handle(self) -> None:
        with suppress(OSError):  # the client went away or was too slow
            super().handle()

    def get_environ(self) -> "WSGIEnvironment":
        environ = super().get_environ()
        environ["mxbackup.connection"] = self.connection
        return environ

    def log_message(self, *_message: "Any") -> None:
        pass  # what is typed into an address is nobody's business
